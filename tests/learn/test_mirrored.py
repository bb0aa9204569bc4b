"""A batch spreads over several devices; seen on two logical CPUs, in a process of their own."""

import math
import subprocess
import sys
from pathlib import Path

PROGRAM = """
import csv, sys
import tensorflow as tf
(cpu,) = tf.config.list_physical_devices("CPU")
tf.config.set_logical_device_configuration(cpu, [tf.config.LogicalDeviceConfiguration()] * 2)
from vae_edge.train.config import Config
from vae_edge.train.fit import fit
config = Config(data="digits", latent=3, width=8, depth=1, epochs=3, batch=64, prior="mixture", components=4, ema=0.9)
fit(config, sys.argv[1], strategy="mirrored", verbose=0)
assert len(tf.config.list_logical_devices("CPU")) == 2
"""


def test_a_mirrored_run_learns_on_two_devices(tmp_path: Path) -> None:
    done = subprocess.run([sys.executable, "-c", PROGRAM, str(tmp_path)], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr[-3000:]
    elbos = [float(line.split(",")[4]) for line in (tmp_path / "history.csv").read_text().splitlines()[1:]]
    assert elbos == sorted(elbos)
    assert elbos[-1] > -784 * math.log(2)  # what knowing nothing gives
