"""Runs a call in parts on several threads: each part goes from its noise to its pixels on one thread.

Threads that share one operator wait for the slowest of them, some ten times a run. Threads that have parts of their
own wait once, at the end of the call. The parts depend on the call and on `threads` alone, never on a clock: ONNX
Runtime may round differently in batches of another size, and the same call has to give the same pixels.
"""

from __future__ import annotations

import os
import threading
from collections.abc import Callable, Iterator, Sequence
from queue import SimpleQueue

__all__ = ["HEAVY", "LARGEST", "each", "parts"]

# In multiply-adds, of which a core makes about 10^11 a second. Their order of magnitude is what counts.
HEAVY = 30_000_000  # from here on one event is work for several threads: they share each operator instead
_WORTH = 10_000_000  # a part of less takes little longer than to wake a thread for it

LARGEST = 64  # events of a part: small enough for a cache, and for threads to end at about the same time


def parts(n: int, threads: int, cost: int, batch: int, largest: int = LARGEST) -> list[slice]:
    """The parts of a call of n events, in order, which `threads` take in turn; `cost` is an event's multiply-adds.

    A call that is not worth a second thread is in parts of `batch` events, the most that a session may run at once; of
    any other, a part has `largest` events at most.
    """
    if n == 1:
        return [slice(0, 1)]
    worth = min(batch, -(-_WORTH // max(1, cost)))
    size = batch if threads == 1 or n < 2 * worth else max(worth, min(batch, largest, -(-n // threads)))
    return [slice(at, min(at + size, n)) for at in range(0, n, size)]


def each(parts: Sequence[slice], threads: int, work: Callable[[slice], None]) -> None:
    """Calls `work` once for each part, on this thread and on up to `threads` - 1 others.

    Raises the first exception of a part, and leaves out the parts that have not begun by then. The other threads are
    kept between calls, asleep.
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
        call.stop()
        errors = [error for _ in range(call.lent) if (error := call.done.get()) is not None]
    if errors:
        raise errors[0]


class _Call:
    """The parts of one call that nobody has taken yet."""

    def __init__(self, parts: Sequence[slice], work: Callable[[slice], None]) -> None:
        self.work = work
        self.lent = 0  # parts that other threads have taken; for each `done` gets None, or what it raised
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
    """Threads that wait for calls to help with: as many as the largest call so far asked for."""

    def __init__(self) -> None:
        self.calls: SimpleQueue[_Call] = SimpleQueue()
        self._lock, self._count = threading.Lock(), 0

    def ready(self, wanted: int) -> int:
        """How many of the wanted threads can help; starts those that are missing."""
        if self._count < wanted:
            with self._lock:
                while self._count < wanted:
                    thread = threading.Thread(target=_serve, args=(self.calls,), name="vae-edge", daemon=True)
                    try:
                        thread.start()
                    except RuntimeError:  # the interpreter ends, or a limit on threads is reached
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
