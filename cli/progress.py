"""A progress bar with rate and time left, on a terminal only; rich's costs 35 ms of import, this one none."""

from __future__ import annotations

import shutil
import sys
import time
from collections.abc import Callable
from types import TracebackType
from typing import Self, TextIO

__all__ = ["Progress"]

WIDTH = 24
PATIENCE = 0.4  # seconds before a bar appears at all: quick work should not flicker
INTERVAL = 0.1


class Progress:
    """A context manager around work on `total` of `unit`; the bar vanishes when the work ends."""

    def __init__(
        self,
        what: str,
        total: int,
        unit: str = "images",
        *,
        stream: TextIO | None = None,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self.what, self.total, self.unit = what, total, unit
        self.stream = sys.stderr if stream is None else stream
        self.clock = clock
        self.done = 0
        self._length = 0

    def __enter__(self) -> Self:
        self.shown = self.stream.isatty()
        self._start = self.clock()
        self._next = self._start + PATIENCE
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._length:
            self._write("")
            self.stream.write("\r")
            self.stream.flush()

    def begin(self, total: int) -> None:
        """So many are to be done in all."""
        self.total = total

    def advance(self, count: int) -> None:
        """`count` more are done."""
        self.done += count
        if self.shown and (now := self.clock()) >= self._next:
            self._next = now + INTERVAL
            self._write(self.line(now - self._start))

    def line(self, seconds: float) -> str:
        """The bar after `seconds` of work."""
        share = min(1.0, self.done / self.total) if self.total else 1.0
        filled = int(share * WIDTH)
        rate = self.done / seconds if seconds > 0 else 0.0
        left = _clock((self.total - self.done) / rate) if rate else "?"
        return (
            f"{self.what} [{'#' * filled}{'-' * (WIDTH - filled)}] {share:4.0%}  "
            f"{self.done:,}/{self.total:,} {self.unit}  {rate:,.0f}/s  {left} left"
        )

    def _write(self, line: str) -> None:
        line = line[: shutil.get_terminal_size().columns - 1]
        self.stream.write("\r" + line.ljust(self._length))
        self.stream.flush()
        self._length = len(line)


def _clock(seconds: float) -> str:
    minutes, seconds = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02}:{seconds:02}" if hours else f"{minutes}:{seconds:02}"
