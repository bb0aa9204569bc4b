"""The mean, mode and masses of a logistic draw that is rounded to the levels 0 .. N = levels - 1.

The first and the last level collect the tails. In comments m and s are location and scale in levels; the functions
take them in pixels, m / N and s / N.
"""

from __future__ import annotations

import functools
import math
from collections.abc import Iterator
from typing import Any

import numpy as np
import numpy.typing as npt

__all__ = ["log_prob", "masses", "mean", "mode"]

Float32 = npt.NDArray[np.float32]
Float64 = npt.NDArray[np.float64]
Array = npt.NDArray[Any]

_FEW = 16  # up to this many levels, a mean is the sum over all of them
_WIDE = 1.0  # from this scale on, in levels, a mean is an integral with corrections; below, a sum over close levels
_REACH = 10.5  # levels that are this many scales from m are left out of the sum: F is 3e-5 from 0 or 1 there
_POINT = 0.5 / _REACH  # up to this scale, only the two levels beside m count


def log_prob(k: npt.NDArray[np.int64] | np.int64, loc: Float32, scale: Float32, levels: int) -> Float64:
    """log P(k) in nats, of each pixel: k, loc and scale broadcast.

    With a and b the edges of the level, standardised, and F the logistic function, of which F(-x) = 1 - F(x):
    F(a) - F(b) = (1 - exp(b - a)) F(a) F(-b), in which nothing cancels.
    """
    last = levels - 1
    s = scale.astype(np.float64) * last
    distance = k - loc.astype(np.float64) * last
    above, below = (distance + 0.5) / s, (distance - 0.5) / s
    log_p = np.where(k < last, _log_sigmoid(above), 0.0) + np.where(k > 0, _log_sigmoid(-below), 0.0)
    inner = np.log(-np.expm1(-1.0 / s))
    result: Float64 = log_p + np.where((k > 0) & (k < last), inner, 0.0)
    return result


def masses(loc: Float32, scale: Float32, levels: int) -> Iterator[tuple[int, Float64]]:
    """Each level k with its log P(k)."""
    for k in range(levels):
        yield k, log_prob(np.int64(k), loc, scale, levels)


def mode(loc: Float32, scale: Float32, levels: int) -> Float64:
    """The likeliest level of each pixel, exact; the inner one where it and an end are equally likely.

    Between the ends it is the level nearest to m. An end has a tail too: it is likelier than the inner level k where
    exp(x / s) < (exp(-1 / 2s) + cosh((k - m) / s)) / sinh(1 / 2s), x >= 0 the distance of m from the end's edge.
    That is where x < h, and h lies between s log(4s) - 0.27 and s log(4s) + 0.04 for s >= 1/2, below 0.39 else.
    """
    last = levels - 1
    m = loc.astype(np.float64)  # in which m N is exact
    m *= last
    upper = m > last / 2
    level: Float64 = np.rint(m)
    np.maximum(level, 0, out=level)
    np.minimum(level, last, out=level)
    np.minimum(m, last - m, out=m)
    m -= 0.5
    with np.errstate(over="ignore"):
        x, s = m.astype(np.float32), np.minimum(scale * np.float32(last), np.float32(1e30))
        h = np.log(np.maximum(4 * s, 1))
        h *= s
        h -= np.float32(0.3) + h * np.float32(1e-5)  # float32 rounds
        end = x < h
        h += np.float32(0.75) + h * np.float32(2e-5)
    level += end * (last * upper - level)
    doubt = np.flatnonzero((x <= h) & (x >= 0) & ~end)
    if doubt.size:
        at = loc.ravel()[doubt].astype(np.float64) * last
        inner = np.maximum(np.minimum(np.rint(at), last - 1), 1)
        better = _end_is_likelier(m.ravel()[doubt], at - inner, scale.ravel()[doubt].astype(np.float64) * last)
        level.ravel()[doubt] = np.where(better, last * upper.ravel()[doubt], inner)
    return level


def _end_is_likelier(x: Float64, u: Float64, s: Float64) -> npt.NDArray[np.bool_]:
    """The inequality of `mode`, both sides divided by exp(1 / 2s), and their logarithms taken."""
    d = 1.0 / s
    with np.errstate(divide="ignore"):  # log 0, where d is so large that no end is likelier
        tail = np.log(2 * np.exp(-d) + np.exp((np.abs(u) - 0.5) * d) + np.exp(-(np.abs(u) + 0.5) * d))
    likelier: npt.NDArray[np.bool_] = x * d + np.log(-np.expm1(-d)) < tail
    return likelier


def mean(loc: Float32, scale: Float32, levels: int) -> Float32:
    """The mean level of each pixel, within 1e-5 N of the sum over all levels; `scale` has the shape of `loc`.

    E[k] = sum_(j = 0 .. N - 1) F((m - j - 1/2) / s), F the logistic function.
    """
    last = levels - 1
    if levels <= _FEW:
        return _near(loc.astype(np.float64) * last, scale.astype(np.float64) * last, last, last)
    with np.errstate(over="ignore"):
        s = scale * np.float32(last)
    if s.max() <= _POINT:
        return _point(loc, scale, last)
    if s.min() >= _WIDE:
        return _wide(loc, scale, last)
    point, wide = s <= _POINT, s >= _WIDE
    between = ~(point | wide)
    out = np.empty(loc.shape, np.float32)
    out[point] = _point(loc[point], scale[point], last)
    if wide.any():
        out[wide] = _wide(loc[wide], scale[wide], last)
    if between.any():
        with np.errstate(over="ignore"):
            m = loc[between] * np.float32(last)
        narrow = s[between]
        out[between] = _near(m, narrow, last, math.ceil(_REACH * float(narrow.max()) - 0.5))
    return out


def _point(loc: Float32, scale: Float32, last: int) -> Array:
    """The mean in float64, for scales so small that float32's rounding of loc * N could move it by a level."""
    return _near(loc.astype(np.float64) * last, scale.astype(np.float64) * last, last, 0)


def _near(m: Array, s: Array, last: int, reach: int) -> Array:
    """The sum over the levels within `reach` of m; a level below them adds 1, a level above them 0."""
    nearest = np.floor(np.clip(m, 0, last - 1))
    first = np.maximum(nearest - reach, 0)
    total: Array = first.copy()
    for step in range(min(2 * reach + 1, last)):
        edge = first + m.dtype.type(step)
        term = _sigmoid((m - edge - m.dtype.type(0.5)) / s)
        if step > reach:  # earlier steps are never beyond `nearest`
            term *= edge <= np.minimum(nearest + reach, last - 1)
        total += term
    return total


def _wide(loc: Float32, scale: Float32, last: int) -> Float32:
    """The integral of F((m - t) / s) over t in [0, N], and Euler and Maclaurin's corrections at both ends."""
    very = scale > np.float32(0.25)  # there the two ends of the closed form cancel
    if very.all():
        return _quadrature(loc, scale, last)
    if not very.any():
        return _closed(loc, scale, last)
    out = np.empty(loc.shape, np.float32)
    out[very] = _quadrature(loc[very], scale[very], last)
    out[~very] = _closed(loc[~very], scale[~very], last)
    return out


def _closed(loc: Float32, scale: Float32, last: int) -> Float32:
    """s softplus(m / s) - s softplus((m - N) / s), with corrections."""
    n, half = np.float32(last), np.float32(last / 2)
    s = scale * n
    m = np.maximum(np.minimum(loc, np.float32(100)), np.float32(-100))  # beyond, F is 0 or 1
    m *= n
    if scale.max() > 1 / 40:
        return _end(m, s) - _end(m - n, s)
    # The far end's term is exactly 0 or m - N. The upper half is then the mirror image of the lower half.
    m -= half
    from_end = _end(half - np.abs(m), s)
    np.subtract(half, from_end, out=from_end)
    np.copysign(from_end, m, out=from_end)
    from_end += half
    return from_end


def _end(x: Float32, s: Float32) -> Float32:
    """s softplus(x / s), less the difference between that integral and a midpoint sum."""
    e = np.abs(x)
    e /= s
    np.negative(e, out=e)
    np.exp(e, out=e)
    d = e + np.float32(1)
    area = np.log(d)
    area *= s
    area += np.maximum(x, 0)
    e /= d
    e /= d  # g = F (1 - F)
    q = np.reciprocal(s)
    # -f1 / 24 + 7 f3 / 5760, with F's derivatives f1 = g / s and f3 = g (1 - 6g) / s^3
    series = np.float32(-6) * e
    series += np.float32(1)
    series *= q
    series *= q
    series *= np.float32(7 / 5760)
    series -= np.float32(1 / 24)
    series *= e
    series *= q
    area += series
    return area


@functools.cache
def _gauss_legendre() -> list[tuple[float, float]]:
    """Points on [0, 1] and their weights; importing NumPy's polynomials is left to the first call."""
    points, weights = np.polynomial.legendre.leggauss(8)
    return list(zip(points / 2 + 0.5, weights / 2, strict=True))


def _quadrature(loc: Float32, scale: Float32, last: int) -> Float32:
    """Gauss and Legendre's sum, and the first of the corrections."""
    x, s = loc.astype(np.float64), scale.astype(np.float64)
    total = np.zeros(loc.shape)
    for point, weight in _gauss_legendre():
        total += weight * _sigmoid((x - point) / s)
    lower, upper = (_sigmoid(each / s) for each in (x, x - 1.0))
    total -= (lower * (1 - lower) - upper * (1 - upper)) / (24 * s * last**2)
    return (total * last).astype(np.float32)


def _sigmoid(x: Array) -> Array:
    with np.errstate(over="ignore"):
        result: Array = 1 / (1 + np.exp(-x))
    return result


def _log_sigmoid(x: Float64) -> Float64:
    result: Float64 = np.minimum(x, 0.0) - np.log1p(np.exp(-np.abs(x)))
    return result
