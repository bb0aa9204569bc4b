"""Scores as rows: value and is_unusual where a fit judges them, statistics, a table's surprise, the label."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING

from vae_edge.batch.columns import Batch, Column, Columns, event_columns
from vae_edge.runtime.bundle.manifest import Image, Vector

if TYPE_CHECKING:
    from vae_edge.runtime import Score

__all__ = ["score_batch", "score_columns"]


def score_columns(event: Image | Vector, statistics: Iterable[str], *, judged: bool, labelled: bool) -> Columns:
    """The columns of a score of an `event`, with these statistics; of a table a surprise for each of its columns."""
    value = (Column("value", "float64"), Column("is_unusual", "bool")) if judged else ()
    label = (Column("label", "int64"),) if labelled else ()
    return (*value, *(Column(name, "float64") for name in statistics), *_surprise(event), *label)


def score_batch(event: Image | Vector, score: Score) -> Batch:
    """A score under the names of its columns."""
    batch: Batch = dict(score.statistics)
    batch |= {column.name: score.surprise[:, place] for place, column in enumerate(_surprise(event))}
    if score.combined is not None:
        batch |= {"value": score.value, "is_unusual": score.is_unusual}
    return batch if score.labels is None else batch | {"label": score.labels}


def _surprise(event: Image | Vector) -> Columns:
    columns = () if isinstance(event, Image) else event_columns("", event.shape, event.names, "float32")
    return tuple(Column(f"surprise_{column.name}", column.dtype) for column in columns)
