"""The three heads: what makes an image of the decoder's logits.

Each writes pixels (float32) into `out`, which may be `logits` itself: no head needs another array of that size.
"""

from __future__ import annotations

import functools
import math
from collections.abc import Callable

import numpy as np
import numpy.typing as npt

from vae_edge.runtime import noise
from vae_edge.runtime.errors import InputError

__all__ = ["HEADS", "Head", "get", "mean", "mode", "sample"]

Array = npt.NDArray[np.float32]
Head = Callable[[Array, Array, int, int], None]

# Pixels a step of `sample`, 32 of MNIST's images: its temporaries, 14 bytes a pixel, stay in the L2 cache (just after
# a session's run 2.1 ns a pixel at half as many; 1.8 here, and no less with more).
_AT_ONCE = 25_088


def mean(logits: Array, out: Array, seed: int = 0, start: int = 0) -> None:
    """Writes p = 1 / (1 + exp(-logits)), in [0, 1]."""
    np.negative(logits, out=out)
    with np.errstate(over="ignore"):  # exp(89) is inf, and 1 / inf is the p = 0 that is meant
        np.exp(out, out=out)
    out += np.float32(1)
    np.reciprocal(out, out=out)


def mode(logits: Array, out: Array, seed: int = 0, start: int = 0) -> None:
    """Writes 1 where p >= 0.5, that is where logits >= 0, else 0."""
    np.greater_equal(logits, 0, out=out, casting="unsafe")


def sample(logits: Array, out: Array, seed: int = 0, start: int = 0, stream: int = 0) -> None:
    """Writes one draw a pixel, 1 with probability p, else 0; image i takes draw start + i of Purpose.PIXEL.

    A pixel is lit where its 16-bit word w is below p: (w + 1/2) / 2**16 < p, a bias of at most 2**-17; p = 0 and
    p = 1 are exact. Compared as logits, against a table of 2**16 of them: that needs no exp, so that a pixel depends
    on no platform's libm, and takes 0.7 ns where the sigmoid took 1.0 (beside 0.7 for the words).
    """
    size = math.prod(logits.shape[1:])
    table = _thresholds()
    rows = max(1, _AT_ONCE // size)
    for at in range(0, len(logits), rows):
        part = logits[at : at + rows]
        raw = noise.words16(seed, noise.Purpose.PIXEL, start + at, len(part), size, stream)
        below = table.take(raw, mode="wrap").reshape(part.shape)  # no word is out of range; unchecked is a tenth less
        np.less(below, part, out=out[at : at + rows], casting="unsafe")


HEADS = ("sample", "mean", "mode")
_BY_NAME: dict[str, Head] = {"sample": sample, "mean": mean, "mode": mode}


def get(name: str) -> Head:
    """The head of that name; raises InputError that lists them."""
    try:
        return _BY_NAME[name]
    except (KeyError, TypeError):
        raise InputError(f"head should be one of {', '.join(HEADS)}; it is {name!r:.60}") from None


@functools.cache
def _thresholds() -> Array:
    """logit((w + 1/2) / 2**16) for each 16-bit word w."""
    w = np.arange(1 << 16) + 0.5
    return np.log(w / ((1 << 16) - w)).astype(np.float32)
