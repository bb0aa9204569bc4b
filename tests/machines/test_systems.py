"""What Linux has and others lack, taken away: the ways that Windows and macOS go, as far as stand-ins show them."""

from __future__ import annotations

import errno
import os
import sys
from pathlib import Path

import numpy as np
import pytest

from vae_edge.export.folder import staged
from vae_edge.runtime import VAE, OutputError, UnsafeBundle, atomic, cpus, locks
from vae_edge.train.config import Config
from vae_edge.train.run import Run


def is_open(path: Path) -> bool:
    links = (os.path.join("/proc/self/fd", name) for name in os.listdir("/proc/self/fd"))
    return any(os.path.exists(link) and os.path.samefile(link, path) for link in links)


@pytest.fixture
def windows(monkeypatch: pytest.MonkeyPatch) -> None:
    """No locks, no CPU affinity, no flags of POSIX; a folder does not open, and what is open has its name for good."""
    if not os.path.isdir("/proc/self/fd"):
        pytest.skip("the stand-in needs /proc, to see what is open")
    opened, replace, rename = os.open, Path.replace, Path.rename

    def open_file(path: object, flags: int, *rest: int, **options: object) -> int:
        if isinstance(path, str | os.PathLike) and os.path.isdir(path):
            raise PermissionError(errno.EACCES, os.strerror(errno.EACCES), str(path))
        return opened(path, flags, *rest, **options)  # type: ignore[arg-type]

    def replace_closed(self: Path, target: Path) -> Path:
        if is_open(self) or (target.exists() and is_open(target)):
            raise PermissionError(errno.EACCES, os.strerror(errno.EACCES), str(self))
        return replace(self, target)

    def rename_to_nothing(self: Path, target: Path) -> Path:
        if target.exists():
            raise FileExistsError(errno.EEXIST, os.strerror(errno.EEXIST), str(target))
        return rename(self, target)

    monkeypatch.setattr("shutil._use_fd_functions", False)  # of rmtree, which opens folders where it can
    monkeypatch.setattr(locks, "fcntl", None)
    monkeypatch.setattr(locks, "AVAILABLE", False)
    monkeypatch.setattr(os, "open", open_file)
    monkeypatch.setattr(Path, "replace", replace_closed)
    monkeypatch.setattr(Path, "rename", rename_to_nothing)
    monkeypatch.setattr(sys, "platform", "win32")
    for name in ("O_NOFOLLOW", "O_NONBLOCK", "sched_getaffinity"):
        monkeypatch.delattr(os, name)


@pytest.fixture
def macos(monkeypatch: pytest.MonkeyPatch) -> None:
    """No renameat2, and no CPU affinity."""
    monkeypatch.setattr(sys, "platform", "darwin")
    monkeypatch.delattr(os, "sched_getaffinity")


SYSTEMS = pytest.mark.parametrize("system", ["windows", "macos"])


@SYSTEMS
def test_a_file_is_replaced(system: str, request: pytest.FixtureRequest, tmp_path: Path) -> None:
    request.getfixturevalue(system)
    (tmp_path / ".a.00c0ffee.tmp").write_bytes(b"of a writer that died")
    for data in (b"one", b"two"):
        atomic.write_bytes(tmp_path / "a", data)
        assert (tmp_path / "a").read_bytes() == data
    with atomic.filling(tmp_path) as write:
        write("b", b"three")
    left = {".a.00c0ffee.tmp"} if system == "windows" else set()  # without locks a leftover stays
    assert {path.name for path in tmp_path.iterdir()} == {"a", "b"} | left


@SYSTEMS
def test_a_folder_is_replaced(system: str, request: pytest.FixtureRequest, tmp_path: Path) -> None:
    request.getfixturevalue(system)
    for text in ("one", "two", "three"):
        with staged(tmp_path / "bundle") as staging:
            (staging / "a").write_text(text)
        assert [path.name for path in tmp_path.iterdir()] == ["bundle"]
        assert (tmp_path / "bundle" / "a").read_text() == text


@SYSTEMS
def test_a_folder_that_cannot_be_put_in_place_leaves_the_old_one(
    system: str, request: pytest.FixtureRequest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    request.getfixturevalue(system)
    with staged(tmp_path / "bundle") as staging:
        (staging / "a").write_text("one")
    rename = Path.rename

    def fails(self: Path, target: Path) -> Path:
        if ".staging." in self.name and not self.name.endswith(".old") and target.name == "bundle":
            raise OSError(errno.ENOTEMPTY if target.exists() else errno.EIO, "cannot")
        return rename(self, target)

    monkeypatch.setattr(Path, "rename", fails)
    with pytest.raises(OutputError, match="what was there before is whole"), staged(tmp_path / "bundle") as staging:
        (staging / "a").write_text("two")
    assert [path.name for path in tmp_path.iterdir()] == ["bundle"]
    assert (tmp_path / "bundle" / "a").read_text() == "one"


@SYSTEMS
def test_a_run_is_kept(system: str, request: pytest.FixtureRequest, tmp_path: Path) -> None:
    request.getfixturevalue(system)
    run = Run(tmp_path / "run")
    with run.locked():
        run.save("best", [np.ones(3, np.float32)], {"epoch": 1})
    found = run.load("best")
    assert found is not None
    assert found[1] == {"epoch": 1}
    assert Config().data_name


@SYSTEMS
def test_a_bundle_runs_and_a_link_in_it_is_refused(
    system: str, request: pytest.FixtureRequest, tiny: Path, make_bundle: object, tmp_path: Path
) -> None:
    copy = make_bundle()  # type: ignore[operator]
    expected = VAE.load(tiny).generate(3, head="sample", seed=1)
    request.getfixturevalue(system)
    assert np.array_equal(VAE.load(copy).generate(3, head="sample", seed=1), expected)
    assert cpus.available() >= 1
    (copy / "decoder.onnx").rename(tmp_path / "elsewhere")
    (copy / "decoder.onnx").symlink_to(tmp_path / "elsewhere")
    with pytest.raises(UnsafeBundle, match="symbolic link"):
        VAE.load(copy)
