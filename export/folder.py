"""Puts a folder in place at once: written beside its place, synced, then exchanged with what was there."""

from __future__ import annotations

import ctypes
import errno
import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from vae_edge.runtime import atomic
from vae_edge.runtime.errors import OutputError

__all__ = ["staged"]

AT_FDCWD = -100
RENAME_EXCHANGE = 2


@contextmanager
def staged(target: Path) -> Iterator[Path]:
    """A new folder beside `target`, which takes its place at the end; on an error `target` stays as it was.

    Left-overs of processes that died are removed. Raises OutputError where something cannot be written.
    """
    target = target.resolve()
    prefix = f".{target.name}.staging."
    staging = target.parent / f"{prefix}{os.getpid()}"
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        for stale in target.parent.glob(f"{prefix}*"):
            pid = stale.name.removeprefix(prefix)
            if not (pid.isdecimal() and atomic.is_running(int(pid))):
                shutil.rmtree(stale)
        staging.mkdir()
    except OSError as error:
        raise OutputError(f"{target}: cannot be written ({error})") from error
    try:
        yield staging
        for path in (*staging.iterdir(), staging):
            atomic.sync(path)
        _exchange(staging, target)
        atomic.sync(target.parent)
    except OSError as error:
        raise OutputError(f"{target}: cannot be written ({error}); what was there before is whole") from error
    finally:
        shutil.rmtree(staging, ignore_errors=True)


def _exchange(staging: Path, target: Path) -> None:
    """Afterwards `target` is the new folder, and `staging` the old one, if there was one."""
    try:
        staging.rename(target)  # also takes the place of an empty folder
        return
    except OSError as error:
        if error.errno not in {errno.ENOTEMPTY, errno.EEXIST}:
            raise
    # rename(2) does not replace a folder that holds files; renameat2 exchanges two names in one step (Linux 3.15).
    library = ctypes.CDLL(None, use_errno=True)
    names = os.fsencode(staging), os.fsencode(target)
    if library.renameat2(AT_FDCWD, names[0], AT_FDCWD, names[1], RENAME_EXCHANGE) != 0:
        number = ctypes.get_errno()
        raise OSError(number, os.strerror(number), str(target))
