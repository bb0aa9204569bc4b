"""No verb leaves anything of ONNX Runtime's telemetry in the home folder."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from vae_edge.cli.app import VERBS

SMALL = ["--data", "digits", "--epochs", "1", "--latent", "2", "--width", "4", "--depth", "1", "--network", "mlp"]
COMMANDS = {
    "generate": ["--bundle", "TINY", "--out", "x.png"],
    "reconstruct": ["x.npy", "--bundle", "TINY", "--out", "y.png"],
    "encode": ["x.npy", "--bundle", "TINY"],
    "interpolate": ["seed:1", "seed:2", "--bundle", "TINY"],
    "train": [*SMALL, "--out", "run"],
    "export": ["run", "--out", "bundle"],
    "evaluate": ["TINY", "--data", "x.npy", "--split", "all", "--samples", "1", "--generated", "0"],
    "score": ["x.npy", "-b", "TINY"],
    "explore": ["mnist-tiny"],
    "verify": ["TINY"],
    "info": ["TINY"],
    "doctor": [],
    "bench": ["TINY", "--seconds", "0"],
}
# `vae-edge`, which measures one size once: its figures are of no interest here.
PROGRAM = """
from vae_edge.cli.verbs import bench
bench.SIZES, bench.ROUNDS = (1,), 1
from vae_edge.cli.main import main
main()
"""


def test_every_verb_is_tried():
    assert COMMANDS.keys() == VERBS.keys()


def leftovers(home: Path, folder: Path, verb: str, tiny: Path) -> list[str]:
    arguments = [str(tiny) if word == "TINY" else word for word in COMMANDS[verb]]
    done = subprocess.run(
        [sys.executable, "-c", PROGRAM, verb, *arguments],
        env={"HOME": str(home), "PATH": "/usr/bin:/bin", "PYTHONPATH": ":".join(filter(None, sys.path))},
        cwd=folder,
        capture_output=True,
        text=True,
        timeout=280,
    )
    assert done.returncode == 0, done.stderr
    return traces(home)


def traces(home: Path) -> list[str]:
    words = ("onnxruntime", "microsoft", "deviceid")
    return [str(path) for path in home.rglob("*") if any(word in path.name.lower() for word in words)]


@pytest.fixture
def home(tmp_path: Path) -> Path:
    (tmp_path / "home").mkdir()
    np.save(tmp_path / "x.npy", np.random.default_rng(0).integers(0, 256, (70, 6, 4, 1), np.uint8))
    return tmp_path / "home"


@pytest.mark.parametrize("verb", [verb for verb in VERBS if verb not in {"train", "export"}])
def test_no_verb_leaves_telemetry_in_the_home_folder(home, tmp_path, tiny, verb):
    assert leftovers(home, tmp_path, verb, tiny) == []


def test_neither_do_train_and_export(home, tmp_path, tiny):
    pytest.importorskip("tensorflow", reason="the train extra is not installed")
    for verb in ("train", "export"):
        assert leftovers(home, tmp_path, verb, tiny) == []


def test_the_telemetry_of_a_plain_import_is_seen_where_it_leaves_any(home, tmp_path):
    code = "import onnxruntime; onnxruntime.get_available_providers()"
    subprocess.run([sys.executable, "-c", code], env={"HOME": str(home)}, check=True, timeout=60)
    left = [path for path in home.rglob("*") if path.is_file()]
    if not left:
        pytest.skip("this ONNX Runtime leaves nothing by itself")
    assert traces(home)
