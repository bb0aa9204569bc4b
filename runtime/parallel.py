"""Runs the parts of a call on several threads, each part from its noise to its pixels on one of them.

An operator that is split over threads waits for the slowest of them, some ten times a run; parts wait once, at the end
of the call. On two cores, 64 to 4,096 images of a decoder of 1.9 million multiply-adds took 0.8 of the time that way.
"""

from __future__ import annotations

import math
import os
import threading
from collections.abc import Callable, Iterator, Sequence
from queue import SimpleQueue

__all__ = ["each", "parts"]

# In multiply-adds, of which a thread makes 80 to 110 thousand a microsecond: the least that a part is made of, and what
# this thread gets done until another one wakes.
_LEAST = 7_700_000
_WAKING = 4_800_000
_MOST = 64  # images of a part


def parts(n: int, threads: int, cost: int, batch: int) -> list[slice]:
    """The parts of n images that `threads` take in turn, an image costs `cost` multiply-adds; in order.

    Each is an equal share of what is left (guided self-scheduling, Polychronopoulos & Kuck 1987), so that all end at
    about the same time. The first is longer: the caller begins it while the others wake. A call that is not worth that
    is in parts of `batch` images, which one thread takes.
    """
    least = min(batch, -(-_LEAST // max(1, cost)))
    if threads == 1 or n < 2 * least:
        return [slice(at, min(at + batch, n)) for at in range(0, n, batch)]
    found, at, lead = [], 0, _WAKING / max(1, cost) * (threads - 1) / threads
    while at < n:
        left = n - at
        size = max(least, min(_MOST, math.ceil(left / threads + lead)))
        if left - size < least:  # nothing is left that is less
            size = left - least if left >= 2 * least else min(left, batch)
        found.append(slice(at, at + size))
        at, lead = at + size, 0.0
    return found


def each(parts: Sequence[slice], threads: int, work: Callable[[slice], None]) -> None:
    """Calls `work` once for each part, on this thread and up to `threads` - 1 others; raises the first that it raises.

    Parts that have not begun by then are left out. The others are threads that this module keeps, and wait asleep.
    """
    if threads == 1 or len(parts) == 1:
        for only in parts:
            work(only)
        return
    call = _Call(parts, work)
    for _ in range(_crew.ready(min(threads, len(parts)) - 1)):
        _crew.calls.put(call)
    try:
        while (part := call.take()) is not None:
            work(part)
    finally:
        call.stop()  # nothing is left where all went well
        errors = [error for _ in range(call.lent) if (error := call.done.get()) is not None]
    if errors:
        raise errors[0]


class _Call:
    """The parts of one call that nobody has taken yet."""

    def __init__(self, parts: Sequence[slice], work: Callable[[slice], None]) -> None:
        self.work = work
        self.lent = 0  # parts that others have taken; each answers with None or what it raised
        self.done: SimpleQueue[BaseException | None] = SimpleQueue()
        self._parts: Iterator[slice] = iter(parts)
        self._lock = threading.Lock()

    def take(self, lend: bool = False) -> slice | None:
        with self._lock:
            part = next(self._parts, None)
            self.lent += lend and part is not None
            return part

    def stop(self) -> None:
        with self._lock:
            self._parts = iter(())

    def help(self) -> None:
        while (part := self.take(lend=True)) is not None:
            try:
                self.work(part)
            except BaseException as error:
                self.stop()
                self.done.put(error)
            else:
                self.done.put(None)


class _Crew:
    """Threads that wait for calls to help with; as many as the largest call has asked for."""

    def __init__(self) -> None:
        self.calls: SimpleQueue[_Call] = SimpleQueue()
        self._lock, self._count = threading.Lock(), 0

    def ready(self, wanted: int) -> int:
        """How many can help; those that are missing are started."""
        if self._count < wanted:
            with self._lock:
                while self._count < wanted:
                    thread = threading.Thread(target=_serve, args=(self.calls,), name="vae-edge", daemon=True)
                    try:
                        thread.start()
                    except RuntimeError:  # no thread may start any more: the interpreter ends, or a limit is reached
                        break
                    self._count += 1
        return min(self._count, wanted)


def _serve(calls: SimpleQueue[_Call]) -> None:
    while True:
        calls.get().help()


_crew = _Crew()


def _begin_anew() -> None:
    """A forked child has none of its parent's threads."""
    global _crew
    _crew = _Crew()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_begin_anew)
