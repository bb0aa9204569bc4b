"""What a worker does with one part of a job: its events in, the columns of its rows out."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Protocol

import numpy as np
import numpy.typing as npt

from vae_edge.runtime.model import BATCH_SIZE

if TYPE_CHECKING:
    from vae_edge.cluster.inputs.base import Reader, Source
    from vae_edge.runtime import VAE

__all__ = ["PART", "Encode", "Generate", "Given", "Reconstruct", "Task", "name_of_event"]

PART = BATCH_SIZE  # events of a part: those of a batch of `VAE.stream`, so that graphs run in the same batches

Columns = dict[str, npt.NDArray[Any]]


class Task(Protocol):
    """A verb with its arguments, as it travels to the workers."""

    @property
    def count(self) -> int:
        """How many events there are."""

    def open(self) -> Reader | None:
        """What reads the inputs; None where there are none."""

    def rows(self, vae: VAE, reader: Reader | None, here: slice) -> Columns:
        """The columns of some events' rows, `id` first: arrays (rows, ...)."""


@dataclass(frozen=True)
class Given:
    """Labels (k,) or vectors (k, size) under the name of `VAE`'s argument: the event of id i has row i mod k."""

    keyword: str = ""
    values: Any = ()

    def of(self, ids: npt.NDArray[np.int64]) -> dict[str, Any]:
        """The keyword arguments for events of these ids."""
        if not self.keyword:
            return {}
        if len(self.values) == 1:
            return {self.keyword: self.values[0]}
        places = ids % len(self.values)
        return {self.keyword: np.asarray(self.values)[places]}


@dataclass(frozen=True)
class Generate:
    """`VAE.generate`: `count` events of a seed's series, from `start` on."""

    count: int
    head: str
    seed: int
    start: int
    given: Given

    def open(self) -> None:
        """Nothing to read."""

    def rows(self, vae: VAE, reader: Reader | None, here: slice) -> Columns:
        """id, and image or row."""
        ids = _ids(here) + self.start
        x = vae.generate(len(ids), head=self.head, seed=self.seed, start=int(ids[0]), **self.given.of(ids))
        return {"id": ids, name_of_event(vae): x}


@dataclass(frozen=True)
class _Reads:
    """A task over the events of a source."""

    source: Source
    given: Given

    @property
    def count(self) -> int:
        """How many events there are."""
        return self.source.count

    def open(self) -> Reader:
        """A reader of its own for each worker."""
        return self.source.open()

    def _read(self, reader: Reader | None, here: slice) -> tuple[npt.NDArray[Any], Mapping[str, Any], Columns]:
        """The events, what goes along to the VAE, and the columns that the row begins with."""
        assert reader is not None
        ids = _ids(here)
        found = reader.read(here.start, here.stop)
        given = self.given.of(ids) if found.labels is None else {"label": found.labels}
        return found.events, given, {"id": ids, **found.kept}


@dataclass(frozen=True)
class Encode(_Reads):
    """`VAE.encode`: the parameters of q(z|x), under their names."""

    def rows(self, vae: VAE, reader: Reader | None, here: slice) -> Columns:
        """id, what was kept of the input, and the posterior's parameters."""
        events, given, columns = self._read(reader, here)
        q = vae.encode(events, **given)
        return columns | {name: getattr(q, name) for name in q.parameters}


@dataclass(frozen=True)
class Reconstruct(_Reads):
    """`VAE.reconstruct`."""

    head: str
    latent: str
    seed: int

    def rows(self, vae: VAE, reader: Reader | None, here: slice) -> Columns:
        """id, what was kept of the input, and image or row."""
        events, given, columns = self._read(reader, here)
        x = vae.reconstruct(events, head=self.head, latent=self.latent, seed=self.seed, start=here.start, **given)
        return columns | {name_of_event(vae): x}


def name_of_event(vae: VAE) -> str:
    """The name of the column that holds events: 'image', or 'row' of a table."""
    return "image" if len(vae.event_shape) == 3 else "row"


def _ids(here: slice) -> npt.NDArray[np.int64]:
    return np.arange(here.start, here.stop, dtype=np.int64)
