"""The events of a verb as a stream: folders and Parquet are read a piece at a time, other files as a whole."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from vae_edge.batch.inputs import Found, Held, Reader, Several, Source
from vae_edge.batch.inputs.files import in_pieces, of_images
from vae_edge.batch.inputs.sources import state_of
from vae_edge.cli.nouns import counted
from vae_edge.cli.reading import images, remarks, tables, treatments
from vae_edge.pictures import opening
from vae_edge.pictures.notices import Notices
from vae_edge.runtime.bundle.manifest import Image
from vae_edge.runtime.errors import InputError

if TYPE_CHECKING:
    import numpy.typing as npt

    from vae_edge.pictures.treatment import Treatment
    from vae_edge.runtime import VAE

__all__ = ["BATCH", "Stream"]

BATCH = 512  # events that are read and run at once


@dataclass
class Stream:
    """Events `start` to `start + limit` of all that lies at `paths`.

    `column` is that of a Parquet file's images, `label_column` that of its labels or of a .csv's; `say` is told what
    was noticed. Raises DataError or InputError.
    """

    vae: VAE
    paths: list[str]
    start: int
    limit: int | None
    treatment: Treatment
    column: str
    label_column: str
    say: Callable[[str], None]
    notices: Notices = field(default_factory=Notices)

    def __post_init__(self) -> None:
        self._missing = treatments.missing(self.vae, self.treatment)
        event = self.vae.manifest.event
        if not isinstance(event, Image) and self.treatment.options:
            raise InputError(f"{self.treatment.flags} is for images, this bundle takes the rows of a table")
        whole = Several(tuple(map(self._source, self.paths)))
        self.source = Several(whole.sources, self.start, self.limit)
        if not self.source.count:
            raise InputError(f"--start {self.start:,} is behind the last of {counted(whole.count, event.shape)}")
        self._reader: Reader | None = None
        self._is_told = False

    @property
    def count(self) -> int:
        """How many events there are."""
        return self.source.count

    def batches(self, here: range) -> Iterator[tuple[int, Found]]:
        """Some of the events in batches, each with the place of its first one."""
        if self._reader is None:
            self._reader = self.source.open()
        for at in range(here.start, here.stop, BATCH):
            found = self._reader.read(at, min(at + BATCH, here.stop))
            if not self._is_told and isinstance(self.vae.manifest.event, Image):
                self._is_told = True
                self.notices.check(self.paths[0], self.treatment)
                remarks.tell(self.vae, found.events, self.treatment, self._missing, self.say)
            yield at, found

    def end(self) -> None:
        """Tells what was noticed in the pictures."""
        self.notices.tell(self.say, self.treatment)

    def record(self) -> dict[str, Any]:
        """What the events depend on: the files, and how they are read."""
        return {
            "inputs": [Path(path).name for path in self.paths],
            "state": self.source.state,
            "start": self.start,
            "treatment": self.treatment.options,
            "column": self.column,
            "label_column": self.label_column,
        }

    def _source(self, name: str) -> Source:
        file, manifest, hint = opening.find(name), self.vae.manifest, self._missing.flags
        if isinstance(file, Path):
            event = manifest.event
            is_image = isinstance(event, Image)
            convert = of_images(event.shape, self.treatment, self.notices, hint) if is_image else partial(_rows, event)
            found = in_pieces(
                file, manifest, self.treatment, convert, self.column, self.label_column, self.notices, hint
            )
            if found is not None:
                return found
        return self._held(file)

    def _held(self, file: Any) -> Source:
        """A file that is read as a whole, as pictures, .npz, IDX and .csv files are."""
        event = self.vae.manifest.event
        state = state_of([file]) if isinstance(file, Path) else file.name
        if not isinstance(event, Image):
            table, _ = tables.read([file], event, self.label_column)
            return Held(table.rows, _numbered(file.name, len(table.rows)), table.labels, state)
        if self.label_column:
            raise InputError(f"{file}: --label-column is for a .csv or Parquet: leave it out")
        (values,) = images.read([file], event.shape, self.treatment, self.notices, self._missing.flags)
        labels = images.labels([file]) if self.vae.labels else None
        return Held(values, images.names([file], [len(values)]), labels, state)


def _rows(event: Any, array: npt.NDArray[Any], name: object) -> npt.NDArray[Any]:
    from vae_edge.train.tables import as_table

    return tables.in_order(as_table(array, name), name, event)


def _numbered(name: str, count: int) -> list[str]:
    return [f"{name}:{row}" for row in range(count)]
