"""A picture that a notebook shows by itself."""

from __future__ import annotations

import os
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from vae_edge.pictures import sheet

__all__ = ["Picture", "show"]

_COLOURS = {1: "grey", 3: "RGB", 4: "RGBA"}


@dataclass(frozen=True, eq=False, repr=False)
class Picture:
    """A picture of `pixels` (H, W, C) uint8, C = 1, 3 or 4: Jupyter shows it where it is a cell's last value."""

    pixels: npt.NDArray[np.uint8]

    def save(self, path: str | os.PathLike[str]) -> None:
        """Writes it as a PNG, whole or not at all: `path`, FILE.png. Raises InputError, OutputError."""
        sheet.save(path, self.pixels)

    def _repr_png_(self) -> bytes:
        return sheet.png(self.pixels)

    def __repr__(self) -> str:
        height, width, channels = self.pixels.shape
        return f"<Picture of {height} x {width} pixels, {_COLOURS[channels]}>"


def show(
    images: npt.ArrayLike | dict[str, npt.ArrayLike], *, columns: int | None = None, scale: int | None = None
) -> Picture:
    """A picture of images (n, H, W, C) side by side, which a notebook shows: uint8, bool, or floats in [0, 1].

    `images` may be a dict of names and as many images each, a named row of each; `columns` is how many stand side by
    side, and `scale` screen pixels a pixel, as for `grid`. Raises InputError.
    """
    return Picture(sheet.grid(images, columns=columns, scale=scale))
