"""Rows as a tar in WebDataset's layout: 000000000012.png beside 000000000012.cls and .json, one group a row.

A reader groups files by what stands before the first point of their names: that is the row's id.
"""

from __future__ import annotations

import json
import tarfile
from io import BytesIO
from typing import IO, Any

import numpy as np
import numpy.typing as npt

from vae_edge.batch.columns import Batch, Columns, rows_of
from vae_edge.pictures.sheet import png, to_bytes

__all__ = ["Writer", "rows"]

ID, LABEL = "id", "label"


class Writer:
    """A tar that is written as the rows come. Images become .png, a label .cls, and all else of a row .json."""

    def __init__(self, file: IO[bytes], columns: Columns, record: dict[str, Any]) -> None:
        self._tar = tarfile.open(fileobj=file, mode="w|", format=tarfile.USTAR_FORMAT)  # noqa: SIM115 - closed below
        self._images = [column.name for column in columns if len(column.shape) == 3]
        self._others = [column.name for column in columns if len(column.shape) != 3 and column.name != ID]

    def write(self, batch: Batch) -> None:
        """Adds the rows of a batch."""
        pixels = {name: _pixels(batch[name]) for name in self._images}
        for place in range(rows_of(batch)):
            key = f"{int(batch[ID][place]):012}"
            for name in self._images:
                self._add(f"{key}.png" if len(self._images) == 1 else f"{key}.{name}.png", png(pixels[name][place]))
            rest = {name: batch[name][place].tolist() for name in self._others}
            if LABEL in rest:
                self._add(f"{key}.cls", str(rest.pop(LABEL)).encode())
            if rest:
                self._add(f"{key}.json", json.dumps(rest).encode())

    def close(self) -> None:
        """Writes the archive's end."""
        self._tar.close()

    def _add(self, name: str, data: bytes) -> None:
        member = tarfile.TarInfo(name)  # its date and owner are fixed: the same rows give the same bytes
        member.size, member.mode = len(data), 0o644
        self._tar.addfile(member, BytesIO(data))


def _pixels(images: npt.NDArray[Any]) -> npt.NDArray[np.uint8]:
    return images if images.dtype == np.uint8 else to_bytes(images)


def rows(file: IO[bytes]) -> int:
    """How many rows a tar holds: its different ids."""
    keys, last = 0, ""
    with tarfile.open(fileobj=file, mode="r|") as tar:
        for member in tar:
            key = member.name.partition(".")[0]
            keys, last = keys + (key != last), key
    return keys
