"""What rows hold: columns with a type and a shape each, and batches of them as NumPy arrays."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from vae_edge.runtime.bundle.schema import Condition
from vae_edge.runtime.errors import InputError

__all__ = ["Batch", "Column", "Columns", "check", "condition_columns", "event_columns", "repeated", "rows_of", "width"]

Batch = dict[str, npt.NDArray[Any]]  # name -> (b, *shape), as Ray's batches of NumPy arrays are


@dataclass(frozen=True)
class Column:
    """A column of rows: its `dtype` is a NumPy number's, as 'int64', 'bool' or 'str', its `shape` that of one row."""

    name: str
    dtype: str
    shape: tuple[int, ...] = ()

    @property
    def bytes(self) -> int:
        """How much one row takes in memory; of text it is a guess."""
        return 32 if self.dtype == "str" else np.dtype(self.dtype).itemsize * math.prod(self.shape)


Columns = tuple[Column, ...]


def event_columns(name: str, event_shape: tuple[int, ...], names: tuple[str, ...], dtype: str) -> Columns:
    """The columns of one event: `name` of an image; of a table's row a column for each of its numbers.

    `names` are those of the table's columns, or () for x0, x1, ...
    """
    if len(event_shape) == 3:
        return (Column(name, dtype, event_shape),)
    return tuple(Column(each, dtype) for each in names or tuple(f"x{place}" for place in range(event_shape[0])))


def condition_columns(condition: Condition | None) -> Columns:
    """The column of what events are made of: `label` as a number, `condition` as a vector, or none."""
    if condition is None:
        return ()
    return (Column("label", "int64"),) if condition.is_label else (Column("condition", "float32", (condition.size,)),)


def repeated(columns: Columns, given: Mapping[str, Any], n: int) -> Batch:
    """The values of `given` in these columns, as n rows; each is one row for all, or has n rows itself."""
    batch: Batch = {}
    for column in columns:
        values = np.asarray(given[column.name], column.dtype)
        batch[column.name] = np.broadcast_to(values, (n, *column.shape))
    return batch


def rows_of(batch: Batch) -> int:
    """How many rows a batch has."""
    return len(next(iter(batch.values())))


def width(columns: Columns) -> int:
    """How many bytes a row takes in memory."""
    return sum(column.bytes for column in columns)


def check(columns: Columns) -> None:
    """Raises InputError where two columns have one name."""
    names = [column.name for column in columns]
    if twice := sorted({name for name in names if names.count(name) > 1}):
        raise InputError(f"a row has one column of each name, {', '.join(twice)} would be there twice: rename it")
