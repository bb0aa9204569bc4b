"""What is done to images between their file and the model: cut, scaled, made grey, inverted; one rule for all verbs."""

from __future__ import annotations

import re
import shlex
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal, Self

from vae_edge.runtime.errors import DataError, InputError, MissingExtra

if TYPE_CHECKING:  # a configuration has a treatment: `train --help` need not pay for NumPy
    from collections.abc import Mapping

    import numpy as np
    import numpy.typing as npt

    Pixels = npt.NDArray[np.uint8]

__all__ = ["FIT", "PLAIN", "Size", "Treatment"]

FIT: Literal["fit"] = "fit"
MAX_SIDE = 8192
_COLOURS = {"white": (255, 255, 255), "black": (0, 0, 0)}

Size = int | str | tuple[int, int] | None  # N, "N", "HxW" or (H, W); None and "": as it is


@dataclass(frozen=True)
class Treatment:
    """How images are read; the default leaves them as they are.

    `crop` cuts (H, W) pixels out of the centre, or with 'fit' the largest part that has the proportions of `resize`, a
    square where there is none. `resize` then scales to (H, W), bicubic. `grey` makes one channel of three (ITU-R
    601-2). `invert` makes dark light. `ground` is the colour behind transparent parts: 'white', 'black' or '#RRGGBB'.
    `white` is the number that means white, 0 the highest of the file's type: 4095 for 12 bits in a file of 16.
    """

    resize: tuple[int, int] | None = None
    crop: tuple[int, int] | Literal["fit"] | None = None
    grey: bool = False
    invert: bool = False
    ground: str = "white"
    white: float = 0

    @classmethod
    def parse(
        cls,
        resize: Size = None,
        crop: Size = None,
        grey: bool = False,
        invert: bool = False,
        ground: str = "",
        white: float = 0,
    ) -> Self:
        """The treatment of options as users write them: a size is N, 'N', 'HxW' or (H, W). Raises InputError."""
        ground = (ground or "white").lower()
        if ground not in _COLOURS and not re.fullmatch("#[0-9a-f]{6}", ground):
            raise InputError(f"ground should be white, black or #RRGGBB, it is {ground!r:.60}")
        if not 0 <= white < 2**32:
            raise InputError(f"white should be the number that means white, 0 for the highest of a file; it is {white}")
        cut = FIT if crop == FIT else _size("crop", crop, f" or {FIT}")
        return cls(_size("resize", resize), cut, bool(grey), bool(invert), ground, white)

    @property
    def colour(self) -> tuple[int, int, int]:
        """The ground as (red, green, blue), each 0 to 255."""
        if self.ground in _COLOURS:
            return _COLOURS[self.ground]
        return int(self.ground[1:3], 16), int(self.ground[3:5], 16), int(self.ground[5:7], 16)

    @property
    def options(self) -> dict[str, Any]:
        """What differs from reading images as they are, as the options of the command line: name -> value."""
        options: dict[str, Any] = {}
        if self.resize:
            options["resize"] = _text(self.resize)
        if self.crop:
            options["crop"] = FIT if self.crop == FIT else _text(self.crop)
        if self.grey:
            options["grey"] = True
        if self.invert:
            options["invert"] = True
        if self.ground != "white":
            options["ground"] = self.ground
        if self.white:
            options["white"] = self.white
        return options

    @property
    def record(self) -> dict[str, str]:
        """`options` as a manifest holds them: name -> text, 'true' for what takes no value."""
        return {
            name: "true" if value is True else _number(value) if name == "white" else value
            for name, value in self.options.items()
        }

    @classmethod
    def recorded(cls, record: Mapping[str, str]) -> Self:
        """The treatment that `record` gave; raises InputError where it names another or a value makes no sense."""
        try:
            typed: dict[str, Any] = {
                name: value == "true" if name in ("grey", "invert") else float(value) if name == "white" else value
                for name, value in record.items()
            }
            return cls.parse(**typed)
        except (TypeError, ValueError) as error:
            raise InputError(f"pictures were treated in a way that this release does not know ({error})") from error

    @property
    def flags(self) -> str:
        """`options` as they are typed: '--resize 64 --crop fit --grey'; '' for a plain reading."""
        words: list[str] = []
        for name, value in self.options.items():
            words += [f"--{name}"] if value is True else [f"--{name}", _number(value) if name == "white" else value]
        return shlex.join(words)

    @property
    def changes_pixels(self) -> bool:
        """Whether an array of pixels comes out other than it was."""
        return bool(self.resize or self.crop or self.grey or self.invert or self.white)

    def apply(self, image: Pixels, name: object) -> Pixels:
        """One image (H, W, C) uint8: cut, scaled, grey, inverted, in this order; (h, w, c) uint8.

        `name` is what a message calls it. Raises DataError, MissingExtra.
        """
        import numpy as np

        if self.crop:
            image = self._cut(image, name)
        if self.resize and image.shape[:2] != self.resize:
            image = _scaled(image, self.resize)
        if self.grey and image.shape[2] == 3:
            # Luma of ITU-R 601-2 in 16-bit fixed point, as Pillow's convert("L") has it.
            luma = (image.astype(np.uint32) @ np.array([19595, 38470, 7471], np.uint32) + 0x8000) >> 16
            image = luma.astype(np.uint8)[..., None]
        return 255 - image if self.invert else image

    def apply_all(self, images: Pixels, name: object) -> Pixels:
        """Images (n, H, W, C) uint8, each as `apply` treats it; `name` is what a message calls them."""
        import numpy as np

        if not (self.resize or self.crop or self.grey or self.invert):
            return images
        if not (self.resize or self.crop or self.grey):
            return 255 - images
        return np.stack([self.apply(image, name) for image in images])

    def stretches(self, height: int, width: int) -> bool:
        """Whether an image of `height` x `width` pixels would come out with other proportions, by more than a pixel."""
        if not self.resize or self.crop == FIT:
            return False
        height, width = self.crop or (height, width)
        target = self.resize
        return abs(width * target[0] / height - target[1]) > 1 and abs(height * target[1] / width - target[0]) > 1

    def _cut(self, image: Pixels, name: object) -> Pixels:
        height, width = image.shape[:2]
        if self.crop == FIT:
            rows, columns = self.resize or (1, 1)
            scale = min(height / rows, width / columns)
            size = (max(1, round(rows * scale)), max(1, round(columns * scale)))
        else:
            assert self.crop is not None
            size = self.crop
        if size[0] > height or size[1] > width:
            raise DataError(
                f"{name}: {height}x{width} pixels (height x width), smaller than --crop {_text(size)}: leave it out, "
                f"or give --crop {FIT} beside --resize"
            )
        top, left = (height - size[0]) // 2, (width - size[1]) // 2
        return image[top : top + size[0], left : left + size[1]]


PLAIN = Treatment()


def _size(name: str, value: Size, other: str = "") -> tuple[int, int] | None:
    if value is None or value == "":
        return None
    sides: tuple[Any, ...] = ()
    if isinstance(value, str):
        if re.fullmatch(r"\d{1,5}(x\d{1,5})?", value):
            sides = tuple(int(side) for side in value.split("x"))
    elif isinstance(value, int):
        sides = (value,)
    else:
        sides = tuple(value)
    sides = sides * 2 if len(sides) == 1 else sides
    if len(sides) != 2 or not all(isinstance(side, int) and 1 <= side <= MAX_SIDE for side in sides):
        raise InputError(
            f"{name} should be N pixels or HxW, height before width, each 1 to {MAX_SIDE:,}{other}; it is {value!r:.60}"
        )
    return sides[0], sides[1]


def _text(size: tuple[int, int]) -> str:
    return str(size[0]) if size[0] == size[1] else f"{size[0]}x{size[1]}"


def _number(value: float) -> str:
    """The number that `float` reads back, 4095 for 4095.0."""
    return str(int(value)) if float(value).is_integer() else repr(float(value))


def _scaled(image: Pixels, size: tuple[int, int]) -> Pixels:
    """An image in another size, channel by channel where it has other than one or three."""
    try:
        from PIL import Image
    except ImportError as error:
        raise MissingExtra("scaling images needs Pillow: pip install 'vae-edge[cli]'") from error

    import numpy as np

    def resized(part: Pixels) -> Pixels:
        scaled: Pixels = np.asarray(Image.fromarray(part).resize((size[1], size[0]), Image.Resampling.BICUBIC))
        return scaled

    image = np.ascontiguousarray(image)
    if image.shape[2] == 3:
        return resized(image)
    return np.stack([resized(np.ascontiguousarray(image[..., k])) for k in range(image.shape[2])], axis=-1)
