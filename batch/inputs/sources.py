"""Sources of events: folders of pictures, .npy files, what is in memory already, and several of these in a row."""

from __future__ import annotations

import bisect
import hashlib
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from itertools import accumulate
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from vae_edge.batch.inputs.base import Found, Reader, Source
from vae_edge.pictures.decode import read_picture
from vae_edge.pictures.notices import Notices
from vae_edge.pictures.treatment import Treatment
from vae_edge.runtime.errors import DataError, InputError

__all__ = ["Array", "Convert", "Held", "Pictures", "Several", "state_of"]

# The events of an array (n, ...) as a VAE takes them: treated, in its shape; the name is for messages.
Convert = Callable[[npt.NDArray[Any], object], npt.NDArray[Any]]


def state_of(paths: Sequence[Path]) -> list[Any]:
    """How many files there are, and a hash over their names, sizes and dates."""
    total = hashlib.sha256()
    for path in paths:
        status = path.stat()
        total.update(f"{path.name}\0{status.st_size}\0{status.st_mtime_ns}\n".encode())
    return [len(paths), total.hexdigest()]


@dataclass(frozen=True)
class Pictures:
    """The pictures `paths` of a folder; a picture's name is its path within the folder.

    Where all lie in subfolders, the name of its subfolder is a picture's label.
    """

    folder: Path
    paths: tuple[Path, ...]
    convert: Convert
    treatment: Treatment
    notices: Notices = field(default_factory=Notices, compare=False)

    @property
    def count(self) -> int:
        """How many events there are."""
        return len(self.paths)

    @property
    def state(self) -> Any:
        """What changes where the files change."""
        return state_of(self.paths)

    def open(self) -> Reader:
        """A reader: this itself."""
        return self

    def read(self, start: int, stop: int) -> Found:
        """Pictures `start` to `stop`; raises DataError or InputError."""
        paths = self.paths[start:stop]
        places = [path.relative_to(self.folder) for path in paths]
        # each is brought to the VAE's shape by itself: a folder may hold grey pictures beside coloured ones
        events = [self.convert(read_picture(path, self.treatment, self.notices)[None], path) for path in paths]
        labels = [place.parts[0] for place in places if len(place.parts) > 1]
        return Found(
            np.concatenate(events),
            [place.as_posix() for place in places],
            np.array(labels) if len(labels) == len(places) else None,
        )


@dataclass(frozen=True)
class Array:
    """The array in a .npy file, which stays on the disk; an event's name is FILE:INDEX."""

    path: Path
    convert: Convert
    event_shape: tuple[int, ...]

    @property
    def count(self) -> int:
        """How many events there are."""
        return len(self._map())

    @property
    def state(self) -> Any:
        """What changes where the file changes."""
        return state_of([self.path])

    def open(self) -> Reader:
        """A reader: this itself."""
        return self

    def read(self, start: int, stop: int) -> Found:
        """Rows `start` to `stop`; raises DataError or InputError."""
        part = np.array(self._map()[start:stop])
        return Found(
            self.convert(part, self.path), [f"{self.path.name}:{at}" for at in range(start, start + len(part))]
        )

    def _map(self) -> npt.NDArray[Any]:
        try:
            array: npt.NDArray[Any] = np.load(self.path, mmap_mode="r", allow_pickle=False)
            if not isinstance(array, np.ndarray):
                raise ValueError("it is an .npz: name it so")
        except FileNotFoundError as error:
            raise DataError(f"{self.path}: no such file") from error
        except Exception as error:  # NumPy raises several kinds on damaged input
            raise DataError(f"{self.path}: not an .npy of plain numbers ({error})") from error
        is_one = array.ndim < max(2, len(self.event_shape)) or array.shape == self.event_shape
        return array[None] if is_one else array


@dataclass(frozen=True)
class Held:
    """Events that are in memory."""

    values: npt.NDArray[Any]
    names: Sequence[str]
    labels: npt.NDArray[Any] | None
    state: Any

    @property
    def count(self) -> int:
        """How many events there are."""
        return len(self.values)

    def open(self) -> Reader:
        """A reader: this itself."""
        return self

    def read(self, start: int, stop: int) -> Found:
        """Events `start` to `stop`."""
        labels = None if self.labels is None else self.labels[start:stop]
        return Found(self.values[start:stop], list(self.names[start:stop]), labels)


@dataclass(frozen=True)
class Several:
    """Sources one behind the other, of which events `start` to `start + limit` are taken."""

    sources: tuple[Source, ...]
    start: int = 0
    limit: int | None = None

    @property
    def count(self) -> int:
        """How many events there are."""
        left = max(0, sum(source.count for source in self.sources) - self.start)
        return left if self.limit is None else min(left, self.limit)

    @property
    def state(self) -> Any:
        """What changes where one of them changes."""
        return [source.state for source in self.sources]

    def open(self) -> Reader:
        """A reader over all of them."""
        return _Joined([source.open() for source in self.sources], [each.count for each in self.sources], self.start)


class _Joined:
    def __init__(self, readers: list[Reader], counts: list[int], start: int) -> None:
        self._readers, self._start = readers, start
        self._ends = list(accumulate(counts))

    def read(self, start: int, stop: int) -> Found:
        parts = [self._readers[place].read(*within) for place, *within in self._pieces(start, stop)]
        if len(parts) == 1:
            return parts[0]
        if len({part.events.dtype.kind for part in parts}) > 1:
            raise InputError("some inputs hold whole numbers and some fractions; give them one at a time")
        labels = [part.labels for part in parts if part.labels is not None]
        kept = set.intersection(*(set(part.kept) for part in parts))
        return Found(
            np.concatenate([part.events for part in parts]),
            [name for part in parts for name in part.names],
            np.concatenate(labels) if len(labels) == len(parts) else None,
            {name: np.concatenate([part.kept[name] for part in parts]) for name in sorted(kept)},
        )

    def _pieces(self, start: int, stop: int) -> Iterator[tuple[int, int, int]]:
        """(source, start, stop within it) of each part of a stretch."""
        at, end = start + self._start, stop + self._start
        while at < end:
            place = bisect.bisect_right(self._ends, at)
            before = self._ends[place - 1] if place else 0
            until = min(end, self._ends[place])
            yield place, at - before, until - before
            at = until
