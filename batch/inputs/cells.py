"""Columns of Arrow as NumPy arrays: tensors, lists of numbers, encoded pictures, plain numbers."""

from __future__ import annotations

import json
import math
from collections.abc import Iterator
from typing import Any

import numpy as np
import numpy.typing as npt

from vae_edge.batch.parquet import arrow
from vae_edge.pictures.decode import read_picture
from vae_edge.pictures.notices import Notices
from vae_edge.pictures.opening import Held
from vae_edge.pictures.treatment import Treatment
from vae_edge.runtime.errors import DataError

__all__ = ["as_array", "is_picture", "numbers", "pictures"]

Array = npt.NDArray[Any]
SHAPE = b"shape"  # in a field's metadata, where its type does not say it


def is_picture(kind: Any) -> bool:
    """Whether a column holds encoded pictures: bytes, or a struct that has `bytes`."""
    types = arrow().types
    if types.is_struct(kind):
        return any(kind.field(place).name == "bytes" for place in range(kind.num_fields))
    return bool(types.is_binary(kind) or types.is_large_binary(kind))


def pictures(column: Any, path: object, row: int, treatment: Treatment, notices: Notices) -> Iterator[Array]:
    """Each picture of a column as (1, H, W, C) uint8, treated; `row` is the first one's. Raises DataError."""
    for at, cell in enumerate(column.to_pylist(), row):
        data = cell.get("bytes") if isinstance(cell, dict) else cell
        if not data:
            raise DataError(f"{path}, row {at:,}: expected the bytes of a picture, there are none")
        yield read_picture(Held(f"{path}:{at}", data), treatment, notices)[None]


def as_array(column: Any, field: Any, event_shape: tuple[int, ...], where: str, row: int) -> Array:
    """A column of tensors, or of lists of numbers, as (b, H, W, C); of whole numbers up to 255 as uint8.

    The shape is the tensor's own, that of the field's metadata, or the VAE's. Raises DataError.
    """
    types = arrow().types
    shape, values, rows = tuple(getattr(field.type, "shape", ())), column.combine_chunks(), len(column)
    if not shape and SHAPE in (field.metadata or {}):
        shape = tuple(json.loads(field.metadata[SHAPE]))
    values = getattr(values, "storage", values)
    while types.is_nested(values.type):
        _check_nulls(values, where, row)
        values = values.flatten()
    _check_nulls(values, where, row)
    flat = values.to_numpy(zero_copy_only=False)
    each = len(flat) // max(1, rows)
    shape = shape or event_shape
    if rows * math.prod(shape) != len(flat):
        raise DataError(
            f"{where}, from row {row:,}: expected {math.prod(shape):,} numbers an image, of shape {shape}; there are "
            f"{each:,}"
        )
    if flat.dtype.kind in "iu" and flat.dtype != np.uint8:
        if flat.size and not (flat.min() >= 0 and flat.max() <= 255):
            raise DataError(f"{where}: whole numbers should be pixels from 0 to 255, they go to {flat.max():,}")
        flat = flat.astype(np.uint8)
    images: Array = flat.reshape(rows, *shape)
    return images


def numbers(column: Any, where: str, row: int) -> Array:
    """A column of numbers (b,) in float64, or of lists of them (b, size); raises DataError for what is missing."""
    types = arrow().types
    values = column.combine_chunks()
    _check_nulls(values, where, row)
    if types.is_fixed_size_list(values.type):
        flat = values.flatten()
        _check_nulls(flat, where, row)
        array: Array = flat.to_numpy(zero_copy_only=False).reshape(len(values), -1)
        return array.astype(np.float64)
    if not (types.is_integer(values.type) or types.is_floating(values.type) or types.is_boolean(values.type)):
        raise DataError(f"{where}: expected numbers, it holds {values.type}")
    plain: Array = values.to_numpy(zero_copy_only=False).astype(np.float64)
    return plain


def _check_nulls(values: Any, where: str, row: int) -> None:
    if values.null_count:
        raise DataError(f"{where}, from row {row:,}: {values.null_count:,} values are missing: fill or drop them")
