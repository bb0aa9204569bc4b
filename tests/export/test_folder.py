"""A folder is put in place whole, whoever else writes it, and whoever was killed before."""

from __future__ import annotations

import os
import subprocess
import sys
import threading
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from vae_edge.export.folder import staged
from vae_edge.runtime import OutputError, atomic, locks


def write(target: Path, text: str) -> None:
    with staged(target) as staging:
        (staging / "a").write_text(text)
        (staging / "b").write_text(text)


def read(target: Path) -> list[str]:
    return [(target / name).read_text() for name in ("a", "b")]


def test_a_new_folder_takes_the_place_of_the_old(tmp_path: Path) -> None:
    for text in ("one", "two"):
        write(tmp_path / "x", text)
        assert read(tmp_path / "x") == [text, text]
    assert os.listdir(tmp_path) == ["x"]


STAGING = """
import os, sys
from pathlib import Path
os.getpid = lambda: 1  # the first process of a container
from vae_edge.export.folder import staged
with staged(Path(sys.argv[1])) as staging:
    (staging / "a").write_text("theirs")
    (staging / "b").write_text("theirs")
    print(staging, flush=True)
    sys.stdin.readline()
"""


@pytest.fixture
def container(monkeypatch: pytest.MonkeyPatch) -> None:
    """This process has PID 1 too, and does not see those of other containers."""

    kill = os.kill

    def unknown_here(pid: int, signal: int) -> None:
        if signal == 0 and pid != 1:
            raise ProcessLookupError
        if signal != 0:  # 1 is this process itself
            kill(pid, signal)

    monkeypatch.setattr(os, "getpid", lambda: 1)
    monkeypatch.setattr(os, "kill", unknown_here)


def test_a_container_killed_while_staging_is_cleaned_up_after(tmp_path: Path, container: None) -> None:
    command = [sys.executable, "-c", STAGING, str(tmp_path / "x")]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as child:
        assert child.stdout is not None
        left = Path(child.stdout.readline().strip())
        child.kill()
    assert left.is_dir()
    for text in ("one", "two"):
        write(tmp_path / "x", text)
        assert read(tmp_path / "x") == [text, text]
    assert os.listdir(tmp_path) == ["x"]


def test_a_writer_in_another_container_keeps_its_folder_and_the_last_wins(tmp_path: Path, container: None) -> None:
    command = [sys.executable, "-c", STAGING, str(tmp_path / "x")]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as child:
        assert child.stdout is not None
        theirs = Path(child.stdout.readline().strip())
        write(tmp_path / "x", "ours")
        assert read(tmp_path / "x") == ["ours", "ours"]
        assert (theirs / "a").exists()
        child.communicate("\n", timeout=60)
    assert child.returncode == 0
    assert read(tmp_path / "x") == ["theirs", "theirs"]
    assert os.listdir(tmp_path) == ["x"]


def test_threads_write_one_target_and_one_of_them_wins(tmp_path: Path) -> None:
    together = threading.Barrier(4, timeout=20)

    def both(text: str) -> None:
        for _ in range(10):
            together.wait()
            write(tmp_path / "x", text)

    with ThreadPoolExecutor(4) as pool:
        list(pool.map(both, "abcd"))
    first, second = read(tmp_path / "x")
    assert first == second
    assert os.listdir(tmp_path) == ["x"]


def test_another_targets_staging_folder_is_left_alone(tmp_path: Path) -> None:
    with staged(tmp_path / "x.staging.y") as theirs:
        (theirs / "a").write_text("theirs")
        write(tmp_path / "x", "ours")
        assert (theirs / "a").exists()
    mine = tmp_path / ".x.staging.mine"
    mine.mkdir()
    write(tmp_path / "x", "ours")
    assert sorted(os.listdir(tmp_path)) == [".x.staging.mine", "x", "x.staging.y"]


def test_a_staging_folder_that_another_took_for_a_leftover_is_made_anew(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    hold, seen = locks.hold, []

    def removed_first(descriptor: int, path: Path) -> bool:
        seen.append(path)
        if len(seen) == 1:
            path.rmdir()
        return hold(descriptor, path)

    monkeypatch.setattr(locks, "hold", removed_first)
    write(tmp_path / "x", "ours")
    assert (len(seen), read(tmp_path / "x")) == (2, ["ours", "ours"])


@pytest.mark.parametrize("is_after", [False, True])
def test_a_failure_says_what_stands_there(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, is_after: bool) -> None:
    write(tmp_path / "x", "old")
    sync = atomic.sync

    def fail(path: Path) -> None:
        if (path == tmp_path) == is_after:
            raise OSError(5, os.strerror(5))
        sync(path)

    monkeypatch.setattr(atomic, "sync", fail)
    told = "the new one is in place, but may not outlast a power cut" if is_after else "what was there before is whole"
    with pytest.raises(OutputError, match=told):
        write(tmp_path / "x", "new")
    assert read(tmp_path / "x") == ["new" if is_after else "old"] * 2
    assert os.listdir(tmp_path) == ["x"]
