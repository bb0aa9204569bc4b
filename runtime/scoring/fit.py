"""A fit of scores: how likely statistics are under those of training events, and from where on one is unusual.

Density of states estimation (Morningstar et al. 2020, *Density of States Estimation for Out-of-Distribution
Detection*): what is strange may have a high log p(x) or a low one, but training events seldom have it. Here the joint
density of all statistics and of the posterior's means is a mixture of normals of full covariance: where z lies, and
what is usual there.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from vae_edge.runtime.bundle.schema import Scores
from vae_edge.runtime.bundle.scores import Arrays

__all__ = ["Fit", "raw_features"]

Float32 = npt.NDArray[np.float32]
Float64 = npt.NDArray[np.float64]

# Statistics above 0 whose logarithm is closer to a normal than they are.
_LOGGED = frozenset({"spread", "misfit", "worst_region", "cycle"})
_LEAST = 1e-9  # of what a logarithm is taken
_FURTHEST = 1e6  # scales from the middle; beyond, all are alike, and no square overflows


def raw_features(values: Mapping[str, Float64], codes: Float32 | None, statistics: Sequence[str]) -> Float64:
    """The features of B events before shift and scale, (B, D): statistics, some as logarithms, then the codes."""
    columns = [
        np.log(np.maximum(values[name], _LEAST)) if name in _LOGGED else np.asarray(values[name], np.float64)
        for name in statistics
    ]
    found = np.stack(columns, axis=1)
    return found if codes is None else np.concatenate([found, codes], axis=1)


@dataclass(frozen=True)
class Fit:
    """A fit with what the manifest says of it."""

    scores: Scores
    arrays: Arrays

    def value(self, values: Mapping[str, Float64], codes: Float32) -> Float64:
        """-log density of the events' features, (B,), up to a constant: higher is more unusual."""
        raw = raw_features(values, codes if self.scores.codes else None, self.scores.statistics)
        features = (raw - self.arrays.shift) / self.arrays.scale
        features = np.clip(np.nan_to_num(features, nan=_FURTHEST), -_FURTHEST, _FURTHEST)
        return -self.arrays.density.log_prob(features)
