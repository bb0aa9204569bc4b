"""A folder of shards: files of so many rows each, of which --resume makes exactly those that are missing.

Shard k holds rows k * rows_per_shard on, whoever makes it and whenever, so that its name says what is in it. A shard is
whole or absent, and the index is written behind it: a shard that the index does not list yet is looked at and kept.
"""

from __future__ import annotations

import hashlib
import os
import re
from collections.abc import Callable, Iterable, Iterator
from contextlib import AbstractContextManager, ExitStack, contextmanager, suppress
from dataclasses import dataclass
from importlib import import_module
from pathlib import Path
from typing import Any

from vae_edge.batch import columns as layouts
from vae_edge.batch import writers
from vae_edge.batch.columns import Batch, Columns
from vae_edge.batch.index import INDEX, Index, Shard, read
from vae_edge.runtime import atomic, locks
from vae_edge.runtime.errors import OutputError

__all__ = ["Shards", "rows_per_shard"]

Count = Callable[[int], None]
Make = Callable[[range], Iterable[Batch]]  # the batches of some of the job's rows, in order

SHARD_BYTES = 64 << 20  # in memory; on the disk a shard is smaller where its format compresses
MAX_ROWS = 100_000  # of one shard, unless more are asked for
_SHARD = re.compile(rf"\d{{6,}}\.({'|'.join(writers.FORMATS)})")
_SHARE = 64  # the index is written when this part of it is new: its bytes then grow with the rows, not their square


def rows_per_shard(columns: Columns) -> int:
    """How many rows a shard has where nobody says: 1, 2 or 5 times a power of ten, of about `SHARD_BYTES`."""
    most = min(MAX_ROWS, max(1, SHARD_BYTES // layouts.width(columns)))
    power: int = 10 ** (len(str(most)) - 1)
    return power * next(factor for factor in (5, 2, 1) if factor * power <= most)


@dataclass
class Shards:
    """The shards of one job in `folder`; `force` replaces those of another job, `resume` makes what is missing.

    `format` is 'parquet', 'npz' or 'tar'. `rows` are numbered from 0. `record` is all that they depend on: --resume
    refuses another one. `command` is written down with it.
    """

    folder: Path
    format: str
    columns: Columns
    rows: int
    per_shard: int
    record: dict[str, Any]
    command: str = ""
    force: bool = False
    resume: bool = False

    def write(self, make: Make, begin: Count = lambda rows: None, advance: Count = lambda rows: None) -> int:
        """Makes the shards that are missing, and says how many rows that was; raises OutputError, and what `make` does.

        `make` gives the rows of a range in batches. `begin` is told how many rows are missing, `advance` how many more
        have come.
        """
        layouts.check(self.columns)
        with self._alone(), atomic.into(self.folder) as create:
            index = self._begin()
            missing = [shard for shard in self._planned() if shard.file not in index.shards]
            begin(sum(shard.rows for shard in missing))
            _put(create, index)
            unlisted = done = 0
            try:
                for shard in missing:
                    with create(shard.file) as file:
                        with writers.opened(self.format, file, self.columns, self.record) as writer:
                            for batch in make(range(shard.start, shard.start + shard.rows)):
                                writer.write(batch)
                                advance(layouts.rows_of(batch))
                        made = _described(shard, file)
                    index.shards[shard.file] = made
                    done, unlisted = done + shard.rows, unlisted + 1
                    if unlisted * _SHARE >= len(index.shards):
                        _put(create, index)
                        unlisted = 0
            except OutputError as error:
                left = self.rows - sum(shard.rows for shard in index.shards.values())
                raise OutputError(
                    f"{error}; {left:,} of {self.rows:,} rows are missing: --resume makes them"
                ) from error
            index.complete = True
            _put(create, index)
        return done

    def check(self) -> None:
        """Raises OutputError where the folder holds what may not be there, before any work is done."""
        found = [] if not self.folder.exists() else [name for name in self._listed() if name != INDEX]
        if self.resume:
            self._same_job(read(self.folder), bool(found))
        elif not self.force and (found or read(self.folder) is not None):
            raise OutputError(
                f"{self.folder}: holds files already ({', '.join(found[:1] or [INDEX])}, ...): --resume makes what is "
                "missing of an interrupted job, --force replaces the shards that are there; or name another folder"
            )

    def _begin(self) -> Index:
        """The index of this job, with the shards that are there already."""
        self.check()
        index = Index(self.rows, self.per_shard, self.format, self.columns, self.record, self.command)
        before = read(self.folder)
        if self.resume and before is not None:
            index.command = before["command"]
            index.shards = dict(self._kept(before["shards"]))
        elif self.force:
            self._clear()
        return index

    def _kept(self, listed: dict[str, Shard]) -> Iterator[tuple[str, Shard]]:
        """The shards that need not be made again: of the size that the index says, or whole and not listed yet."""
        there = set(self._listed())
        for shard in self._planned():
            path = self.folder / shard.file
            if shard.file not in there:
                continue
            if (known := listed.get(shard.file)) is not None:
                if path.stat().st_size == known.bytes:
                    yield shard.file, known
                continue
            with path.open("rb") as file:
                if _rows(self.format, file) == shard.rows:
                    yield shard.file, _described(shard, file)

    def _clear(self) -> None:
        """Removes the shards of another job: those here afterwards are of one job alone. Other files stay.

        The index goes first: beside an index, a shard is taken for one of its job.
        """
        for name in (INDEX, *filter(_SHARD.fullmatch, self._listed())):
            (self.folder / name).unlink(missing_ok=True)

    def _same_job(self, before: dict[str, Any] | None, has_files: bool) -> None:
        if before is None:
            if has_files:
                raise OutputError(
                    f"{self.folder}: holds files and no {INDEX}: nothing tells what is missing; name another folder"
                )
            return
        job = Index(self.rows, self.per_shard, self.format, self.columns, self.record).job()
        for name, (wanted, found) in _compared(job, {key: before.get(key) for key in job}).items():
            if wanted != found:
                raise OutputError(
                    f"{self.folder}: holds shards of another job ({name} {found!r:.80}, asked for: {wanted!r:.80}); "
                    "resume with the same options, or name another folder"
                )

    def _planned(self) -> Iterator[Shard]:
        for number, start in enumerate(range(0, self.rows, self.per_shard)):
            rows = min(self.per_shard, self.rows - start)
            yield Shard(f"{number:06}.{self.format}", start, rows, 0, "")

    def _listed(self) -> list[str]:
        return sorted(path.name for path in self.folder.iterdir() if not atomic.is_temporary(path.name))

    @contextmanager
    def _alone(self) -> Iterator[None]:
        """Holds the folder, so that no second process makes the same rows; it is let go when this one dies."""
        try:
            self.folder.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise OutputError(
                f"{self.folder}: cannot be made a folder ({error.strerror}); choose another --out"
            ) from error
        with ExitStack() as held:
            is_ours = True
            with suppress(OSError):  # Windows opens no folder, and some file systems have no locks
                descriptor = os.open(self.folder, os.O_RDONLY)
                held.callback(os.close, descriptor)
                is_ours = locks.acquire(descriptor)
            if not is_ours:
                raise OutputError(f"{self.folder}: another process writes shards here: wait for it, or name another")
            yield


def _put(create: Callable[[str], AbstractContextManager[Any]], index: Index) -> None:
    with create(INDEX) as file:
        file.write(index.render())


def _described(shard: Shard, file: Any) -> Shard:
    """A shard whose file is written or read: with its size and hash."""
    file.seek(0)  # which flushes too
    digest = hashlib.file_digest(file, "sha256").hexdigest()
    return Shard(shard.file, shard.start, shard.rows, file.seek(0, os.SEEK_END), digest)


def _rows(kind: str, file: Any) -> int:
    """How many rows a shard has; -1 where it cannot be read."""
    try:
        count: int = import_module(f"vae_edge.batch.{writers.FORMATS[kind]}").rows(file)
    except Exception:  # each format's reader has a dozen kinds of error for what is damaged
        return -1
    return count


def _compared(wanted: dict[str, Any], found: dict[str, Any]) -> dict[str, tuple[Any, Any]]:
    """The fields of two jobs side by side, those of their records by their own names."""
    ours, theirs = wanted.pop("record"), found.pop("record") or {}
    pairs = {name: (ours.get(name), theirs.get(name)) for name in {**ours, **theirs}}
    return pairs | {name: (wanted[name], found[name]) for name in wanted}
