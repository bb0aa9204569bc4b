"""Philox4x64-10, the counter-based generator of Salmon et al. 2011, by NumPy's arithmetic on uint64.

The same words as `np.random.Philox`, which draws use; this is the reference to read, and to port.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

__all__ = ["words"]

Words = npt.NDArray[np.uint64]

# The published constants: multipliers for the words 0 and 2 of a counter, and what each round adds to the key.
_MULTIPLIERS = np.array([[0xD2E7470EE14C6C93], [0xCA5A826395121157]], np.uint64)
_WEYL = np.array([[0x9E3779B97F4A7C15], [0xBB67AE8584CAA73B]], np.uint64)
_ROUNDS = 10
_WORD = (1 << 64) - 1
_LOW, _HALF = np.uint64(0xFFFFFFFF), np.uint64(32)


def words(key: tuple[int, int], counter: int, blocks: int) -> Words:
    """The words (4 * blocks,) of the counters that follow `counter`, which is below 2**127: NumPy adds 1 first, too."""
    first = np.uint64((counter + 1) & _WORD)
    even, odd = np.zeros((2, 2, blocks), np.uint64)  # words 0 and 2 of each counter, and words 1 and 3
    even[0] = np.arange(blocks, dtype=np.uint64) + first
    odd[0] = even[0] < first  # has begun anew
    odd[0] += np.uint64((counter + 1) >> 64)
    keys = np.array(key, np.uint64)[:, None]
    for _ in range(_ROUNDS):
        high, low = _product(even)
        even = high[::-1] ^ odd ^ keys
        odd = low[::-1]
        keys = keys + _WEYL
    return np.stack([even[0], odd[0], even[1], odd[1]], axis=1).reshape(-1)


def _product(even: Words) -> tuple[Words, Words]:
    """The upper and lower words of each 128-bit product with the multipliers, by halves of 32 bits."""
    a: Any = _MULTIPLIERS & _LOW
    b: Any = _MULTIPLIERS >> _HALF
    low, high = even & _LOW, even >> _HALF
    middle = high * a + (low * a >> _HALF)
    other = low * b + (middle & _LOW)
    return high * b + (middle >> _HALF) + (other >> _HALF), even * _MULTIPLIERS
