"""The kinds of files that rows go to, and what each needs: an open binary file, and batches one after the other."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager, suppress
from importlib import import_module
from typing import IO, Any, Protocol

from vae_edge.batch.columns import Batch, Columns
from vae_edge.runtime.errors import InputError

__all__ = ["FORMATS", "Writer", "opened"]

FORMATS = {"parquet": "parquet", "npz": "arrays", "tar": "tar"}  # its name is the suffix too -> the module


class Writer(Protocol):
    """One file in the making. Nothing of it is of use before `close`."""

    def write(self, batch: Batch) -> None:
        """Adds the rows of a batch, which has the columns that the writer was made for."""

    def close(self) -> None:
        """Writes what is still held, and the file's end; the file itself stays open."""


@contextmanager
def opened(kind: str, file: IO[bytes], columns: Columns, record: dict[str, Any]) -> Iterator[Writer]:
    """A writer of `kind`, 'parquet', 'npz' or 'tar', into an open file, closed at the block's end.

    Raises InputError or MissingExtra.

    `record` says what the rows depend on; where the format has a place for it, it goes along.
    """
    if kind not in FORMATS:
        raise InputError(f"the format should be one of {', '.join(FORMATS)}, it is {kind!r:.60}")
    writer: Writer = import_module(f"vae_edge.batch.{FORMATS[kind]}").Writer(file, columns, record)
    try:
        yield writer
    except BaseException:
        with suppress(Exception):  # libraries would write the end when the writer is collected, behind the file's own
            writer.close()
        raise
    writer.close()
