"""The callable that Ray Data runs in its actors: a VAE with one session on one thread, and the job's task."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

import numpy as np

from vae_edge.cluster.columns import table
from vae_edge.cluster.tasks import PART, Task

if TYPE_CHECKING:
    import pyarrow as pa

    from vae_edge.runtime import VAE

__all__ = ["ID", "Worker"]

ID = "part"  # the column by which Ray knows what is done


class Worker:
    """Numbers of parts in, the rows of these parts out; pickles as the VAE and the task do.

    A part is run as a whole and by itself, so that its rows do not depend on which parts Ray hands out together.
    """

    def __init__(self, vae: VAE, task: Task) -> None:
        """`vae` travels without its session, which is made here."""
        self.vae, self.task = vae, task
        self.reader = task.open()

    def __call__(self, numbers: pa.Table) -> Iterator[pa.Table]:
        """A table for each part whose number is in the column `part`."""
        for number in numbers[ID].to_pylist():
            here = slice(number * PART, min((number + 1) * PART, self.task.count))
            columns = self.task.rows(self.vae, self.reader, here)
            yield table({"id": columns.pop("id"), ID: np.full(here.stop - here.start, number, np.int64)} | columns)
