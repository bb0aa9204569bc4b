"""Files to read: paths, and what comes on stdin, which is held in memory and known by its first bytes."""

from __future__ import annotations

import io
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any, Protocol

from vae_edge.runtime.errors import DataError

__all__ = ["MAX_BYTES", "STDIN", "File", "Held", "find"]

STDIN = "-"
MAX_BYTES = 1 << 30  # of one unpacked file; MNIST's largest has 47 MB

# How files begin; what begins otherwise is text, a .csv.
_MAGIC = (
    (b"\x93NUMPY", ".npy"),
    (b"PK\x03\x04", ".npz"),
    (b"\x1f\x8b", ".gz"),
    (b"\x89PNG", ".png"),
    (b"\xff\xd8\xff", ".jpg"),
    (b"GIF8", ".gif"),
    (b"BM", ".bmp"),
    (b"II*\0", ".tif"),
    (b"MM\0*", ".tif"),
    (b"RIFF", ".webp"),
    (b"P5", ".pgm"),
    (b"\0\0\x08", ""),  # IDX
)


class File(Protocol):
    """What reading needs of a path."""

    @property
    def name(self) -> str:
        """The last part."""

    @property
    def suffix(self) -> str:
        """What kind of file it is: '.png', '.npy', ..., or '' of an IDX file."""

    def is_dir(self) -> bool:
        """Whether it is a folder."""

    def exists(self) -> bool:
        """Whether it is there."""

    def open(self, mode: Any) -> IO[Any]:
        """The bytes, as a stream."""

    def read_bytes(self) -> bytes:
        """The bytes."""


@dataclass(frozen=True)
class Held:
    """A file whose bytes are in memory; `suffix` follows from how they begin."""

    name: str
    data: bytes

    @property
    def suffix(self) -> str:
        """The suffix of its kind of file."""
        return next((suffix for magic, suffix in _MAGIC if self.data.startswith(magic)), ".csv")

    def is_dir(self) -> bool:
        """No."""
        return False

    def exists(self) -> bool:
        """Yes."""
        return True

    def open(self, mode: Any) -> IO[Any]:
        """The bytes, as a stream."""
        return io.BytesIO(self.data)

    def read_bytes(self) -> bytes:
        """The bytes."""
        return self.data

    def __str__(self) -> str:
        return self.name


def find(name: str | Path) -> Path | Held:
    """The file of that name: stdin for '-', a path else. What can be read only once, as a pipe, is read into memory.

    Raises DataError where it holds nothing, or more than `MAX_BYTES`.
    """
    path = Path(name)
    # A shell gives a file as /dev/stdin, which has no suffix: its bytes say what it is.
    is_device = str(name).startswith(("/dev/stdin", "/dev/fd/", "/proc/self/fd/"))
    if str(name) != STDIN and not (path.exists() and not path.is_dir() and (is_device or not path.is_file())):
        return path
    try:
        if str(name) == STDIN:
            data = sys.stdin.buffer.read(MAX_BYTES + 1)
        else:
            with path.open("rb") as stream:
                data = stream.read(MAX_BYTES + 1)
    except OSError as error:
        raise DataError(f"{name}: cannot be read ({error})") from error
    if not data or len(data) > MAX_BYTES:
        came = f"more than {MAX_BYTES:,} bytes" if data else "nothing"
        raise DataError(f"{name}: expected a picture, .npy, .npz, IDX file or .csv, {came} came")
    return Held(str(name), data)
