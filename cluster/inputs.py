"""Events in files that all nodes see: Parquet, folders of pictures, `.npy` and `.npz`, as sources of `batch.inputs`."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy.typing as npt

from vae_edge.batch.inputs import Array, Found, Reader, Several, Source
from vae_edge.batch.inputs.files import in_pieces, of_images
from vae_edge.batch.inputs.parquet import Parquet
from vae_edge.batch.inputs.sources import Convert, state_of
from vae_edge.pictures.decode import PICTURES
from vae_edge.pictures.files import read_arrays
from vae_edge.pictures.treatment import Treatment
from vae_edge.runtime.bundle.manifest import Image
from vae_edge.runtime.errors import DataError, InputError

if TYPE_CHECKING:
    from vae_edge.runtime import VAE

__all__ = ["source"]


def source(vae: VAE, place: Path, treatment: Treatment, column: str, label_column: str) -> Source:
    """The events at a file or folder, in the order of the files' names; raises DataError or InputError."""
    event = vae.manifest.event
    convert = of_images(event.shape, treatment) if isinstance(event, Image) else _as_they_are
    if not place.exists():
        raise DataError(f"{place}: nothing lies there; give a file or a folder that all nodes see")
    if not isinstance(event, Image) and treatment.options:
        raise InputError("a treatment is for images, this bundle takes the rows of a table: leave it out")
    found = _arrays(place, convert, event.shape) or in_pieces(
        place, vae.manifest, treatment, convert, column, label_column
    )
    if found is None:
        raise DataError(f"{place}: expected Parquet, .npy or .npz, or a folder of them or of {', '.join(PICTURES)}")
    if not isinstance(found, Parquet) and (column or label_column):
        raise InputError(f"{place}: column and label_column are for Parquet, there is none: leave them out")
    return found


def _arrays(place: Path, convert: Convert, shape: tuple[int, ...]) -> Source | None:
    """The .npz `place`, or the .npy and .npz in it; None where it holds none of them, or Parquet."""
    within = sorted(place.iterdir()) if place.is_dir() else [place]
    found = {path: path.suffix.lower() for path in within}
    if ".parquet" in found.values():
        return None
    sources = tuple(
        Array(path, convert, shape) if kind == ".npy" else Stored(path, convert)
        for path, kind in found.items()
        if kind in (".npy", ".npz")
    )
    return Several(sources) if sources else None


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


def _as_they_are(array: npt.NDArray[Any], name: object) -> npt.NDArray[Any]:
    return array
