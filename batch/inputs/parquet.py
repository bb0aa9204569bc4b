"""Events in Parquet files: images or a table's rows, read a batch at a time, whoever wrote them.

An image may be a tensor, a list of its numbers (of lists too), or an encoded picture: its bytes, or a struct with
`bytes` as Hugging Face has it.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from functools import cached_property
from itertools import accumulate
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from vae_edge.batch.index import INDEX, read
from vae_edge.batch.inputs.base import Found, Reader
from vae_edge.batch.inputs.cells import as_array, is_picture, numbers, pictures
from vae_edge.batch.inputs.sources import state_of
from vae_edge.batch.parquet import arrow
from vae_edge.pictures.notices import Notices
from vae_edge.pictures.treatment import PLAIN, Treatment
from vae_edge.runtime.bundle.manifest import Image, Vector
from vae_edge.runtime.errors import DataError, InputError

__all__ = ["LABEL", "Parquet", "files_in"]

Array = npt.NDArray[Any]
ID, NAME, LABEL = "id", "name", "label"
_STEP = 1024  # rows that are decoded at a time


def files_in(folder: Path) -> tuple[Path, ...]:
    """The Parquet files of a folder, in the order of their names; () where it holds none.

    Raises DataError where they are the shards of a job that is not done.
    """
    paths = tuple(sorted(path for path in folder.glob("*.parquet") if not path.name.startswith(("_", "."))))
    index = read(folder) if paths else None
    if index is not None and not index["complete"]:
        raise DataError(f"{folder}: {INDEX} says that rows are still missing: end that job first, by --resume")
    return paths


@dataclass(frozen=True)
class Parquet:
    """The rows of Parquet files, one behind the other.

    `column` holds the images, where it is not to be found by itself; `label` the labels. `convert` treats images
    (n, H, W, C) and brings them to the VAE's shape; encoded pictures are treated by `treatment`, then it is `fit`.
    """

    paths: tuple[Path, ...]
    event: Image | Vector
    convert: Callable[[Array, object], Array]
    fit: Callable[[Array, object], Array]
    treatment: Treatment = PLAIN
    column: str = ""
    label: str = ""
    notices: Notices = field(default_factory=Notices, compare=False)

    @cached_property
    def groups(self) -> tuple[tuple[int, ...], ...]:
        """How many rows each row group of each file has, by the files' footers, which are read once."""
        return tuple(map(_groups, self.paths))

    @property
    def count(self) -> int:
        """How many rows there are."""
        return sum(map(sum, self.groups))

    @property
    def state(self) -> Any:
        """What changes where the files change."""
        return state_of(self.paths)

    def open(self) -> Reader:
        """A reader of all files."""
        return _Reader(self)


class _Reader:
    """Reads on from where it stands; elsewhere it begins with the row group that holds the row.

    One file is open at a time: there may be thousands.
    """

    def __init__(self, source: Parquet) -> None:
        self._source = source
        self._starts = [0, *accumulate(map(sum, source.groups))]
        self._at = -1
        self._tables: Iterator[tuple[Any, Path, int]] = iter(())
        self._left: tuple[Any, Path, int] | None = None

    def read(self, start: int, stop: int) -> Found:
        """Rows `start` to `stop`."""
        if start != self._at:
            self._tables, self._left = self._from(start), None
        parts, wanted = [], stop - start
        while wanted:
            table, path, row = self._left or next(self._tables)
            part, rest = table.slice(0, wanted), table.slice(wanted)
            self._left = (rest, path, row + part.num_rows) if rest.num_rows else None
            parts.append(self._found(part, path, row))
            wanted -= part.num_rows
        self._at = stop
        return parts[0] if len(parts) == 1 else _joined(parts)

    def _from(self, start: int) -> Iterator[tuple[Any, Path, int]]:
        """Tables of some rows, each with its file and its first row there, the first of which begins at `start`."""
        invalid = arrow().ArrowInvalid
        for place, (path, groups) in enumerate(zip(self._source.paths, self._source.groups, strict=True)):
            first = self._starts[place]
            if self._starts[place + 1] <= start:
                continue
            ends = list(accumulate(groups))
            skipped = next(group for group, end in enumerate(ends) if first + end > start)
            row = ends[skipped - 1] if skipped else 0
            try:
                with _file(path) as file:
                    columns = self._columns(file.schema_arrow, path)
                    for batch in file.iter_batches(_STEP, list(range(skipped, len(groups))), columns):
                        here = max(0, start - first - row)  # rows before the first that is asked for
                        if here < batch.num_rows:
                            yield arrow().Table.from_batches([batch]).slice(here), path, row + here
                        row += batch.num_rows
            except (OSError, invalid) as error:
                raise DataError(f"{path}: damaged Parquet ({error}): write it again") from error
            start = max(start, first + row)

    def _columns(self, schema: Any, path: Path) -> list[str]:
        source = self._source
        names = _image(schema, source.column, path) if isinstance(source.event, Image) else _row(schema, source, path)
        extra = [name for name in (ID, NAME) if name in schema.names and name not in names]
        if source.label:
            if source.label not in schema.names:
                raise InputError(f"{path}: has no column {source.label!r} of labels; it has {_listed(schema)}")
            extra.append(source.label)
        return [*names, *extra]

    def _found(self, table: Any, path: Path, row: int) -> Found:
        source, schema = self._source, table.schema
        if isinstance(source.event, Image):
            (name,) = _image(schema, source.column, path)
            column = table.column(name)
            if is_picture(column.type):
                cells = pictures(column, path, row, source.treatment, source.notices)
                events = np.concatenate([source.fit(cell, f"{path}:{row + at}") for at, cell in enumerate(cells)])
            else:
                images = as_array(column, schema.field(name), source.event.shape, f"{path}, column {name!r}", row)
                events = source.convert(images, path)
        else:
            names = _row(schema, source, path)
            parts = [numbers(table.column(name), f"{path}, column {name!r}", row) for name in names]
            events = parts[0] if len(parts) == 1 and parts[0].ndim == 2 else np.stack(parts, axis=1)
        named = NAME in schema.names and str(schema.field(NAME).type) in ("string", "large_string")
        found = (
            table.column(NAME).to_pylist() if named else [f"{path.name}:{at}" for at in range(row, row + len(events))]
        )
        labels = None if not source.label else np.array(table.column(source.label).to_pylist())
        kept = {}
        if ID in schema.names and arrow().types.is_integer(schema.field(ID).type) and not table.column(ID).null_count:
            kept[ID] = table.column(ID).to_numpy().astype(np.int64)
        return Found(events, list(map(str, found)), labels, kept)


def _groups(path: Path) -> tuple[int, ...]:
    with _file(path) as file:
        return tuple(file.metadata.row_group(group).num_rows for group in range(file.num_row_groups))


def _file(path: Path) -> Any:
    try:
        return arrow().parquet.ParquetFile(path)
    except FileNotFoundError as error:
        raise DataError(f"{path}: no such file") from error
    except (OSError, arrow().ArrowInvalid) as error:
        raise DataError(f"{path}: not a Parquet file ({error})") from error


def _image(schema: Any, asked: str, path: Path) -> list[str]:
    """The column that holds images: the one asked for, `image`, or the only one that could."""
    if asked or "image" in schema.names:
        if (name := asked or "image") not in schema.names:
            raise InputError(f"{path}: has no column {name!r}; it has {_listed(schema)}")
        return [name]
    types = arrow().types
    could = [
        each.name for each in schema if is_picture(each.type) or types.is_nested(each.type) or _is_tensor(each.type)
    ]
    if len(could) != 1:
        raise InputError(f"{path}: which column holds the images? Say it by --column; it has {_listed(schema)}")
    return could


def _row(schema: Any, source: Parquet, path: Path) -> list[str]:
    """The columns of a table's row, in the bundle's order; where it has no names, all that hold numbers."""
    event, types = source.event, arrow().types
    assert isinstance(event, Vector)
    if event.names:
        if missing := [name for name in event.names if name not in schema.names]:
            raise InputError(
                f"{path}: lacks {len(missing)} of the bundle's {event.size} columns: {', '.join(missing)[:300]}; "
                f"it has {_listed(schema)}"
            )
        return list(event.names)
    others = {ID, source.label}
    lists = [each.name for each in schema if types.is_fixed_size_list(each.type) and each.type.list_size == event.size]
    plain = [each.name for each in schema if types.is_primitive(each.type) and each.name not in others]
    if len(lists) == 1:
        return lists
    if len(plain) != event.size:
        raise InputError(f"{path}: {len(plain)} columns of numbers, this bundle knows {event.size}: {_listed(schema)}")
    return plain


def _is_tensor(kind: Any) -> bool:
    return isinstance(kind, arrow().BaseExtensionType)


def _listed(schema: Any) -> str:
    return ", ".join(f"{each.name} ({each.type})" for each in schema)[:300]


def _joined(parts: list[Found]) -> Found:
    labels = [part.labels for part in parts if part.labels is not None]
    return Found(
        np.concatenate([part.events for part in parts]),
        [name for part in parts for name in part.names],
        np.concatenate(labels) if labels else None,
        {name: np.concatenate([part.kept[name] for part in parts]) for name in parts[0].kept},
    )
