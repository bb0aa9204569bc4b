"""Reads images from files: IDX (LeCun's MNIST format, plain or gzipped), .npy, .npz, pictures, folders of pictures."""

from __future__ import annotations

import gzip
import hashlib
import io
import math
import struct
import zlib
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from vae_edge.runtime.errors import DataError, MissingExtra

__all__ = [
    "PICTURES",
    "as_images",
    "digest",
    "gunzip",
    "picture_paths",
    "read_array",
    "read_arrays",
    "read_idx",
    "read_images",
    "read_picture",
    "unpack",
]

PICTURES = (".png", ".jpg", ".jpeg", ".bmp", ".gif", ".tif", ".tiff", ".pgm", ".webp")
# What a picture may be inside, whatever its name: of all that Pillow knows, one runs Ghostscript (EPS).
_FORMATS = ("PNG", "JPEG", "BMP", "GIF", "TIFF", "PPM", "WEBP")
MAX_BYTES = 1 << 30  # of one unpacked file; MNIST's largest has 47 MB
MAX_PIXELS = 4096 * 4096  # of one picture
MAX_SCANS = 200  # of one JPEG: one of 16 million pixels takes 6 ms for each that its file repeats in 33 bytes

Pixels = npt.NDArray[np.uint8]


def read_images(path: str | Path) -> npt.NDArray[Any]:
    """The images at `path`, (n, H, W, C); uint8 in [0, 255], or what an array file holds (bool, or floats in [0, 1]).

    `path` is an IDX file (.gz too), an array file (.npy; .npz with one array of images), a picture, or a folder of
    pictures of one size. Raises DataError where it is none of these or damaged.
    """
    path = Path(path)
    if path.is_dir():
        return _read_folder(path)
    suffix = path.suffix.lower()
    if suffix in PICTURES:
        return read_picture(path)[None]
    if suffix == ".npy":
        return as_images(read_array(path), path)
    if suffix == ".npz":
        images = {key: array for key, array in read_arrays(path).items() if array.ndim >= 3}
        if len(images) != 1:
            raise DataError(f"{path}: expected one array of images, found {sorted(images) or 'none'}; keep one of them")
        (array,) = images.values()
        return as_images(array, path)
    return as_images(read_idx(unpack(path), path), path)


def unpack(path: Path) -> bytes:
    """The bytes of a file, gunzipped where its name ends in .gz; raises DataError."""
    try:
        data = path.read_bytes()
    except FileNotFoundError as error:
        raise DataError(f"{path}: no such file") from error
    except OSError as error:
        raise DataError(f"{path}: cannot be read ({error})") from error
    return gunzip(data, path) if path.suffix == ".gz" else data


def gunzip(data: bytes, name: str | Path) -> bytes:
    """`data` unpacked, at most `MAX_BYTES` of it; raises DataError where it is damaged or larger."""
    try:
        with gzip.open(io.BytesIO(data)) as stream:
            unpacked = stream.read(MAX_BYTES + 1)
    except (OSError, EOFError, zlib.error) as error:
        raise DataError(f"{name}: not a whole gzip file ({error})") from error
    if len(unpacked) > MAX_BYTES:
        raise DataError(f"{name}: unpacks to more than {MAX_BYTES:,} bytes")
    return unpacked


def read_idx(data: bytes, name: str | Path) -> Pixels:
    """The array of unsigned bytes in an IDX file's bytes: 0 0 8 rank, then each size as a big-endian uint32, then data.

    Raises DataError where the header or the length does not fit.
    """
    if len(data) < 4 or data[:3] != b"\0\0\x08" or not 1 <= data[3] <= 4:
        raise DataError(f"{name}: not an IDX file of unsigned bytes (it begins with {data[:4].hex(' ') or 'nothing'})")
    header = 4 + 4 * data[3]
    if len(data) < header:
        raise DataError(f"{name}: its IDX header is cut short, {len(data)} bytes of {header}")
    shape = struct.unpack(f">{data[3]}I", data[4:header])
    if len(data) - header != math.prod(shape):
        raise DataError(
            f"{name}: shape {shape} needs {math.prod(shape):,} bytes of data, it has {len(data) - header:,}"
        )
    if 0 in shape:  # beside a 0 the other sizes may be more than NumPy can hold
        raise DataError(f"{name}: shape {shape} holds nothing")
    return np.frombuffer(data, np.uint8, offset=header).reshape(shape)


def read_arrays(path: Path) -> dict[str, npt.NDArray[Any]]:
    """The arrays in a .npz, never unpickled, at most `MAX_BYTES` of them; raises DataError."""
    try:
        # np.load leaves a file that it opened itself open where it fails.
        with path.open("rb") as stream, np.load(stream, allow_pickle=False) as archive:
            if sum(member.file_size for member in archive.zip.infolist()) > MAX_BYTES:
                raise ValueError(f"it unpacks to more than {MAX_BYTES:,} bytes")
            arrays = {key: archive[key] for key in archive.files}
            if plain := [key for key, array in arrays.items() if not isinstance(array, np.ndarray)]:
                raise ValueError(f"{', '.join(plain)!r:.60} is no array")  # NumPy hands out such a member's bytes
            return arrays
    except FileNotFoundError as error:
        raise DataError(f"{path}: no such file") from error
    except Exception as error:  # zipfile, zlib and numpy raise a dozen kinds on damaged input
        raise DataError(f"{path}: not an .npz of plain arrays ({error})") from error


def read_picture(path: Path) -> Pixels:
    """One picture as (H, W, C) uint8: grey pictures have one channel, all others three; 16 bits become 8.

    Raises DataError where it is none, too large, or grey by numbers whose white is not known.
    """
    try:
        from PIL import Image
    except ImportError as error:
        raise MissingExtra("reading pictures needs Pillow: pip install 'vae-edge[cli]'") from error
    try:
        with Image.open(path, formats=_FORMATS) as picture:
            if picture.width * picture.height > MAX_PIXELS:
                raise DataError(f"{path}: {picture.width}x{picture.height} pixels, at most {MAX_PIXELS:,} are read")
            if picture.format in {"JPEG", "MPO"} and (scans := path.read_bytes().count(b"\xff\xda")) > MAX_SCANS:
                raise DataError(f"{path}: a JPEG of {scans:,} scans, at most {MAX_SCANS} are read")
            if picture.mode.startswith("I;16") or (picture.mode == "I" and picture.format == "PPM"):
                # 65535 = 257 * 255, which `convert` would not scale but clip; Pillow scales PGMs to 65535 itself
                pixels = ((np.asarray(picture).astype(np.uint32) + 128) // 257).astype(np.uint8)
            elif picture.mode in {"I", "F"}:
                raise DataError(
                    f"{path}: 32 bits a pixel, whose white is not known; save it as 8 or 16 bit grey, or RGB"
                )
            else:
                grey = picture.mode in {"1", "L", "LA"}
                pixels = np.asarray(picture.convert("L" if grey else "RGB"))
    except FileNotFoundError as error:
        raise DataError(f"{path}: no such file") from error
    except DataError:
        raise
    except Exception as error:  # Pillow's decoders raise many kinds on damaged input
        raise DataError(f"{path}: not a picture that can be read ({error})") from error
    return pixels.reshape(*pixels.shape[:2], -1)


def digest(*arrays: npt.NDArray[Any]) -> str:
    """SHA-256 (hexadecimal) of the arrays' shapes, dtypes and values."""
    total = hashlib.sha256()
    for array in arrays:
        total.update(f"{array.dtype.str}{array.shape}".encode())
        total.update(np.ascontiguousarray(array).data)
    return total.hexdigest()


def as_images(array: npt.NDArray[Any], name: str | Path) -> npt.NDArray[Any]:
    """An array of images as (n, H, W, C): one image and a missing channel axis are filled in. Raises DataError."""
    if array.ndim == 2:
        array = array[None]
    if array.ndim == 3:
        array = array[..., None]
    if array.ndim != 4 or 0 in array.shape:
        raise DataError(f"{name}: expected images (n, H, W) or (n, H, W, C), found an array of shape {array.shape}")
    return array


def read_array(path: Path) -> npt.NDArray[Any]:
    """The array in a .npy, never unpickled; raises DataError."""
    try:
        with path.open("rb") as stream:
            array: npt.NDArray[Any] = np.load(stream, allow_pickle=False)
            if not isinstance(array, np.ndarray):
                raise ValueError("it is an .npz: name it so")
    except FileNotFoundError as error:
        raise DataError(f"{path}: no such file") from error
    except Exception as error:
        raise DataError(f"{path}: not an .npy of plain numbers ({error})") from error
    return array


def picture_paths(folder: Path) -> list[Path]:
    """The pictures in a folder and its subfolders, in the order in which they are read; raises DataError for none."""
    paths = sorted(path for path in folder.rglob("*") if path.suffix.lower() in PICTURES)
    if not paths:
        raise DataError(f"{folder}: no pictures in it ({', '.join(PICTURES)})")
    return paths


def _read_folder(folder: Path) -> Pixels:
    paths = picture_paths(folder)
    pictures = [read_picture(path) for path in paths]
    for path, picture in zip(paths, pictures, strict=True):
        if picture.shape != pictures[0].shape:
            raise DataError(
                f"{path}: {picture.shape}, but {paths[0]} is {pictures[0].shape}; give all one size and mode"
            )
    return np.stack(pictures)
