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

from vae_edge.pictures.decode import PICTURES, as_bytes, read_picture
from vae_edge.pictures.notices import Notices
from vae_edge.pictures.opening import MAX_BYTES, File, Held
from vae_edge.pictures.treatment import FIT, PLAIN, Treatment
from vae_edge.runtime.errors import DataError

__all__ = [
    "as_images",
    "digest",
    "gunzip",
    "picture_paths",
    "read_array",
    "read_arrays",
    "read_idx",
    "read_images",
    "to_bytes",
    "treat",
    "unpack",
]

Pixels = npt.NDArray[np.uint8]


def read_images(
    path: str | Path | Held, treatment: Treatment = PLAIN, notices: Notices | None = None
) -> npt.NDArray[Any]:
    """The images at `path`, (n, H, W, C); uint8 in [0, 255], or what an array file holds (bool, or floats in [0, 1]).

    `path` is an IDX file (.gz too), an array file (.npy; .npz with one array of images), a picture, or a folder of
    pictures, which the treatment brings to one size. `notices` counts what a user should know. Raises DataError where
    it is none of these or damaged.
    """
    path = Path(path) if isinstance(path, str) else path
    notices = Notices() if notices is None else notices
    if isinstance(path, Path) and path.is_dir():
        images: npt.NDArray[Any] = _read_folder(path, treatment, notices)
    elif path.suffix.lower() in PICTURES:
        images = read_picture(path, treatment, notices)[None]
    else:
        return treat(_read_stack(path, notices), path, treatment)
    notices.check(path, treatment)
    return images


def treat(images: npt.NDArray[Any], name: object, treatment: Treatment) -> npt.NDArray[Any]:
    """An array of images (n, H, W, C) as the treatment makes it: as it is, or uint8. Raises DataError."""
    if not treatment.changes_pixels:
        return images
    if treatment.white:
        if images.dtype.kind not in "iuf" or not np.isfinite(images).all():
            raise DataError(f"{name}: --white is for finite numbers, these are {images.dtype}")
        images = as_bytes(images, treatment.white)
    else:
        images = to_bytes(images, name)
    return treatment.apply_all(images, name)


def to_bytes(images: npt.NDArray[Any], name: object) -> Pixels:
    """Pixels as uint8; floats and booleans must lie in [0, 1]. Raises DataError that says what to do with others."""
    if images.dtype == np.uint8:
        if images.max() == 1:
            raise DataError(
                f"{name}: uint8 with 1 as the largest number, of 1 or of 255? Say it by --white 1 or --white 255"
            )
        return images
    finite = images.dtype.kind in "iufb" and np.isfinite(images).all()
    if finite and images.dtype.kind in "fb" and images.min() >= 0 and images.max() <= 1:
        return np.rint(images.astype(np.float64) * 255).astype(np.uint8)
    came, remedy = f"{images.dtype}", "clean them"
    if finite:
        came += f" from {images.min()} to {images.max()}"
        remedy = "scale them to [0, 1]"
        if images.min() >= 0:
            bits = max(8, int(images.max()).bit_length())
            remedy = f"say which number is white, by --white {2**bits - 1}"
    raise DataError(f"{name}: pixels should be uint8 in [0, 255], or floats in [0, 1]; they are {came}: {remedy}")


def _read_stack(path: Path | Held, notices: Notices) -> npt.NDArray[Any]:
    """The images of an array file or an IDX file."""
    suffix = path.suffix.lower()
    if suffix == ".npy":
        return as_images(read_array(path), path, notices)
    if suffix == ".npz":
        images = {key: array for key, array in read_arrays(path).items() if array.ndim >= 3}
        if len(images) != 1:
            raise DataError(f"{path}: expected one array of images, found {sorted(images) or 'none'}; keep one of them")
        (array,) = images.values()
        return as_images(array, path, notices)
    return as_images(read_idx(unpack(path), path), path, notices)


def unpack(path: File) -> bytes:
    """The bytes of a file, gunzipped where its name ends in .gz; raises DataError."""
    try:
        data = path.read_bytes()
    except FileNotFoundError as error:
        raise DataError(f"{path}: no such file") from error
    except OSError as error:
        raise DataError(f"{path}: cannot be read ({error})") from error
    return gunzip(data, path) if path.suffix == ".gz" else data


def gunzip(data: bytes, name: object) -> bytes:
    """`data` unpacked, at most `MAX_BYTES` of it; raises DataError where it is damaged or larger."""
    try:
        with gzip.open(io.BytesIO(data)) as stream:
            unpacked = stream.read(MAX_BYTES + 1)
    except (OSError, EOFError, zlib.error) as error:
        raise DataError(f"{name}: not a whole gzip file ({error})") from error
    if len(unpacked) > MAX_BYTES:
        raise DataError(f"{name}: unpacks to more than {MAX_BYTES:,} bytes")
    return unpacked


def read_idx(data: bytes, name: object) -> Pixels:
    """The array of unsigned bytes in an IDX file's bytes: 0 0 8 rank, then each size as a big-endian uint32, then data.

    Raises DataError where the header or the length does not fit.
    """
    if len(data) < 4 or data[:3] != b"\0\0\x08" or not 1 <= data[3] <= 4:
        raise DataError(
            f"{name}: not an IDX file of unsigned bytes (it begins with {data[:4].hex(' ') or 'nothing'}); "
            f"what is read: IDX, .npy, .npz, and pictures ({', '.join(PICTURES)})"
        )
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


def read_arrays(path: File) -> dict[str, npt.NDArray[Any]]:
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


def digest(*arrays: npt.NDArray[Any]) -> str:
    """SHA-256 (hexadecimal) of the arrays' shapes, dtypes and values."""
    total = hashlib.sha256()
    for array in arrays:
        total.update(f"{array.dtype.str}{array.shape}".encode())
        total.update(np.ascontiguousarray(array).data)
    return total.hexdigest()


def as_images(array: npt.NDArray[Any], name: object, notices: Notices | None = None) -> npt.NDArray[Any]:
    """An array of images as (n, H, W, C): one image and a missing channel axis are filled in. Raises DataError.

    One with its channels first, (n, 1, H, W) or (n, 3, H, W) as PyTorch has them, is turned; `notices` is told.
    """
    if array.ndim == 2:
        array = array[None]
    if array.ndim == 3:
        array = array[..., None]
    if array.ndim != 4 or 0 in array.shape:
        raise DataError(f"{name}: expected images (n, H, W) or (n, H, W, C), found an array of shape {array.shape}")
    if array.shape[1] in (1, 3) and array.shape[3] > 4:
        turned = array.transpose(0, 2, 3, 1)
        if notices is not None:
            notices.add(f"{name}: {array.shape} is read as (n, C, H, W): save it as (n, H, W, C) if it is not")
        return turned
    return array


def read_array(path: File) -> npt.NDArray[Any]:
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
    paths = sorted(path for path in _files(folder) if path.suffix.lower() in PICTURES)
    if not paths:
        raise DataError(f"{folder}: no pictures in it ({', '.join(PICTURES)})")
    return paths


def _files(folder: Path) -> list[Path]:
    """All in a folder and its subfolders that is no folder, and not hidden."""
    return [path for path in folder.rglob("*") if not path.name.startswith(".") and not path.is_dir()]


def _read_folder(folder: Path, treatment: Treatment, notices: Notices) -> Pixels:
    paths = picture_paths(folder)
    kinds = {path.suffix.lower() or path.name for path in _files(folder)}
    if others := sorted(kinds.difference(PICTURES)):
        notices.add(f"{folder}: files of other kinds are left out ({', '.join(others[:5])})")
    pictures = [read_picture(path, treatment, notices) for path in paths]
    for path, picture in zip(paths, pictures, strict=True):
        if picture.shape != pictures[0].shape:
            remedy = "--grey" if picture.shape[:2] == pictures[0].shape[:2] else f"--resize N --crop {FIT}"
            raise DataError(
                f"{path}: {picture.shape}, but {paths[0]} is {pictures[0].shape}: give {remedy} to make all alike"
            )
    return np.stack(pictures)
