"""Training on several replicas, the devices of one machine or the workers of a cluster, as if it were one.

The replicas share a batch. Each has the noise that its rows would have in one process, so that the weights are those of
one process with the same batch, up to the order in which gradients are added.
"""

from __future__ import annotations

import json
import os
import re
from collections.abc import Callable, Iterator
from contextlib import contextmanager, nullcontext
from typing import Any, Literal, get_args

import tensorflow as tf

from vae_edge.runtime.errors import InputError, RunError

__all__ = ["Strategy", "are_workers", "count", "is_chief", "naming_the_lost", "rows", "scope"]

Strategy = Literal["none", "mirrored", "multi-worker"]

VARIABLE = "TF_CONFIG"
EXAMPLE = (
    '{"cluster": {"worker": ["10.0.0.1:2222", "10.0.0.2:2222"]}, "task": {"type": "worker", "index": 0}}, with the '
    "same workers on each of them and an index of its own"
)


def scope(strategy: Strategy, batch: int) -> Any:
    """The context in which a model for this strategy is made.

    Raises InputError for an unknown strategy, a TF_CONFIG that names no worker, or a `batch` that the replicas cannot
    share equally.
    """
    if strategy not in get_args(Strategy):
        raise InputError(f"strategy should be one of {', '.join(get_args(Strategy))}, it is {strategy!r}")
    if strategy == "none":
        return nullcontext()
    if strategy == "mirrored":
        logical = tf.config.list_logical_devices("GPU") or tf.config.list_logical_devices("CPU")
        chosen = tf.distribute.MirroredStrategy([device.name for device in logical])
    else:
        is_chief(strategy)  # raises for a TF_CONFIG that TensorFlow would take for a cluster of one
        chosen = tf.distribute.MultiWorkerMirroredStrategy()
    replicas = chosen.num_replicas_in_sync
    if batch % replicas:
        raise InputError(
            f"batch should be a multiple of {replicas}, the number of replicas that share it; it is {batch}: "
            f"give --batch {max(1, round(batch / replicas)) * replicas}"
        )
    return chosen.scope()


def is_chief(strategy: Strategy) -> bool:
    """Whether this process writes the run: always, but for workers other than the first of `multi-worker`.

    Raises InputError where TF_CONFIG does not say which worker this is.
    """
    if strategy != "multi-worker":
        return True
    text = os.environ.get(VARIABLE, "")
    try:
        tree = json.loads(text)
        cluster, task = tree["cluster"], tree["task"]
        kind, index = task["type"], int(task["index"])
        if not 0 <= index < len(cluster[kind]) or set(cluster) - {"chief", "worker"} or kind not in cluster:
            raise ValueError(f"there is no {kind} {index} in its cluster")
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        came = f"it is {text!r:.120} ({error})" if text else "it is not set"
        raise InputError(f"multi-worker needs {VARIABLE} in the environment, {came}; expected {EXAMPLE}") from error
    return kind == "chief" or ("chief" not in cluster and index == 0)


def count() -> int:
    """How many replicas share a batch, in the scope of a strategy or in its replicas."""
    return int(tf.distribute.get_strategy().num_replicas_in_sync)


def are_workers() -> bool:
    """Whether the replicas are the workers of a cluster."""
    return isinstance(tf.distribute.get_strategy(), tf.distribute.MultiWorkerMirroredStrategy)


def rows(draw: Callable[[tf.Tensor], tf.Tensor], shape: tf.Tensor, axis: int = 0) -> tf.Tensor:
    """This replica's rows of the noise that `draw` gives for a whole batch.

    `shape` is that of the rows of one replica, which lie along `axis`. Drawing for all costs little beside a network,
    and noise then depends on a row's place in the batch, not on how many replicas share it.
    """
    replica, replicas = tf.distribute.get_replica_context(), count()
    if replica is None or replicas == 1:
        return draw(shape)
    shape = tf.convert_to_tensor(shape)
    times = tf.one_hot(axis, tf.size(shape), on_value=replicas, off_value=1, dtype=shape.dtype)
    first = tf.one_hot(axis, tf.size(shape), dtype=shape.dtype) * shape[axis]
    number = tf.cast(replica.replica_id_in_sync_group, shape.dtype)
    return tf.slice(draw(shape * times), first * number, shape)


@contextmanager
def naming_the_lost(strategy: Strategy) -> Iterator[None]:
    """Turns what TensorFlow raises where another worker has died into a RunError that says how to go on."""
    try:
        yield
    except tf.errors.OpError as error:
        reason = re.search(r"Collective ops is aborted by: *(.*)", str(error))
        if strategy != "multi-worker" or reason is None:
            raise
        task = re.search(r"/job:(\w+)/replica:0/task:(\d+)", str(error))
        lost = f"{task[1]} {task[2]}" if task else "another worker"
        raise RunError(
            f"{lost} was lost ({reason[1]:.100}); start all workers again with --resume: the run goes on after its "
            "last whole epoch"
        ) from error
