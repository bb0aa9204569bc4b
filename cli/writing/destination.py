"""Where events go: a contact sheet, a folder of pictures, arrays or a table; the name of the destination says which.

Arrays and tables are written as the events come, so that memory does not grow with their number. A file is whole or
absent: all go through `vae_edge.runtime.atomic`.
"""

from __future__ import annotations

import os
import stat
import sys
from collections.abc import Iterable, Iterator, Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass, replace
from pathlib import Path
from typing import IO, TYPE_CHECKING, Annotated, Any, Self

import typer

from vae_edge.cli.progress import Progress
from vae_edge.cli.writing.folder import Folder, stem
from vae_edge.runtime.errors import InputError, OutputError

if TYPE_CHECKING:
    import numpy.typing as npt

__all__ = ["STDOUT", "Destination", "Force", "Out"]

STDOUT = "-"
KINDS = {".png": "sheet", ".npy": "array", ".npz": "arrays", ".csv": "table"}


@dataclass(frozen=True)
class Destination:
    """A path, and what is written there: 'sheet', 'folder', 'array', 'arrays' or 'table'.

    A folder that holds anything is refused, unless `force` (write among it) or `resume` (add what is missing).
    """

    path: Path
    kind: str
    force: bool = False
    resume: bool = False

    @classmethod
    def parse(cls, value: str) -> Self:
        """What `--out` names: FILE.png, .npy, .npz or .csv, a folder, or -, stdout; BadParameter for anything else."""
        path = Path(value)
        if value == STDOUT:
            if sys.stdout is sys.stderr:  # as --json has it
                raise typer.BadParameter("with --json stdout is for the JSON document: name a file", param_hint="--out")
            return cls(path, "stdout")
        if value.endswith(("/", os.sep)) or path.is_dir() or not path.suffix:
            return cls(path, "folder")
        if kind := KINDS.get(path.suffix.lower()):
            return cls(path, kind)
        raise typer.BadParameter(
            f"expected FILE.png, FILE.npy, FILE.npz, FILE.csv or FOLDER/, got {value!r}", param_hint="--out"
        )

    @classmethod
    def asked(cls, value: str | None, *, force: bool = False, resume: bool = False) -> Self | None:
        """What `--out` names; None where it is left out. Raises OutputError where a file could not be written there."""
        found = None if value is None else replace(cls.parse(value), force=force, resume=resume)
        if resume and (found is None or found.kind != "folder"):
            raise typer.BadParameter("expected --out FOLDER/: a file is written as a whole", param_hint="--resume")
        if found is None:
            return None
        if found.kind != "folder":  # which is made once it is known that pictures will go there
            found.check()
        return found

    @classmethod
    def choose(cls, asked: Self | None, stem: str, event_shape: tuple[int, ...]) -> Self:
        """`asked`, or STEM.png for images and STEM.csv for a table; raises InputError where it cannot hold them."""
        is_table = len(event_shape) == 1
        if asked is not None and asked.kind == "stdout":
            return replace(asked, kind="table" if is_table else "sheet")
        if asked is None:
            asked = cls.parse(f"{stem}.csv" if is_table else f"{stem}.png")
        if is_table and asked.kind in ("sheet", "folder"):
            raise InputError(f"{asked.path}: the rows of a table are no pictures: write FILE.csv, FILE.npy or FILE.npz")
        if not is_table and asked.kind == "table":
            raise InputError(
                f"{asked.path}: images do not go into a table: write FILE.png, FOLDER/, FILE.npy or FILE.npz"
            )
        if asked.kind == "folder" and event_shape[2] not in (1, 3, 4):
            raise InputError(
                f"a picture has 1, 3 or 4 channels, these images have {event_shape[2]}: write .npy instead"
            )
        asked.check()
        if asked.kind == "folder":
            asked.folder.check()
        return asked

    @property
    def folder(self) -> Folder:
        """The folder that pictures go to."""
        return Folder(self.path, self.force, self.resume)

    def check(self) -> None:
        """Raises OutputError where nothing could be written, before any work is done for it."""
        if str(self.path) == STDOUT:
            return
        folder = self.path if self.kind == "folder" else self.path.parent
        if self.kind == "folder":
            try:
                folder.mkdir(parents=True, exist_ok=True)
            except OSError as error:
                raise OutputError(
                    f"{folder}: cannot be made a folder ({error.strerror}); choose another --out"
                ) from error
        try:
            found = folder.stat()
        except OSError as error:
            raise OutputError(f"{folder}: no such folder; make it first (mkdir -p), or choose another --out") from error
        if not stat.S_ISDIR(found.st_mode):
            raise OutputError(f"{folder}: is a file, a folder was expected; choose another --out")
        if not os.access(folder, os.W_OK | os.X_OK):
            raise OutputError(f"{folder}: may not be written to; choose another --out")

    def write(
        self,
        rows: dict[str, Iterator[npt.NDArray[Any]]],
        n: int,
        event_shape: tuple[int, ...],
        *,
        names: tuple[str, ...] = (),
        columns: int | None = None,
        scale: int | None = None,
        what: str = "events",
        stems: Iterable[str] | None = None,
        sources: Sequence[str] = (),
    ) -> None:
        """Writes `n` events a row, which come in chunks (b, *event_shape), under the rows' names.

        A folder's pictures are named by `stems`, one an event, or by the events' indices; where there are several rows
        also by the row. Raises OutputError.
        One array file holds (n, *event_shape), or (rows, n, *event_shape) for several rows; .npz one array a row.
        `names` are those of a table's columns, `sources` those of the events, which an .npz holds as `names`. Pictures
        show values clipped to [0, 1]; arrays and tables hold them all.
        """
        self.check()
        if self.kind == "sheet":
            from vae_edge.pictures.sheet import Sheet

            height, width, channels = event_shape
            sheet = Sheet.plan(n, (height, width, channels), tuple(rows), columns, scale)
        with Progress(what, n * len(rows)) as progress:
            counted = {name: _counted(chunks, progress) for name, chunks in rows.items()}
            if self.kind == "sheet":
                self._write_sheet(counted, sheet)
            elif self.kind == "folder":
                suffixes = {name: f"-{name}.png" if len(rows) > 1 else ".png" for name in rows}
                self.folder.write(counted, n, map(stem, range(n)) if stems is None else stems, suffixes)
            elif self.kind == "array":
                self._write_array(counted, n, event_shape)
            elif self.kind == "arrays":
                self._write_arrays(counted, n, event_shape, {"columns": names, "names": sources})
            else:
                self._write_table(counted, event_shape, names)

    def _write_sheet(self, rows: dict[str, Iterator[npt.NDArray[Any]]], sheet: Any) -> None:
        import numpy as np

        from vae_edge.pictures.sheet import png, to_bytes

        pixels = [np.concatenate([to_bytes(chunk) for chunk in chunks]) for chunks in rows.values()]
        with self._stream() as file:
            file.write(png(sheet.draw(pixels)))

    def _stream(self) -> AbstractContextManager[IO[bytes]]:
        """Where the file's bytes go: stdout, or a file that is whole or absent."""
        if str(self.path) == STDOUT:
            return nullcontext(sys.stdout.buffer)
        from vae_edge.runtime import atomic

        return atomic.replacing(self.path)

    def _write_array(self, rows: dict[str, Iterator[npt.NDArray[Any]]], n: int, event_shape: tuple[int, ...]) -> None:
        from vae_edge.runtime import atomic

        shape = (n, *event_shape) if len(rows) == 1 else (len(rows), n, *event_shape)
        with atomic.replacing(self.path) as file:
            _write_npy(file, shape, (chunk for chunks in rows.values() for chunk in chunks))

    def _write_arrays(
        self,
        rows: dict[str, Iterator[npt.NDArray[Any]]],
        n: int,
        event_shape: tuple[int, ...],
        texts: dict[str, Sequence[str]],
    ) -> None:
        import zipfile

        import numpy as np

        from vae_edge.runtime import atomic

        with atomic.replacing(self.path) as file, zipfile.ZipFile(file, "w", zipfile.ZIP_STORED) as archive:
            for name, chunks in rows.items():
                # ZipInfo's fixed date: the same images give the same bytes.
                with archive.open(zipfile.ZipInfo(f"{name}.npy"), "w", force_zip64=True) as entry:
                    _write_npy(entry, (n, *event_shape), chunks)
            for name, text in texts.items():
                if text:
                    with archive.open(zipfile.ZipInfo(f"{name}.npy"), "w", force_zip64=True) as entry:
                        np.lib.format.write_array(entry, np.array(text), version=(1, 0))

    def _write_table(
        self, rows: dict[str, Iterator[npt.NDArray[Any]]], event_shape: tuple[int, ...], names: tuple[str, ...]
    ) -> None:
        from vae_edge.cli.writing import tables

        with self._stream() as file:
            file.writelines(tables.lines(rows, names or tuple(f"x{place}" for place in range(event_shape[0]))))


Out = Annotated[
    str | None,
    typer.Option(
        "--out",
        "-o",
        metavar="FILE|FOLDER/",
        help="FILE.png: a sheet. FOLDER/: pictures. FILE.npy, FILE.npz: arrays. Of a table: FILE.csv, .npy, .npz. -: "
        "the sheet, or the table, on stdout.",
    ),
]


Force = Annotated[
    bool, typer.Option("--force", help="Write into a folder that holds files; replace those of the same name.")
]


def _counted(chunks: Iterator[npt.NDArray[Any]], progress: Progress) -> Iterator[npt.NDArray[Any]]:
    for chunk in chunks:
        yield chunk
        progress.advance(len(chunk))


def _write_npy(file: IO[bytes], shape: tuple[int, ...], chunks: Iterator[npt.NDArray[Any]]) -> None:
    """A float32 array of `shape` in NumPy's format 1.0, its rows written as they come."""
    import numpy as np

    header = {"descr": "<f4", "fortran_order": False, "shape": shape}
    np.lib.format.write_array_header_1_0(file, header)
    for chunk in chunks:
        file.write(np.ascontiguousarray(chunk, "<f4").data)
