"""Decodes one picture file with Pillow: upright, without transparency, 8 bits a channel."""

from __future__ import annotations

from contextlib import suppress
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from vae_edge.pictures.notices import Notices
from vae_edge.pictures.opening import File
from vae_edge.pictures.treatment import FIT, PLAIN, Treatment
from vae_edge.runtime.errors import DataError, MissingExtra

if TYPE_CHECKING:
    from PIL.Image import Image

__all__ = ["PICTURES", "as_bytes", "read_picture"]

PICTURES = (".png", ".jpg", ".jpeg", ".bmp", ".gif", ".tif", ".tiff", ".pgm", ".webp")
# What a picture may be inside, whatever its name: of all that Pillow knows, one runs Ghostscript (EPS).
_FORMATS = ("PNG", "JPEG", "BMP", "GIF", "TIFF", "PPM", "WEBP")
MAX_PIXELS = 4096 * 4096  # of one picture
MAX_SCALED = 4 * MAX_PIXELS  # of one that is to be made smaller: what cameras take has more
MAX_SCANS = 200  # of one JPEG: one of 16 million pixels takes 6 ms for each that its file repeats in 33 bytes

Pixels = npt.NDArray[np.uint8]


def read_picture(path: File, treatment: Treatment = PLAIN, notices: Notices | None = None) -> Pixels:
    """One picture as (H, W, C) uint8: grey pictures have one channel, all others three; 16 bits become 8.

    It stands upright, as its EXIF orientation says; of several frames it is the first; transparent parts lie on the
    treatment's ground. `notices` counts what a user should know. Raises DataError where it is none, too large, or grey
    by numbers whose white is not known.
    """
    try:
        from PIL import Image
    except ImportError as error:
        raise MissingExtra("reading pictures needs Pillow: pip install 'vae-edge[cli]'") from error
    notices = Notices() if notices is None else notices
    notices.pictures += 1
    try:
        with path.open("rb") as stream, Image.open(stream, formats=_FORMATS) as picture:
            _check(picture, path, treatment)
            if _has_frames(picture):
                notices.note("frames", path)
            is_deep = ";16" in str(picture.tile)  # how the file stores its pixels, as 'RGB;16B'
            _turn(picture)
            pixels = _pixels(picture, is_deep, path, treatment, notices)
    except FileNotFoundError as error:
        raise DataError(f"{path}: no such file") from error
    except (DataError, MissingExtra):
        raise
    except Exception as error:  # Pillow's decoders raise many kinds on damaged input
        raise DataError(f"{path}: not a picture that can be read ({error})") from error
    pixels = pixels.reshape(*pixels.shape[:2], -1)
    if treatment.stretches(*pixels.shape[:2]):
        notices.note("stretched", path)
    return treatment.apply(pixels, path)


def _check(picture: Image, path: File, treatment: Treatment) -> None:
    """Raises DataError where a picture would take too long; lets a JPEG be decoded near the size that is wanted."""
    most = MAX_SCALED if treatment.resize else MAX_PIXELS
    if picture.width * picture.height > most:
        remedy = "" if treatment.resize else f"; {MAX_SCALED:,} with --resize"
        raise DataError(f"{path}: {picture.width}x{picture.height} pixels, at most {most:,} are read{remedy}")
    if picture.format in {"JPEG", "MPO"}:
        if (scans := path.read_bytes().count(b"\xff\xda")) > MAX_SCANS:
            raise DataError(f"{path}: a JPEG of {scans:,} scans, at most {MAX_SCANS} are read")
        if treatment.resize and treatment.crop in (None, FIT):
            side = 2 * max(treatment.resize)  # libjpeg scales by 1/2, 1/4 or 1/8, and never below this
            picture.draft(picture.mode, (side, side))


def _has_frames(picture: Image) -> bool:
    """Whether frames follow the first, as far as the file can be read; in a camera's MPO they are previews."""
    with suppress(Exception):
        return picture.format != "MPO" and bool(getattr(picture, "is_animated", False))
    return False


def _turn(picture: Image) -> None:
    """Turns the picture as its EXIF orientation says; one with damaged EXIF stays as it is."""
    from PIL import ImageOps

    picture.load()  # what is damaged in the pixels is no matter of EXIF
    with suppress(Exception):
        ImageOps.exif_transpose(picture, in_place=True)


def _pixels(picture: Image, is_deep: bool, path: File, treatment: Treatment, notices: Notices) -> Pixels:
    """Pixels (H, W) or (H, W, 3) uint8; `is_deep` says that the file has 16 bits a channel."""
    white = treatment.white
    if picture.mode.startswith("I;16") or (picture.mode == "I" and picture.format == "PPM"):
        numbers: npt.NDArray[Any] = np.asarray(picture)
        notices.highest = max(notices.highest, int(numbers.max()))
        if not white:  # 65535 = 257 * 255; Pillow scales PGMs to 65535 itself
            return ((numbers.astype(np.uint32) + 128) // 257).astype(np.uint8)
        return as_bytes(numbers, white)
    if picture.mode in {"I", "F"}:
        if not white:
            raise DataError(
                f"{path}: 32 bits a pixel, whose white is not known: say which number is white, by --white N, or save "
                "it as 8 or 16 bit grey, or RGB"
            )
        return as_bytes(np.asarray(picture), white)
    is_grey = picture.mode in {"1", "L", "LA"}
    pixels = _opaque(picture, is_grey, path, treatment, notices)
    if is_deep and 0 < pixels.max() < 64:
        raise DataError(
            f"{path}: 16 bits a channel in colour, of which the upper 8 are read, and these are nearly black: save it "
            "with 8 bits a channel"
        )
    return as_bytes(pixels, white) if 0 < white < 255 else pixels


def _opaque(picture: Image, is_grey: bool, path: File, treatment: Treatment, notices: Notices) -> Pixels:
    """Pixels of a picture in 8 bits, its transparent parts laid on the ground."""
    if picture.has_transparency_data:
        whole = np.asarray(picture.convert("RGBA"))
        alpha = whole[..., 3:].astype(np.uint16)
        if alpha.min() < 255:
            notices.note("transparent", path)
            # c = alpha c + (1 - alpha) ground, in whole numbers
            laid = (whole[..., :3] * alpha + np.array(treatment.colour, np.uint16) * (255 - alpha) + 127) // 255
            red, green, blue = treatment.colour
            return (laid[..., 0] if is_grey and red == green == blue else laid).astype(np.uint8)
    return np.asarray(picture.convert("L" if is_grey else "RGB"))


def as_bytes(numbers: npt.NDArray[Any], white: float) -> Pixels:
    """Numbers from 0 to `white` as uint8 from 0 to 255, rounded; what lies outside is clipped."""
    scaled = np.rint(np.clip(numbers.astype(np.float64) / white, 0, 1) * 255)
    return scaled.astype(np.uint8)
