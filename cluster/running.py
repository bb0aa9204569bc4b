"""Runs a task over Ray Data: parts -> workers in an actor pool -> Ray's Parquet writer, with Ray's checkpoint."""

from __future__ import annotations

import logging
import os
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from vae_edge.batch.columns import Columns, width
from vae_edge.cluster.actor import Worker
from vae_edge.cluster.output import Output
from vae_edge.cluster.tasks import PART, PART_COLUMN, Task
from vae_edge.runtime.errors import InputError, MissingExtra, VaeEdgeError

try:
    import pyarrow  # noqa: F401
    import ray
except ImportError as error:
    raise MissingExtra("work on a cluster needs Ray: pip install 'vae-edge[ray]'") from error

if TYPE_CHECKING:
    from vae_edge.runtime import VAE

__all__ = ["Concurrency", "Outcome", "connect", "rows_of_a_file", "run"]

Concurrency = int | tuple[int, int] | None

FILE_BYTES = 32 << 20  # of rows in a file, before compression; a worker holds about three times as much

# A worker keeps a CPU busy and asks for half of one. Where a node dies, Ray makes the rows that were lost with it by
# the same actors, which must find room on the nodes that are left: without it the job waits for ever. Tasks that read
# and write ask for no CPU, so that workers cannot keep them out; there are few at a time, since each is a process.
_WORKER, _ELSE = 0.5, 0
_WORKERS_A_READER, _WORKERS_A_WRITER = 16, 2


@dataclass(frozen=True)
class Outcome:
    """What a job has done: `rows` lie in the `files` of `out`; this call made `made` of them in `seconds`."""

    out: str
    rows: int
    made: int
    files: int
    seconds: float


def connect(address: str | None) -> None:
    """Joins the Ray cluster at `address`, where this process is in none: 'local' is one on this machine alone.

    None is the cluster of $RAY_ADDRESS or the one that runs on this machine, else one made here. Raises InputError
    where there is none.
    """
    if ray.is_initialized():
        return
    os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")  # a cluster made here reports nothing to Ray's makers
    try:
        ray.init(address=address, log_to_driver=False, logging_level=logging.WARNING)
    except (ConnectionError, ValueError, RuntimeError) as error:
        raise InputError(
            f"no Ray cluster answers at {address!r} ({error}): begin one with `ray start --head`, or say 'local'"
        ) from error


def run(vae: VAE, task: Task, out: str, record: dict[str, Any], concurrency: Concurrency, resume: bool) -> Outcome:
    """Does the task's parts that are missing in `out`; raises InputError, OutputError, RunError, or what a worker did.

    `record` is what the rows depend on. The driver holds numbers and Ray's bookkeeping, never rows.
    """
    began = time.perf_counter()
    output = Output.at(out)
    if output.begin(record, resume=resume):
        rows, files = output.count()
        return Outcome(out, rows, 0, files, time.perf_counter() - began)
    before = output.committed()
    with _settings(output):
        from vae_edge.cluster.parts import Parts

        columns = task.columns(vae)
        source = Parts(PART_COLUMN, -(-task.count // PART), rows_of_a_file(columns) // PART)
        least, most = _workers(concurrency, source.blocks)
        # Of thousands of numbers a row, a dictionary and the smallest tell nothing, and take as long as the rest.
        plain = [column.name for column in columns if not column.shape]
        dataset = ray.data.read_datasource(
            source, num_cpus=_ELSE, override_num_blocks=source.blocks, concurrency=-(-most // _WORKERS_A_READER)
        )
        made = dataset.map_batches(
            Worker,
            fn_constructor_args=(vae, task),
            batch_size=None,  # a block, which becomes a file
            batch_format="pyarrow",
            compute=ray.data.ActorPoolStrategy(min_size=least, max_size=most),
            num_cpus=_WORKER,
        )
        try:
            made.write_parquet(
                output.path,
                filesystem=output.filesystem,
                ray_remote_args={"num_cpus": _ELSE},
                concurrency=-(-most // _WORKERS_A_WRITER),
                compression="zstd",
                use_dictionary=plain,
                write_statistics=plain,
            )
        except ray.exceptions.RayTaskError as error:
            if isinstance(error.cause, VaeEdgeError):  # what a worker raised on purpose
                raise error.cause from error
            raise
    rows, files = output.finish(task.count)
    return Outcome(out, rows, rows - before, files, time.perf_counter() - began)


def rows_of_a_file(columns: Columns) -> int:
    """How many rows a file has, a whole number of parts."""
    return max(1, FILE_BYTES // (width(columns) * PART)) * PART


def _workers(concurrency: Concurrency, blocks: int) -> tuple[int, int]:
    """The fewest and the most workers; one has a block at a time."""
    least, most = concurrency if isinstance(concurrency, tuple) else (concurrency, concurrency)
    if concurrency is None:
        least, most = 1, max(1, int(ray.cluster_resources().get("CPU", 1)))
    if not (isinstance(least, int) and isinstance(most, int) and 1 <= least <= most):
        raise InputError(f"concurrency should be a number of workers or (fewest, most), it is {concurrency!r:.60}")
    return min(least, blocks), min(most, blocks)


@contextmanager
def _settings(output: Output) -> Iterator[None]:
    """Ray Data's settings for a job, put back after it."""
    context = ray.data.DataContext.get_current()
    names = ("target_max_block_size", "checkpoint_config", "enable_progress_bars", "print_on_execution_start")
    before = {name: getattr(context, name) for name in names}
    context.target_max_block_size = None  # else a part may be cut in two, and one half be taken for all of it
    context.checkpoint_config = ray.data.checkpoint.CheckpointConfig(
        id_column=PART_COLUMN, checkpoint_path=output.checkpoint, override_filesystem=output.filesystem
    )
    context.enable_progress_bars = sys.stderr.isatty()
    context.print_on_execution_start = False
    try:
        yield
    finally:
        for name, value in before.items():
            setattr(context, name, value)
