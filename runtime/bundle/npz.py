"""Small arrays in a .npz file: written the same to the byte each time, read without trusting it.

NumPy's own reader believes what a file says of itself: sizes, compression, pickled objects. This one takes stored
members of the names, dtypes and shapes that are asked for, with as many bytes as their shape says. It walks through
them itself: `zipfile`, which only the writer needs, takes 4 ms to import, a fifth of what a start may take beside the
imports of NumPy and ONNX Runtime.
"""

from __future__ import annotations

import io
import math
import re
import struct
from binascii import crc32
from collections.abc import Mapping
from typing import Any

import numpy as np
import numpy.typing as npt

from vae_edge.runtime.errors import IntegrityError

__all__ = ["parse", "render"]

# What NumPy writes at the start of a member. NumPy reads it by evaluating it, which fails in more ways than it says.
_HEADER = re.compile(
    rb"\x93NUMPY\x01\x00..\{'descr': '([<|][a-z]\d)', 'fortran_order': False, 'shape': "
    rb"\(((?:\d{1,9}, ?)*\d{0,9})\), \} *\n",
    re.DOTALL,
)


# A member: signature, version, flags, method, time, date, CRC-32, bytes stored, bytes, lengths of name and extra field;
# and the extra field that holds sizes in 64 bits, as NumPy writes it (APPNOTE.TXT 6.3.10, 4.3.7 and 4.5.3).
_MEMBER = struct.Struct("<4s5H3L2H")
_WIDE = struct.Struct("<HHQQ")


def render(arrays: Mapping[str, npt.NDArray[Any]]) -> bytes:
    """The bytes of a .npz with these arrays: little-endian, in C order, not compressed, without a time."""
    import zipfile

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
        members = _members(data)
        if sorted(members) != sorted(f"{key}.npy" for key in expected):
            raise ValueError(f"it should hold {', '.join(expected)}")
        return {key: _array(members[f"{key}.npy"], key, *expected[key]) for key in expected}
    except ValueError as error:
        raise IntegrityError(f"{name} cannot be read ({error}); export the bundle again") from error


def _members(data: bytes) -> dict[str, bytes]:
    """The stored members of a zip archive, one after another from its first byte on: name -> bytes."""
    found: dict[str, bytes] = {}
    at = 0
    while data[at : at + 4] == b"PK\3\4" and at + _MEMBER.size <= len(data):
        _, _, flags, method, _, _, crc, packed, size, *lengths = _MEMBER.unpack_from(data, at)
        names = at + _MEMBER.size
        extra, at = names + lengths[0], names + sum(lengths)
        if packed == size == 0xFFFFFFFF and at - extra == _WIDE.size <= len(data) - extra:
            _, _, size, packed = _WIDE.unpack_from(data, extra)
        if flags or method or packed != size or size > len(data) - at:
            raise ValueError("its members should be stored, not compressed")
        name, body = data[names:extra].decode("ascii"), data[at : at + size]
        if crc32(body) != crc or name in found:
            raise ValueError(f"{name} is damaged, or there twice")
        found[name] = body
        at += size
    if data[at : at + 4] != b"PK\1\2":
        raise ValueError("it is no zip archive of stored members")
    return found


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
