"""Shards under SIGKILL: --resume makes exactly what is missing, by every writer; memory does not grow with the rows."""

from __future__ import annotations

import json
import os
import random
import shutil
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest

from tests.batch.reading import INDEX, content, index, shards

pytest.importorskip("pyarrow")

# A verb's process: it says when all is imported, so that a kill hits its work.
PROCESS = """
import sys
import numpy, onnxruntime, pyarrow.parquet, PIL.Image
from vae_edge.cli.app import app
from vae_edge.cli.rows import jobs
print("ready", flush=True)
app()
"""

SHARD = 250
KINDS = {
    "generate parquet": ("generate", "--head", "sample", "--format", "parquet"),
    "generate npz": ("generate", "--head", "mean", "--format", "npz"),
    "generate tar": ("generate", "--head", "sample", "--format", "tar"),
    "generate pictures": ("generate", "--head", "sample"),
    "encode parquet": ("encode", "x.npy", "--format", "parquet"),
    "encode npz": ("encode", "x.npy", "--format", "npz"),
    "reconstruct parquet": ("reconstruct", "x.npy", "--format", "parquet", "--latent", "sample", "--head", "sample"),
}


def command(kind: str, rows: int, out: Path) -> list[str]:
    arguments = [*KINDS[kind], "--threads", "1", "--out", f"{out}/"]
    if arguments[0] == "generate":
        arguments += ["--n", str(rows)]
    if "--format" in arguments:
        arguments += ["--rows-per-shard", str(SHARD)]
    return arguments


FULL = os.environ.get("VAE_EDGE_SOAK", "0") != "0"
FEW = ("generate parquet", "generate tar", "encode parquet")


@pytest.mark.parametrize("kind", KINDS if FULL else FEW)
def test_a_job_that_is_killed_again_and_again_is_the_job_that_was_not(tmp_path, soak, kind):
    """Nothing twice, nothing missing, nothing else, to the byte."""
    kills, rows = soak(2 if kind == FEW[0] else 1, 20), soak(1, 10) * (SHARD * 12 + 7)
    rows = rows // 10 if kind == "generate pictures" else rows
    if KINDS[kind][0] != "generate":
        images = np.random.default_rng(0).integers(0, 2, (rows, 28, 28), np.uint8) * 255
        np.save(tmp_path / "x.npy", images)
    whole, cut, dice = tmp_path / "whole", tmp_path / "cut", random.Random(kind)
    process = [sys.executable, "-c", PROCESS]

    def start(out: Path, *more: str) -> subprocess.Popen[bytes]:
        arguments = [*process, *command(kind, rows, out), *more]
        child = subprocess.Popen(arguments, cwd=tmp_path, stdout=subprocess.PIPE, stderr=subprocess.PIPE)
        assert child.stdout is not None
        assert child.stdout.readline() == b"ready\n"
        return child

    child = start(whole)
    began = time.monotonic()
    _, said = child.communicate()
    assert child.returncode == 0, said
    seconds = time.monotonic() - began
    hit, patience = 0, seconds * 2 / max(4, kills)  # many kills together take as long as the job
    while hit < kills:
        child = start(cut, "--resume")
        time.sleep(dice.uniform(0, patience))
        is_done = child.poll() is not None
        child.kill()
        child.communicate()
        if is_done:  # sooner than on a machine as busy as it was before: once more
            assert content(cut) == content(whole)
            shutil.rmtree(cut)
            patience /= 2
        hit += not is_done
    child = start(cut, "--resume")
    _, said = child.communicate()
    assert child.returncode == 0, said
    assert content(cut) == content(whole)
    if "--format" not in KINDS[kind]:
        assert len(content(cut)) == rows + 1  # with the record
        return
    found = shards(cut)
    assert (found["id"] == np.arange(rows)).all()
    listed = index(cut)
    assert listed["complete"]
    assert listed["shards"] == index(whole)["shards"]
    assert sorted([INDEX, *(each["file"] for each in listed["shards"])]) == sorted(each.name for each in cut.iterdir())


MEMORY = """
import contextlib, io, json, resource, shutil, sys
from vae_edge.cli.app import app
kind, rows, each, out = sys.argv[1:]
shards = ["--format", kind, "--rows-per-shard", each, "--threads", "1", "--out", out]
sys.argv[1:] = ["generate", "--n", rows, "--head", "sample", *shards]
with contextlib.redirect_stderr(io.StringIO()), contextlib.suppress(SystemExit):
    app()
print(json.dumps({"rss": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024}))
"""


@pytest.mark.parametrize("kind", ["parquet", "npz", "tar"] if FULL else ["parquet"])
def test_memory_does_not_grow_with_the_rows(tmp_path, soak, run_python, kind):
    """Once a shard is full, more shards take no more."""
    peaks = []
    each = soak(1_000, 20_000)
    for rows in (3 * each, soak(60, 27) * each):
        done = run_python(MEMORY, kind, rows, each, tmp_path / f"{rows}")
        assert done.returncode == 0, done.stderr
        peaks.append(json.loads(done.stdout)["rss"])
    assert peaks[1] < peaks[0] + 20, peaks  # MiB; all those rows have 45 as uint8, at full size 400
