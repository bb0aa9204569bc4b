"""Writing is all or nothing: a fault at every step, a kill at any moment; old or new is there, whole, and no more."""

from __future__ import annotations

import errno
import os
import random
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import pytest

from vae_edge.runtime import OutputError, atomic
from vae_edge.runtime.bundle import read

CODES = (errno.EIO, errno.ENOSPC, errno.EACCES)


class Disk:
    """Counts what is asked of the disk, and fails at one such step."""

    def __init__(self, fail_at: int, code: int) -> None:
        self.left, self.code, self.failed = fail_at, code, ""

    def step(self, name: str) -> None:
        self.left -= 1
        if self.left == 0:
            self.failed = name
            raise OSError(self.code, os.strerror(self.code))


class File:
    """A file whose every write is a step; before it fails it writes half, as a full disk does."""

    def __init__(self, file, disk: Disk) -> None:
        self.file, self.disk = file, disk

    def write(self, data) -> int:
        try:
            self.disk.step("write")
        except OSError:
            self.file.write(bytes(data)[: len(data) // 2])
            raise
        return self.file.write(data)

    def __getattr__(self, name):
        return getattr(self.file, name)

    def __enter__(self):
        self.file.__enter__()
        return self

    def __exit__(self, *exception):
        return self.file.__exit__(*exception)


@contextmanager
def faulty(disk: Disk) -> Iterator[None]:
    """Within, files opened for writing, their writes, fsync, rename, mkdir, chmod and listings are steps of `disk`."""
    with pytest.MonkeyPatch.context() as patch:

        def count(holder: object, name: str) -> None:
            original = getattr(holder, name)

            def counted(*arguments, **keywords):
                disk.step(name)
                return original(*arguments, **keywords)

            patch.setattr(holder, name, counted)

        for name in ("replace", "rename", "mkdir", "chmod", "iterdir"):
            count(Path, name)
        count(os, "fsync")
        original = Path.open

        def opened(path, mode="r", *arguments, **keywords):
            if not set(mode) & set("wxa+"):
                return original(path, mode, *arguments, **keywords)
            disk.step("open")
            return File(original(path, mode, *arguments, **keywords), disk)

        patch.setattr(Path, "open", opened)
        yield


def write_bytes(folder: Path, version: int) -> None:
    atomic.write_bytes(folder / "a", bytes([version]) * 5000)


def write_run(folder: Path, version: int) -> None:
    run = pytest.importorskip("vae_edge.train.run", reason="the train extra is not installed").Run(folder)
    run.save("a", [np.full((40, 50), version, np.float32), np.arange(3)], {"epoch": version})


def write_array(folder: Path, version: int) -> None:
    destination(folder / "a.npy").write({"mean": iter([np.full((3, 4, 4, 1), version, np.float32)] * 2)}, 6, (4, 4, 1))


def write_arrays(folder: Path, version: int) -> None:
    rows = {head: iter([np.full((3, 4, 4, 1), version, np.float32)] * 2) for head in ("mean", "mode")}
    destination(folder / "a.npz").write(rows, 6, (4, 4, 1))


def write_picture(folder: Path, version: int) -> None:
    destination(folder / "a.png").write({"mean": iter([np.full((6, 4, 4, 1), version / 9, np.float32)])}, 6, (4, 4, 1))


def destination(path: Path):
    pytest.importorskip("typer", reason="the cli extra is not installed")
    from vae_edge.cli.writing.destination import Destination

    return Destination.parse(str(path))


def write_bundle(folder: Path, version: int) -> None:
    from vae_edge.export.folder import staged

    source = Path(__file__).parent.parent / "runtime" / "tiny"
    with staged(folder / "bundle") as staging:
        for path in source.iterdir():
            atomic.write_bytes(staging / path.name, path.read_bytes())
        atomic.write_bytes(staging / "CARD.md", bytes([version]) * 100)


def write_checkpoint(folder: Path, version: int) -> None:
    (folder / "run").mkdir(exist_ok=True)
    write_run(folder / "run", version)


WRITERS: list[Callable[[Path, int], None]] = [
    write_bytes, write_run, write_array, write_arrays, write_picture, write_bundle,
]  # fmt: skip


def contents(folder: Path) -> dict[str, bytes]:
    return {str(path.relative_to(folder)): path.read_bytes() for path in sorted(folder.rglob("*")) if path.is_file()}


@pytest.mark.parametrize("code", CODES, ids=errno.errorcode.get)
@pytest.mark.parametrize("write", WRITERS)
def test_a_fault_at_any_step_leaves_old_or_new(tmp_path, write, code, soak):
    """Every write, fsync, rename, open and mkdir, one after the other, until none is left to fail."""
    if write is write_bundle and code != CODES[0] and not soak(0, 1):
        pytest.skip("a bundle takes sixty fsyncs a time: make soak")
    if write is write_bundle:
        pytest.importorskip("onnx", reason="the train extra is not installed")
    for version, name in ((1, "old"), (2, "new")):
        (tmp_path / name).mkdir()
        write(tmp_path / name, version)
    old, new = contents(tmp_path / "old"), contents(tmp_path / "new")
    assert old.keys() == new.keys()
    assert old != new
    kinds = set()
    for fail_at in range(1, 500):
        folder = tmp_path / str(fail_at)
        folder.mkdir()
        write(folder, 1)
        disk = Disk(fail_at, code)
        try:
            with faulty(disk):
                write(folder, 2)
        except OutputError as error:
            assert os.strerror(code) in str(error)  # noqa: PT017 - a fault may also be overcome
        if not disk.failed:
            break
        kinds.add(disk.failed)
        assert contents(folder) in (old, new), disk.failed
        write(folder, 2)
        assert contents(folder) == new, disk.failed
    else:
        raise AssertionError("there is no end")
    assert {"open", "write", "fsync"} <= kinds
    assert kinds & {"replace", "rename"}


KILLED = """
import sys
from pathlib import Path
sys.path.insert(0, sys.argv[1])
import test_writing
folder, writers = Path(sys.argv[2]), [getattr(test_writing, name) for name in sys.argv[3:]]
for write in writers:
    write(folder, 1)
print("ready", flush=True)
version = 1
while True:
    version = version % 8 + 1
    for write in writers:
        write(folder, version)
"""


def test_a_kill_at_any_moment_leaves_old_or_new(tmp_path, soak):
    """Whatever is killed, each file is of one version, and the next writer removes what it left."""
    names, dice = ["write_bytes", "write_arrays", "write_picture", "write_checkpoint", "write_bundle"], random.Random(0)
    pytest.importorskip("onnx", reason="the train extra is not installed")
    from vae_edge.train.run import Run

    command = [sys.executable, "-c", KILLED, str(Path(__file__).parent), str(tmp_path), *names]
    for _ in range(soak(4, 500)):
        child = subprocess.Popen(command, stdout=subprocess.PIPE)
        assert child.stdout is not None
        assert child.stdout.readline() == b"ready\n"
        time.sleep(dice.uniform(0, 0.15))  # a round of all five takes 50 ms, on a busy machine more
        child.kill()
        child.wait()
        child.stdout.close()
        assert len(set((tmp_path / "a").read_bytes())) == 1
        assert (tmp_path / "a").stat().st_size == 5000
        with np.load(tmp_path / "a.npz", allow_pickle=False) as arrays:
            assert len(np.unique([arrays[head] for head in ("mean", "mode")])) == 1
        arrays, note = Run(tmp_path / "run").load("a")
        assert arrays[0].min() == arrays[0].max() == note["epoch"]
        assert (tmp_path / "a.png").read_bytes().endswith(b"IEND\xaeB`\x82")
        assert read(tmp_path / "bundle").manifest.name == "tiny"
        assert len(set((tmp_path / "bundle" / "CARD.md").read_bytes())) == 1
    for name in names:
        globals()[name](tmp_path, 9)
    assert sorted(os.listdir(tmp_path)) == ["a", "a.npz", "a.png", "bundle", "run"]
    assert os.listdir(tmp_path / "run") == ["a.npz"]
    assert not [path for path in (tmp_path / "bundle").iterdir() if path.name.startswith(".")]
