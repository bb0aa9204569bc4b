"""The seed contract: noise that depends on (seed, purpose, stream, draw) alone.

Draw i is the same at any batch size, thread count, provider, platform and version of NumPy. Every purpose has a Philox
stream of its own (Salmon et al. 2011), keyed by (seed, purpose | stream << 8); draw i begins at counter
i * blocks_per_draw, so that any draw is reached directly. Only raw words are taken from NumPy, whose stream it keeps
stable; what its Generator makes of them it does not. A process's first few draws are made without `np.random`.
"""

from __future__ import annotations

import enum
import math
import operator
import os
import sys
import threading
from typing import SupportsIndex

import numpy as np
import numpy.typing as npt

from vae_edge.runtime import philox
from vae_edge.runtime.errors import InputError

__all__ = ["MAX_DRAW", "Purpose", "check_draws", "check_seed", "normals", "uniforms", "words", "words16"]

MAX_DRAW = 1 << 63

_WORD = (1 << 64) - 1
_TWO_PI_OVER_2_32 = 2.0 * math.pi * 2.0**-32  # scaling by 2**-32 is exact: times u32 this is fl(2 pi u2)
_NORMALS_AT_ONCE = 1 << 13  # temporaries of 64 KiB: in the L2 cache, and below where malloc maps fresh pages
_here = threading.local()
_FEW_CALLS, _FEW_BLOCKS = 16, 1 << 12  # of philox.words, 0.1 to 1 ms each; np.random takes 6 ms to load
_brief_calls = 0

# A float64 carries 29 bits more than a float32; a float32 result is in doubt where they are within DOUBT of a tie.
_TIE, _BEYOND_FLOAT32, _DOUBT = 1 << 28, np.uint64((1 << 29) - 1), 64


class Purpose(enum.IntEnum):
    """What noise is for. The numbers are part of the seed contract and never change."""

    PRIOR = 1
    POSTERIOR = 2
    PIXEL = 3
    COMPONENT = 4
    IMAGE = 5


def check_seed(seed: SupportsIndex) -> int:
    """`seed` as an int in [0, 2**64); raises InputError for anything else."""
    try:
        value = operator.index(seed)
    except TypeError:
        value = -1
    if not 0 <= value <= _WORD or isinstance(seed, bool):
        raise InputError(f"seed should be an integer in [0, 2**64), it is {seed!r:.60}")
    return value


def check_draws(start: SupportsIndex, n: int) -> int:
    """`start` as an int, where draws start to start + n exist; raises InputError where they do not."""
    try:
        value = operator.index(start)
    except TypeError:
        value = -1
    if not 0 <= value <= MAX_DRAW - n or isinstance(start, bool):
        raise InputError(f"start should be an integer in [0, 2**63 - {n}], it is {start!r:.60}")
    return value


def words(seed: int, purpose: Purpose, start: int, n: int, size: int, stream: int = 0) -> npt.NDArray[np.uint64]:
    """Draws start to start + n of at least `size` random 64-bit words: (n, size rounded up to blocks of four)."""
    blocks = -(-size // 4)
    counter = start * blocks
    try:
        generator = _here.generator
    except AttributeError:
        if _is_brief(n * blocks):
            return philox.words((seed, purpose | stream << 8), counter, n * blocks).reshape(n, blocks * 4)
        generator = _here.generator = np.random.Philox(0)
    # A new Philox(key=..., counter=...) is the same, but asks the system for entropy first: 6 microseconds, this is 2.
    generator.state = {
        "bit_generator": "Philox",
        "state": {"counter": (counter & _WORD, counter >> 64, 0, 0), "key": (seed, purpose | stream << 8)},
        "buffer": (0, 0, 0, 0),
        "buffer_pos": 4,  # empty: the next word begins a block
        "has_uint32": 0,
        "uinteger": 0,
    }
    raw: npt.NDArray[np.uint64] = generator.random_raw(n * blocks * 4)
    return raw.reshape(n, blocks * 4)


def _is_brief(blocks: int) -> bool:
    """Whether these words are made sooner without loading `np.random`, this process not seeming to want many."""
    global _brief_calls
    _brief_calls += 1  # two threads that count one call together do no harm
    return _brief_calls <= _FEW_CALLS and blocks <= _FEW_BLOCKS and "numpy.random" not in sys.modules


def _before_fork() -> None:
    """Waits for a thread that is loading `np.random`: a child would find that half done, and wait for it forever."""
    if _brief_calls:
        import numpy.random  # noqa: F401


if hasattr(os, "register_at_fork"):
    os.register_at_fork(before=_before_fork)


def words16(seed: int, purpose: Purpose, start: int, n: int, size: int, stream: int = 0) -> npt.NDArray[np.uint16]:
    """Draws of `size` random 16-bit words, (n, size): the parts of each 64-bit word, the lowest first."""
    raw = words(seed, purpose, start, n, -(-size // 4), stream)
    return raw.astype("<u8", copy=False).view("<u2")[:, :size]


def uniforms(seed: int, purpose: Purpose, start: int, n: int, stream: int = 0) -> npt.NDArray[np.float64]:
    """One uniform draw in [0, 1) each, (n,): the upper 53 bits of a word."""
    upper = words(seed, purpose, start, n, 1, stream)[:, 0] >> np.uint64(11)
    return upper.astype(np.float64) * 2.0**-53


def normals(seed: int, purpose: Purpose, start: int, n: int, size: int, stream: int = 0) -> npt.NDArray[np.float32]:
    """Draws of `size` standard normals, (n, size) float32, bit for bit the same on every platform.

    Box and Muller 1958, each 64-bit word giving two. libm's last bits differ between platforms, so each float64
    is put to Ziv's rounding test (1991): where its float32 could round either way (one in four million), it is computed
    again in decimal arithmetic. On one core of an EPYC this takes 13 ns a normal.
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
    angle = halves[:, 0::2] * _TWO_PI_OVER_2_32  # u2 = lo / 2**32 in [0, 1)
    wide = np.empty(halves.shape)
    np.multiply(radius, np.cos(angle), out=wide[:, 0::2])
    np.multiply(radius, np.sin(angle), out=wide[:, 1::2])
    narrow = wide.astype(np.float32)
    doubt = wide.view(np.uint64)
    doubt += np.uint64((1 << 29) + _DOUBT - _TIE)
    doubt &= _BEYOND_FLOAT32
    if doubt.flat[doubt.argmin()] < 2 * _DOUBT:  # a third of the time of min(), which counts for a single image
        for row, column in np.argwhere(doubt < 2 * _DOUBT).tolist():
            narrow[row, column] = _exact_normal(int(raw[row, column // 2]), column % 2)
    return narrow


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
