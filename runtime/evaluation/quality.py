"""How close generated images are to real ones, measured in a classifier's features.

Features are real numbers (n, F). Distances are calculated block by block: memory grows with n, not with n^2.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
import numpy.typing as npt

from vae_edge.runtime.errors import InputError

__all__ = ["NEIGHBOURS", "Features", "Likeness", "class_distance", "confidence", "frechet", "likeness"]

NEIGHBOURS = 5
_ROWS = 1 << 21  # distances of one block: 16 MiB of float64

Float64 = npt.NDArray[np.float64]


class Features:
    """Features (n, F) of one set of images, with what several comparisons need of them, each calculated once."""

    def __init__(self, values: npt.NDArray[Any], k: int = NEIGHBOURS) -> None:
        if values.ndim != 2 or len(values) <= k:
            raise InputError(f"features should have shape (n, F), n > {k}; they have {values.shape}")
        if not np.isfinite(values).all():
            raise InputError("features should be finite, there is a NaN or an infinity among them")
        self.values, self.k = values.astype(np.float64), k

    def __len__(self) -> int:
        return len(self.values)

    @cached_property
    def moments(self) -> tuple[Float64, Float64]:
        """Mean (F,) and covariance (F, F)."""
        return self.values.mean(axis=0), np.atleast_2d(np.cov(self.values, rowvar=False))

    @cached_property
    def radii(self) -> Float64:
        """The squared distance of each to its k-th nearest neighbour among the others, (n,)."""
        found = np.empty(len(self))
        for at, block in _squared_distances(self.values, self.values):
            rows = np.arange(len(block))
            block[rows, at + rows] = np.inf  # itself, but not its duplicates
            found[at : at + len(block)] = np.partition(block, self.k - 1, axis=1)[:, self.k - 1]
        return found


@dataclass(frozen=True)
class Likeness:
    """Precision and recall (Kynkaanniemi et al. 2019), density and coverage (Naeem et al. 2020)."""

    precision: float  # share of the generated that lie in the ball of a real one
    recall: float  # share of the real that lie in the ball of a generated one
    density: float  # how many real balls a generated one lies in, over k; may exceed 1
    coverage: float  # share of the real with a generated one in their ball


def frechet(real: Features, generated: Features) -> float:
    """The Frechet distance of two normals with the sets' means and covariances (Dowson & Landau 1982), >= 0.

    |m1 - m2|^2 + tr(S1 + S2 - 2 (S1 S2)^(1/2)). Heusel et al. 2017 take it in Inception's features; numbers in another
    classifier's features compare only with each other.
    """
    (m1, s1), (m2, s2) = real.moments, generated.moments
    # tr (S1 S2)^(1/2) is the sum of the roots of the eigenvalues of the symmetric S1^(1/2) S2 S1^(1/2)
    values, vectors = np.linalg.eigh(s1)
    root = (vectors * np.sqrt(np.maximum(values, 0))) @ vectors.T
    cross = np.sqrt(np.maximum(np.linalg.eigvalsh(root @ s2 @ root), 0)).sum()
    return max(0.0, float(np.square(m1 - m2).sum() + np.trace(s1) + np.trace(s2) - 2 * cross))


def likeness(real: Features, generated: Features) -> Likeness:
    """Precision, recall, density and coverage of `generated`, with balls that reach to the k-th nearest neighbour."""
    near, recalled, covered = np.zeros(len(generated), np.int64), 0, 0
    for at, block in _squared_distances(real.values, generated.values):
        inside = block < real.radii[at : at + len(block), None]
        near += inside.sum(axis=0)
        covered += int(inside.any(axis=1).sum())
        recalled += int((block < generated.radii).any(axis=1).sum())
    return Likeness(
        precision=float((near > 0).mean()),
        recall=recalled / len(real),
        density=float(near.mean()) / real.k,
        coverage=covered / len(real),
    )


def confidence(logits: npt.NDArray[Any]) -> float:
    """The mean of the likeliest class's probability, from logits (n, classes)."""
    top = logits.max(axis=1, keepdims=True)
    return float((1 / np.exp(logits - top, dtype=np.float64).sum(axis=1)).mean())


def class_distance(logits: npt.NDArray[Any]) -> float:
    """The total variation distance of the classes' shares from uniform, in [0, 1): half the sum of |share - 1/C|."""
    classes = logits.shape[1]
    shares = np.bincount(logits.argmax(axis=1), minlength=classes) / len(logits)
    return float(np.abs(shares - 1 / classes).sum() / 2)


def _squared_distances(a: Float64, b: Float64) -> Iterator[tuple[int, Float64]]:
    """(first row, |a_i - b_j|^2 of some rows), block by block; each block is the caller's to change."""
    norms = np.square(b).sum(axis=1)
    rows = max(1, _ROWS // len(b))
    for at in range(0, len(a), rows):
        part = a[at : at + rows]
        block = part @ b.T
        block *= -2
        block += norms
        block += np.square(part).sum(axis=1)[:, None]
        np.maximum(block, 0, out=block)  # rounding
        yield at, block
