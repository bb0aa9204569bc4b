"""What `generate`, `encode` and `reconstruct` put into rows: their columns, their batches, and what they depend on.

A batch is always of the same rows, wherever a job was interrupted: graphs round alike then, to the bit.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from vae_edge.batch.columns import Batch, Column, Columns, condition_columns, event_columns, repeated
from vae_edge.batch.scores import score_batch, score_columns
from vae_edge.cli.reading.conditions import Given, resolve
from vae_edge.cli.rows.inputs import Stream
from vae_edge.pictures.sheet import to_bytes
from vae_edge.runtime.distributions import registry
from vae_edge.runtime.model import BATCH_SIZE

if TYPE_CHECKING:
    from vae_edge.batch.inputs import Found
    from vae_edge.runtime import VAE, Score
    from vae_edge.runtime.distributions import Distribution

__all__ = ["Encode", "Generate", "OfStream", "Reconstruct", "Scores", "recorded"]

Array = npt.NDArray[Any]
IMAGE = "image"


def recorded(vae: VAE, **options: Any) -> dict[str, Any]:
    """What all rows of a bundle depend on, and the options that a verb adds."""
    return {"bundle": vae.manifest.name, "digest": vae.manifest.digest, **options}


class _Events:
    """The columns of events, one or several heads of each."""

    def __init__(self, vae: VAE, heads: tuple[str, ...], dtype: str) -> None:
        event = vae.manifest.event
        names = getattr(event, "names", ())
        self._heads, self._dtype = heads, dtype
        self._names = {head: event_columns(IMAGE, event.shape, names, dtype) for head in heads}
        if len(heads) > 1:
            self._names = {
                head: tuple(Column(_named(each.name, head), each.dtype, each.shape) for each in columns)
                for head, columns in self._names.items()
            }

    @property
    def columns(self) -> Columns:
        return tuple(column for columns in self._names.values() for column in columns)

    def batch(self, head: str, events: Array) -> Batch:
        columns = self._names[head]
        if len(columns) == 1 and events.ndim == 4:
            return {columns[0].name: to_bytes(events) if self._dtype == "uint8" else events}
        return {column.name: events[:, place] for place, column in enumerate(columns)}

    def of(self, p: Distribution, seed: int, start: int) -> Batch:
        """Every head of p(x|z)."""
        batch: Batch = {}
        for head in self._heads:
            events = p.sample(seed=seed, start=start) if head == "sample" else getattr(p, head)()
            batch |= self.batch(head, events)
        return batch


def _named(column: str, head: str) -> str:
    """A column where there are several heads: 'mean' of images, 'age_mean' of a table."""
    return head if column == IMAGE else f"{column}_{head}"


@dataclass
class Generate:
    """Draws of the prior, decoded; row i is draw `start` + i of the seed."""

    vae: VAE
    heads: tuple[str, ...]
    seed: int
    start: int
    given: Given
    dtype: str
    members: int | None = None
    temperature: float = 1.0

    def __post_init__(self) -> None:
        self._events = _Events(self.vae, self.heads, self.dtype)
        self._condition = condition_columns(self.vae.manifest.condition)

    @property
    def columns(self) -> Columns:
        """id, the events, and the label or vector that they were made of."""
        return (Column("id", "int64"), *self._events.columns, *self._condition)

    def batches(self, here: range) -> Iterator[Batch]:
        """Some rows of the job."""
        for at in range(here.start, here.stop, BATCH_SIZE):
            n, draw = min(BATCH_SIZE, here.stop - at), self.start + at
            given = self.given.of(draw, n)
            batch: Batch = {"id": np.arange(draw, draw + n)}
            if len(self.heads) == 1 or self.members is not None:
                at_draw: dict[str, Any] = {"seed": self.seed, "start": draw, "members": self.members, **given}
                at_draw["temperature"] = self.temperature
                for head in self.heads:
                    batch |= self._events.batch(head, self.vae.generate(n, head=head, **at_draw))
            else:  # one run of the decoder for all heads
                prior = self.vae.prior_given(**given, temperature=self.temperature)
                z = prior.sample(() if prior.batch_shape else n, seed=self.seed, start=draw)
                batch |= self._events.of(self.vae.decode(z, **given), self.seed, draw)
            yield batch | repeated(self._condition, given, n)


@dataclass
class OfStream(ABC):
    """Rows of events that are read."""

    vae: VAE
    stream: Stream
    given: Given  # of options; where they give nothing, of the labels that come with the events

    @property
    @abstractmethod
    def columns(self) -> Columns:
        """The columns of a row."""

    @abstractmethod
    def batches(self, here: range) -> Iterator[Batch]:
        """Some rows of the job."""

    def _of(self, at: int, found: Found) -> dict[str, Any]:
        if self.given.keyword or self.vae.manifest.condition is None:
            return self.given.of(at, len(found.names))
        return resolve(self.vae, None, None, None, n=len(found.names), found=found.labels).of(0, len(found.names))

    def _first(self, at: int, found: Found) -> Batch:
        place = self.stream.start + at
        ids = found.kept.get("id", np.arange(place, place + len(found.names)))
        return {"id": ids, "name": np.array(found.names)}


_FIRST = (Column("id", "int64"), Column("name", "str"))


@dataclass
class Encode(OfStream):
    """The parameters of q(z|x) of each event, under their names."""

    @property
    def columns(self) -> Columns:
        """id and name of the event, and the posterior's parameters."""
        spec = self.vae.manifest.posterior
        shapes = registry.family(spec.family, "posterior").parameter_shapes(spec.event_shape, spec.constants)
        return (*_FIRST, *(Column(name, "float32", shape) for name, shape in shapes.items()))

    def batches(self, here: range) -> Iterator[Batch]:
        """Some rows of the job."""
        for at, found in self.stream.batches(here):
            q = self.vae.encode(found.events, **self._of(at, found))
            yield self._first(at, found) | {name: getattr(q, name) for name in q.parameters}


@dataclass
class Reconstruct(OfStream):
    """Each event through z and back; event i takes draw i of the seed."""

    heads: tuple[str, ...]
    latent: str
    seed: int
    dtype: str
    member: int | None = None

    def __post_init__(self) -> None:
        self._events = _Events(self.vae, self.heads, self.dtype)

    @property
    def columns(self) -> Columns:
        """id and name of the event, and its reconstruction."""
        return (*_FIRST, *self._events.columns)

    def batches(self, here: range) -> Iterator[Batch]:
        """Some rows of the job."""
        for at, found in self.stream.batches(here):
            given = self._of(at, found)
            q = self.vae.encode(found.events, **given)
            z = q.mean() if self.latent == "mean" else q.sample(seed=self.seed, start=at)
            yield self._first(at, found) | self._events.of(
                self.vae.decode(z, member=self.member, **given), self.seed, at
            )


@dataclass
class Scores(OfStream):
    """How unlike the training data each event is: the statistics, and where the bundle has a fit their one value."""

    options: dict[str, Any]  # of `VAE.score`

    def __post_init__(self) -> None:
        (self._example,) = (self._score(at, found) for at, found in self.stream.batches(range(1)))

    @property
    def columns(self) -> Columns:
        """id and name of the event, value and is_unusual with a fit, statistics, a table's surprise, the label."""
        found = self._example
        judged, labelled = found.combined is not None, found.labels is not None
        event = self.vae.manifest.event
        return (*_FIRST, *score_columns(event, found.statistics, judged=judged, labelled=labelled))

    def batches(self, here: range) -> Iterator[Batch]:
        """Some rows of the job."""
        for at, found in self.stream.batches(here):
            yield self._first(at, found) | score_batch(self.vae.manifest.event, self._score(at, found))

    def _score(self, at: int, found: Found) -> Score:
        is_known = self.given.keyword or found.labels is not None or not self.vae.labels
        given = self._of(at, found) if is_known else {}  # each under the label that makes it likeliest
        return self.vae.score(found.events, **self.options, **given)
