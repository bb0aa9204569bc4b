"""Strange images for a model of MNIST or Fashion-MNIST, (n, 28, 28, 1) uint8, and those that rules were chosen by."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import numpy.typing as npt

from vae_edge.train import data

__all__ = ["development", "ordinary", "strange"]

Pixels = npt.NDArray[np.uint8]
OTHER = {"mnist": "fashion-mnist", "fashion-mnist": "mnist"}


def ordinary(own: str, split: str, folder: Path | None) -> Pixels:
    """The images of a split of the model's own data set."""
    return data.load(own, split, folder).images  # type: ignore[arg-type]


def strange(own: str, folder: Path | None) -> dict[str, Pixels]:
    """What the final figures are of, by name: another data set, the own test images moved, noise, constant images."""
    test, rng = ordinary(own, "test", folder), np.random.default_rng(0)
    found = {OTHER[own]: ordinary(OTHER[own], "test", folder)}
    if own == "mnist":
        found["digits, scaled"] = data.load("digits", "all").images
    return found | {
        "flipped left to right": test[:, :, ::-1].copy(),
        "flipped upside down": test[:, ::-1].copy(),
        "rotated by 90 degrees": np.rot90(test, axes=(1, 2)).copy(),
        "uniform noise": rng.integers(0, 256, (2000, 28, 28, 1), np.uint8),
        "constant": np.repeat(np.arange(256, dtype=np.uint8), 28 * 28).reshape(256, 28, 28, 1),
    }


def development(own: str, folder: Path | None) -> dict[str, Pixels]:
    """What statistics and rules were chosen by: validation images, spoiled in ways that none of the final sets is."""
    images, rng = ordinary(own, "validation", folder), np.random.default_rng(0)
    first, second = images[:1000], images[1000:2000]
    return {
        "upper half of another": np.concatenate([first[:, :14], second[:, 14:]], axis=1),
        "left half of another": np.concatenate([first[:, :, :14], second[:, :, 14:]], axis=2),
        "sixteen pieces shuffled": _shuffled(first, rng),
        "negative": 255 - first,
        "blurred": _blurred(first),
        "hole of 7 x 7": _holed(first, rng),
        "half as bright": first // 2,
        "twice as bright": np.minimum(first.astype(np.int64) * 2, 255).astype(np.uint8),
    }


def _shuffled(images: Pixels, rng: np.random.Generator) -> Pixels:
    pieces = images.reshape(-1, 4, 7, 4, 7, 1).transpose(0, 1, 3, 2, 4, 5).reshape(len(images), 16, 7, 7, 1)
    mixed = np.stack([each[rng.permutation(16)] for each in pieces]).reshape(-1, 4, 4, 7, 7, 1)
    return mixed.transpose(0, 1, 3, 2, 4, 5).reshape(images.shape)


def _blurred(images: Pixels) -> Pixels:
    padded = np.pad(images.astype(np.float64), ((0, 0), (2, 2), (2, 2), (0, 0)), mode="edge")
    mean = sum(padded[:, top : top + 28, left : left + 28] for top in range(5) for left in range(5)) / 25
    return np.rint(mean).astype(np.uint8)


def _holed(images: Pixels, rng: np.random.Generator) -> Pixels:
    holed = images.copy()
    for image in holed:
        top, left = rng.integers(4, 18, 2)
        image[top : top + 7, left : left + 7] = 0
    return holed
