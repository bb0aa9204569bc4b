"""Where images go: a contact sheet, a folder of pictures, or arrays; the name of the destination says which.

Arrays are written as the images come, so that memory does not grow with their number. A file is whole or absent: all go
through `vae_edge.runtime.atomic`.
"""

from __future__ import annotations

import os
import stat
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import IO, TYPE_CHECKING, Annotated, Any

import typer

from vae_edge.cli.progress import Progress
from vae_edge.runtime.errors import OutputError

if TYPE_CHECKING:
    import numpy.typing as npt

__all__ = ["Destination", "Out"]

KINDS = {".png": "sheet", ".npy": "array", ".npz": "arrays"}


@dataclass(frozen=True)
class Destination:
    """A path, and what is written there: 'sheet', 'folder', 'array' or 'arrays'."""

    path: Path
    kind: str

    @classmethod
    def parse(cls, value: str) -> Destination:
        """What `--out` names: FILE.png, FILE.npy, FILE.npz, or a folder; BadParameter where it is none of them."""
        path = Path(value)
        if value.endswith(("/", os.sep)) or path.is_dir() or not path.suffix:
            return cls(path, "folder")
        if kind := KINDS.get(path.suffix.lower()):
            return cls(path, kind)
        raise typer.BadParameter(f"expected FILE.png, FILE.npy, FILE.npz or FOLDER/, got {value!r}", param_hint="--out")

    def check(self) -> None:
        """Raises OutputError where nothing could be written, before any work is done for it."""
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
        image_shape: tuple[int, int, int],
        *,
        columns: int | None = None,
        scale: int | None = None,
        what: str = "images",
    ) -> None:
        """Writes `n` images a row, which come in chunks (b, H, W, C) with pixels in [0, 1], under the rows' names.

        One array file holds (n, H, W, C), or (rows, n, H, W, C) for several rows; .npz one array a row.
        """
        self.check()
        if self.kind == "sheet":
            from vae_edge.cli.pictures import Sheet

            sheet = Sheet.plan(n, image_shape, tuple(rows), columns, scale)
        with Progress(what, n * len(rows)) as progress:
            counted = {name: _counted(chunks, progress) for name, chunks in rows.items()}
            if self.kind == "sheet":
                self._write_sheet(counted, sheet)
            elif self.kind == "folder":
                self._write_folder(counted, len(str(n - 1)))
            elif self.kind == "array":
                self._write_array(counted, n, image_shape)
            else:
                self._write_arrays(counted, n, image_shape)

    def _write_sheet(self, rows: dict[str, Iterator[npt.NDArray[Any]]], sheet: Any) -> None:
        import numpy as np

        from vae_edge.cli.pictures import png, to_bytes
        from vae_edge.runtime import atomic

        pixels = [np.concatenate([to_bytes(chunk) for chunk in chunks]) for chunks in rows.values()]
        atomic.write_bytes(self.path, png(sheet.draw(pixels)))

    def _write_folder(self, rows: dict[str, Iterator[npt.NDArray[Any]]], digits: int) -> None:
        from vae_edge.cli.pictures import png, to_bytes
        from vae_edge.runtime import atomic

        for name, chunks in rows.items():
            index = 0
            for chunk in chunks:
                for image in to_bytes(chunk):
                    label = f"-{name}" if len(rows) > 1 else ""
                    atomic.write_bytes(self.path / f"{index:0{digits}}{label}.png", png(image))
                    index += 1

    def _write_array(self, rows: dict[str, Iterator[npt.NDArray[Any]]], n: int, image_shape: tuple[int, ...]) -> None:
        from vae_edge.runtime import atomic

        shape = (n, *image_shape) if len(rows) == 1 else (len(rows), n, *image_shape)
        with atomic.replacing(self.path) as file:
            _write_npy(file, shape, (chunk for chunks in rows.values() for chunk in chunks))

    def _write_arrays(self, rows: dict[str, Iterator[npt.NDArray[Any]]], n: int, image_shape: tuple[int, ...]) -> None:
        import zipfile

        from vae_edge.runtime import atomic

        with atomic.replacing(self.path) as file, zipfile.ZipFile(file, "w", zipfile.ZIP_STORED) as archive:
            for name, chunks in rows.items():
                # ZipInfo's fixed date: the same images give the same bytes.
                with archive.open(zipfile.ZipInfo(f"{name}.npy"), "w", force_zip64=True) as entry:
                    _write_npy(entry, (n, *image_shape), chunks)


Out = Annotated[
    str,
    typer.Option(
        "--out",
        "-o",
        metavar="FILE|FOLDER/",
        help="FILE.png: a sheet. FOLDER/: pictures. FILE.npy, FILE.npz: arrays.",
    ),
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
