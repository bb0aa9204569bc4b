"""Data sets (MNIST, scikit-learn's digits, or what lies at a path), their splits, their pixels as a VAE sees them."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import numpy as np
import numpy.typing as npt

from vae_edge.runtime import noise
from vae_edge.runtime.errors import DataError, InputError, MissingExtra
from vae_edge.train import mnist
from vae_edge.train.files import as_images, digest, read_arrays, read_images

__all__ = ["Binarisation", "Dataset", "Split", "binarise", "load"]

Split = Literal["train", "validation", "test", "all"]
Binarisation = Literal["static", "dynamic"]

# MNIST's own shares: 5,000 of its 60,000 training images validate, 10,000 of 70,000 test.
VALIDATION_SHARE = 1 / 12
TEST_SHARE = 1 / 7


@dataclass(frozen=True)
class Dataset:
    """Images (n, H, W, C), uint8 in [0, 255]; labels (n,) or None; the SHA-256 of the whole set, all splits."""

    name: str
    images: npt.NDArray[np.uint8]
    labels: npt.NDArray[np.int64] | None
    sha256: str

    def __len__(self) -> int:
        return len(self.images)


def load(
    source: str | Path, split: Split = "train", data_dir: str | Path | None = None, *, download: bool = True
) -> Dataset:
    """One split of the data set `source`: 'mnist', 'digits', or a path.

    'train' and 'validation' part the training images: the last twelfth validates (MNIST: 5,000). A set without a test
    split of its own is shuffled in one fixed order, and its last seventh tests. 'all' is every image. Raises DataError.
    """
    if split not in ("train", "validation", "test", "all"):
        raise InputError(f"split should be train, validation, test or all, it is {split!r}")
    parts: tuple[Part, Part]
    if source == "mnist":
        name, sha256 = "mnist", mnist.SHA256
        parts = mnist.load(data_dir, download=download)
    elif source == "digits":
        name = "digits"
        parts = _part(*_digits())
        sha256 = digest(*(array for part in parts for array in part if array is not None))
    else:
        name = Path(source).name
        parts = _from_path(Path(source))
        sha256 = digest(*(array for part in parts for array in part if array is not None))
    images, labels = _select(parts, split)
    if not len(images):
        raise DataError(f"{source}: too few images for a {split} split")
    return Dataset(name, np.ascontiguousarray(images), labels, sha256)


def binarise(images: npt.NDArray[np.uint8], how: Binarisation = "static", *, seed: int = 0) -> npt.NDArray[np.float32]:
    """uint8 pixels as float32, 0 or 1: 'static' 1 where pixel / 255 > 0.5, 'dynamic' with probability pixel / 255.

    Dynamic draws are by the seed contract: pixel j of image i is a function of (seed, i, j).
    """
    if how == "static":
        return (np.asarray(images, np.float32) / np.float32(255) > 0.5).astype(np.float32)
    flat = images.reshape(len(images), -1)
    words = noise.words16(seed, noise.Purpose.IMAGE, 0, *flat.shape)
    # P(word < p * 2**16) = p, where 255 p is whole and so p * 2**16 is not: rounded, by at most 2**-17
    drawn = words < np.rint(flat * (65536 / 255)).astype(np.uint32)
    return drawn.astype(np.float32).reshape(images.shape)


Part = tuple[npt.NDArray[np.uint8], npt.NDArray[np.int64] | None]


def _select(parts: tuple[Part, Part], split: Split) -> Part:
    (images, labels), test = parts
    if split == "test":
        return test
    if split == "all":
        joined = None if labels is None or test[1] is None else np.concatenate([labels, test[1]])
        return np.concatenate([images, test[0]]), joined
    cut = len(images) - round(len(images) * VALIDATION_SHARE)
    chosen = slice(0, cut) if split == "train" else slice(cut, None)
    return images[chosen], None if labels is None else labels[chosen]


def _part(images: npt.NDArray[np.uint8], labels: npt.NDArray[np.int64] | None) -> tuple[Part, Part]:
    """Training and test images of a set that has no split of its own: files often lie sorted by class, so shuffle."""
    order = np.argsort(np.random.Philox(key=0).random_raw(len(images)), kind="stable")
    cut = len(images) - round(len(images) * TEST_SHARE)
    first, last = order[:cut], order[cut:]
    if labels is None:
        return (images[first], None), (images[last], None)
    return (images[first], labels[first]), (images[last], labels[last])


def _digits() -> Part:
    """scikit-learn's 1,797 digits (UCI, 8x8, 0..16), each scaled to 24x24 and set into 28x28 as MNIST's are."""
    try:
        from sklearn.datasets import load_digits
    except ImportError as error:
        raise MissingExtra("the data set digits needs scikit-learn: pip install 'vae-edge[train]'") from error
    small, labels = load_digits(return_X_y=True)
    small = small.reshape(-1, 8, 8) / 16.0
    # Bilinear, by one matrix along each side; sample centres as in pictures.
    centres = np.clip((np.arange(24) + 0.5) / 3 - 0.5, 0, 7)
    low = np.minimum(centres.astype(int), 6)
    weights = np.zeros((24, 8))
    weights[np.arange(24), low] = 1 - (centres - low)
    weights[np.arange(24), low + 1] = centres - low
    large = np.einsum("ij,njk,lk->nil", weights, small, weights)
    pixels = np.zeros((len(small), 28, 28, 1), np.uint8)
    pixels[:, 2:26, 2:26, 0] = np.rint(large * 255)
    return pixels, labels.astype(np.int64)


def _from_path(path: Path) -> tuple[Part, Part]:
    if path.is_dir() and mnist.is_folder(path):
        return mnist.read_folder(path)
    if path.suffix == ".npz":
        arrays = read_arrays(path)
        if {"x_train", "x_test"} <= arrays.keys():  # the layout of Keras's data sets
            return _from_arrays(arrays, "x_train", "y_train", path), _from_arrays(arrays, "x_test", "y_test", path)
    if not path.exists():
        raise DataError(f"{path}: no such data set; give mnist, digits, an IDX folder, an .npz or a folder of images")
    return _part(_as_bytes(read_images(path), path), None)


def _from_arrays(arrays: dict[str, npt.NDArray[Any]], images: str, labels: str, path: Path) -> Part:
    chosen = arrays.get(labels)
    return _as_bytes(as_images(arrays[images], path), path), None if chosen is None else chosen.astype(np.int64)


def _as_bytes(images: npt.NDArray[Any], path: Path) -> npt.NDArray[np.uint8]:
    """Pixels as uint8; floats and booleans must lie in [0, 1]."""
    if images.dtype == np.uint8:
        return images
    if images.dtype.kind in "fb" and np.isfinite(images).all() and images.min() >= 0 and images.max() <= 1:
        return np.rint(images.astype(np.float64) * 255).astype(np.uint8)
    raise DataError(
        f"{path}: pixels should be uint8 in [0, 255], or floats in [0, 1]; they are {images.dtype} "
        f"from {images.min()} to {images.max()}"
    )
