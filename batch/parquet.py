"""Rows as Parquet, by pyarrow.

An image is Arrow's canonical `fixed_shape_tensor`, which is stored as a list of its numbers: pyarrow and Ray Data read
a tensor (H, W, C), and pandas, Spark and others, which do not know that type, a list of H * W * C numbers.
"""

from __future__ import annotations

import json
from typing import IO, TYPE_CHECKING, Any

import numpy as np

from vae_edge.batch.columns import Batch, Column, Columns, rows_of, width
from vae_edge.runtime.errors import MissingExtra

if TYPE_CHECKING:
    import numpy.typing as npt

__all__ = ["Writer", "arrow", "rows", "schema", "table"]

RECORD = b"vae-edge"  # the key of the file's metadata under which the record stands, as JSON
GROUP_BYTES = 16 << 20  # a row group, in memory: readers take it in one piece


def arrow() -> Any:
    """The module `pyarrow`; raises MissingExtra where it is not installed."""
    try:
        import pyarrow
        import pyarrow.parquet
    except ImportError as error:
        raise MissingExtra(f"Parquet needs pyarrow ({error}): pip install 'vae-edge[parquet]'") from error
    return pyarrow


def schema(columns: Columns, record: dict[str, Any] | None = None) -> Any:
    """The Arrow schema of rows with these columns; `record` goes into its metadata."""
    pa = arrow()
    fields = [pa.field(column.name, _type(pa, column)) for column in columns]
    return pa.schema(fields, metadata=None if record is None else {RECORD: json.dumps(record, sort_keys=True).encode()})


def table(batch: Batch, columns: Columns, layout: Any) -> Any:
    """The Arrow table of a batch; `layout` is the schema of its columns."""
    pa = arrow()
    arrays = [_array(pa, batch[column.name], column) for column in columns]
    return pa.Table.from_arrays(arrays, schema=layout)


class Writer:
    """A Parquet file that is written a row group at a time, compressed by zstd; the same rows give the same bytes."""

    def __init__(self, file: IO[bytes], columns: Columns, record: dict[str, Any]) -> None:
        self._columns, self._schema = columns, schema(columns, record)
        plain = [column.name for column in columns if not column.shape]
        # smallest and largest of each pixel's column tell nobody anything, and take as long as writing it
        self._writer = arrow().parquet.ParquetWriter(file, self._schema, compression="zstd", write_statistics=plain)
        self._group = max(1, GROUP_BYTES // width(columns))
        self._held: list[Any] = []
        self._count = 0

    def write(self, batch: Batch) -> None:
        """Adds the rows of a batch."""
        self._held.append(table(batch, self._columns, self._schema))
        self._count += rows_of(batch)
        if self._count >= self._group:
            self._flush()

    def close(self) -> None:
        """Writes what is still held, and the footer."""
        self._flush()
        self._writer.close()

    def _flush(self) -> None:
        if self._count:
            self._writer.write_table(arrow().concat_tables(self._held), row_group_size=self._count)
            self._held, self._count = [], 0


def rows(file: IO[bytes]) -> int:
    """How many rows a Parquet file holds, by its footer."""
    count: int = arrow().parquet.ParquetFile(file).metadata.num_rows
    return count


def _type(pa: Any, column: Column) -> Any:
    value = pa.string() if column.dtype == "str" else pa.from_numpy_dtype(column.dtype)
    if not column.shape:
        return value
    return pa.list_(value, column.shape[0]) if len(column.shape) == 1 else pa.fixed_shape_tensor(value, column.shape)


def _array(pa: Any, values: npt.NDArray[Any], column: Column) -> Any:
    kind = _type(pa, column)
    if column.dtype == "str":
        return pa.array(values.tolist(), kind)
    values = np.ascontiguousarray(values, column.dtype)
    if not column.shape:
        return pa.array(values)
    storage = kind if len(column.shape) == 1 else kind.storage_type
    array = pa.FixedSizeListArray.from_arrays(pa.array(values.reshape(-1)), type=storage)
    return array if storage is kind else pa.ExtensionArray.from_storage(kind, array)
