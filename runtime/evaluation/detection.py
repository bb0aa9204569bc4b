"""How well a score tells strange events from ordinary ones: ROC's area, and false alarms where most strange ones count.

Both take scores that are higher for what is strange, and both count a tie as half.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from vae_edge.runtime.errors import InputError

__all__ = ["LOWER", "Detection", "auroc", "detection", "false_positives", "oriented"]

Float64 = npt.NDArray[np.float64]

REPEATS, LEVEL = 1000, 0.95  # of the bootstrap: how often both sets are drawn again, and what its interval holds

# Statistics that are lower for what is strange; the others are higher, `bias` on both sides.
LOWER = frozenset({"log_evidence", "reconstruction", "log_prior", "entropy"})


@dataclass(frozen=True)
class Detection:
    """AUROC, and the false-positive rate at 95 % true positives, each in [0, 1] with its 95 % bootstrap interval."""

    auroc: float
    auroc_interval: tuple[float, float]
    fpr95: float
    fpr95_interval: tuple[float, float]


def auroc(ordinary: Float64, strange: Float64) -> float:
    """The probability that a strange event (n,) scores above an ordinary one (m,), a tie counting half: in [0, 1]."""
    # Mann and Whitney: the strange ones' mean rank among all, less what they have among themselves
    n, m = len(strange), len(ordinary)
    ranks = _average_ranks(np.concatenate([strange, ordinary]))[:n]
    return float((ranks.sum() - n * (n + 1) / 2) / (n * m))


def false_positives(ordinary: Float64, strange: Float64, rate: float = 0.95) -> float:
    """The share of ordinary events at or above the highest threshold that `rate` of the strange ones reach."""
    highest = np.sort(strange)[len(strange) - int(np.ceil(rate * len(strange)))]
    return float((ordinary >= highest).mean())


def detection(ordinary: Float64, strange: Float64, *, seed: int = 0, repeats: int = REPEATS) -> Detection:
    """Both figures of scores (m,) and (n,), with intervals of `repeats` draws of each set with replacement.

    The draws follow the `seed`. Raises InputError where a set is empty, or a score is not a number.
    """
    ordinary, strange = (np.asarray(each, np.float64) for each in (ordinary, strange))
    for name, each in (("ordinary", ordinary), ("strange", strange)):
        if each.ndim != 1 or not len(each) or np.isnan(each).any():
            raise InputError(f"{name} scores should be numbers (n,), n >= 1; they have shape {each.shape}, or a NaN")
    rng = np.random.default_rng(seed)
    m = len(ordinary)
    # both figures need no more than how often each score was drawn
    values, places = np.unique(np.concatenate([ordinary, strange]), return_inverse=True)
    ours, theirs = places[:m], places[m:]
    areas, shares = np.empty(repeats), np.empty(repeats)
    for repeat in range(repeats):
        drawn = (part[rng.integers(0, len(part), len(part))] for part in (ours, theirs))
        areas[repeat], shares[repeat] = _of_counts(*(np.bincount(each, minlength=len(values)) for each in drawn))
    tails = [(1 - LEVEL) / 2, (1 + LEVEL) / 2]
    intervals = [tuple(map(float, np.quantile(each, tails))) for each in (areas, shares)]
    return Detection(auroc(ordinary, strange), intervals[0], false_positives(ordinary, strange), intervals[1])  # type: ignore[arg-type]


def oriented(statistics: Mapping[str, Float64]) -> dict[str, Float64]:
    """Statistics by name, turned so that what is strange is higher, as a rule."""
    found = {name: -values if name in LOWER else values for name, values in statistics.items()}
    return found | ({"bias": np.abs(statistics["bias"])} if "bias" in statistics else {})


def _of_counts(ordinary: npt.NDArray[np.int64], strange: npt.NDArray[np.int64]) -> tuple[float, float]:
    """Both figures of two histograms over the same values in ascending order."""
    m, n = int(ordinary.sum()), int(strange.sum())
    below = np.cumsum(ordinary) - ordinary  # ordinary ones below each value
    area = float((strange * (below + ordinary / 2)).sum()) / (m * n)
    above = np.cumsum(strange[::-1])[::-1]  # strange ones at or above each value
    place = int(np.flatnonzero(above >= int(np.ceil(0.95 * n)))[-1])
    return area, float(m - below[place]) / m


def _average_ranks(values: Float64) -> Float64:
    """The rank of each among all, from 1 on; tied ones share their mean rank."""
    _, inverse, counts = np.unique(values, return_inverse=True, return_counts=True)
    ranks: Float64 = (np.cumsum(counts) - (counts - 1) / 2)[inverse]
    return ranks
