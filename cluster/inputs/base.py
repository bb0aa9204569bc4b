"""What a task asks of its inputs: how many events there are, and some of them in order."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Protocol

import numpy.typing as npt

__all__ = ["Found", "Reader", "Source"]


@dataclass(frozen=True)
class Found:
    """Events (rows, ...) as `VAE.encode` takes them, their labels (rows,) where the inputs hold some, and what is kept.

    `kept` are columns that go into the output as they are, Arrow's arrays.
    """

    events: npt.NDArray[Any]
    labels: npt.NDArray[Any] | None = None
    kept: Mapping[str, Any] = field(default_factory=dict)


class Reader(Protocol):
    """Reads for one worker, which asks for parts one after the other."""

    def read(self, start: int, stop: int) -> Found:
        """Events `start` to `stop`; raises DataError."""


class Source(Protocol):
    """Events in an order that does not change; travels to the workers, where each opens it for itself."""

    @property
    def count(self) -> int:
        """How many events there are."""

    def open(self) -> Reader:
        """A reader from the first event on."""

    def record(self) -> dict[str, Any]:
        """What the events depend on, for the job's record."""
