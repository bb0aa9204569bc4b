"""Standard normals under the seed contract: Box and Muller's, rounded correctly to float32."""

from __future__ import annotations

import math

import numpy as np
import numpy.typing as npt

from vae_edge.runtime.noise.bits import Purpose, words

__all__ = ["normals"]

_TWO_PI_OVER_2_32 = 2.0 * math.pi * 2.0**-32  # scaling by 2**-32 is exact: times u32 this is fl(2 pi u2)
_NORMALS_AT_ONCE = 1 << 13  # temporaries of 64 KiB: in the L2 cache, and below where malloc maps fresh pages

_DOUBT = 2.0**-46  # the relative error that is allowed for in a float64 result, 64 units in its last place or more


def normals(seed: int, purpose: Purpose, start: int, n: int, size: int, stream: int = 0) -> npt.NDArray[np.float32]:
    """Draws of `size` standard normals, (n, size) float32, bit for bit the same on every platform.

    Box and Muller 1958; each 64-bit word gives two. libm's last bits differ between platforms, so each float64 takes
    Ziv's rounding test (1991): where its float32 could round either way, one in four million, it is computed again in
    decimal arithmetic.
    """
    rows = max(1, _NORMALS_AT_ONCE // size)
    if n <= rows:
        return _normals(words(seed, purpose, start, n, -(-size // 2), stream))[:, :size]
    out = np.empty((n, size), np.float32)
    for at in range(0, n, rows):
        block = out[at : at + rows]
        block[:] = _normals(words(seed, purpose, start + at, len(block), -(-size // 2), stream))[:, :size]
    return out


def _normals(raw: npt.NDArray[np.uint64]) -> npt.NDArray[np.float32]:
    halves = raw.astype("<u8", copy=False).view("<u4")
    radius = halves[:, 1::2] + 1.0  # u1 = (hi + 1) / 2**32 in (0, 1]
    radius *= 2.0**-32
    np.log(radius, out=radius)
    radius *= -2.0
    np.sqrt(radius, out=radius)
    # exp(2 pi i u2), u2 = lo / 2**32 in [0, 1): its real part is the cosine, its imaginary part the sine
    wide = np.exp(halves[:, 0::2] * (1j * _TWO_PI_OVER_2_32)).view(np.float64)
    wide *= radius.repeat(2, axis=1)
    low: npt.NDArray[np.float32] = (wide * (1.0 - _DOUBT)).astype(np.float32)
    high = (wide * (1.0 + _DOUBT)).astype(np.float32)
    if low.tobytes() != high.tobytes():
        for row, column in np.argwhere(low != high).tolist():
            low[row, column] = _exact_normal(int(raw[row, column // 2]), column % 2)
    return low


def _exact_normal(word: int, second: int) -> float:
    """The first or second normal of a word, from 50 decimal digits."""
    import decimal  # one word in two million comes here

    with decimal.localcontext(decimal.Context(prec=50)):
        u1 = decimal.Decimal((word >> 32) + 1) / (1 << 32)
        angle = decimal.Decimal((word & 0xFFFFFFFF) * _TWO_PI_OVER_2_32)
        # Taylor's series of cos or sin; at most 2 pi, so that its largest term is below 100
        term, total, k = angle if second else decimal.Decimal(1), decimal.Decimal(0), second
        while abs(term) > decimal.Decimal("1e-45"):
            total += term
            k += 2
            term *= -angle * angle / (k * (k - 1))
        return float((-2 * u1.ln()).sqrt() * total)
