"""MNIST (LeCun, Cortes & Burges) and Fashion-MNIST (Xiao, Rasul & Vollgraf 2017), in files of the same names.

Four IDX files each, found or downloaded, taken only where their SHA-256 fits.
"""

from __future__ import annotations

import hashlib
import os
import struct
import threading
import urllib.request
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.error import HTTPError

import numpy as np
import numpy.typing as npt

from vae_edge.pictures.files import as_images, gunzip, read_idx, unpack
from vae_edge.runtime import atomic
from vae_edge.runtime.errors import DataError

__all__ = ["DIGITS", "FASHION", "MNIST", "SETS", "Published", "is_folder", "load", "name_of", "read_folder"]

# A label is also known by its number: 7 is "seven".
DIGITS = ("zero", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine")


@dataclass(frozen=True)
class Published:
    """A set in MNIST's four files: its name, the SHA-256 of each file unpacked, where they are served, its labels.

    Unpacked, since two packers' .gz of one file differ.
    """

    name: str
    title: str
    files: dict[str, str]
    mirrors: tuple[str, ...]
    labels: tuple[str, ...]

    @property
    def sha256(self) -> str:
        """The SHA-256 of the set: that of its files' SHA-256."""
        return hashlib.sha256("".join(self.files.values()).encode()).hexdigest()


MNIST = Published(
    "mnist",
    "MNIST",
    {
        "train-images-idx3-ubyte": "ba891046e6505d7aadcbbe25680a0738ad16aec93bde7f9b65e87a2fc25776db",
        "train-labels-idx1-ubyte": "65a50cbbf4e906d70832878ad85ccda5333a97f0f4c3dd2ef09a8a9eef7101c5",
        "t10k-images-idx3-ubyte": "0fa7898d509279e482958e8ce81c8e77db3f2f8254e26661ceb7762c4d494ce7",
        "t10k-labels-idx1-ubyte": "ff7bcfd416de33731a308c3f266cc351222c34898ecbeaf847f06e48f7ec33f2",
    },
    ("https://storage.googleapis.com/cvdf-datasets/mnist/", "https://ossci-datasets.s3.amazonaws.com/mnist/"),
    DIGITS,
)
FASHION = Published(
    "fashion-mnist",
    "Fashion-MNIST",
    {
        "train-images-idx3-ubyte": "c59f468a2f672dc815687fe0f83887768d799fd8a3f3276145d20f83aa44d888",
        "train-labels-idx1-ubyte": "bad3541b69d912435c50bb6ba87bec294ff4f6a2e1246121d8633921760443d9",
        "t10k-images-idx3-ubyte": "5b4141f0afbad91edebe8549f8fcffe087ea10ca49f1dbef5c9a5cd8815ce37b",
        "t10k-labels-idx1-ubyte": "0402a96d92fd2663957122ceb108a494c5af83dab82d92729df917d7dec38c34",
    },
    (
        "https://storage.googleapis.com/tensorflow/tf-keras-datasets/",
        "https://github.com/zalandoresearch/fashion-mnist/raw/master/data/fashion/",
    ),
    ("T-shirt/top", "Trouser", "Pullover", "Dress", "Coat", "Sandal", "Shirt", "Sneaker", "Bag", "Ankle boot"),
)
SETS = {each.name: each for each in (MNIST, FASHION)}
TIMEOUT = 30.0  # seconds without a byte
WINDOW, MIN_RATE = 60.0, 4096  # seconds, and the bytes a second that each such window must bring: 10 MB in 40 minutes
MAX_DOWNLOAD = 40 << 20  # the largest is 27 MB packed; with the above, no server holds anyone for long

Part = tuple[npt.NDArray[np.uint8], npt.NDArray[np.int64]]


def load(
    data_dir: str | Path | None = None, published: Published = MNIST, *, download: bool = True
) -> tuple[Part, Part]:
    """Training and test images (n, 28, 28, 1) uint8 of a published set, with their labels (n,).

    Looks in `data_dir` alone where it is given, else in $VAE_EDGE_DATA, then in the cache, then on the network; of a
    folder also in its subfolder of the set's name. A file whose SHA-256 does not fit is never used. Raises DataError.
    """
    if data_dir is not None:
        folders, download = _with_subfolder(Path(data_dir), published), False
    else:
        named = os.environ.get("VAE_EDGE_DATA")
        folders = [*(_with_subfolder(Path(named), published) if named else ()), _cache(published)]
    contents = {name: _obtain(name, published, folders, download) for name in published.files}
    return _parts(contents)


def is_folder(folder: Path) -> bool:
    """Whether `folder` holds four IDX files of MNIST's names, whatever their content."""
    return all(_find(name, [folder]) is not None for name in MNIST.files)


def name_of(images: npt.NDArray[Any]) -> str:
    """'mnist' or 'fashion-mnist', where training images (n, 28, 28, 1) are that set's own, however stored; else ''."""
    if images.shape != (60_000, 28, 28, 1) or images.dtype != np.uint8:
        return ""
    hashed = hashlib.sha256(b"\0\0\x08\3" + struct.pack(">3I", *images.shape[:3]))  # as their IDX file begins
    hashed.update(np.ascontiguousarray(images).data)
    found = hashed.hexdigest()
    return next((name for name, each in SETS.items() if each.files["train-images-idx3-ubyte"] == found), "")


def read_folder(folder: Path) -> tuple[Part, Part]:
    """Training and test images of any set in MNIST's four files, unchecked."""
    return _parts({name: unpack(path) for name in MNIST.files if (path := _find(name, [folder])) is not None})


def _parts(contents: dict[str, bytes]) -> tuple[Part, Part]:
    arrays = {name: read_idx(data, name) for name, data in contents.items()}
    parts = []
    for split in ("train", "t10k"):
        images, labels = arrays[f"{split}-images-idx3-ubyte"], arrays[f"{split}-labels-idx1-ubyte"]
        if len(images) != len(labels):
            raise DataError(f"{split}: {len(images)} images but {len(labels)} labels")
        parts.append((as_images(images, split), labels.astype(np.int64)))
    return parts[0], parts[1]


def _cache(published: Published) -> Path:
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "vae-edge" / published.name


def _with_subfolder(folder: Path, published: Published) -> list[Path]:
    return [folder / published.name, folder]


def _find(name: str, folders: list[Path]) -> Path | None:
    for folder in folders:
        for path in (folder / name, folder / f"{name}.gz"):
            if path.is_file():
                return path
    return None


def _obtain(name: str, published: Published, folders: list[Path], download: bool) -> bytes:
    for folder in folders:
        if path := _find(name, [folder]):
            data = unpack(path)
            digest = hashlib.sha256(data).hexdigest()
            if digest == published.files[name]:
                return data
            if any(digest == other.files[name] for other in SETS.values()):
                continue  # the other set's folder
            raise DataError(
                f"{path}: not {published.title}'s {name} (its SHA-256 is another); remove it, and it is fetched again"
            )
    where = ", ".join(map(str, folders))
    if not download:
        raise DataError(
            f"{name} (or {name}.gz) is not in {where}; put {published.title}'s four files there, "
            "or leave --data-dir out"
        )
    return _download(name, published, where)


def _download(name: str, published: Published, searched: str) -> bytes:
    """The file from the first mirror that gives the right one, kept in the cache."""
    failures = []
    for mirror in published.mirrors:
        try:
            packed = _fetch(f"{mirror}{name}.gz")
            data = gunzip(packed, name)
        except DataError as error:
            failures.append(f"{mirror}: {error}")
            continue
        if hashlib.sha256(data).hexdigest() == published.files[name]:
            with suppress(OSError):  # a home that cannot be written costs the next run a download, no more
                _cache(published).mkdir(parents=True, exist_ok=True)
                atomic.write_bytes(_cache(published) / f"{name}.gz", packed)
            return data
        failures.append(f"{mirror}: another file (wrong SHA-256)")
    raise DataError(
        f"{name} is not in {searched}, and no mirror gave it ({'; '.join(failures)}); "
        f"put {published.title}'s four files into a folder and name it by --data-dir or VAE_EDGE_DATA, "
        "or use --data digits"
    )


def _fetch(url: str) -> bytes:
    """The content at `url`, at most `MAX_DOWNLOAD` bytes; raises DataError where it is more, cut off or too slow.

    Another thread receives it, so that this one notices whatever a server delays, even its headers.
    """
    received, failures, gone = bytearray(), list[str](), threading.Event()

    def receive() -> None:
        try:
            with urllib.request.urlopen(url, timeout=TIMEOUT) as response:
                while not gone.is_set() and len(received) <= MAX_DOWNLOAD and (part := response.read1(1 << 16)):
                    received.extend(part)
                missing = getattr(response, "length", None)  # what HTTP still owes
            if len(received) > MAX_DOWNLOAD:
                raise DataError(f"more than {MAX_DOWNLOAD:,} bytes")
            if missing:
                raise DataError(f"cut off, {missing:,} bytes of {len(received) + missing:,} are missing")
        except Exception as error:
            failures.append(" ".join(str(error).split()))  # the message alone: the traceback would keep the socket open
            if isinstance(error, HTTPError):
                error.close()

    thread = threading.Thread(target=receive, daemon=True)  # a thread that is left behind does not delay the exit
    thread.start()
    before = 0
    try:
        while True:
            thread.join(WINDOW)
            if not thread.is_alive():
                break
            before, new = len(received), len(received) - before
            if new < WINDOW * MIN_RATE:
                rate = f"{new:,} bytes in {WINDOW:g} seconds, {WINDOW * MIN_RATE:,.0f} are the least"
                raise DataError(f"too slow ({rate})")
    finally:
        gone.set()
    if failures:
        raise DataError(failures[0])
    return bytes(received)
