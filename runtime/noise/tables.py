"""Quantiles of the logistic and the normal distribution at 2**16 places, one for each 16-bit word of noise.

Entry w is F^-1((w + 1/2) / 2**16), computed in float64 and rounded to float32. The tables are the same everywhere: no
entry is so close to a tie that another platform's logarithm could round it the other way. A draw by such a table
differs from its distribution function by at most 2**-17.
"""

from __future__ import annotations

import functools
from typing import Any

import numpy as np
import numpy.typing as npt

__all__ = ["logistic_quantiles", "normal_quantiles", "wide_logistic_quantiles", "wide_normal_quantiles"]

Float32 = npt.NDArray[np.float32]
Float64 = npt.NDArray[np.float64]

# Wichura 1988, algorithm AS 241, PPND16: quotients of polynomials, the highest power first. Near the median they are in
# 0.425^2 - q^2; in the tails in sqrt(-log p) - 1.6. The third pair, for p below exp(-25), is not needed for p > 2**-17.
_CENTRE = (
    (2509.0809287301226727, 33430.575583588128105, 67265.770927008700853, 45921.953931549871457,
     13731.693765509461125, 1971.5909503065514427, 133.14166789178437745, 3.387132872796366608),
    (5226.495278852854561, 28729.085735721942674, 39307.89580009271061, 21213.794301586595867,
     5394.1960214247511077, 687.1870074920579083, 42.313330701600911252, 1.0),
)  # fmt: skip
_TAIL = (
    (7.7454501427834140764e-4, 0.0227238449892691845833, 0.24178072517745061177, 1.27045825245236838258,
     3.64784832476320460504, 5.7694972214606914055, 4.6303378461565452959, 1.42343711074968357734),
    (1.05075007164441684324e-9, 5.475938084995344946e-4, 0.0151986665636164571966, 0.14810397642748007459,
     0.68976733498510000455, 1.6763848301838038494, 2.05319162663775882187, 1.0),
)  # fmt: skip


@functools.cache
def logistic_quantiles() -> Float32:
    """logit((w + 1/2) / 2**16) for each 16-bit word w, float32 (65536,)."""
    return _frozen(wide_logistic_quantiles())


@functools.cache
def normal_quantiles() -> Float32:
    """Phi^-1((w + 1/2) / 2**16) for each 16-bit word w, float32 (65536,)."""
    return _frozen(wide_normal_quantiles())


def wide_logistic_quantiles() -> Float64:
    """The logistic quantiles before they are rounded, float64 (65536,)."""
    w = np.arange(1 << 16) + 0.5
    wide: Float64 = np.log(w / ((1 << 16) - w))
    return wide


def wide_normal_quantiles() -> Float64:
    """The normal quantiles before they are rounded, float64 (65536,), by Wichura's approximation (to 1e-16)."""
    p = (np.arange(1 << 15) + 0.5) / (1 << 16)  # the lower half: the upper is its mirror image
    q = p - 0.5
    centre = q * _quotient(_CENTRE, 0.180625 - q * q)
    tail = -_quotient(_TAIL, np.sqrt(-np.log(p)) - 1.6)
    lower: Float64 = np.where(q >= -0.425, centre, tail)
    return np.concatenate([lower, -lower[::-1]])


def _quotient(polynomials: tuple[tuple[float, ...], tuple[float, ...]], x: Float64) -> Any:
    """One polynomial over another, each by Horner's rule."""
    above, below = (functools.reduce(lambda y, c: y * x + c, each, np.zeros_like(x)) for each in polynomials)
    return above / below


def _frozen(wide: Float64) -> Float32:
    table = wide.astype(np.float32)
    table.setflags(write=False)  # shared by all callers
    return table
