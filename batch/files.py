"""Rows in one file: Parquet, or a tar in WebDataset's layout; written as they come, and there whole or not at all."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

from vae_edge.batch import columns as layouts
from vae_edge.batch import writers
from vae_edge.batch.columns import Batch, Columns
from vae_edge.runtime import atomic

__all__ = ["write"]


def write(
    path: Path,
    kind: str,
    columns: Columns,
    record: dict[str, Any],
    batches: Iterable[Batch],
    advance: Callable[[int], None] = lambda rows: None,
) -> None:
    """Writes all rows of the batches to `path`, in the format `kind`; raises OutputError, and what `batches` raises.

    `record` says what the rows depend on, and `advance` is told how many rows have come.
    """
    layouts.check(columns)
    with atomic.replacing(path) as file, writers.opened(kind, file, columns, record) as writer:
        for batch in batches:
            writer.write(batch)
            advance(layouts.rows_of(batch))
