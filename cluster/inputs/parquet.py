"""Events in files of Parquet: a column of lists of numbers, of encoded pictures, or a column a number of a table."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import PurePosixPath
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.parquet as pq
from pyarrow import fs

from vae_edge.cluster.inputs.base import Found
from vae_edge.pictures.decode import read_picture
from vae_edge.pictures.opening import Held
from vae_edge.pictures.treatment import PLAIN, Treatment
from vae_edge.runtime.errors import DataError, InputError
from vae_edge.runtime.model import BATCH_SIZE

__all__ = ["Parquet"]


@dataclass(frozen=True)
class Parquet:
    """The rows of files in the order of their names: `groups[k]` are the rows of each row group of `paths[k]`.

    `columns` hold the event, `shape` is its shape; `label` is the column of labels or '', `keep` go into the output.
    """

    filesystem: fs.FileSystem
    paths: tuple[str, ...]
    groups: tuple[tuple[int, ...], ...]
    columns: tuple[str, ...]
    shape: tuple[int, ...]
    label: str = ""
    keep: tuple[str, ...] = ()
    treatment: Treatment = PLAIN

    @classmethod
    def of(
        cls,
        filesystem: fs.FileSystem,
        paths: Sequence[str],
        names: Sequence[str],
        shape: tuple[int, ...],
        *,
        column: str,
        label: str,
        keep: Sequence[str],
        treatment: Treatment,
    ) -> Parquet:
        """Reads the files' footers; `names` are those of a table's columns. Raises DataError or InputError."""
        footers = [_footer(filesystem, path) for path in paths]
        schema = footers[0].schema.to_arrow_schema()
        columns = _columns(schema, paths[0], names, column, {label, *keep})
        if missing := sorted({*columns, *keep, *([label] if label else [])} - set(schema.names)):
            raise InputError(f"{paths[0]}: has no column {missing[0]!r}; it has {', '.join(schema.names)}")
        groups = tuple(
            tuple(footer.row_group(place).num_rows for place in range(footer.num_row_groups)) for footer in footers
        )
        return cls(filesystem, tuple(paths), groups, columns, shape, label, tuple(keep), treatment)

    @property
    def count(self) -> int:
        """How many rows there are."""
        return sum(map(sum, self.groups))

    def open(self) -> _Reader:
        """A reader from the first row on."""
        return _Reader(self)

    def record(self) -> dict[str, Any]:
        """The files' names, their rows, and the columns that are read."""
        return {
            "inputs": [PurePosixPath(path).name for path in self.paths],
            "rows_of_inputs": [sum(groups) for groups in self.groups],
            "columns": list(self.columns),
            "label_column": self.label,
            "keep": list(self.keep),
            "treatment": self.treatment.options,
        }

    def batches(self, start: int) -> Iterator[pa.Table]:
        """Row `start` and those behind it, up to a part's number of rows at a time.

        It begins with the row group that holds `start`: what lies before it in that group is decoded and dropped.
        """
        wanted = [*self.columns, *self.keep, *([self.label] if self.label else [])]
        first = 0
        for path, groups in zip(self.paths, self.groups, strict=True):
            left = list(range(len(groups)))
            while left and first + groups[left[0]] <= start:
                first += groups[left.pop(0)]
            if not left:
                continue
            with self.filesystem.open_input_file(path) as stream:
                for batch in pq.ParquetFile(stream).iter_batches(BATCH_SIZE, row_groups=left, columns=wanted):
                    skipped = max(0, min(batch.num_rows, start - first))
                    first += batch.num_rows
                    if skipped < batch.num_rows:
                        yield pa.Table.from_batches([batch.slice(skipped)])


class _Reader:
    """Goes on where it was, and finds its place anew where another part is asked for."""

    def __init__(self, source: Parquet) -> None:
        self._source = source
        self._at = -1
        self._batches: Iterator[pa.Table] = iter(())
        self._rest: pa.Table | None = None

    def read(self, start: int, stop: int) -> Found:
        source = self._source
        if start != self._at:
            self._batches, self._rest = source.batches(start), None
        pieces, missing = [], stop - start
        while missing:
            batch = self._rest if self._rest is not None else next(self._batches, None)
            if batch is None:
                raise DataError(f"{source.paths[-1]}: has fewer rows than its footer said; was it changed meanwhile?")
            pieces.append(batch.slice(0, missing))
            self._rest = batch.slice(missing) if batch.num_rows > missing else None
            missing -= pieces[-1].num_rows
        self._at = stop
        table = pa.concat_tables(pieces)
        labels = np.asarray(table[source.label].to_pylist()) if source.label else None
        kept = {name: table[name] for name in source.keep}
        return Found(_events(table, source, start), labels, kept)


def _footer(filesystem: fs.FileSystem, path: str) -> pq.FileMetaData:
    try:
        return pq.read_metadata(path, filesystem=filesystem)
    except (pa.ArrowException, OSError) as error:
        raise DataError(f"{path}: not a file of Parquet ({error})") from error


def _columns(schema: pa.Schema, path: str, names: Sequence[str], column: str, others: set[str]) -> tuple[str, ...]:
    """The columns that hold the event."""
    if column:
        return (column,)
    if names and set(names) <= set(schema.names):
        return tuple(names)
    found = [field.name for field in schema if _holds_events(field.type) and field.name not in others]
    if len(found) != 1:
        raise InputError(
            f"{path}: expected one column of lists of numbers or of pictures, there are {', '.join(found) or 'none'}; "
            "say which by column="
        )
    return (found[0],)


def _holds_events(kind: pa.DataType) -> bool:
    kind = _storage(kind)
    return _is_list(kind) or pa.types.is_binary(kind) or pa.types.is_large_binary(kind) or _is_picture(kind)


def _storage(kind: pa.DataType) -> pa.DataType:
    return kind.storage_type if isinstance(kind, pa.BaseExtensionType) else kind  # as Ray's own tensors are


def _is_list(kind: pa.DataType) -> bool:
    return bool(pa.types.is_list(kind) or pa.types.is_large_list(kind) or pa.types.is_fixed_size_list(kind))


def _is_picture(kind: pa.DataType) -> bool:
    """A picture as datasets of the Hugging Face Hub hold one: a struct with its bytes."""
    return bool(pa.types.is_struct(kind) and kind.get_field_index("bytes") >= 0)


def _events(table: pa.Table, source: Parquet, start: int) -> npt.NDArray[Any]:
    if len(source.columns) > 1 or not _holds_events(table[source.columns[0]].type):
        return np.stack([table[name].to_numpy() for name in source.columns], axis=-1)
    array = table[source.columns[0]].combine_chunks()
    if isinstance(array.type, pa.BaseExtensionType):
        array = array.storage
    where = f"column {source.columns[0]!r}, rows from {start:,} on"
    if array.null_count:
        raise DataError(f"{where}: {array.null_count} are empty; leave those rows out")
    if _is_list(array.type):
        flat: npt.NDArray[Any] = array.flatten().to_numpy(zero_copy_only=False)
        try:
            return flat.reshape(len(array), *source.shape)
        except ValueError as error:
            raise DataError(
                f"{where}: {len(flat) / len(array):g} numbers a row, this bundle's events have {source.shape}"
            ) from error
    if _is_picture(array.type):
        array = array.field("bytes")
    pictures = [
        read_picture(Held(f"row {start + place}", data), source.treatment)
        for place, data in enumerate(array.to_pylist())
    ]
    if len({picture.shape for picture in pictures}) > 1:
        raise DataError(f"{where}: pictures of several sizes; give a treatment that makes them alike")
    return np.stack(pictures)
