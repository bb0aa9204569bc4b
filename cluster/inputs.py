"""Events in files that all nodes see: Parquet, folders of pictures, `.npy` and `.npz`, as sources of `batch.inputs`."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy.typing as npt

from vae_edge.batch.inputs import Array, Found, Pictures, Reader, Several, Source
from vae_edge.batch.inputs.parquet import Parquet, files_in
from vae_edge.batch.inputs.sources import state_of
from vae_edge.pictures.decode import PICTURES
from vae_edge.pictures.files import as_images, picture_paths, read_arrays, treat
from vae_edge.pictures.fitting import fit
from vae_edge.pictures.treatment import Treatment
from vae_edge.runtime.bundle.manifest import Image
from vae_edge.runtime.errors import DataError, InputError

if TYPE_CHECKING:
    from vae_edge.runtime import VAE

__all__ = ["source"]

Convert = Callable[[npt.NDArray[Any], object], npt.NDArray[Any]]


def source(vae: VAE, place: Path, treatment: Treatment, column: str, label_column: str) -> Source:
    """The events at a file or folder, in the order of the files' names; raises DataError or InputError."""
    event = vae.manifest.event
    shape: Any = event.shape
    convert = partial(_images, treatment, shape) if isinstance(event, Image) else _as_they_are
    fitted = partial(_fitted, shape)
    if not place.exists():
        raise DataError(f"{place}: nothing lies there; give a file or a folder that all nodes see")
    if not isinstance(event, Image) and treatment.options:
        raise InputError("a treatment is for images, this bundle takes the rows of a table: leave it out")
    parquet = files_in(place) if place.is_dir() else (place,) if place.suffix.lower() == ".parquet" else ()
    if parquet:
        return Parquet(parquet, event, convert, fitted, treatment, column, label_column)
    if column or label_column:
        raise InputError(f"{place}: column and label_column are for Parquet, there is none: leave them out")
    arrays = [path for path in _within(place) if path.suffix.lower() in (".npy", ".npz")]
    if arrays:
        return Several(
            tuple(
                Array(path, convert, shape) if path.suffix.lower() == ".npy" else Stored(path, convert)
                for path in arrays
            )
        )
    if not isinstance(event, Image) or not place.is_dir():
        raise DataError(f"{place}: expected Parquet, .npy or .npz, or a folder of them or of {', '.join(PICTURES)}")
    return Pictures(place, tuple(picture_paths(place)), fitted, treatment)


@dataclass(frozen=True)
class Stored:
    """The one array of events in an .npz, which each worker reads as a whole when it comes to it."""

    path: Path
    convert: Convert

    @property
    def count(self) -> int:
        """How many events there are."""
        return len(_stored(self.path))

    @property
    def state(self) -> Any:
        """What changes where the file changes."""
        return state_of([self.path])

    def open(self) -> Reader:
        """A reader, which keeps the array."""
        return _Stored(self)


class _Stored:
    def __init__(self, stored: Stored) -> None:
        self._stored = stored
        self._array: npt.NDArray[Any] | None = None

    def read(self, start: int, stop: int) -> Found:
        """Rows `start` to `stop`."""
        path = self._stored.path
        if self._array is None:
            self._array = _stored(path)
        events = self._stored.convert(self._array[start:stop], path)
        return Found(events, [f"{path.name}:{at}" for at in range(start, stop)])


def _stored(path: Path) -> npt.NDArray[Any]:
    arrays = {name: array for name, array in read_arrays(path).items() if array.ndim >= 2}
    if len(arrays) != 1:
        raise DataError(f"{path}: expected one array of events, found {sorted(arrays) or 'none'}; keep one of them")
    (array,) = arrays.values()
    return array


def _within(place: Path) -> list[Path]:
    return sorted(place.iterdir()) if place.is_dir() else [place]


def _images(treatment: Treatment, shape: Any, array: npt.NDArray[Any], name: object) -> npt.NDArray[Any]:
    return fit(treat(as_images(array, name), name, treatment), name, shape)


def _fitted(shape: Any, array: npt.NDArray[Any], name: object) -> npt.NDArray[Any]:
    return fit(array, name, shape)


def _as_they_are(array: npt.NDArray[Any], name: object) -> npt.NDArray[Any]:
    return array
