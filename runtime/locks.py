"""Locks that the kernel releases when their holder dies (flock): they tell who is alive, and a PID does not.

A PID means nothing to another container on the same volume, and a container's first process has the same one each time.
"""

from __future__ import annotations

import errno
import os
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

try:
    import fcntl
except ImportError:  # Windows, where leftovers are not removed
    fcntl = None  # type: ignore[assignment]

AVAILABLE = fcntl is not None

__all__ = ["AVAILABLE", "acquire", "hold", "is_abandoned", "is_at", "open_folder"]


def acquire(descriptor: int) -> bool:
    """Takes the lock of an open file or folder until it is closed, without waiting; False where another holds it.

    Raises OSError where the file system has no locks.
    """
    if not AVAILABLE:
        raise OSError(errno.ENOTSUP, os.strerror(errno.ENOTSUP))
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


@contextmanager
def open_folder(path: Path) -> Iterator[int | None]:
    """The descriptor of a folder, for its lock; None where folders cannot be opened, as on Windows."""
    try:
        descriptor = os.open(path, os.O_RDONLY)
    except PermissionError:
        yield None
        return
    try:
        yield descriptor
    finally:
        os.close(descriptor)


def hold(descriptor: int, path: Path) -> bool:
    """Takes the lock of what was just made at `path`; False where another took it for a leftover first, and removes it.

    On a file system without locks there is nothing to take, and nobody removes anything.
    """
    with suppress(OSError):
        if not acquire(descriptor):
            return False
    return is_at(descriptor, path)


def is_at(descriptor: int, path: Path) -> bool:
    """Whether the open file or folder is still the one at `path`."""
    try:
        there = path.stat()
    except FileNotFoundError:
        return False
    return os.path.samestat(os.fstat(descriptor), there)


@contextmanager
def is_abandoned(path: Path) -> Iterator[bool]:
    """Whether nobody holds the lock of a file or folder; within the block nobody else can take it.

    False, too, for what is gone, may not be opened, or lies on a file system without locks.
    """
    try:
        # NFS locks for writing only what is open for writing; a folder opens for reading alone.
        descriptor = os.open(path, os.O_RDONLY if path.is_dir() else os.O_RDWR | getattr(os, "O_NOFOLLOW", 0))
    except OSError:
        yield False
        return
    try:
        try:
            taken = acquire(descriptor)
        except OSError:
            taken = False
        yield taken
    finally:
        os.close(descriptor)
