"""Changes to bytes that keep their structure: what a checksum guards is changed behind it, and sealed again.

A mutator takes bytes, dice and a way to change plain bytes (libFuzzer's own, which learns; or `damage`).
"""

from __future__ import annotations

import gzip
import hashlib
import io
import json
import random
import struct
import zipfile
import zlib
from collections.abc import Iterator
from typing import Any

import models
from models import NUMBERS, Change

VALUES = (None, True, -1, 0, 1, 1 << 70, 0.5, 1e308, "", "x", "prior.npz", "0" * 64, [], [[]], {}, {"a": 1})


def damage(data: bytes, dice: random.Random) -> bytes:
    """A few bits, a cut, or other bytes in the middle."""
    changed = bytearray(data or b"\0")
    at, kind = dice.randrange(len(changed)), dice.randrange(4)
    if kind == 0:
        del changed[at:]
    elif kind == 1:
        changed[at : at + dice.randrange(9)] = dice.randbytes(dice.randrange(9))
    else:
        for _ in range(dice.choice([1, 1, 2, 8])):
            changed[dice.randrange(len(changed))] ^= 1 << dice.randrange(8)
    return bytes(changed)


def flip(data: bytes, dice: random.Random, change: Change) -> bytes:
    """No structure."""
    return change(data)


# ---- JSON ----------------------------------------------------------------------------------------------------


def seal(tree: dict[str, Any]) -> bytes:
    """A manifest's canonical bytes with the digest of their content, whatever that is."""

    def render(digest: str) -> bytes:
        return json.dumps(tree | {"digest": digest}, indent=2, sort_keys=True).encode() + b"\n"

    return render(hashlib.sha256(render("")).hexdigest())


def manifest(data: bytes, dice: random.Random, change: Change) -> bytes:
    """A value of another kind, one moved, one gone; a name that is none; or plain bytes."""
    try:
        tree = json.loads(data)
    except (ValueError, RecursionError):
        return change(data)
    spots = list(_places(tree))
    if not isinstance(tree, dict) or not spots or dice.random() < 0.2:
        return change(data)
    for _ in range(dice.choice([1, 1, 2, 4])):
        holder, key = dice.choice(spots)
        other, name = dice.choice(spots)
        try:
            kind, old = dice.randrange(5), holder[key]
            if kind == 0:
                del holder[key]
            elif kind == 1:
                holder[key] = other[name]
            elif kind == 2 and isinstance(old, str):
                holder[key] = change(old.encode()).decode("utf-8", "replace")
            elif kind == 3 and isinstance(old, int | float):
                holder[key] = dice.choice([*NUMBERS, old + 1, -old, old / 2, float(old)])
            else:
                holder[key] = dice.choice(VALUES)
        except (KeyError, IndexError, OverflowError):
            continue  # it went with an earlier change
    try:
        return seal(tree)
    except (ValueError, RecursionError):  # a value within itself
        return change(data)


def _places(tree: object) -> Iterator[tuple[Any, Any]]:
    items = tree.items() if isinstance(tree, dict) else enumerate(tree) if isinstance(tree, list) else ()
    for key, value in list(items):
        yield tree, key
        yield from _places(value)


# ---- archives, IDX, pictures --------------------------------------------------------------------------------


def archive(data: bytes, dice: random.Random, change: Change) -> bytes:
    """A member of a zip changed, renamed, doubled or dropped, with the checksum that it should have; or plain bytes."""
    try:
        with zipfile.ZipFile(io.BytesIO(data)) as found:
            infos = found.infolist()
            if sum(info.file_size for info in infos) > 1 << 20:
                return change(data)
            members = [(info.filename, found.read(info), info.compress_type) for info in infos]
    except Exception:  # the mutator's input is as damaged as the reader's
        return change(data)
    if not members or dice.random() < 0.2:
        return change(data)
    at = dice.randrange(len(members))
    name, content, compression = members[at]
    kind = dice.randrange(8)
    if kind == 0:
        del members[at]
    elif kind == 1:
        members.append((f"{name}{dice.choice(['', 'x', '.npy'])}", content, compression))
    elif kind == 2:
        members[at] = (change(name.encode()).decode("latin-1").replace("\0", "") or "a", content, compression)
    elif kind == 3:
        members[at] = (name, content, dice.choice([zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED, zipfile.ZIP_BZIP2]))
    else:
        members[at] = (name, change(content), compression)
    stream = io.BytesIO()
    with zipfile.ZipFile(stream, "w") as target:
        for name, content, compression in members:
            info = zipfile.ZipInfo(name)
            info.compress_type = compression
            target.writestr(info, content)
    return stream.getvalue()


def packed(data: bytes, dice: random.Random, change: Change) -> bytes:
    """The content of a gzip file changed and packed again; or a size in an IDX header; or plain bytes."""
    if data[:2] == b"\x1f\x8b":
        try:
            content = zlib.decompressobj(31).decompress(data, 1 << 20)
        except zlib.error:
            return change(data)
        return gzip.compress(packed(content, dice, change), 1, mtime=0) if dice.random() < 0.7 else change(data)
    if len(data) >= 8 and dice.random() < 0.3:
        at = 4 + 4 * dice.randrange(max(1, min(4, (len(data) - 4) // 4)))
        return data[:at] + struct.pack(">I", dice.choice(NUMBERS) & 0xFFFFFFFF) + data[at + 4 :]
    return change(data) if dice.random() < 0.9 else gzip.compress(data, 1, mtime=0)


def picture(data: bytes, dice: random.Random, change: Change) -> bytes:
    """A chunk of a PNG changed, its pixels behind the compression too, with the checksum that it should have."""
    if not data.startswith(b"\x89PNG\r\n\x1a\n") or dice.random() < 0.2:
        return change(data)
    chunks, at = [], 8
    while at + 12 <= len(data):
        (length,) = struct.unpack_from(">I", data, at)
        chunks.append((data[at + 4 : at + 8], data[at + 8 : at + 8 + length]))
        at += 12 + length
    if not chunks:
        return change(data)
    at = dice.randrange(len(chunks))
    name, content = chunks[at]
    kind = dice.randrange(6)
    if kind == 0:
        chunks.insert(dice.randrange(len(chunks) + 1), (name, content))
    elif kind == 1:
        del chunks[at]
    elif kind == 2:
        chunks[at] = (
            dice.choice([b"tEXt", b"zTXt", b"iTXt", b"iCCP", b"tRNS", b"PLTE", b"acTL", b"fdAT", b"eXIf"]),
            content,
        )
    elif kind == 3 and name == b"IDAT":
        try:
            pixels = zlib.decompressobj().decompress(content, 1 << 20)
        except zlib.error:
            pixels = b"\0"
        chunks[at] = (name, zlib.compress(change(pixels)))
    else:
        chunks[at] = (name, change(content))
    parts = (
        struct.pack(">I", len(body)) + kind + body + struct.pack(">I", zlib.crc32(kind + body)) for kind, body in chunks
    )
    return data[:8] + b"".join(parts)


def bundle(data: bytes, dice: random.Random, change: Change) -> bytes:
    """By what the first byte says that the rest is."""
    mutate = (manifest, models.graph, models.graph, archive, archive)[data[0] % 5 if data else 0]
    return data[:1] + mutate(data[1:], dice, change)
