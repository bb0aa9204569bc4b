"""The rounds: what is computed is checked, then each side is measured in turn, round by round.

A group is one kind of work at one n; its entries are (peer, model), all of which a round measures, in an order of its
own, since a process finds in the caches what the one before has left.
"""

from __future__ import annotations

import random
import statistics
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field

from workers import Asked, WorkerError

__all__ = ["Cell", "Entry", "Group", "measure", "ratios", "spread"]

Entry = tuple[str, str]  # peer, model


@dataclass(frozen=True)
class Group:
    """One kind of work: `work` on n images, under `head` where it has one."""

    work: str
    head: str
    n: int


@dataclass
class Cell:
    """What one entry of a group gave: the median seconds of each round, or the reason why there are none."""

    peer: str
    model: str
    rounds: list[float] = field(default_factory=list)
    reason: str = ""


def measure(
    group: Group,
    entries: Sequence[Entry],
    workers: Mapping[str, Asked],
    check: Callable[[Group, Entry], str],
    rounds: int,
    seconds: float,
    shuffle: Callable[[list[Entry]], None] | None = None,
) -> list[Cell]:
    """A cell for each entry: measured `rounds` times where `check` gives no reason against it, else with that reason.

    An entry that fails in a round has no figure at all: its other rounds would not be those of the rest.
    """
    shuffle = shuffle or random.Random(0).shuffle
    cells = {entry: Cell(*entry) for entry in entries}
    for entry, cell in cells.items():
        cell.reason = check(group, entry)
    for _ in range(rounds):
        order = [entry for entry in entries if not cells[entry].reason]
        shuffle(order)
        for peer, model in order:
            cell = cells[peer, model]
            request = {"model": model, "work": group.work, "head": group.head, "n": group.n, "seconds": seconds}
            try:
                taken = workers[peer].ask("measure", **request)["seconds"]
            except WorkerError as error:
                cell.reason, cell.rounds = f"fails: {error}", []
                continue
            cell.rounds.append(statistics.median(taken))
    return list(cells.values())


def ratios(theirs: Sequence[float], ours: Sequence[float]) -> list[float]:
    """Theirs over ours in each round: above 1, ours is faster."""
    return [their / our for their, our in zip(theirs, ours, strict=True)]


def spread(values: Sequence[float]) -> dict[str, float]:
    """Median and quartiles."""
    if len(values) < 2:
        return dict.fromkeys(("median", "q1", "q3"), values[0])
    first, middle, third = statistics.quantiles(values, n=4, method="inclusive")
    return {"median": middle, "q1": first, "q3": third}
