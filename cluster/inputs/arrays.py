"""Events in `.npz` and `.npy` files, one after the other."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from vae_edge.cluster.inputs.base import Found
from vae_edge.pictures.files import read_array, read_arrays
from vae_edge.runtime.errors import DataError

__all__ = ["Arrays"]


@dataclass(frozen=True)
class Arrays:
    """The arrays of files, in which `rows[k]` events lie in `paths[k]`; a worker holds one file at a time."""

    paths: tuple[str, ...]
    rows: tuple[int, ...]

    @classmethod
    def of(cls, paths: tuple[str, ...]) -> Arrays:
        """Reads how many events each file holds; raises DataError."""
        return cls(paths, tuple(len(load(path)) for path in paths))

    @property
    def count(self) -> int:
        """How many events there are."""
        return sum(self.rows)

    def open(self) -> _Reader:
        """A reader from the first event on."""
        return _Reader(self)

    def record(self) -> dict[str, Any]:
        """The files' names and their events."""
        return {"inputs": [Path(path).name for path in self.paths], "rows_of_inputs": list(self.rows)}


class _Reader:
    def __init__(self, source: Arrays) -> None:
        self._source = source
        self._firsts = np.concatenate([[0], np.cumsum(source.rows)])
        self._open: tuple[int, npt.NDArray[Any]] | None = None

    def read(self, start: int, stop: int) -> Found:
        pieces = []
        while start < stop:
            place = int(np.searchsorted(self._firsts, start, side="right")) - 1
            first, last = int(self._firsts[place]), min(stop, int(self._firsts[place + 1]))
            pieces.append(self._array(place)[start - first : last - first])
            start = last
        if len({(piece.dtype.kind, piece.shape[1:]) for piece in pieces}) > 1:
            raise DataError(
                f"{', '.join(self._source.paths)}: arrays of several shapes or kinds; give them one at a time"
            )
        return Found(np.concatenate(pieces))

    def _array(self, place: int) -> npt.NDArray[Any]:
        if self._open is None or self._open[0] != place:
            self._open = None  # let go of the last one first
            self._open = (place, load(self._source.paths[place]))
        return self._open[1]


def load(path: str) -> npt.NDArray[Any]:
    """The array in a file: of a .npz the only one with two axes or more. Raises DataError."""
    file = Path(path)
    if file.suffix.lower() == ".npy":
        return read_array(file)
    arrays = {name: array for name, array in read_arrays(file).items() if array.ndim >= 2}
    if len(arrays) != 1:
        raise DataError(f"{path}: expected one array of events, found {sorted(arrays) or 'none'}; keep one of them")
    return next(iter(arrays.values()))
