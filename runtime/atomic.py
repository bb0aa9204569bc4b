"""Files that are there whole or not at all: written beside, synced to the disk, and renamed.

A temporary file is locked while its writer lives; what is not locked was left by one that died, and is removed by the
next writer of that file.
"""

from __future__ import annotations

import os
import re
import secrets
import stat
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager, suppress
from pathlib import Path
from typing import BinaryIO

from vae_edge.runtime import locks
from vae_edge.runtime.errors import OutputError, VaeEdgeError

__all__ = ["filling", "into", "is_temporary", "replacing", "sync", "write_bytes"]

_AS_IT_WAS = "what was there of that name is as it was"
_TOKEN = "[0-9a-f]{8}"


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
    _remove_leftovers(target.parent, re.escape(target.name))
    with _reported(target) as state, _replacing(target, state) as file:
        yield file


@contextmanager
def filling(folder: Path) -> Iterator[Callable[[str, bytes], None]]:
    """Writes many files into one folder: a function of a name and the file's bytes, each whole or absent.

    Otherwise as `into`.
    """
    with into(folder) as create:

        def write(name: str, data: bytes) -> None:
            with create(name) as file:
                file.write(data)

        yield write


@contextmanager
def into(folder: Path) -> Iterator[Callable[[str], AbstractContextManager[BinaryIO]]]:
    """Makes many files in one folder: a function of a name that gives a new file as `replacing` does.

    Leftovers are looked for once, and the folder is synced once, at the end: work does not grow with what lies there.
    Raises OutputError.
    """
    folder = Path(os.path.realpath(folder))
    _remove_leftovers(folder, ".+")

    @contextmanager
    def create(name: str) -> Iterator[BinaryIO]:
        target = folder / name
        with _reported(target) as state, _replacing(target, state, sync_folder=False) as file:
            yield file

    yield create
    try:
        sync(folder)
    except OSError as error:
        raise OutputError(
            f"{folder}: all files are there, but may not outlast a power cut: {error.strerror or error}"
        ) from error


class _State:
    """What is true of the target, for the message of a failure."""

    left = _AS_IT_WAS


@contextmanager
def _reported(target: Path) -> Iterator[_State]:
    """Turns an OSError into an OutputError that says what became of the target."""
    state = _State()
    try:
        yield state
    except VaeEdgeError:
        raise
    except OSError as error:
        raise OutputError(f"{target} cannot be written: {error.strerror or error}; {state.left}") from error


@contextmanager
def _replacing(target: Path, state: _State, *, sync_folder: bool = True) -> Iterator[BinaryIO]:
    mode = _mode(target)
    temporary, file = _temporary(target)
    try:
        with file:
            if mode is not None:
                temporary.chmod(mode)
            yield file
            file.flush()
            os.fsync(file.fileno())
            if not locks.AVAILABLE:  # Windows renames no file that is open, and nobody removes leftovers there
                file.close()
            temporary.replace(target)  # while it is locked: nobody takes it for a leftover
            state.left = "the new file is there, but may not outlast a power cut"
        if sync_folder:
            sync(target.parent)
    finally:
        if state.left == _AS_IT_WAS:
            with suppress(OSError):
                temporary.unlink(missing_ok=True)


def _temporary(target: Path) -> tuple[Path, BinaryIO]:
    """A new file beside the target, open and locked."""
    while True:
        path = target.with_name(f".{target.name}.{secrets.token_hex(4)}.tmp")
        file = path.open("x+b")
        if locks.hold(file.fileno(), path):
            return path, file
        file.close()  # another writer took it for a leftover before it was locked


def _mode(target: Path) -> int | None:
    """The permissions of the file that is to be replaced; None where there is none."""
    try:
        status = target.stat()
    except FileNotFoundError:
        return None
    if not stat.S_ISREG(status.st_mode):
        raise OutputError(f"{target} is no regular file: choose another path")
    return stat.S_IMODE(status.st_mode)


def is_temporary(name: str) -> bool:
    """Whether a file's name is that of a temporary file, of a writer that is at work or was killed."""
    return re.fullmatch(rf"\..+\.{_TOKEN}\.tmp", name, re.DOTALL) is not None


def _remove_leftovers(folder: Path, name: str) -> None:
    """Removes the temporaries in a folder whose writers died; `name` is the pattern of their targets' names."""
    ours = re.compile(rf"\.{name}\.{_TOKEN}\.tmp", re.DOTALL)
    with suppress(OSError):  # what cannot be listed or removed does not keep anybody from writing
        for path in folder.iterdir():
            if ours.fullmatch(path.name):
                with locks.is_abandoned(path) as abandoned:
                    if abandoned:
                        path.unlink(missing_ok=True)


def sync(path: Path) -> None:
    """Makes a file's content, or the names in a folder, last through a power cut; Windows can do it for files alone."""
    is_folder = path.is_dir()
    try:
        descriptor = os.open(path, os.O_RDONLY if is_folder else os.O_RDWR)
    except PermissionError:
        if not is_folder:
            raise
        return
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
