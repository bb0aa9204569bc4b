"""Events that a verb reads, as the bundle knows them: images or a table's rows, each with its name and its label."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import TYPE_CHECKING, Annotated, Any

import typer

from vae_edge.cli.nouns import counted, plural, singular
from vae_edge.runtime.errors import InputError

if TYPE_CHECKING:
    import numpy.typing as npt

    from vae_edge.pictures.opening import Held
    from vae_edge.pictures.treatment import Treatment
    from vae_edge.runtime import VAE

__all__ = ["Events", "LabelColumn", "read", "read_one"]

LabelColumn = Annotated[
    str, typer.Option("--label-column", metavar="NAME", help="The column of a .csv that holds the rows' labels.")
]


@dataclass(frozen=True)
class Events:
    """Images (n, H, W, C) or rows (n, size); the name of each, and its label, text or whole numbers (n,), or None.

    A name is the file of a picture, its path within a folder, or FILE:INDEX in a file that holds several.
    """

    values: npt.NDArray[Any]
    labels: npt.NDArray[Any] | None
    names: tuple[str, ...]

    def __len__(self) -> int:
        return len(self.values)

    def stems(self) -> list[str] | None:
        """The names that pictures of these events have in a folder, without suffix, all different; None for arrays.

        cats/tom.jpg is cats-tom; where two would be alike, as of tom.jpg and tom.png, they keep their suffix, and
        where they are still alike their number.
        """
        if not any(PurePosixPath(name).suffix and ":" not in name for name in self.names):
            return None
        paths = [PurePosixPath(name) for name in self.names]
        short = ["-".join(path.with_suffix("").parts if ":" not in path.name else path.parts) for path in paths]
        counts = Counter(short)
        named = [name if counts[name] == 1 else "-".join(path.parts) for name, path in zip(short, paths, strict=True)]
        counts = Counter(named)
        return [name if counts[name] == 1 else f"{name}-{place}" for place, name in enumerate(named)]


def read(
    paths: list[str],
    vae: VAE,
    start: int = 0,
    limit: int | None = None,
    label_column: str = "",
    treatment: Treatment | None = None,
    say: Callable[[str], None] = lambda line: None,
    column: str = "",
) -> Events:
    """Events `start` to `start + limit` of all that lie at `paths`, '-' for stdin; raises DataError or InputError.

    Labels are looked for where the bundle takes some: see `images.labels`; a .csv has them in `label_column`. Images
    are treated as asked; `say` is told what was noticed in them, and what the bundle's training did otherwise.
    `column` is that of a Parquet file's images.
    """
    from vae_edge.pictures import opening
    from vae_edge.pictures.treatment import PLAIN
    from vae_edge.runtime.bundle.manifest import Image

    event, treatment = vae.manifest.event, treatment or PLAIN
    files = [opening.find(path) for path in paths]
    if any(_is_parquet(file) for file in files):
        return _read_parquet(paths, vae, start, limit, label_column, treatment, say, column)
    if column:
        raise InputError("--column is for Parquet, there is none: leave it out")
    if isinstance(event, Image):
        if label_column:
            raise InputError("--label-column is for the .csv of a table, this bundle takes images: leave it out")
        found = _read_images(files, vae, treatment, say)
    else:
        found = _read_rows(files, vae, label_column, treatment)
    here = slice(start, None if limit is None else start + limit)
    if not len(found.values[here]):
        raise InputError(f"--start {start:,} is behind the last of {counted(len(found), event.shape)}")
    labels = found.labels
    return Events(found.values[here], None if labels is None else labels[here], found.names[here])


def _is_parquet(file: Path | Held) -> bool:
    return isinstance(file, Path) and (file.suffix.lower() == ".parquet" or any(file.glob("*.parquet")))


def _read_parquet(
    paths: list[str],
    vae: VAE,
    start: int,
    limit: int | None,
    label_column: str,
    treatment: Treatment,
    say: Callable[[str], None],
    column: str,
) -> Events:
    """All events of Parquet, and of other files beside it, in memory."""
    import numpy as np

    from vae_edge.cli.rows.inputs import Stream

    stream = Stream(vae, paths, start, limit, treatment, column, label_column, say)
    parts = [found for _, found in stream.batches(range(stream.count))]
    stream.end()
    labels = [part.labels for part in parts if part.labels is not None]
    return Events(
        np.concatenate([part.events for part in parts]),
        np.concatenate(labels) if len(labels) == len(parts) else None,
        tuple(name for part in parts for name in part.names),
    )


def _read_images(files: list[Path | Held], vae: VAE, treatment: Treatment, say: Callable[[str], None]) -> Events:
    import numpy as np

    from vae_edge.cli.reading import images, remarks, treatments
    from vae_edge.pictures.notices import Notices

    notices, other = Notices(), treatments.missing(vae, treatment)
    parts = images.read(files, vae.event_shape, treatment, notices, other.flags)  # type: ignore[arg-type]
    values = np.concatenate(parts)
    notices.tell(say, treatment)
    remarks.tell(vae, values, treatment, other, say)
    labels = images.labels(files) if vae.labels else None
    return Events(values, labels, tuple(images.names(files, [len(part) for part in parts])))


def _read_rows(files: list[Path | Held], vae: VAE, label_column: str, treatment: Treatment) -> Events:
    from vae_edge.cli.reading import tables
    from vae_edge.runtime.bundle.manifest import Vector

    event = vae.manifest.event
    assert isinstance(event, Vector)
    if treatment.options:
        raise InputError(f"{treatment.flags} is for images, this bundle takes the rows of a table: leave it out")
    table, counts = tables.read(files, event, label_column)
    names = tuple(f"{file.name}:{row}" for file, count in zip(files, counts, strict=True) for row in range(count))
    return Events(table.rows, table.labels, names)


def read_one(
    name: str, vae: VAE, treatment: Treatment | None = None, say: Callable[[str], None] = lambda line: None
) -> npt.NDArray[Any]:
    """The event (1, ...) that `name` means: a file with one, or FILE:INDEX; raises DataError or InputError."""
    path, colon, index = name.rpartition(":")
    if not colon or not index.isdecimal() or Path(name).exists():
        path, index = name, ""
    shape = vae.event_shape
    values = read([path], vae, treatment=treatment, say=say).values
    if not index and len(values) > 1:
        raise InputError(f"{path} holds {counted(len(values), shape)}; say which, from 0: {path}:0")
    place = int(index or 0)
    if place >= len(values):
        raise InputError(
            f"{path} holds {counted(len(values), shape)}; its {plural(shape)} are 0 to {len(values) - 1:,}, there is "
            f"no {singular(shape)} {place:,}"
        )
    return values[place : place + 1]
