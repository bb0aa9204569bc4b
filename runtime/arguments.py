"""Checks of the arguments that a VAE's methods share."""

from __future__ import annotations

import contextlib
import math
import numbers
import operator
from typing import SupportsIndex

import numpy as np
import numpy.typing as npt

from vae_edge.runtime import noise
from vae_edge.runtime.distributions.base import is_finite
from vae_edge.runtime.errors import InputError

__all__ = ["count", "latents", "temperature"]

_LEAST, _MOST = 0.01, 10.0  # temperatures


def count(name: str, value: SupportsIndex) -> int:
    """`value` as an int from 1 to 2**63; raises InputError that names it."""
    try:
        found = operator.index(value)
    except TypeError:
        found = 0
    if not 1 <= found <= noise.MAX_DRAW or isinstance(value, bool):
        raise InputError(f"{name} should be a positive integer, it is {value!r:.60}")
    return found


def latents(z: npt.ArrayLike, size: int) -> npt.NDArray[np.float32]:
    """`z` as float32 (B, size) in C order; raises InputError for other shapes, and for what is not finite in float32.

    Where it is that already, it is not copied.
    """
    try:
        array = np.asarray(z)
    except (ValueError, TypeError) as error:
        raise InputError(f"z should be one array of shape (B, {size}): {error}") from error
    shape = array.shape
    if array.dtype.kind not in "fiu" or len(shape) != 2 or shape[1] != size or shape[0] == 0:
        raise InputError(f"z should be real numbers of shape (B, {size}), B >= 1; it is {array.dtype} {shape}")
    if array.dtype == np.float32:
        narrow = np.ascontiguousarray(array)
    else:
        with np.errstate(over="ignore"):
            narrow = np.ascontiguousarray(array, np.float32)
    if not is_finite(narrow):
        raise InputError("z should be finite in float32, there is a NaN or an infinity in it")
    return narrow


def temperature(value: object) -> float:
    """`value` rounded to float32, as the seed contract says; raises InputError unless it is from 0.01 to 10."""
    if value.__class__ is float and value == 1:
        return 1.0  # the default: a quick way for most calls
    found = math.nan
    if not isinstance(value, bool) and isinstance(value, numbers.Real):
        with contextlib.suppress(OverflowError), np.errstate(over="ignore"):  # 10**400
            found = float(np.float32(float(value)))
    if not np.float32(_LEAST) <= found <= _MOST:
        raise InputError(f"temperature should be a number from {_LEAST:g} to {_MOST:g}, it is {value!r:.60}")
    return found
