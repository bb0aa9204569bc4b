"""What every source of events gives."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, Protocol

import numpy.typing as npt

__all__ = ["Found", "Reader", "Source"]


@dataclass(frozen=True)
class Found:
    """Some events (b, ...) as a VAE takes them, the name of each, and its label, text or whole numbers (b,), or None.

    `kept` are columns of the input that a row of the output begins with: its own `id`, where it has one.
    """

    events: npt.NDArray[Any]
    names: list[str]
    labels: npt.NDArray[Any] | None = None
    kept: dict[str, npt.NDArray[Any]] = field(default_factory=dict)


class Reader(Protocol):
    """An open source. It is quick where each piece begins where the last one ended."""

    def read(self, start: int, stop: int) -> Found:
        """Events `start` to `stop` of the source; raises DataError or InputError."""


class Source(Protocol):
    """Events in files, all of one shape; it pickles, and each process opens a reader of its own."""

    @property
    def count(self) -> int:
        """How many events there are."""

    @property
    def state(self) -> Any:
        """What changes where the files change, for JSON: their names, sizes and dates."""

    def open(self) -> Reader:
        """A reader."""
