"""The numbers of a job's parts as a source of Ray Data: what is scheduled, retried and checkpointed."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
import pyarrow as pa
from ray.data.block import BlockMetadata
from ray.data.datasource import Datasource, ReadTask

__all__ = ["Parts"]


class Parts(Datasource):  # type: ignore[misc]
    """Rows {name: 0}, {name: 1}, ... up to `count`, in blocks of `together`."""

    def __init__(self, name: str, count: int, together: int) -> None:
        super().__init__()
        self.name, self.count, self.together = name, count, together

    @property
    def blocks(self) -> int:
        """How many blocks there are."""
        return -(-self.count // self.together)

    def estimate_inmemory_data_size(self) -> int:
        """8 bytes a number."""
        return 8 * self.count

    def get_read_tasks(
        self, parallelism: int, per_task_row_limit: int | None = None, data_context: Any = None
    ) -> list[ReadTask]:
        """One task a block, whatever the parallelism: a block's rows become one file."""
        name = self.name

        def block(first: int, last: int) -> Iterator[pa.Table]:
            yield pa.table({name: np.arange(first, last, dtype=np.int64)})

        tasks = []
        for first in range(0, self.count, self.together):
            last = min(first + self.together, self.count)
            size = last - first
            found = BlockMetadata(num_rows=size, size_bytes=8 * size, input_files=None, exec_stats=None)
            schema = pa.schema([(name, pa.int64())])
            tasks.append(
                ReadTask(
                    lambda first=first, last=last: block(first, last), found, schema=schema,
                    per_task_row_limit=per_task_row_limit,
                )
            )  # fmt: skip
        return tasks
