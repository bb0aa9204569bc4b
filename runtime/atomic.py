"""Files that are there whole or not at all: written beside, synced to the disk, and renamed."""

from __future__ import annotations

import os
import re
import secrets
import stat
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import BinaryIO

from vae_edge.runtime.errors import OutputError, VaeEdgeError

__all__ = ["is_running", "replacing", "sync", "write_bytes"]

_live: set[Path] = set()  # this process's temporaries; one that carries its pid and is not here is of an earlier life
_lock = threading.Lock()


def write_bytes(path: str | os.PathLike[str], data: bytes) -> None:
    """Makes `path` a file of these bytes, or leaves what was there; raises OutputError."""
    with replacing(path) as file:
        file.write(data)


@contextmanager
def replacing(path: str | os.PathLike[str]) -> Iterator[BinaryIO]:
    """A new binary file, for reading and writing, that takes the place of `path` when the block ends without an error.

    Its `.name` is its path (a str), in the same folder. On an error it is removed and `path` is what it was; an
    OSError, in the block too, becomes an OutputError. What a killed process left behind for this path is removed.
    """
    target = Path(os.path.realpath(path))
    temporary = target.with_name(f".{target.name}.{os.getpid()}.{secrets.token_hex(4)}.tmp")
    left = "what was there is as it was"
    try:
        mode = _mode(target)
        with _lock:
            _live.add(temporary)
        try:
            _remove_stale(target)
            with temporary.open("x+b") as file:
                if mode is not None:
                    temporary.chmod(mode)
                yield file
                file.flush()
                os.fsync(file.fileno())
            temporary.replace(target)
            left = "the new file is there, but may not outlast a power cut"
            sync(target.parent)
        finally:
            with suppress(OSError):
                temporary.unlink(missing_ok=True)
            with _lock:
                _live.discard(temporary)
    except VaeEdgeError:
        raise
    except OSError as error:
        reason = error.strerror or error
        raise OutputError(f"{target} cannot be written: {reason}; {left}") from error


def _mode(target: Path) -> int | None:
    """The permissions of the file that is to be replaced; None where there is none."""
    try:
        status = target.stat()
    except FileNotFoundError:
        return None
    if not stat.S_ISREG(status.st_mode):
        raise OutputError(f"{target} is no regular file: choose another path")
    return stat.S_IMODE(status.st_mode)


def _remove_stale(target: Path) -> None:
    ours = re.compile(re.escape(f".{target.name}.") + r"(\d{1,10})\.[0-9a-f]{8}\.tmp")
    for path in target.parent.iterdir():
        if match := ours.fullmatch(path.name):
            pid = int(match[1])
            with _lock:
                dead = path not in _live if pid == os.getpid() else not is_running(pid)
            if dead:
                path.unlink(missing_ok=True)


def is_running(pid: int) -> bool:
    """Whether a process of that number is there, anybody's."""
    try:
        os.kill(pid, 0)
    except (ProcessLookupError, OverflowError):
        return False
    except PermissionError:
        pass  # another user's
    return True


def sync(path: Path) -> None:
    """Makes a file's content, or the names in a folder, last through a power cut."""
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
