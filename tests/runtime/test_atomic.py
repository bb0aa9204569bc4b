from __future__ import annotations

import os
import stat
import subprocess
import sys
import time

import pytest

from vae_edge.runtime import OutputError
from vae_edge.runtime.atomic import replacing, write_bytes


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


def test_what_a_dead_process_left_is_removed_and_what_is_alive_is_not(tmp_path):
    dead = subprocess.Popen([sys.executable, "-c", ""])
    dead.wait()
    names = {pid: f".a.{pid}.00c0ffee.tmp" for pid in (dead.pid, os.getppid(), os.getpid())}
    others = [f".b.{dead.pid}.00c0ffee.tmp", f".a.{dead.pid}.tmp", ".a.x.00c0ffee.tmp", ".a.99999999999.00c0ffee.tmp"]
    for name in [*names.values(), *others]:
        (tmp_path / name).write_bytes(b"")
    with replacing(tmp_path / "a") as outer:
        write_bytes(tmp_path / "a", b"inner")
        assert os.path.exists(outer.name)
        outer.write(b"outer")
    # our own pid's was of an earlier life: a container's first process has the same pid each time
    assert sorted(os.listdir(tmp_path)) == sorted(["a", names[os.getppid()], *others])
    assert (tmp_path / "a").read_bytes() == b"outer"


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
