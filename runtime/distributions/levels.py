"""Pixels of a number of levels: k / (levels - 1), k = 0 .. levels - 1."""

from __future__ import annotations

import operator
from typing import SupportsIndex

import numpy as np
import numpy.typing as npt

from vae_edge.runtime.distributions.base import Float64
from vae_edge.runtime.errors import InputError

__all__ = ["MOST", "check", "indices"]

MOST = 65_536

# A pixel may be this far from its level, since programs round differently; at most a twentieth of the way to the next.
_TOLERANCE, _SHARE = 1e-4, 0.05


def check(levels: SupportsIndex) -> int:
    """`levels` as an int from 2 to 65,536; raises InputError."""
    try:
        count = operator.index(levels)
    except TypeError:
        count = 0
    if not 2 <= count <= MOST or isinstance(levels, bool):
        raise InputError(f"levels should be a whole number from 2 to {MOST}, it is {levels!r:.60}")
    return count


def indices(value: Float64, levels: int) -> npt.NDArray[np.int64]:
    """k of each pixel k / (levels - 1); raises InputError where one lies between two levels, or outside [0, 1]."""
    last = levels - 1
    with np.errstate(invalid="ignore"):
        k = np.rint(value * last)
        off = np.abs(value - k / last).max(initial=0)
    if not (off <= min(_TOLERANCE, _SHARE / last) and k.min(initial=0) >= 0 and k.max(initial=0) <= last):
        raise InputError(
            f"pixels should be k / {last}, k = 0 .. {last}, to have a probability: round them by VAE.prepare or "
            f"numpy.rint(x * {last}) / {last}, of an Image without a threshold"
        )
    return k.astype(np.int64)
