"""Runs the parts of a call on several threads, each part from its noise to its pixels on one of them.

An operator that is split over threads waits for the slowest of them, some ten times a run; parts wait once, at the end
of the call. On two cores, 64 to 4,096 images of a decoder of 1.9 million multiply-adds took 0.8 of the time that way.
"""

from __future__ import annotations

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

    They are of equal size, but where there is one for each thread: then the first is longer, since the caller begins it
    while the others wake (64 images of the built-in `mnist` on two cores take 0.96 of the time so, 32 take 0.94; parts
    that get smaller towards the end gave nothing). A call that is not worth it is in parts of `batch` images.
    """
    least = min(batch, -(-_LEAST // max(1, cost)))
    if threads == 1 or n < 2 * least:
        return _equal(0, n, batch)
    size = max(least, min(_MOST, -(-n // threads)))
    count = min(-(-n // size), n // least)
    if count > threads:
        return _equal(0, n, size)
    lead = round(_WAKING / max(1, cost) * (count - 1) / count)
    first = min(size + lead, n - least * (count - 1), batch)
    return [slice(0, first), *_equal(first, n, min(batch, -(-(n - first) // (count - 1))))]


def _equal(start: int, stop: int, size: int) -> list[slice]:
    return [slice(at, min(at + size, stop)) for at in range(start, stop, size)]


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
