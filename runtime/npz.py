"""Small arrays in a .npz file: written the same to the byte each time, read without trusting it.

NumPy's own reader believes what a file says of itself: sizes, compression, pickled objects. This one takes stored
members of the names, dtypes and shapes that are asked for, with as many bytes as their shape says.
"""

from __future__ import annotations

import io
import math
import zipfile
from collections.abc import Mapping
from typing import Any

import numpy as np
import numpy.typing as npt

from vae_edge.runtime.errors import IntegrityError

__all__ = ["parse", "render"]


def render(arrays: Mapping[str, npt.NDArray[Any]]) -> bytes:
    """The bytes of a .npz with these arrays: little-endian, in C order, not compressed, without a time."""
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_STORED) as archive:
        for name, array in arrays.items():
            member = io.BytesIO()
            little = array.astype(array.dtype.newbyteorder("<"), order="C", copy=False)
            np.lib.format.write_array(member, little, version=(1, 0), allow_pickle=False)
            archive.writestr(zipfile.ZipInfo(f"{name}.npy"), member.getvalue())
    return buffer.getvalue()


def parse(data: bytes, name: str, expected: Mapping[str, tuple[str, tuple[int, ...]]]) -> dict[str, npt.NDArray[Any]]:
    """The arrays in `data` that are `expected`: name -> (dtype, shape), where -1 is any size; raises IntegrityError."""
    try:
        with zipfile.ZipFile(io.BytesIO(data)) as archive:
            members = archive.infolist()
            if sorted(member.filename for member in members) != sorted(f"{key}.npy" for key in expected):
                raise ValueError(f"it should hold {', '.join(expected)}")
            if any(member.compress_type != zipfile.ZIP_STORED or member.file_size > len(data) for member in members):
                raise ValueError("its members should be stored, not compressed")
            return {key: _array(archive.read(f"{key}.npy"), key, *expected[key]) for key in expected}
    except (ValueError, SyntaxError, OSError, EOFError, RuntimeError, zipfile.BadZipFile, NotImplementedError) as error:
        raise IntegrityError(f"{name} cannot be read ({error}); export the bundle again") from error


def _array(data: bytes, key: str, dtype: str, shape: tuple[int, ...]) -> npt.NDArray[Any]:
    member = io.BytesIO(data)
    if np.lib.format.read_magic(member) != (1, 0):
        raise ValueError(f"{key} should be of npy format 1.0")
    found, fortran, kind = np.lib.format.read_array_header_1_0(member)
    fits = len(found) == len(shape) and all(want in (-1, size) for want, size in zip(shape, found, strict=True))
    if kind != np.dtype(dtype) or fortran or not fits:
        raise ValueError(f"{key} should be {dtype} {shape}, it is {kind} {found}")
    body = data[member.tell() :]
    if len(body) != math.prod(found) * kind.itemsize:
        raise ValueError(f"{key} should have as many bytes as its shape {found} says, it has {len(body)}")
    return np.frombuffer(body, kind).reshape(found).copy()
