"""Pixels of several levels, each level with its own probability."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Mapping
from types import MappingProxyType
from typing import Any, Self

import numpy as np
import numpy.typing as npt

from vae_edge.runtime import noise
from vae_edge.runtime.distributions import levels
from vae_edge.runtime.distributions.base import Distribution, Float32, Float64, owned, total
from vae_edge.runtime.distributions.blocks import blocks
from vae_edge.runtime.errors import InputError
from vae_edge.runtime.noise import Purpose

__all__ = ["Categorical"]

_LOGITS_AT_ONCE = 1 << 13  # float64 temporaries of 64 KiB


class Categorical(Distribution):
    """Pixels k / (levels - 1), P(k) = softmax(logits)_k.

    `logits` (B, H, W, C, levels) or (H, W, C, levels) may be -inf, where a level has probability 0.
    """

    family = "categorical"
    roles = ("likelihood",)
    parameters = MappingProxyType({"logits": "real"})
    settings = MappingProxyType({"levels": (2, levels.MOST)})
    spellings = MappingProxyType({"probs": ("logits", "log")})
    tfp = MappingProxyType({"Categorical": {"logits": "logits"}})
    is_discrete = True

    @classmethod
    def parameter_shapes(  # noqa: D102 - documented in the base class, as below
        cls, event_shape: tuple[int, ...], settings: Mapping[str, float]
    ) -> dict[str, tuple[int, ...]]:
        return {"logits": (*event_shape, int(settings["levels"]))}

    def __init__(self, logits: npt.ArrayLike) -> None:
        array = owned("logits", logits)
        if array.ndim not in (4, 5):
            raise InputError(
                f"logits should have shape (B, H, W, C, levels) or (H, W, C, levels), they have {array.shape}"
            )
        self._hold(array, array.shape[-4:-1])

    @classmethod
    def from_parameters(  # noqa: D102
        cls,
        parameters: Mapping[str, Float32],
        settings: Mapping[str, float],
        event_shape: tuple[int, ...],
        purpose: Purpose,
    ) -> Self:
        self = cls.__new__(cls)
        self._hold(cls._spread(parameters, settings, event_shape)["logits"], event_shape)
        return self

    def _hold(self, logits: Float32, event_shape: tuple[int, ...]) -> None:
        super().__init__(logits.shape[: logits.ndim - len(event_shape) - 1], event_shape)
        self.levels = levels.check(logits.shape[-1])
        if not np.isfinite(logits.max(axis=-1)).all():
            raise InputError("logits should be numbers or -inf, one of each pixel's finite: there is a NaN, "
                             "+inf, or a pixel of -inf alone")  # fmt: skip
        self.logits = logits

    def _write_sample(self, out: Float32, seed: int, start: int, stream: int) -> None:
        """The level by inverse distribution function: (w + 1/2) / 2**32 of a 32-bit word a pixel.

        In float64: e_k = exp(logits_k - the largest), c_k the running sum of e from level 0 on, and the level is the
        first k with c_k > u c_(levels - 1). A level of probability 0 is never drawn.
        """
        logits, size = np.broadcast_to(self.logits, (*out.shape, self.levels)), math.prod(self.event_shape)
        last = np.float32(self.levels - 1)
        for rows in blocks(len(out), size * self.levels, _LOGITS_AT_ONCE):
            words = noise.words32(seed, Purpose.PIXEL, start + rows.start, rows.stop - rows.start, size, stream)
            u = ((words + 0.5) * 2.0**-32).reshape(-1, *self.event_shape, 1)
            sums = np.cumsum(_weights(logits[rows].astype(np.float64)), axis=-1)
            level = (sums > u * sums[..., -1:]).argmax(axis=-1)  # the first
            np.divide(level, last, out=out[rows], casting="same_kind")

    def _write_mean(self, out: Float32) -> None:
        grid = (np.arange(self.levels) / (self.levels - 1)).astype(np.float32)
        for part, pixels in self._blocks(out):
            weights = _weights(part)
            np.divide(weights @ grid, weights.sum(axis=-1), out=pixels)

    def _write_mode(self, out: Float32) -> None:
        last = np.float32(self.levels - 1)
        for part, pixels in self._blocks(out):
            np.divide(part.argmax(axis=-1), last, out=pixels, casting="same_kind")  # the first of the largest

    def variance(self) -> Float32:  # noqa: D102
        grid, out = (
            np.arange(self.levels) / (self.levels - 1),
            np.empty(self.batch_shape + self.event_shape, np.float32),
        )
        for part, pixels in self._blocks(out):
            weights = _weights(part.astype(np.float64))
            weights /= weights.sum(axis=-1, keepdims=True)
            mean = weights @ grid
            pixels[:] = (weights * np.square(grid - mean[:, None])).sum(axis=-1)
        return out

    def log_prob(self, value: npt.ArrayLike) -> Float64:
        """log P(value) in nats, float64 of shape (sample_shape +) batch_shape.

        `value` is of pixels k / (levels - 1), within 1e-4. Raises InputError for others.
        """
        return total(self.elementwise_log_prob(value), len(self.event_shape))

    def elementwise_log_prob(self, value: npt.ArrayLike) -> Float64:  # noqa: D102
        k = levels.indices(self._value(value, np.float64), self.levels)
        full = self.batch_shape + self.event_shape
        k = np.broadcast_to(k, np.broadcast_shapes(k.shape, full))
        log_total = self._each(lambda wide: _log_total(wide)[..., 0])
        shape = (*k.shape, self.levels)
        chosen = np.take_along_axis(np.broadcast_to(self.logits, shape), k[..., None], axis=-1)[..., 0]
        elements: Float64 = chosen.astype(np.float64) - log_total
        return elements

    def entropy(self) -> Float64:  # noqa: D102
        def entropy(wide: Float64) -> Float64:
            log_p = wide - _log_total(wide)
            return -_expectation(log_p, log_p)

        return total(self._each(entropy), len(self.event_shape))

    def kl_divergence(self, other: Distribution) -> Float64:  # noqa: D102
        if not isinstance(other, Categorical):
            return super().kl_divergence(other)
        self._check_shapes(other)
        if self.levels != other.levels:
            raise InputError(f"both should have the same levels, they have {self.levels} and {other.levels}")
        shape = np.broadcast_shapes(self.logits.shape, other.logits.shape)
        both = [np.broadcast_to(each.logits, shape).reshape(-1, self.levels) for each in (self, other)]
        out = np.empty(len(both[0]))
        for rows in blocks(len(out), self.levels, _LOGITS_AT_ONCE):
            log_p, log_q = (wide - _log_total(wide) for wide in (each[rows].astype(np.float64) for each in both))
            with np.errstate(invalid="ignore"):  # inf - inf, whose weight is 0
                out[rows] = _expectation(log_p, log_p - log_q)
        # where p and q all but agree, rounding leaves -1e-16
        return total(np.maximum(out, 0.0).reshape(shape[:-1]), len(self.event_shape))

    def _blocks(self, out: npt.NDArray[Any]) -> Iterator[tuple[Float32, npt.NDArray[Any]]]:
        """Logits (n, levels) and pixels (n,) of `out`, which is in C order, block by block."""
        logits, pixels = self.logits.reshape(-1, self.levels), out.reshape(-1)
        for rows in blocks(len(pixels), self.levels, _LOGITS_AT_ONCE):
            yield logits[rows], pixels[rows]

    def _each(self, function: Callable[[Float64], Float64]) -> Float64:
        """A function of logits (n, levels) in float64, of each pixel."""
        out = np.empty(self.batch_shape + self.event_shape)
        for part, pixels in self._blocks(out):
            pixels[:] = function(part.astype(np.float64))
        return out


def _weights(logits: npt.NDArray[Any]) -> npt.NDArray[Any]:
    """exp(logits - the largest): the probabilities times a common factor."""
    weights: npt.NDArray[Any] = logits - logits.max(axis=-1, keepdims=True)
    np.exp(weights, out=weights)
    return weights


def _log_total(logits: Float64) -> Float64:
    """log sum exp, (..., 1)."""
    top = logits.max(axis=-1, keepdims=True)
    result: Float64 = top + np.log(np.exp(logits - top).sum(axis=-1, keepdims=True))
    return result


def _expectation(log_p: Float64, value: Float64) -> Float64:
    """sum_k p_k value_k, a level of probability 0 adding 0."""
    p = np.exp(log_p)
    with np.errstate(invalid="ignore"):
        result: Float64 = np.where(p > 0, p * value, 0.0).sum(axis=-1)
    return result
