"""The callable that Ray Data runs in its actors: a VAE with one session on one thread, and the job's task."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

import numpy as np

from vae_edge.batch import parquet
from vae_edge.cluster.tasks import PART, PART_COLUMN, Task

if TYPE_CHECKING:
    from vae_edge.runtime import VAE

__all__ = ["Worker"]


class Worker:
    """Numbers of parts in, the rows of these parts out; pickles as the VAE and the task do.

    A part is run as a whole and by itself, so that its rows do not depend on which parts Ray hands out together.
    """

    def __init__(self, vae: VAE, task: Task) -> None:
        """`vae` travels without its session, which is made where it is first used; `task` says what to do with it."""
        self.vae, self.task = vae, task
        self.reader = task.open()
        self.columns = task.columns(vae)
        self.layout = parquet.schema(self.columns)

    def __call__(self, numbers: Any) -> Iterator[Any]:
        """An Arrow table for each part whose number is in the column `part` of the table `numbers`."""
        for number in numbers[PART_COLUMN].to_pylist():
            here = slice(number * PART, min((number + 1) * PART, self.task.count))
            batch = self.task.rows(self.vae, self.reader, here)
            batch[PART_COLUMN] = np.full(here.stop - here.start, number, np.int64)
            yield parquet.table(batch, self.columns, self.layout)
