"""Reads tables: rows of numbers in their own units, from .csv (with or without a header of names) or a 2-D array."""

from __future__ import annotations

import csv
import io
import math
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from vae_edge.pictures.opening import MAX_BYTES, File
from vae_edge.runtime.bundle.manifest import MAX_SIZE
from vae_edge.runtime.errors import DataError

__all__ = ["Table", "as_table", "read_csv"]


@dataclass(frozen=True)
class Table:
    """Rows (n, d) float64 in their own units; the columns' names, or (); a label a row as it is written, or None."""

    rows: npt.NDArray[np.float64]
    columns: tuple[str, ...] = ()
    labels: npt.NDArray[np.str_] | None = None


def as_table(array: npt.NDArray[Any], name: object) -> Table:
    """An array (n, d) of real numbers as a table; raises DataError that names the first number that is not finite."""
    if array.ndim != 2 or 0 in array.shape or array.dtype.kind not in "fiub":
        raise DataError(f"{name}: expected rows of numbers (n, d), found {array.dtype} of shape {array.shape}")
    _check_width(array.shape[1], name)
    rows = array.astype(np.float64)
    if len(bad := np.argwhere(~np.isfinite(rows))):
        row, column = bad[0]
        raise DataError(
            f"{name}: row {row}, column {column} (from 0): expected a number, it is {rows[row, column]}; "
            "leave such rows out, or fill them in"
        )
    return Table(rows)


def read_csv(path: File, label_column: str = "", columns: tuple[str, ...] = ()) -> Table:
    """The table in a .csv: cells separated by commas, all numbers except in the header and the `label_column`.

    The first line is a header where none of its cells is a number, or where it names the `columns`. Where `columns` are
    given and there is a header, only they are read, in their order; other columns may hold anything. Raises DataError
    that names the line and column of a cell that is missing or not a number.
    """
    lines = _lines(path)
    first = lines[0][1]
    header = tuple(cell.strip() for cell in first)
    has_header = not any(_is_number(cell) for cell in first) or (bool(columns) and set(columns) <= set(header))
    names = header if has_header else ()
    body = lines[1:] if has_header else lines
    if not body:
        raise DataError(f"{path}: a header and no rows")
    if has_header and (len(set(names)) != len(names) or "" in names):
        raise DataError(f"{path}: its header should name each column, each differently: {', '.join(names)!r:.200}")
    if label_column and label_column not in names:
        known = f"its columns are {', '.join(names)}"[:300] if has_header else "it has no header of column names"
        raise DataError(f"{path}: no column {label_column!r} for the label; {known}")
    label = names.index(label_column) if label_column else None
    if has_header and (missing := [name for name in columns if name not in names]):
        lacks = f"lacks {len(missing)} of the {len(columns)} columns that are expected"
        raise DataError(f"{path}: {lacks}: {', '.join(missing)[:300]}; it has {', '.join(names)[:300]}")
    chosen = columns if has_header else ()
    kept = [names.index(name) for name in chosen] or [index for index in range(len(first)) if index != label]
    if not kept:
        raise DataError(f"{path}: no column is left beside the label")
    _check_width(len(kept), path)
    rows = np.empty((len(body), len(kept)))
    for row, (line, cells) in zip(rows, body, strict=True):
        if len(cells) != len(first):
            raise DataError(f"{path}: line {line} has {len(cells)} cells, {len(first)} are expected")
        row[:] = [_number(cells[index], path, line, names[index] if names else index + 1) for index in kept]
    labels = (
        None if label is None else np.array([_label(cells[label], path, line, names[label]) for line, cells in body])
    )
    return Table(rows, tuple(names[index] for index in kept) if names else (), labels)


def _lines(path: File) -> list[tuple[int, list[str]]]:
    """Each line of cells with its number in the file, from 1; empty lines are left out."""
    try:
        with path.open("rb") as stream:
            data = stream.read(MAX_BYTES + 1)
        if len(data) > MAX_BYTES:
            raise DataError(f"{path}: more than {MAX_BYTES:,} bytes; give it as .npy")
        reader = csv.reader(io.StringIO(data.decode("utf-8-sig"), newline=""), strict=True)
        lines = [(reader.line_num, cells) for cells in reader if any(cell.strip() for cell in cells)]
    except FileNotFoundError as error:
        raise DataError(f"{path}: no such file") from error
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        raise DataError(f"{path}: not a .csv in UTF-8 ({error})") from error
    if not lines:
        raise DataError(f"{path}: an empty file")
    return lines


def _is_number(cell: str) -> bool:
    try:
        float(cell)
    except ValueError:
        return False
    return "_" not in cell  # Python reads 1_000, no other program does


def _number(cell: str, path: File, line: int, column: str | int) -> float:
    value = float(cell) if _is_number(cell) else math.nan
    if not math.isfinite(value):
        came = f"it is {cell.strip()!r:.40}" if cell.strip() else "it is missing"
        raise DataError(
            f"{path}: line {line}, column {column!r}: expected a number, {came}; "
            "leave the row or the column out, fill it in, or name a column of labels by --label-column"
        )
    return value


def _label(cell: str, path: File, line: int, column: str) -> str:
    if not (text := cell.strip()):
        raise DataError(f"{path}: line {line}, column {column!r}: the label is missing; leave the row out")
    return text


def _check_width(width: int, name: object) -> None:
    if width > MAX_SIZE:
        raise DataError(f"{name}: {width:,} columns, at most {MAX_SIZE:,} can be learned")
