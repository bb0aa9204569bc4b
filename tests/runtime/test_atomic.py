from __future__ import annotations

import errno
import os
import stat
import subprocess
import sys
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager

import pytest

from vae_edge.runtime import OutputError, locks
from vae_edge.runtime.atomic import filling, replacing, write_bytes


def test_a_file_is_written_and_replaced(tmp_path):
    path = tmp_path / "a.bin"
    for data in (b"one", b"", b"x" * 100_000):
        write_bytes(path, data)
        assert path.read_bytes() == data
    assert os.listdir(tmp_path) == ["a.bin"]


@pytest.mark.parametrize("error", [OSError(28, "No space left on device"), RuntimeError("mine"), KeyboardInterrupt()])
def test_an_error_in_the_block_leaves_the_old_file_and_nothing_else(tmp_path, error):
    path = tmp_path / "a.bin"
    path.write_bytes(b"old")
    expected = OutputError if isinstance(error, OSError) else type(error)
    with pytest.raises(expected), replacing(path) as file:  # noqa: PT012
        file.write(b"half")
        raise error
    assert path.read_bytes() == b"old"
    assert os.listdir(tmp_path) == ["a.bin"]


@pytest.mark.parametrize("call", ["fsync", "open", "replace"])
@pytest.mark.parametrize("code", [5, 13, 28])
def test_a_fault_of_the_disk_leaves_the_old_file_and_nothing_else(tmp_path, monkeypatch, call, code):
    path = tmp_path / "a.bin"
    path.write_bytes(b"old")

    def fault(*arguments, **keywords):
        raise OSError(code, os.strerror(code))

    module, name = {
        "fsync": (os, "fsync"),
        "open": (type(path), "open"),
        "replace": (type(path), "replace"),
    }[call]
    with monkeypatch.context() as patched:
        patched.setattr(module, name, fault)
        with pytest.raises(OutputError, match=f"a.bin cannot be written: {os.strerror(code)}"):
            write_bytes(path, b"new")
    assert path.read_bytes() == b"old"
    assert os.listdir(tmp_path) == ["a.bin"]


def test_a_folder_that_cannot_be_synced_says_that_the_new_file_is_there(tmp_path, monkeypatch):
    path, calls = tmp_path / "a.bin", []
    path.write_bytes(b"old")

    def fault(descriptor):
        calls.append(descriptor)
        if len(calls) == 2:  # the file's own comes first
            raise OSError(5, os.strerror(5))

    monkeypatch.setattr(os, "fsync", fault)
    with pytest.raises(OutputError, match="the new file is there, but may not outlast a power cut"):
        write_bytes(path, b"new")
    assert path.read_bytes() == b"new"


def test_a_path_that_cannot_be_written_is_an_output_error(tmp_path):
    (tmp_path / "file").write_bytes(b"")
    os.mkfifo(tmp_path / "fifo")
    for path in (tmp_path / "none" / "a", tmp_path / "file" / "a", tmp_path, tmp_path / "fifo", "/dev/null"):
        with pytest.raises(OutputError):
            write_bytes(path, b"x")


def test_permissions_stay_and_a_link_keeps_pointing(tmp_path):
    path, link = tmp_path / "a", tmp_path / "link"
    path.write_bytes(b"")
    path.chmod(0o600)
    link.symlink_to(path)
    write_bytes(link, b"new")
    assert link.is_symlink()
    assert path.read_bytes() == b"new"
    assert stat.S_IMODE(path.stat().st_mode) == 0o600


def test_the_temporary_lies_in_the_same_folder_and_has_a_name(tmp_path):
    with replacing(tmp_path / "a.npz") as file:
        assert os.path.dirname(file.name) == str(tmp_path)
        file.write(b"12345")
        file.seek(0)
        assert file.read() == b"12345"


WRITER = """
import os, sys
from vae_edge.runtime.atomic import replacing
os.getpid = lambda: 1  # the first process of a container
with replacing(sys.argv[1]) as file:
    file.write(b"theirs")
    print(file.name, flush=True)
    sys.stdin.readline()
"""


@contextmanager
def another_writer(path) -> Iterator[tuple[subprocess.Popen[str], str]]:
    """A process that is writing `path`, and its temporary's path; it ends its writing at a line on its stdin."""
    with subprocess.Popen(
        [sys.executable, "-c", WRITER, str(path)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as child:
        yield child, child.stdout.readline().strip()
        child.kill()


def test_what_a_killed_writer_left_is_removed(tmp_path):
    with another_writer(tmp_path / "a") as (child, temporary):
        child.kill()
        child.wait()
        assert os.path.exists(temporary)
        write_bytes(tmp_path / "a", b"ours")
    assert os.listdir(tmp_path) == ["a"]


def test_a_writer_in_another_container_keeps_its_temporary(tmp_path, monkeypatch):
    kill = os.kill

    def unknown_here(pid, signal):
        if signal == 0 and pid != 1:
            raise ProcessLookupError
        if signal != 0:  # 1 is this process itself
            kill(pid, signal)

    monkeypatch.setattr(os, "kill", unknown_here)  # as PIDs of another container are
    monkeypatch.setattr(os, "getpid", lambda: 1)  # which both have
    with another_writer(tmp_path / "a") as (child, temporary):
        write_bytes(tmp_path / "a", b"ours")
        assert os.path.exists(temporary)
        assert (tmp_path / "a").read_bytes() == b"ours"
        child.communicate("\n", timeout=60)
        assert (child.returncode, (tmp_path / "a").read_bytes()) == (0, b"theirs")
    assert os.listdir(tmp_path) == ["a"]


def test_a_writer_inside_of_another_leaves_it_alone(tmp_path):
    with replacing(tmp_path / "a") as outer:
        write_bytes(tmp_path / "a", b"inner")
        assert os.path.exists(outer.name)
        outer.write(b"outer")
    assert os.listdir(tmp_path) == ["a"]
    assert (tmp_path / "a").read_bytes() == b"outer"


def test_other_files_are_no_leftovers(tmp_path):
    names = [".b.00c0ffee.tmp", ".a.b.00c0ffee.tmp", ".a.c0ffee.tmp", ".a.00c0ffee.tmp.bak", "a.00c0ffee.tmp"]
    for name in names:
        (tmp_path / name).write_bytes(b"")
    (tmp_path / ".a.00000000.tmp").symlink_to(tmp_path / names[0])
    write_bytes(tmp_path / "a", b"")
    assert sorted(os.listdir(tmp_path)) == sorted(["a", ".a.00000000.tmp", *names])


def test_a_temporary_that_a_cleaner_took_is_made_anew(tmp_path, monkeypatch):
    """Between the making of a file and its locking another writer may remove it as a leftover."""
    hold, seen = locks.hold, []

    def removed_first(descriptor, path):
        seen.append(path)
        if len(seen) == 1:
            path.unlink()
        return hold(descriptor, path)

    monkeypatch.setattr(locks, "hold", removed_first)
    write_bytes(tmp_path / "a", b"x")
    assert (len(seen), (tmp_path / "a").read_bytes()) == (2, b"x")


@pytest.mark.parametrize("code", [errno.ENOLCK, errno.EOPNOTSUPP])
def test_without_locks_files_are_written_and_leftovers_stay(tmp_path, monkeypatch, code):
    def without(descriptor, operation):
        raise OSError(code, os.strerror(code))

    (tmp_path / ".a.00c0ffee.tmp").write_bytes(b"")
    monkeypatch.setattr("fcntl.flock", without)
    write_bytes(tmp_path / "a", b"x")
    assert sorted(os.listdir(tmp_path)) == [".a.00c0ffee.tmp", "a"]


def test_many_threads_write_one_file(tmp_path):
    def write(k):
        for _ in range(20):
            write_bytes(tmp_path / "a", bytes([k]) * 1000)

    with ThreadPoolExecutor(8) as pool:
        list(pool.map(write, range(8)))
    assert len(set((tmp_path / "a").read_bytes())) == 1
    assert os.listdir(tmp_path) == ["a"]


def test_a_folder_is_filled_without_looking_at_it_for_each_file(tmp_path, monkeypatch):
    (tmp_path / ".0.png.00c0ffee.tmp").write_bytes(b"")
    listed, synced = [], []
    iterdir = type(tmp_path).iterdir
    monkeypatch.setattr(type(tmp_path), "iterdir", lambda path: (listed.append(path), iterdir(path))[1])
    fsync = os.fsync
    monkeypatch.setattr(os, "fsync", lambda fd: (stat.S_ISDIR(os.fstat(fd).st_mode) and synced.append(fd), fsync(fd)))
    with filling(tmp_path) as write:
        for k in range(50):
            write(f"{k}.png", bytes([k]))
    assert sorted(os.listdir(tmp_path)) == sorted(f"{k}.png" for k in range(50))
    assert (tmp_path / "49.png").read_bytes() == b"1"
    assert (len(listed), len(synced)) == (1, 1)


def test_a_full_disk_leaves_whole_files_in_a_folder(tmp_path, monkeypatch):
    calls, fsync = [], os.fsync

    def full(descriptor):
        calls.append(descriptor)
        if len(calls) == 3:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        fsync(descriptor)

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(OutputError, match=r"2\.png cannot be written: No space left"), filling(tmp_path) as write:  # noqa: PT012
        for k in range(4):
            write(f"{k}.png", b"whole")
    assert {path.name: path.read_bytes() for path in tmp_path.iterdir()} == {"0.png": b"whole", "1.png": b"whole"}


def test_a_kill_at_any_moment_leaves_old_or_new(tmp_path):
    """500 kills at full size."""
    path = tmp_path / "a"
    write_bytes(path, b"0" * 100_000)
    code = (
        "import sys; from vae_edge.runtime.atomic import write_bytes\n"
        "print('ready', flush=True); i = 0\n"
        "while True: i += 1; write_bytes(sys.argv[1], str(i % 10).encode() * 100_000)"
    )
    for i in range(4):
        child = subprocess.Popen([sys.executable, "-c", code, str(path)], stdout=subprocess.PIPE)
        child.stdout.readline()
        time.sleep(0.01 + 0.007 * i)
        child.kill()
        child.wait()
        child.stdout.close()
        data = path.read_bytes()
        assert len(data) == 100_000
        assert len(set(data)) == 1
    write_bytes(path, b"last")
    assert os.listdir(tmp_path) == ["a"]
