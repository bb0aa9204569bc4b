"""The seed contract: noise that depends on (seed, purpose, stream, draw) alone.

Draw i is the same at any batch size, thread count, provider, platform and version of NumPy. Every purpose has a Philox
stream of its own (Salmon et al. 2011), keyed by (seed, purpose | stream << 8); draw i begins at counter
i * blocks_per_draw, so that any draw is reached directly. Only raw words are taken from NumPy, which keeps them stable;
it does not keep what its Generator makes of them.
"""

from __future__ import annotations

import enum
import operator
import threading
from typing import SupportsIndex

import numpy as np
import numpy.typing as npt
from numpy.random import Philox

from vae_edge.runtime.errors import InputError

__all__ = ["MAX_DRAW", "Purpose", "check_draws", "check_seed", "uniforms", "words", "words16", "words32"]

MAX_DRAW = 1 << 63

_WORD = (1 << 64) - 1
_here = threading.local()


class Purpose(enum.IntEnum):
    """What noise is for. The numbers are part of the seed contract and never change."""

    PRIOR = 1
    POSTERIOR = 2
    PIXEL = 3
    COMPONENT = 4
    IMAGE = 5
    WEIGHT = 6


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
    if n > MAX_DRAW:
        raise InputError(f"a seed has 2**63 draws, {n:,} are asked for: take fewer")
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
        generator = _here.generator = Philox(0)
    # A new Philox(key=..., counter=...) gives the same words, but asks the system for entropy first: slower.
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


def words16(seed: int, purpose: Purpose, start: int, n: int, size: int, stream: int = 0) -> npt.NDArray[np.uint16]:
    """Draws of `size` random 16-bit words, (n, size): the parts of each 64-bit word, the lowest first."""
    raw = words(seed, purpose, start, n, -(-size // 4), stream)
    return raw.astype("<u8", copy=False).view("<u2")[:, :size]


def words32(seed: int, purpose: Purpose, start: int, n: int, size: int, stream: int = 0) -> npt.NDArray[np.uint32]:
    """Draws of `size` random 32-bit words, (n, size): the halves of each 64-bit word, the lower first."""
    raw = words(seed, purpose, start, n, -(-size // 2), stream)
    return raw.astype("<u8", copy=False).view("<u4")[:, :size]


def uniforms(seed: int, purpose: Purpose, start: int, n: int, stream: int = 0) -> npt.NDArray[np.float64]:
    """One uniform draw in [0, 1) each, (n,): the upper 53 bits of a word."""
    upper = words(seed, purpose, start, n, 1, stream)[:, 0] >> np.uint64(11)
    drawn: npt.NDArray[np.float64] = np.multiply(upper, 2.0**-53, dtype=np.float64)
    return drawn
