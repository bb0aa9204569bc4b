"""Events that a verb reads, as the bundle knows them: images or a table's rows, each with its label if it has one."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from vae_edge.cli.nouns import counted, plural, singular
from vae_edge.runtime.errors import InputError

if TYPE_CHECKING:
    import numpy.typing as npt

    from vae_edge.runtime import VAE

__all__ = ["Events", "LabelColumn", "read", "read_one"]

LabelColumn = Annotated[
    str, typer.Option("--label-column", metavar="NAME", help="The column of a .csv that holds the rows' labels.")
]


@dataclass(frozen=True)
class Events:
    """Images (n, H, W, C) or rows (n, size), and the label of each, text or whole numbers (n,), or None."""

    values: npt.NDArray[Any]
    labels: npt.NDArray[Any] | None

    def __len__(self) -> int:
        return len(self.values)


def read(paths: list[str], vae: VAE, start: int = 0, limit: int | None = None, label_column: str = "") -> Events:
    """Events `start` to `start + limit` of all that lie at `paths`; raises DataError or InputError.

    Labels are looked for where the bundle takes some: see `images.labels`; a .csv has them in `label_column`.
    """
    from vae_edge.cli.reading import images, tables
    from vae_edge.runtime.bundle.manifest import Image

    event = vae.manifest.event
    if isinstance(event, Image):
        if label_column:
            raise InputError("--label-column is for the .csv of a table, this bundle takes images: leave it out")
        values, labels = images.read(paths, event.shape), images.labels(paths) if vae.labels else None
    else:
        table = tables.read(paths, event, label_column)
        values, labels = table.rows, table.labels
    here = slice(start, None if limit is None else start + limit)
    if not len(values[here]):
        raise InputError(f"--start {start:,} is behind the last of {counted(len(values), event.shape)}")
    return Events(values[here], None if labels is None else labels[here])


def read_one(name: str, vae: VAE) -> npt.NDArray[Any]:
    """The event (1, ...) that `name` means: a file with one, or FILE:INDEX; raises DataError or InputError."""
    path, colon, index = name.rpartition(":")
    if not colon or not index.isdecimal() or Path(name).exists():
        path, index = name, ""
    shape = vae.event_shape
    values = read([path], vae).values
    if not index and len(values) > 1:
        raise InputError(f"{path} holds {counted(len(values), shape)}; say which, from 0: {path}:0")
    place = int(index or 0)
    if place >= len(values):
        raise InputError(
            f"{path} holds {counted(len(values), shape)}; its {plural(shape)} are 0 to {len(values) - 1:,}, there is "
            f"no {singular(shape)} {place:,}"
        )
    return values[place : place + 1]
