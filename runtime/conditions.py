"""Labels and other conditions as users have them -> the arrays that a conditional graph reads."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from vae_edge.runtime.bundle.manifest import Condition
from vae_edge.runtime.errors import InputError

__all__ = ["Label", "check", "count", "example", "indices", "listed"]

Array = npt.NDArray[Any]
Label = int | str | Sequence[int | str] | Array


def check(condition: Condition | None, label: Label | None, vector: npt.ArrayLike | None, n: int) -> Array | None:
    """What the graphs read for n events: float32 (n, size), or int64 (n,) for the kind 'index'; None without condition.

    `label` is one label for all events or one each, by name or number; `vector` is (size,) or (n, size) real numbers.
    One condition for all events takes no memory for each. Raises InputError where the model takes no condition, or
    takes one of another kind, or where none was given.
    """
    if condition is None:
        if label is not None or vector is not None:
            raise InputError("this model takes no label and no condition: leave it out, or use a conditional bundle")
        return None
    if condition.is_label:
        if vector is not None or label is None:
            raise InputError(f"this model should be given a label, {listed(condition)}; use label=")
        several = not isinstance(label, str) and np.ndim(label) > 0
        places = indices(condition, label, n) if several else indices(condition, label, 1)
        return _for_each(places if condition.kind == "index" else _one_hot(condition, places), n)
    if label is not None or vector is None:
        raise InputError(f"this model should be given {condition.size} numbers an event; use condition=")
    return _vectors(condition, vector, n)


def count(label: Label | None, vector: npt.ArrayLike | None) -> int | None:
    """How many events labels or vectors are given for; None where one is given for all."""
    if label is not None:
        return None if isinstance(label, str) or np.ndim(label) == 0 else len(label)  # type: ignore[arg-type]
    rows = np.asarray(vector)
    return len(rows) if rows.ndim == 2 else None


def example(condition: Condition | None, n: int) -> Array | None:
    """Some condition for n events, as `check` gives it: the first label, or zeros; None without condition."""
    if condition is None:
        return None
    first = 0 if condition.is_label else None
    return check(condition, first, None if condition.is_label else np.zeros(condition.size, np.float32), n)


def indices(condition: Condition, label: Label, n: int) -> npt.NDArray[np.int64]:
    """The number of each event's label, int64 (n,); raises InputError that lists the labels there are."""
    several = not isinstance(label, str) and np.ndim(label) > 0
    labels = list(label) if several else [label]  # type: ignore[arg-type]
    if several and len(labels) != n:
        raise InputError(f"labels should be one for all, or one for each of the {n:,} events; they are {len(labels):,}")
    places = {name: place for place, name in enumerate(condition.names)}
    known: dict[Any, int] = {}
    for each in labels:
        try:
            if each not in known:
                known[each] = places[each] if isinstance(each, str) and each in places else _number(condition, each)
        except TypeError as error:
            raise InputError(f"a label should be {listed(condition)}; it is {each!r:.60}") from error
    found = np.array([known[each] for each in labels], np.int64)
    return found if several else np.repeat(found, n)


def _number(condition: Condition, label: Any) -> int:
    """A label by its number, also as text ('7', from a command line)."""
    if isinstance(label, str) and label.isdecimal():
        label = int(label[:20])
    is_whole = isinstance(label, (int, np.integer)) and not isinstance(label, (bool, np.bool_))
    if not (is_whole and 0 <= label < condition.size):
        raise InputError(f"a label should be {listed(condition)}; it is {label!r:.60}")
    return int(label)


def listed(condition: Condition) -> str:
    """The labels there are, as the end of a sentence: 'one of cat, dog, or a number from 0 to 1'."""
    shown = ", ".join(condition.names[:20])
    more = f" and {condition.size - 20} more" if condition.size > 20 else ""
    return f"one of {shown}{more}, or a number from 0 to {condition.size - 1}"


def _vectors(condition: Condition, vector: npt.ArrayLike, n: int) -> Array:
    try:
        array = np.asarray(vector, np.float32)
    except (TypeError, ValueError) as error:
        raise InputError(f"condition should be one array of real numbers, it is not: {error}") from error
    if array.shape not in ((condition.size,), (n, condition.size)) or not np.isfinite(array).all():
        raise InputError(
            f"condition should be finite numbers of shape ({condition.size},) or ({n}, {condition.size}), "
            f"it has shape {array.shape}"
        )
    return array if array.ndim == 2 else _for_each(array[None], n)


def _one_hot(condition: Condition, places: npt.NDArray[np.int64]) -> Array:
    rows = np.zeros((len(places), condition.size), np.float32)
    rows[np.arange(len(places)), places] = 1
    return rows


def _for_each(rows: Array, n: int) -> Array:
    """One row for all of n events, as a view that takes no memory; or the rows themselves, where there are n."""
    if len(rows) == n:
        return rows
    try:
        return np.broadcast_to(rows, (n, *rows.shape[1:]))
    except ValueError as error:
        raise InputError(f"{n:,} events are more than NumPy can count: take fewer, and go on with start=") from error
