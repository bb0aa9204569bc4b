from __future__ import annotations

import contextlib
import io
import zipfile

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from vae_edge.runtime import IntegrityError
from vae_edge.runtime.bundle.npz import parse, render

ARRAY = np.arange(6, dtype=np.float32).reshape(2, 3)
EXPECTED = {"a": ("<f4", (-1, 3))}


def zipped(data: bytes, name: str = "a.npy", compression: int = zipfile.ZIP_STORED, times: int = 1) -> bytes:
    stream = io.BytesIO()
    with zipfile.ZipFile(stream, "w", compression) as archive:
        for i in range(times):
            archive.writestr(name if i == 0 else f"{i}{name}", data)
    return stream.getvalue()


def npy(array: object, version: tuple[int, int] = (1, 0)) -> bytes:
    stream = io.BytesIO()
    np.lib.format.write_array(stream, np.asanyarray(array), version)
    return stream.getvalue()


def test_what_is_written_is_read_and_numpy_reads_it_too():
    data = render({"a": np.asfortranarray(ARRAY), "b": np.array([1, 2], ">u2")})
    assert data == render({"a": ARRAY, "b": np.array([1, 2], "<u2")})
    found = parse(data, "x", {"a": ("<f4", (2, 3)), "b": ("<u2", (-1,))})
    assert np.array_equal(found["a"], ARRAY)
    assert found["b"].tolist() == [1, 2]
    assert np.array_equal(np.load(io.BytesIO(data), allow_pickle=False)["a"], ARRAY)


def test_what_numpy_writes_is_read():
    stream = io.BytesIO()
    np.savez(stream, a=ARRAY)
    assert np.array_equal(parse(stream.getvalue(), "x", EXPECTED)["a"], ARRAY)


HEADER = npy(ARRAY)
BAD = {
    "no zip": b"nothing",
    "empty": b"",
    "another name": zipped(HEADER, "b.npy"),
    "another beside it": zipped(HEADER, times=2),
    "compressed": zipped(HEADER, compression=zipfile.ZIP_DEFLATED),
    "a bomb": zipped(bytes(1 << 24), compression=zipfile.ZIP_DEFLATED),
    "objects": zipped(npy(np.array([[None, {}, []]], object))),
    "another dtype": zipped(npy(ARRAY.astype(">f4"))),
    "another rank": zipped(npy(ARRAY.ravel())),
    "another shape": zipped(npy(ARRAY.T.copy())),
    "columns first": zipped(npy(np.asfortranarray(ARRAY))),
    "another format": zipped(npy(ARRAY, (2, 0))),
    "too few bytes": zipped(HEADER[:-1]),
    "too many bytes": zipped(HEADER + b"\0"),
    "a shape of terabytes": zipped(HEADER.replace(b"(2, 3)", b"(2199023255552, 3)".ljust(6))),
    "a shape below zero": zipped(HEADER.replace(b"(2, 3)", b"(-2,3)")),
    "code for a header": zipped(HEADER.replace(b"'<f4'", b"exit(")),
    "a long number": zipped(HEADER[:10] + HEADER[10:].replace(b"(2, 3)", b"(" + b"1" * 60_000)),
    "no header": zipped(b"\x93NUMPY\x01\x00"),
    "not npy": zipped(b"text"),
    "a flipped bit": zipped(HEADER).replace(ARRAY.tobytes(), (ARRAY + 1).tobytes()),
    "cut off": zipped(HEADER)[:-80],
    "one member twice": render({"a": ARRAY, "b": ARRAY}).replace(b"b.npy", b"a.npy"),
    "larger than the file": zipped(HEADER).replace(
        len(HEADER).to_bytes(4, "little") * 2, (1 << 31).to_bytes(4, "little") * 2
    ),
    "encrypted": zipped(HEADER).replace(b"PK\1\2\x14\3\x14\0\0", b"PK\1\2\x14\3\x14\0\1"),
    "nothing behind the members": zipped(HEADER)[: len(HEADER) + 35],
}


@pytest.mark.parametrize("case", BAD)
def test_anything_else_is_refused(case):
    with pytest.raises(IntegrityError, match="x cannot be read"):
        parse(BAD[case], "x", EXPECTED)


def test_a_long_directory_is_refused_before_it_is_read(monkeypatch):
    data = zipped(HEADER, times=100)
    monkeypatch.setattr(zipfile, "ZipFile", lambda *arguments: pytest.fail("it was opened"))
    with pytest.raises(IntegrityError, match="more than 64 members"):
        parse(data, "x", EXPECTED)


@given(st.data())
def test_damage_is_refused_or_does_not_matter(data):
    bytes_ = bytearray(zipped(HEADER))
    for _ in range(data.draw(st.integers(1, 4))):
        bytes_[data.draw(st.integers(0, len(bytes_) - 1))] = data.draw(st.integers(0, 255))
    with contextlib.suppress(IntegrityError):
        found = parse(bytes(bytes_), "x", EXPECTED)
        assert np.array_equal(found["a"], ARRAY)  # what is damaged, and let through, is nothing that is read
