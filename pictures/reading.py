"""`read`: images from files in one call."""

from __future__ import annotations

import os
import re
import warnings
from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from vae_edge.pictures import opening
from vae_edge.pictures.files import read_images, to_bytes
from vae_edge.pictures.notices import Notices, Say
from vae_edge.pictures.treatment import Size, Treatment
from vae_edge.runtime.errors import DataError, InputError

__all__ = ["read"]

_OPTIONS = ("resize", "crop", "grey", "invert", "ground", "white")  # of the command line
_SWITCHES = ("grey", "invert")  # that take no value
_KEYWORDS = {"resize": "size"}  # of `read`, where they differ
_VALUE = r"fit|N|\d+x\d+|\d+|white\|black\|#RRGGBB"


def read(
    paths: str | os.PathLike[str] | Sequence[str | os.PathLike[str]],
    *,
    size: Size = None,
    crop: Size = None,
    grey: bool = False,
    invert: bool = False,
    ground: str = "white",
    white: float = 0,
    say: Say | None = None,
) -> npt.NDArray[np.uint8]:
    """Images (n, H, W, C), uint8 in [0, 255], of all that lies at `paths`, one after the other.

    A path is a picture, a folder of pictures (with its subfolders, sorted by name), an IDX file, an .npy or an .npz;
    '-' is stdin. Pictures stand upright as EXIF says; grey ones have one channel, others three.

    `crop` cuts (H, W) pixels, or a square of N, out of the centre; 'fit' the largest part with the proportions of
    `size`. `size` then scales to (H, W), or N x N. `grey` makes one channel of three. `invert` makes dark light:
    models of ink learn best where ink is light. `ground` is the colour behind transparent parts, 'white', 'black' or
    '#RRGGBB'. `white` is the number that means white, 0 for the highest of the file's type: 4095 of 12-bit numbers.

    What was noticed (transparent parts, further frames, stretched pictures) goes to `say`, a line each, or is warned
    of. Raises DataError where something cannot be read or the images differ in shape, InputError for a wrong option.
    """
    try:
        return _read_all(paths, Treatment.parse(size, crop, grey, invert, ground, white), say or _warn)
    except DataError as error:
        raise DataError(as_keywords(str(error))) from error


def as_keywords(line: str) -> str:
    """A message that names options of the command line, in Python's words: `--resize 28` -> `size=28`."""

    def spelled(option: re.Match[str]) -> str:
        name, value = _KEYWORDS.get(option[1], option[1]), option[2]
        if value is None:
            return f"{name}=True" if name in _SWITCHES else name
        return f"{name}={value}" if value.isdigit() or value == "N" else f"{name}={value!r}"

    return re.sub(rf"--({'|'.join(_OPTIONS)})(?: ({_VALUE}))?", spelled, line)


def _warn(line: str) -> None:
    # 6: up to the line that calls `read`, by way of _read_all, Notices.tell and its callback
    warnings.warn(line, stacklevel=6)


def _read_all(
    paths: str | os.PathLike[str] | Sequence[str | os.PathLike[str]], treatment: Treatment, say: Say
) -> npt.NDArray[np.uint8]:
    several = [paths] if isinstance(paths, (str, os.PathLike)) else list(paths)
    if not several:
        raise InputError("paths should name at least one file or folder, there is none")
    notices = Notices()
    parts = [_read(opening.find(os.fspath(path)), treatment, notices) for path in several]
    for path, part in zip(several, parts, strict=True):
        if part.shape[1:] != parts[0].shape[1:]:
            shape, first = part.shape[1:], parts[0].shape[1:]
            raise DataError(f"{path}: images of {shape}, but {several[0]} holds {first}: give `size`, `crop` or `grey`")
    notices.tell(lambda line: say(as_keywords(line)), treatment)
    return np.concatenate(parts)


def _read(path: Any, treatment: Treatment, notices: Notices) -> npt.NDArray[np.uint8]:
    return to_bytes(read_images(path, treatment, notices), path)
