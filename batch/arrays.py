"""Rows as an .npz of one array a column, each (n, *shape): what `numpy.load` reads."""

from __future__ import annotations

import zipfile
from typing import IO, Any

import numpy as np

from vae_edge.batch.columns import Batch, Columns

__all__ = ["Writer", "rows"]


class Writer:
    """An .npz, which holds its rows in memory until it is closed: a shard is small."""

    def __init__(self, file: IO[bytes], columns: Columns, record: dict[str, Any]) -> None:
        self._file, self._columns = file, columns
        self._batches: list[Batch] = []

    def write(self, batch: Batch) -> None:
        """Adds the rows of a batch."""
        self._batches.append(batch)

    def close(self) -> None:
        """Writes the arrays, uncompressed; the same rows give the same bytes."""
        with zipfile.ZipFile(self._file, "w", zipfile.ZIP_STORED) as archive:
            for column in self._columns:
                dtype = str if column.dtype == "str" else np.dtype(column.dtype).newbyteorder("<")
                array = np.concatenate([np.asarray(batch[column.name], dtype) for batch in self._batches])
                # ZipInfo's date is a fixed one
                with archive.open(zipfile.ZipInfo(f"{column.name}.npy"), "w", force_zip64=True) as entry:
                    np.lib.format.write_array(entry, array, version=(1, 0), allow_pickle=False)


def rows(file: IO[bytes]) -> int:
    """How many rows an .npz holds."""
    with np.load(file, allow_pickle=False) as archive:
        return len(archive[archive.files[0]])
