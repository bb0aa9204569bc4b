"""Two workers of a cluster, each a process, learn the weights that one process learns, also where one of them dies."""

from __future__ import annotations

import json
import os
import re
import signal
import socket
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from vae_edge.runtime.errors import InputError
from vae_edge.train import replicas
from vae_edge.train.config import Config
from vae_edge.train.fit import fit
from vae_edge.train.run import Run

# Each part of a step that a share of a batch could get wrong: shifts, drawn pixels, the mixture, averages, clipping.
CONFIG = Config(
    data="digits", network="mlp", latent=3, width=16, depth=1, epochs=3, batch=64, prior="mixture", components=4,
    ema=0.9, shift=1, binarize="dynamic", clip=1.0,
)  # fmt: skip

PROGRAM = """
import os, signal, sys
from pathlib import Path
from vae_edge.train.config import Config
from vae_edge.train.fit import fit
from vae_edge.train.keeper import Keeper
config, out, dies = Config.from_json(sys.argv[1]), Path(sys.argv[2]), sys.argv[3]

def die(self, step, logs=None):
    if self.epoch == 1 and step == 3:
        os.kill(os.getpid(), signal.SIGKILL)

if dies:
    Keeper.on_train_batch_end = die
fit(config, out, strategy="multi-worker", resume=(out / "run.json").exists(), verbose=0)
"""


def free_ports(count: int) -> list[int]:
    sockets = [socket.socket() for _ in range(count)]
    for each in sockets:
        each.bind(("127.0.0.1", 0))
    ports = [int(each.getsockname()[1]) for each in sockets]
    for each in sockets:
        each.close()
    return ports


def workers(out: Path, dies: int | None) -> list[subprocess.CompletedProcess[str]]:
    """What two workers end with; the one of the number `dies` is killed in the middle of the second epoch."""
    cluster = {"worker": [f"127.0.0.1:{port}" for port in free_ports(2)]}
    running = []
    for index in range(2):
        task = {"cluster": cluster, "task": {"type": "worker", "index": index}}
        command = [sys.executable, "-c", PROGRAM, CONFIG.to_json(), str(out), "dies" if index == dies else ""]
        environment = os.environ | {"TF_CONFIG": json.dumps(task), "TF_CPP_MIN_LOG_LEVEL": "3"}
        running.append(
            subprocess.Popen(command, env=environment, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
        )
    done = []
    try:
        for process in running:
            output, errors = process.communicate(timeout=400)
            done.append(subprocess.CompletedProcess(process.args, process.returncode, output, errors))
    finally:
        for process in running:
            process.kill()
    return done


@pytest.mark.timeout(900)  # on a busy machine; alone it takes 40 s
def test_two_workers_one_of_which_died_learn_the_weights_of_one_process(tmp_path: Path) -> None:
    first, second = workers(tmp_path / "two", dies=1)
    assert second.returncode == -signal.SIGKILL
    assert first.returncode == 1
    last = first.stderr.strip().splitlines()[-1]
    assert re.search(r"RunError: worker 1 was lost \(.+\); start all workers again with --resume", last), first.stderr
    assert len(Run(tmp_path / "two").load("checkpoint")[1]["rows"]) == 1  # type: ignore[index]

    for done in workers(tmp_path / "two", dies=None):
        assert done.returncode == 0, done.stderr[-3000:]
    fit(CONFIG, tmp_path / "one", verbose=0)
    both = [Run(tmp_path / name).load("checkpoint") for name in ("one", "two")]
    (one, note), (two, other) = (found for found in both if found is not None)
    assert [row["epoch"] for row in note["rows"]] == [row["epoch"] for row in other["rows"]] == [1, 2, 3]
    assert len(one) == len(two) > 20
    for ours, theirs in zip(one, two, strict=True):
        assert np.abs(ours.astype(np.float64) - theirs).max(initial=0) <= 1e-5
    assert sorted(path.name for path in (tmp_path / "two").iterdir()) == sorted(
        path.name for path in (tmp_path / "one").iterdir()
    )


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("", "it is not set"),
        ("{", "it is '{'"),
        ('{"cluster": {"worker": ["a:1"]}, "task": {"type": "worker", "index": 1}}', "there is no worker 1"),
        ('{"cluster": {"worker": ["a:1"], "ps": ["b:1"]}, "task": {"type": "worker", "index": 0}}', "in its cluster"),
        ('{"cluster": {"worker": ["a:1"]}}', "task"),
        ("[]", "indices"),
    ],
)
def test_a_config_that_names_no_worker_is_refused(monkeypatch: pytest.MonkeyPatch, text: str, said: str) -> None:
    monkeypatch.setenv("TF_CONFIG", text)
    with pytest.raises(InputError, match=r"multi-worker needs TF_CONFIG .* expected .*\"index\": 0") as caught:
        fit(CONFIG, "never", strategy="multi-worker")
    assert said in str(caught.value)
    assert not Path("never").exists()


@pytest.mark.parametrize(
    ("chief", "kind", "index", "expected"),
    [(False, "worker", 0, True), (False, "worker", 1, False), (True, "chief", 0, True), (True, "worker", 0, False)],
)
def test_one_worker_writes(monkeypatch: pytest.MonkeyPatch, chief: bool, kind: str, index: int, expected: bool) -> None:
    cluster = {"worker": ["a:1", "b:1"]} | ({"chief": ["c:1"]} if chief else {})
    monkeypatch.setenv("TF_CONFIG", json.dumps({"cluster": cluster, "task": {"type": kind, "index": index}}))
    assert replicas.is_chief("multi-worker") is expected
    assert replicas.is_chief("mirrored") is True
