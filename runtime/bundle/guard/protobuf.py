"""Protocol Buffers' wire format: the fields of a message, each checked against a schema, and how many are read."""

from __future__ import annotations

import struct
from collections.abc import Iterator
from typing import Any, NoReturn

from vae_edge.runtime.bundle.guard.terms import RefusedError

__all__ = ["MAX_FIELDS", "Reader", "Schema", "name", "refuse", "schema", "signed", "text"]

MAX_FIELDS = 1 << 16  # and numbers in lists; the graphs of MNIST have 600
_MAX_NAME = 1024
_CONTINUED = bytes(range(128, 256))  # the bytes of a varint but its last

Schema = dict[int, str]
_WIRES = {"v": 0, "b": 2, "f": 5}


def schema(fields: str) -> Schema:
    """tag -> name of fields written name=number and v (varint), b (bytes) or f (four bytes), or two of these."""
    pairs = (field.split("=") for field in fields.split())
    return {
        int(number.rstrip("vbf")) << 3 | _WIRES[wire]: name
        for name, number in pairs
        for wire in number.lstrip("0123456789")
    }


# Fields that are refused for what they do; every other unknown one is refused for being unknown.
_NAMED = {
    ("model", 20): "training steps",
    ("model", 25): "local functions",
    ("graph", 15): "sparse weights",
    ("attribute", 6): "a subgraph",
    ("attribute", 11): "subgraphs",
    ("attribute", 22): "a sparse tensor",
    ("attribute", 23): "sparse tensors",
    ("tensor", 3): "a tensor in segments",
    ("tensor", 6): "strings",
    ("tensor", 13): "external data",
}


def refuse(reason: str) -> NoReturn:
    """Raises RefusedError."""
    raise RefusedError(reason)


class Reader:
    """Reads the messages of one file, up to MAX_FIELDS fields in all."""

    def __init__(self) -> None:
        self.left = MAX_FIELDS

    def single(self, view: memoryview | bytes, message: str, schema: Schema) -> dict[str, Any]:
        """The fields of a message that has each at most once."""
        found: dict[str, Any] = {}
        for name, value in self.fields(memoryview(view), message, schema):
            if name in found:
                refuse(f"says something twice in its {message}")
            found[name] = value
        return found

    def fields(self, view: memoryview, message: str, schema: Schema) -> Iterator[tuple[str, Any]]:
        """(name, value) of each field: an int for a varint, else the bytes."""
        at, end = 0, len(view)
        while at < end:
            self.left -= 1
            if self.left < 0:
                self.count(0)
            tag = view[at]  # most numbers are of one byte, and a call each would take a third of the time
            if tag < 0x80:
                at += 1
            else:
                tag, at = _varint(view, at)
            wire = tag & 7
            name = schema.get(tag)
            if name is None:
                number = tag >> 3
                refuse(f"has {_NAMED.get((message, number), f'field {number} (wire type {wire}) in its {message}')}")
            if wire == 5:
                size = 4
            elif at < end and view[at] < 0x80:
                size = view[at]
                at += 1
            else:
                size, at = _varint(view, at)
            if wire == 0:
                yield name, size
                continue
            if size > end - at:
                refuse(f"is cut off inside its {message}")
            yield name, view[at : at + size]
            at += size

    def integers(self, value: int | memoryview) -> tuple[int, ...]:
        """The int64 of a field, or those packed in it."""
        if isinstance(value, int):
            return (signed(value),)
        numbers, at = [], 0
        while at < len(value):
            self.count(1)
            number, at = _varint(value, at)
            numbers.append(signed(number))
        return tuple(numbers)

    def amount(self, value: int | memoryview) -> int:
        """How many integers a field holds, counted without reading them."""
        found = 1 if isinstance(value, int) else len(bytes(value[: 10 * MAX_FIELDS]).translate(None, _CONTINUED))
        self.count(found)
        return found

    def floats(self, value: memoryview) -> tuple[float, ...]:
        """The float32 of a field, or those packed in it."""
        self.count(len(value) // 4)
        if len(value) % 4:
            refuse("is cut off inside a number")
        return struct.unpack(f"<{len(value) // 4}f", value)

    def count(self, fields: int) -> None:
        """Counts what is read; raises RefusedError where it is too much."""
        self.left -= fields
        if self.left < 0:
            refuse(f"has more than {MAX_FIELDS:,} fields")


def _varint(view: memoryview, at: int) -> tuple[int, int]:
    """The varint at `at`, below 2**64, and where it ends."""
    value = 0
    for index, byte in enumerate(view[at : at + 10]):
        value |= (byte & 0x7F) << 7 * index
        if byte < 0x80:
            return value & 0xFFFFFFFFFFFFFFFF, at + index + 1
    refuse("is cut off inside a number")


def signed(value: int) -> int:
    """The int64 of a varint."""
    return value - (1 << 64) if value >> 63 else value


def text(value: memoryview | bytes) -> str:
    """A short text; what is no ASCII becomes a sign that no name has."""
    return bytes(value[:64]).decode("ascii", "replace")


def name(value: memoryview | bytes) -> str:
    """A name that no other bytes give."""
    if len(value) > _MAX_NAME:
        refuse(f"has a name of {len(value):,} bytes, at most {_MAX_NAME:,} are read")
    return bytes(value).decode("latin-1")
