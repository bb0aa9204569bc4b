"""Images as PNG: a contact sheet of labelled rows, or single pictures.

PNG is written here, with zlib (W3C PNG, 3rd edition): Pillow's import costs 25 ms, a tenth of a whole `generate`, to
write a format of three chunks. Pillow draws the labels, and reads.
"""

from __future__ import annotations

import dataclasses
import math
import os
import struct
import zlib
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Self

import numpy as np
import numpy.typing as npt

from vae_edge.runtime.errors import InputError, MissingExtra

__all__ = ["Sheet", "grid", "png", "save", "to_bytes"]

Pixels = npt.NDArray[np.uint8]

MAX_PIXELS = 1 << 26  # a sheet of 8,192 x 8,192; beyond that viewers give up
GAP, BETWEEN, SHADE = 1, 5, 64  # pixels between images, pixels between groups of rows, and their grey
_COLOUR_TYPE = {1: 0, 3: 2, 4: 6}  # channels -> PNG's colour type: grey, RGB, RGBA


@dataclass(frozen=True)
class Sheet:
    """A grid of `n` images a row of `labels`; rows that belong together stand above each other, in groups.

    A sheet of one row carries no text. Draws with `scale` screen pixels a pixel.
    """

    n: int
    image_shape: tuple[int, int, int]
    labels: tuple[str, ...]
    columns: int
    scale: int = 1

    @classmethod
    def plan(
        cls,
        n: int,
        image_shape: tuple[int, int, int],
        labels: tuple[str, ...],
        columns: int | None = None,
        scale: int | None = None,
    ) -> Self:
        """A sheet near square and of a size to look at; InputError where no picture could hold it."""
        if image_shape[2] not in _COLOUR_TYPE:
            raise InputError(
                f"a picture has 1, 3 or 4 channels, these images have {image_shape[2]}: write .npy instead"
            )
        if columns is None:
            columns = math.ceil(math.sqrt(n * len(labels)))
            if len(labels) > 1:
                columns = max(columns, 16)  # a few pairs read best side by side
        sheet = cls(n, image_shape, labels, min(columns, n))
        height, width = sheet._extent()
        if scale is None:
            scale = min(max(1, 1200 // max(height, width)), 4)
        if height * width * scale**2 > MAX_PIXELS:
            raise InputError(
                f"a sheet of {n:,} images would have {width * scale:,} x {height * scale:,} pixels, more than viewers "
                "open: take fewer images or a smaller --scale, or write a folder or .npy"
            )
        return dataclasses.replace(sheet, scale=scale)

    @property
    def groups(self) -> int:
        """How often the rows repeat."""
        return math.ceil(self.n / self.columns)

    def _extent(self) -> tuple[int, int]:
        """Height and width before scaling, without the labels' margin."""
        height, width = self.image_shape[0] + GAP, self.image_shape[1] + GAP
        between = BETWEEN if len(self.labels) > 1 else 0
        group = height * len(self.labels) + between
        return GAP + group * self.groups - between, GAP + width * self.columns

    def draw(self, rows: list[Pixels]) -> Pixels:
        """The sheet (height, width, C) of one array (n, H, W, C) a label, in their order."""
        height, width, channels = self.image_shape
        sheet = np.full((*self._extent(), channels), SHADE, np.uint8)
        top, tops = GAP, []
        for first in range(0, self.n, self.columns):
            for row in rows:
                tops.append(top)
                for place, image in enumerate(row[first : first + self.columns]):
                    left = GAP + place * (width + GAP)
                    sheet[top : top + height, left : left + width] = image
                top += height + GAP
            top += BETWEEN if len(rows) > 1 else 0
        sheet = sheet.repeat(self.scale, axis=0).repeat(self.scale, axis=1)
        if len(self.labels) == 1:
            return sheet
        middles = [(top + height / 2) * self.scale for top in tops]
        return np.concatenate([self._margin(len(sheet), middles), sheet], axis=1)

    def _margin(self, height: int, middles: list[float]) -> Pixels:
        """The labels, one at each of `middles`, as the left part of the sheet."""
        try:
            from PIL import Image, ImageDraw, ImageFont
        except ImportError as error:
            raise MissingExtra("labelled rows need Pillow: pip install 'vae-edge[cli]'") from error
        font = ImageFont.load_default(size=10 + self.scale)
        boxes = [font.getbbox(label) for label in self.labels]
        picture = Image.new("L", (math.ceil(max(box[2] for box in boxes)) + 12, height), SHADE)
        draw = ImageDraw.Draw(picture)
        for index, middle in enumerate(middles):
            which = index % len(self.labels)
            draw.text((6, middle - (boxes[which][1] + boxes[which][3]) / 2), self.labels[which], fill=255, font=font)
        margin: Pixels = np.asarray(picture)[..., None].repeat(self.image_shape[2], axis=2)
        if self.image_shape[2] == 4:
            margin = np.concatenate([margin[..., :3], np.full_like(margin[..., :1], 255)], axis=2)
        return margin


def grid(
    images: npt.ArrayLike | dict[str, npt.ArrayLike], *, columns: int | None = None, scale: int | None = None
) -> Pixels:
    """A sheet (height, width, C) uint8 of images (n, H, W, C), or (n, H, W): uint8, bool, or floats in [0, 1].

    A dict of names and as many images each, {"original": x, "mean": y}, gives a named row of each, one above the other.
    `columns` is how many stand side by side, near square where it is None; `scale` is screen pixels a pixel. Floats
    outside of [0, 1] are clipped. Raises InputError.
    """
    rows = images if isinstance(images, dict) else {"": images}
    pixels = [_images(each) for each in rows.values()]
    if not pixels or any(each.shape != pixels[0].shape for each in pixels):
        raise InputError(f"a sheet has rows of one shape, these are {[each.shape for each in pixels]}")
    n, height, width, channels = pixels[0].shape
    return Sheet.plan(n, (height, width, channels), tuple(rows), columns, scale).draw(pixels)


def save(path: str | os.PathLike[str], picture: npt.ArrayLike) -> None:
    """Writes one picture (H, W, C) or (H, W), uint8, bool or floats in [0, 1], as a PNG: `path`, whole or not at all.

    Raises InputError where it is no picture, OutputError or OSError where it cannot be written.
    """
    from vae_edge.runtime import atomic

    path, array = Path(path), np.asarray(picture)
    if path.suffix.lower() != ".png":
        raise InputError(f"{path}: pictures are written as PNG: name it .png")
    if array.ndim not in (2, 3):
        raise InputError(f"a picture should have shape (H, W, C) or (H, W), it has {array.shape}: see pictures.grid")
    pixels = _images(array[None])[0]
    if pixels.shape[2] not in _COLOUR_TYPE:
        raise InputError(f"a picture has 1, 3 or 4 channels, this has {pixels.shape[2]}")
    atomic.write_bytes(path, png(pixels))


def _images(images: npt.ArrayLike) -> Pixels:
    """Images (n, H, W, C) uint8 of what a caller has."""
    array = np.asarray(images)
    if array.ndim == 3:
        array = array[..., None]
    if array.ndim == 4 and 0 in array.shape:
        raise InputError(f"images should be at least one, of a pixel or more, they are {array.shape}")
    if array.ndim != 4 or array.dtype.kind not in "bfu":
        raise InputError(f"images should be (n, H, W, C), uint8, bool or floats, they are {array.dtype} {array.shape}")
    if array.dtype.kind == "u" and array.dtype != np.uint8:
        raise InputError(f"images should be uint8, bool or floats in [0, 1], they are {array.dtype}")
    if array.dtype.kind == "f" and np.isnan(array).any():
        raise InputError("images should be numbers, there is a NaN in them")
    return array if array.dtype == np.uint8 else to_bytes(array)


def to_bytes(images: npt.NDArray[Any]) -> Pixels:
    """Pixels as uint8 in [0, 255], rounded; what is outside of [0, 1] is clipped, as a normal's draws may be."""
    pixels: Pixels = np.rint(np.clip(images, np.float32(0), np.float32(1)) * np.float32(255)).astype(np.uint8)
    return pixels


def png(pixels: Pixels) -> bytes:
    """The PNG file of one picture (H, W, C), C = 1, 3 or 4."""
    height, width, channels = pixels.shape
    header = struct.pack(">2I5B", width, height, 8, _COLOUR_TYPE[channels], 0, 0, 0)
    # Each line begins with its filter, 2: the difference from the line above, of which a scaled sheet repeats most.
    lines = np.full((height, 1 + width * channels), 2, np.uint8)
    lines[:, 1:] = pixels.reshape(height, -1)
    lines[1:, 1:] -= pixels.reshape(height, -1)[:-1]
    chunks = ((b"IHDR", header), (b"IDAT", zlib.compress(lines.tobytes(), 6)), (b"IEND", b""))
    return b"\x89PNG\r\n\x1a\n" + b"".join(
        struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data)) for kind, data in chunks
    )
