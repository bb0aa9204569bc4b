"""What a worker does with one part of a job: its events in, its rows out."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Protocol

import numpy as np
import numpy.typing as npt

from vae_edge.batch.columns import Batch, Column, Columns, condition_columns, event_columns, repeated
from vae_edge.batch.scores import score_batch, score_columns
from vae_edge.runtime.distributions import registry
from vae_edge.runtime.errors import InputError
from vae_edge.runtime.model import BATCH_SIZE
from vae_edge.runtime.scoring.statistics import Meter

if TYPE_CHECKING:
    from vae_edge.batch.inputs import Found, Reader, Source
    from vae_edge.runtime import VAE

__all__ = ["PART", "PART_COLUMN", "Encode", "Generate", "Given", "Reconstruct", "Score", "Task"]

PART = BATCH_SIZE  # events of a part: those of a batch of `VAE.stream`, so that graphs run in the same batches
PART_COLUMN = "part"  # the column by which Ray knows what is done

_ID, _NAME, _PART = Column("id", "int64"), Column("name", "str"), Column(PART_COLUMN, "int64")


class Task(Protocol):
    """A verb with its arguments, as it travels to the workers."""

    @property
    def count(self) -> int:
        """How many events there are."""

    def columns(self, vae: VAE) -> Columns:
        """The columns of a row."""

    def open(self) -> Reader | None:
        """What reads the inputs; None where there are none."""

    def rows(self, vae: VAE, reader: Reader | None, here: slice) -> Batch:
        """The rows of some events, all but their part's number."""


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
        return {self.keyword: np.asarray(self.values)[ids % len(self.values)]}


@dataclass(frozen=True)
class Generate:
    """`VAE.generate`: `count` events of a seed's series, from `start` on."""

    count: int
    head: str
    seed: int
    start: int
    given: Given
    temperature: float = 1.0

    def columns(self, vae: VAE) -> Columns:
        """id, part, the event, and the label or vector that it was made of."""
        return (_ID, _PART, *_event(vae), *condition_columns(vae.manifest.condition))

    def open(self) -> None:
        """Nothing to read."""

    def rows(self, vae: VAE, reader: Reader | None, here: slice) -> Batch:
        """Some of the events."""
        ids = _ids(here) + self.start
        given, columns = self.given.of(ids), condition_columns(vae.manifest.condition)
        options: dict[str, Any] = {"head": self.head, "seed": self.seed, "temperature": self.temperature}
        x = vae.generate(len(ids), start=int(ids[0]), **options, **given)
        return {"id": ids} | _spread(vae, x) | repeated(columns, given, len(ids))


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

    def _read(self, reader: Reader | None, here: slice) -> tuple[Found, dict[str, Any], Batch]:
        """The events, what goes along to the VAE, and what the rows begin with."""
        assert reader is not None
        found, places = reader.read(here.start, here.stop), _ids(here)
        given = self.given.of(places) if self.given.keyword or found.labels is None else {"label": found.labels}
        return found, given, {"id": found.kept.get("id", places), "name": np.array(found.names)}


@dataclass(frozen=True)
class Encode(_Reads):
    """`VAE.encode`: the parameters of q(z|x), under their names."""

    def columns(self, vae: VAE) -> Columns:
        """id, name, part, and the posterior's parameters."""
        spec = vae.manifest.posterior
        shapes = registry.family(spec.family, "posterior").parameter_shapes(spec.event_shape, spec.constants)
        return (_ID, _NAME, _PART, *(Column(name, "float32", shape) for name, shape in shapes.items()))

    def rows(self, vae: VAE, reader: Reader | None, here: slice) -> Batch:
        """The posteriors of some of the events."""
        found, given, batch = self._read(reader, here)
        q = vae.encode(found.events, **given)
        return batch | {name: getattr(q, name) for name in q.parameters}


@dataclass(frozen=True)
class Reconstruct(_Reads):
    """`VAE.reconstruct`; event i takes draw i of the seed."""

    head: str
    latent: str
    seed: int

    def columns(self, vae: VAE) -> Columns:
        """id, name, part, and the event."""
        return (_ID, _NAME, _PART, *_event(vae))

    def rows(self, vae: VAE, reader: Reader | None, here: slice) -> Batch:
        """Some of the events, through z and back."""
        found, given, batch = self._read(reader, here)
        x = vae.reconstruct(found.events, head=self.head, latent=self.latent, seed=self.seed, start=here.start, **given)
        return batch | _spread(vae, x)


@dataclass(frozen=True)
class Score(_Reads):
    """`VAE.score`: where the bundle has a fit of as many draws its value, and the statistics."""

    draws: int | None
    seed: int

    def columns(self, vae: VAE) -> Columns:
        """id, name, part, and what `score_columns` gives."""
        condition = vae.manifest.condition
        labelled = condition is not None and condition.is_label
        statistics = Meter(vae.model).names
        columns = score_columns(vae.manifest.event, statistics, judged=self._is_judged(vae), labelled=labelled)
        return (_ID, _NAME, _PART, *columns)

    def rows(self, vae: VAE, reader: Reader | None, here: slice) -> Batch:
        """The scores of some of the events; raises InputError where the fit is for events with labels, without them."""
        found, given, batch = self._read(reader, here)
        score = vae.score(found.events, draws=self.draws, seed=self.seed, **given)
        if score.combined is None and self._is_judged(vae):
            raise InputError(f"{score.lacking} or label_column=, or another number of draws for the statistics alone")
        return batch | score_batch(vae.manifest.event, score)

    def _is_judged(self, vae: VAE) -> bool:
        fit = vae.manifest.scores  # which judges as many draws as it was made of
        return fit is not None and self.draws in (None, fit.draws)


def _event(vae: VAE) -> Columns:
    event = vae.manifest.event
    return event_columns("image", event.shape, getattr(event, "names", ()), "float32")


def _spread(vae: VAE, events: npt.NDArray[np.float32]) -> Batch:
    """Events as columns: an image in one, a row of a table in one for each number."""
    columns = _event(vae)
    if events.ndim == 4:
        return {columns[0].name: events}
    return {column.name: events[:, place] for place, column in enumerate(columns)}


def _ids(here: slice) -> npt.NDArray[np.int64]:
    return np.arange(here.start, here.stop, dtype=np.int64)
