"""A folder of pictures, one an event: named by their indices, never mixed with what else lies there.

`generate` leaves a record of what it draws in the folder, so that --resume can tell its own pictures from others.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from itertools import groupby
from pathlib import Path
from typing import TYPE_CHECKING, Any

from vae_edge.runtime.errors import OutputError

if TYPE_CHECKING:
    import numpy.typing as npt

__all__ = ["RECORD", "Folder", "Pieces", "stem"]

RECORD = ".vae-edge.json"


def stem(index: int) -> str:
    """The name of picture `index`, without its suffix: of one width, so that names sort as indices do."""
    return f"{index:08}"


@dataclass(frozen=True)
class Pieces:
    """Which draws are to be made: stretches of indices, one behind the other."""

    ranges: tuple[range, ...]

    def __len__(self) -> int:
        return sum(map(len, self.ranges))

    def stems(self) -> Iterator[str]:
        """The names of the draws' pictures, without what follows them."""
        return (stem(index) for each in self.ranges for index in each)


@dataclass(frozen=True)
class Folder:
    """A folder that pictures go to; `force` writes among what lies there, `resume` adds what is missing."""

    path: Path
    force: bool = False
    resume: bool = False

    def check(self) -> None:
        """Raises OutputError where the folder holds anything and nothing was said about it."""
        if not (self.force or self.resume) and (first := min(self._listed(), default=None)) is not None:
            go_on = " --resume makes what is missing," if (self.path / RECORD).exists() else ""
            raise OutputError(
                f"{self.path}: holds files already ({first}, ...):{go_on} --force writes among them and replaces those "
                "of the same name; or name another folder"
            )

    def begin(self, record: dict[str, Any]) -> None:
        """Records what the pictures are drawn from; raises OutputError where --resume finds others.

        Where --force mixes pictures no record stands: what is missing could not be told any more.
        """
        from vae_edge.runtime import atomic

        path = self.path / RECORD
        is_empty = next(self._listed(), None) is None
        found = self._record()
        if self.resume and not is_empty:
            if found is None:
                raise OutputError(
                    f"{self.path}: holds files that are not of one `generate` alone: nothing tells what is missing; "
                    "name another folder, or write among them with --force"
                )
            if differences := [name for name in record | found if found.get(name) != record.get(name)]:
                name = differences[0]
                options = f"{name} {found.get(name, 'not given')}, asked for: {record.get(name, 'not given')}"
                raise OutputError(
                    f"{self.path}: holds pictures with other options ({options}); "
                    "resume with the same options, or name another folder"
                )
        elif is_empty or found == record:
            atomic.write_bytes(path, json.dumps(record, indent=2).encode() + b"\n")
        else:
            path.unlink(missing_ok=True)

    def missing(self, wanted: range, suffixes: tuple[str, ...]) -> Pieces:
        """Those of the indices whose picture is missing, under any of the suffixes; all without --resume."""
        if not self.resume:
            return Pieces((wanted,))
        there = set(self._listed())
        absent = (index for index in wanted if not all(stem(index) + suffix in there for suffix in suffixes))
        stretches = (list(group) for _, group in groupby(enumerate(absent), lambda pair: pair[1] - pair[0]))
        return Pieces(tuple(range(each[0][1], each[-1][1] + 1) for each in stretches))

    def write(
        self, rows: dict[str, Iterator[npt.NDArray[Any]]], n: int, stems: Iterable[str], suffixes: dict[str, str]
    ) -> None:
        """Writes the rows' pictures, event by event, under the stems and each row's suffix.

        Raises OutputError that says how many events are written.
        """
        from vae_edge.pictures.sheet import png, to_bytes
        from vae_edge.runtime import atomic

        before = set(self._listed())
        there = before if self.resume else set()
        done, replaced, stems = 0, 0, iter(stems)
        try:
            with atomic.filling(self.path) as write:
                for chunks in zip(*rows.values(), strict=True):
                    for images in zip(*map(to_bytes, chunks), strict=True):
                        name_of_event = next(stems)
                        for row, image in zip(rows, images, strict=True):
                            name = name_of_event + suffixes[row]
                            if name not in there:
                                write(name, png(image))
                                replaced += name in before
                        done += 1
        except OutputError as error:
            go_on = "; --resume makes the rest" if (self.path / RECORD).exists() else ""
            lost = f", and {replaced:,} pictures of the same name are replaced" if replaced else ""
            raise OutputError(f"{error}; {done:,} of {n:,} events are written{lost}{go_on}") from error

    def _listed(self) -> Iterator[str]:
        """The names of what lies in the folder."""
        from vae_edge.runtime import atomic

        return (path.name for path in self.path.iterdir() if not atomic.is_temporary(path.name))

    def _record(self) -> dict[str, Any] | None:
        try:
            found = json.loads((self.path / RECORD).read_bytes())
        except (OSError, ValueError):
            return None
        return found if isinstance(found, dict) else None
