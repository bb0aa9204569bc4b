"""Arrays as columns of Arrow: plain lists of a fixed length, which every reader of Parquet knows."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa

__all__ = ["SHAPE", "table"]

SHAPE = b"shape"  # of a row's value: in the field's metadata, as JSON


def table(columns: Mapping[str, npt.NDArray[Any] | pa.Array | pa.ChunkedArray]) -> pa.Table:
    """A table of arrays (rows, ...); of a row's value with axes the numbers lie in a list, in C order."""
    fields, arrays = [], []
    for name, column in columns.items():
        array, shape = _column(column)
        fields.append(pa.field(name, array.type, metadata={SHAPE: json.dumps(shape)} if shape else None))
        arrays.append(array)
    return pa.Table.from_arrays(arrays, schema=pa.schema(fields))


def _column(column: Any) -> tuple[Any, tuple[int, ...]]:
    if isinstance(column, pa.Array | pa.ChunkedArray):
        return column, ()
    shape = column.shape[1:]
    if not shape:
        return pa.array(column), ()
    flat = pa.array(np.ascontiguousarray(column).reshape(-1))
    return pa.FixedSizeListArray.from_arrays(flat, int(np.prod(shape))), shape
