"""Rows of numbers from .csv, .npy and .npz, with the columns that a bundle knows, in its order."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from vae_edge.runtime.errors import InputError

if TYPE_CHECKING:
    import numpy.typing as npt

    from vae_edge.pictures.opening import Held
    from vae_edge.runtime.bundle.manifest import Vector
    from vae_edge.train.tables import Table

__all__ = ["in_order", "read"]


def read(files: Sequence[Path | Held], event: Vector, label_column: str = "") -> tuple[Table, list[int]]:
    """The rows of all files, (n, size) float64, with their labels where `label_column` is given; and how many each has.

    Columns with names are matched by them, and what the bundle does not know is left out; columns without are taken in
    their order. Raises DataError or InputError.
    """
    import numpy as np

    from vae_edge.train.tables import Table

    parts = [_read(file, event, label_column) for file in files]
    labels = [part.labels for part in parts if part.labels is not None]
    whole = np.concatenate(labels) if len(labels) == len(parts) else None
    rows = [part.rows for part in parts]
    return Table(np.concatenate(rows), event.names, whole), [len(each) for each in rows]


def in_order(table: Table, name: object, event: Vector) -> npt.NDArray[Any]:
    """A table's rows in the order of the bundle's columns; raises InputError that names those that it lacks."""
    if table.columns and event.names:
        if missing := [column for column in event.names if column not in table.columns]:
            raise InputError(
                f"{name}: lacks {len(missing)} of the bundle's {event.size} columns: {', '.join(missing)[:300]}; "
                f"it has {', '.join(table.columns)[:300]}"
            )
        return table.rows[:, [table.columns.index(column) for column in event.names]]
    if table.rows.shape[1] != event.size:
        raise InputError(f"{name}: {table.rows.shape[1]:,} columns, this bundle knows {event.size:,}")
    return table.rows


def _read(path: Path | Held, event: Vector, label_column: str) -> Table:
    from vae_edge.pictures.files import read_array, read_arrays
    from vae_edge.train.tables import Table, as_table, read_csv

    suffix = path.suffix.lower()
    if label_column and suffix != ".csv":
        raise InputError(f"{path}: --label-column is for a .csv; give --labels FILE beside an array")
    if suffix == ".csv":
        table = read_csv(path, label_column, event.names)
    elif suffix == ".npy":
        array = read_array(path)
        table = as_table(array[None] if array.ndim == 1 else array, path)
    elif suffix == ".npz":
        arrays = read_arrays(path)
        rows = {key: array for key, array in arrays.items() if array.ndim == 2}
        if len(rows) != 1:
            raise InputError(f"{path}: expected one array of rows (n, d), found {sorted(rows) or 'none'}; keep one")
        (array,) = rows.values()
        names = tuple(map(str, arrays.get("columns", ())))
        table = Table(as_table(array, path).rows, names if len(names) == array.shape[1] else ())
    else:
        raise InputError(f"{path}: this bundle knows the rows of a table: give .csv, .npy or .npz")
    return Table(in_order(table, path, event), event.names, table.labels)
