"""Small arrays in a .npz file: written the same to the byte each time, read without trusting it.

NumPy's own reader believes what a file says of itself: sizes, compression, pickled objects. This one takes stored
members of the names, dtypes and shapes that are asked for, with as many bytes as their shape says.
"""

from __future__ import annotations

import io
import math
import re
import zipfile
from collections.abc import Mapping
from typing import Any

import numpy as np
import numpy.typing as npt

from vae_edge.runtime.errors import IntegrityError

__all__ = ["parse", "render"]

# What NumPy writes at the start of a member. NumPy itself evaluates it, which can raise almost any exception.
_HEADER = re.compile(
    rb"\x93NUMPY\x01\x00..\{'descr': '([<|][a-z]\d)', 'fortran_order': False, 'shape': "
    rb"\(((?:\d{1,9}, ?)*\d{0,9})\), \} *\n",
    re.DOTALL,
)
_MOST_MEMBERS = 64  # `zipfile` makes an object of each before anyone can look at their number


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
        members = _members(data, {f"{key}.npy" for key in expected})
        return {key: _array(members[f"{key}.npy"], key, *expected[key]) for key in expected}
    except (ValueError, zipfile.BadZipFile, NotImplementedError, OSError, EOFError) as error:
        raise IntegrityError(f"{name} cannot be read ({error}); export the bundle again") from error


def _members(data: bytes, names: set[str]) -> dict[str, bytes]:
    """The members of a zip archive, which are of these names and stored: name -> bytes. `zipfile` checks each CRC."""
    if data.count(b"PK\1\2") > _MOST_MEMBERS:
        raise ValueError(f"it has more than {_MOST_MEMBERS} members")
    with zipfile.ZipFile(io.BytesIO(data)) as archive:
        members = archive.infolist()
        if len(members) != len(names) or {member.filename for member in members} != names:
            raise ValueError(f"it should hold {', '.join(sorted(names))}")
        for member in members:
            stored = member.compress_type == zipfile.ZIP_STORED and member.compress_size == member.file_size
            if not stored or member.flag_bits:
                raise ValueError(f"{member.filename} should be stored, not compressed or encrypted")
        return {member.filename: archive.read(member) for member in members}


def _array(data: bytes, key: str, dtype: str, shape: tuple[int, ...]) -> npt.NDArray[Any]:
    header = _HEADER.match(data)
    if header is None or header.end() != 10 + int.from_bytes(data[8:10], "little"):
        raise ValueError(f"{key} should be in C order and of npy format 1.0")
    found, kind = tuple(map(int, re.findall(rb"\d+", header[2]))), header[1].decode()
    fits = len(found) == len(shape) and all(want in (-1, size) for want, size in zip(shape, found, strict=True))
    if kind != dtype or not fits:
        raise ValueError(f"{key} should be {dtype} {shape}, it is {kind} {found}")
    body = data[header.end() :]
    if len(body) != math.prod(found) * np.dtype(dtype).itemsize:
        raise ValueError(f"{key} should have as many bytes as its shape {found} says, it has {len(body)}")
    return np.frombuffer(body, dtype).reshape(found).copy()
