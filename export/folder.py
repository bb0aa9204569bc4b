"""Puts a folder in place at once: written beside its place, synced, then exchanged with what was there.

A staging folder is locked while its writer lives; one that is not locked was left by a writer that died.
"""

from __future__ import annotations

import ctypes
import errno
import os
import re
import secrets
import shutil
import sys
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path

from vae_edge.runtime import atomic, locks
from vae_edge.runtime.errors import OutputError

__all__ = ["staged"]

AT_FDCWD = -100
RENAME_EXCHANGE = 2


@contextmanager
def staged(target: Path) -> Iterator[Path]:
    """A new folder beside `target`, which takes its place at the end; on an error `target` stays as it was.

    Of several writers to one target the last wins. Leftovers of writers that died are removed. Raises OutputError where
    something cannot be written.
    """
    target = target.resolve()
    left = "what was there before is whole"
    staging = None
    lock = ExitStack()
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        _remove_leftovers(target)
        staging = _staging(target, lock)
        yield staging
        for path in (*staging.iterdir(), staging):
            atomic.sync(path)
        _exchange(staging, target)
        left = "the new one is in place, but may not outlast a power cut"
        atomic.sync(target.parent)
    except OSError as error:
        raise OutputError(f"{target}: cannot be written ({error}); {left}") from error
    finally:
        with lock:
            if staging is not None:
                shutil.rmtree(staging, ignore_errors=True)


def _staging(target: Path, lock: ExitStack) -> Path:
    """A new folder beside the target, which `lock` holds the lock of where folders have locks."""
    while True:
        path = target.parent / f".{target.name}.staging.{secrets.token_hex(4)}"
        path.mkdir()
        with suppress(FileNotFoundError), ExitStack() as opened:  # another writer took it for a leftover meanwhile
            descriptor = opened.enter_context(locks.open_folder(path))
            if descriptor is None or locks.hold(descriptor, path):
                lock.push(opened.pop_all())
                return path


def _remove_leftovers(target: Path) -> None:
    ours = re.compile(re.escape(f".{target.name}.staging.") + "[0-9a-f]{8}", re.DOTALL)
    for path in target.parent.iterdir():
        if ours.fullmatch(path.name) and path.is_dir():
            with locks.is_abandoned(path) as abandoned:
                if abandoned:
                    shutil.rmtree(path, ignore_errors=True)


def _exchange(staging: Path, target: Path) -> None:
    """Afterwards `target` is the new folder, and `staging` the old one, if there was one."""
    try:
        staging.rename(target)  # also takes the place of an empty folder
        return
    except OSError as error:
        if error.errno not in {errno.ENOTEMPTY, errno.EEXIST}:
            raise
    # rename(2) does not replace a folder that holds files; renameat2 exchanges two names in one step (Linux 3.15).
    library = ctypes.CDLL(None, use_errno=True) if sys.platform == "linux" else None
    if library is None or not hasattr(library, "renameat2"):
        _exchange_in_steps(staging, target)
        return
    names = os.fsencode(staging), os.fsencode(target)
    if library.renameat2(AT_FDCWD, names[0], AT_FDCWD, names[1], RENAME_EXCHANGE) != 0:
        number = ctypes.get_errno()
        raise OSError(number, os.strerror(number), str(target))


def _exchange_in_steps(staging: Path, target: Path) -> None:
    """The same where a system cannot exchange two names: for a moment there is nothing at `target`."""
    aside = staging.with_name(f"{staging.name}.old")
    target.rename(aside)
    try:
        staging.rename(target)
    except OSError:
        aside.rename(target)
        raise
    aside.rename(staging)
