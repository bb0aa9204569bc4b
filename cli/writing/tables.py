"""Rows of numbers as the lines of a .csv (RFC 4180): a header of names, then each float32 in its shortest decimals."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import numpy.typing as npt

__all__ = ["lines"]


def lines(rows: Mapping[str, Iterator[npt.NDArray[Any]]], names: tuple[str, ...]) -> Iterator[bytes]:
    """The file, a chunk at a time, of rows (b, size) that come in chunks; the shortest decimals give the same float32.

    Several rows stand below each other, event by event, behind two columns: the event's index and the row's name.
    """
    several = len(rows) > 1
    yield _line(["event", "row", *names] if several else names)
    event = 0
    for chunks in zip(*rows.values(), strict=True):
        text = []
        for each in zip(*chunks, strict=True):
            for name, values in zip(rows, each, strict=True):
                first = f"{event},{name}," if several else ""
                text.append(first + ",".join(map(str, values)) + "\n")
            event += 1
        yield "".join(text).encode()


def _line(cells: list[str] | tuple[str, ...]) -> bytes:
    line = io.StringIO()
    csv.writer(line, lineterminator="\n").writerow(cells)  # quotes a name that holds a comma
    return line.getvalue().encode()
