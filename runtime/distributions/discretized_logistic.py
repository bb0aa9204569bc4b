"""Logistic distributions rounded to the levels of a pixel (Kingma et al. 2016; Salimans et al. 2017)."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from types import MappingProxyType
from typing import Any, Self, SupportsIndex

import numpy as np
import numpy.typing as npt

from vae_edge.runtime import noise
from vae_edge.runtime.distributions import levels, rounded_logistic
from vae_edge.runtime.distributions.base import (
    Distribution,
    Float32,
    Float64,
    check_finite,
    check_positive,
    owned,
    spread,
    total,
)
from vae_edge.runtime.distributions.blocks import blocks
from vae_edge.runtime.errors import InputError
from vae_edge.runtime.noise import Purpose

__all__ = ["DiscretizedLogistic"]

_AT_ONCE = 1 << 13  # pixels of a mean, a mode, a sum over levels: temporaries of 64 KiB


class DiscretizedLogistic(Distribution):
    """Pixels k / (levels - 1): a logistic draw of `loc` and `scale`, rounded to the nearest level.

    P(k) = F(k + 1/2) - F(k - 1/2), edges counted in levels; the first and the last level collect the tails. `loc`
    (B, H, W, C) or (H, W, C) and `scale` > 0, which broadcasts to it, are in pixels: the range of all levels is [0, 1].
    """

    family = "discretized_logistic"
    roles = ("likelihood",)
    parameters = MappingProxyType({"loc": "real", "scale": "positive"})
    settings = MappingProxyType({"levels": (2, levels.MOST)})
    spellings = MappingProxyType({"log_scale": ("scale", "exp")})
    tfp = MappingProxyType(
        {
            # X = Logistic(loc, scale) - 0.5, in levels; a Quantized X is ceil(X), which is X + 0.5 rounded
            "QuantizedDistribution(TransformedDistribution(Logistic))": {
                "loc": "distribution.distribution.loc / high",
                "scale": "distribution.distribution.scale / high",
                "levels": "high + 1",
                "low": "= 0",
                "distribution.bijector.shift": "= -0.5",
            }
        }
    )
    is_location_scale = True
    is_discrete = True
    writes_in_place = True

    def __init__(self, loc: npt.ArrayLike, scale: npt.ArrayLike, *, levels: SupportsIndex = 256) -> None:
        mean, width = owned("loc", loc), owned("scale", scale)
        try:
            fits = np.broadcast_shapes(mean.shape, width.shape) == mean.shape and mean.ndim in (3, 4)
        except ValueError:
            fits = False
        if not fits:
            raise InputError("loc should have shape (B, H, W, C) or (H, W, C), and scale one that broadcasts to it; "
                             f"they have {mean.shape} and {width.shape}")  # fmt: skip
        self._hold(mean, width, mean.shape, mean.shape[-3:], levels)

    @classmethod
    def from_parameters(  # noqa: D102 - documented in the base class, as below
        cls,
        parameters: Mapping[str, Float32],
        settings: Mapping[str, float],
        event_shape: tuple[int, ...],
        purpose: Purpose,
    ) -> Self:
        full = cls._spread(parameters, settings, event_shape)
        self = cls.__new__(cls)
        self._hold(full["loc"], parameters["scale"], full["scale"].shape, event_shape, int(settings["levels"]))
        return self

    def _hold(
        self, loc: Float32, scale: Float32, shape: tuple[int, ...], event_shape: tuple[int, ...], count: SupportsIndex
    ) -> None:
        super().__init__(shape[: len(shape) - len(event_shape)], event_shape)
        check_finite("loc", loc)
        check_positive("scale", scale)
        self.loc, self.scale, self.levels = loc, spread(scale, shape), levels.check(count)

    def _write_sample(self, out: Float32, seed: int, start: int, stream: int) -> None:
        """x = loc + scale * t in float32, t the logistic quantile of the pixel's 16-bit word; then to a level.

        level = rint(min(max(x * (levels - 1), 0), levels - 1)), half to even; the pixel is level / (levels - 1), each
        operation in float32. A draw misses each P(x <= k) by at most 2**-17, and by what float32's rounding moves loc.
        """
        loc, scale = np.broadcast_to(self.loc, out.shape), np.broadcast_to(self.scale, out.shape)
        zero, last = np.float32(0), np.float32(self.levels - 1)
        size, table = math.prod(self.event_shape), noise.logistic_quantiles()
        with np.errstate(over="ignore"):
            for rows in blocks(len(out), size):
                raw = noise.words16(seed, Purpose.PIXEL, start + rows.start, rows.stop - rows.start, size, stream)
                x = table.take(raw, mode="wrap").reshape(-1, *self.event_shape)
                x *= scale[rows]
                x += loc[rows]
                x *= last
                np.clip(x, zero, last, out=x)
                np.rint(x, out=x)
                np.divide(x, last, out=out[rows])

    def _write_mean(self, out: Float32) -> None:
        self._write(out, rounded_logistic.mean)

    def _write_mode(self, out: Float32) -> None:
        self._write(out, rounded_logistic.mode)

    def _write(self, out: Float32, levels_of: Callable[[Float32, Float32, int], npt.NDArray[Any]]) -> None:
        """Writes what a function of (loc, scale, levels) gives, in blocks."""
        shape = out.shape if self.batch_shape else (1, *out.shape)
        pixels, loc, scale = out.reshape(shape), np.broadcast_to(self.loc, shape), np.broadcast_to(self.scale, shape)
        for rows in blocks(shape[0], math.prod(self.event_shape), _AT_ONCE):
            found = levels_of(loc[rows], scale[rows], self.levels)
            np.divide(found, self.levels - 1, out=pixels[rows], casting="same_kind")

    def variance(self) -> Float32:
        """Var[x], float32 of shape batch_shape + event_shape: a sum over all levels, about 60 ns a pixel and level."""

        def variance(loc: Float32, scale: Float32) -> Float64:
            centre = np.clip(loc.astype(np.float64), 0.0, 1.0)
            first, second = np.zeros(loc.shape), np.zeros(loc.shape)
            for k, log_p in rounded_logistic.masses(loc, scale, self.levels):
                x = k / (self.levels - 1) - centre
                p = np.exp(log_p)
                first += p * x
                second += p * np.square(x)
            return second - np.square(first)

        return self._pixels(variance).astype(np.float32)

    def log_prob(self, value: npt.ArrayLike) -> Float64:
        """log P(value) in nats, float64 of shape (sample_shape +) batch_shape.

        `value` is of pixels k / (levels - 1), within 1e-4. Raises InputError for others.
        """
        return total(self.elementwise_log_prob(value), len(self.event_shape))

    def elementwise_log_prob(self, value: npt.ArrayLike) -> Float64:  # noqa: D102
        k = levels.indices(self._value(value, np.float64), self.levels)
        return rounded_logistic.log_prob(k, self.loc, self.scale, self.levels)

    def entropy(self) -> Float64:
        """-E[log P(x)] in nats, float64 of shape batch_shape: a sum over all levels, about 60 ns a pixel and level."""

        def entropy(loc: Float32, scale: Float32) -> Float64:
            terms = (np.exp(log_p) * log_p for _, log_p in rounded_logistic.masses(loc, scale, self.levels))
            return -sum(terms, np.zeros(loc.shape))

        return total(self._pixels(entropy), len(self.event_shape))

    def _pixels(self, function: Callable[[Float32, Float32], Float64]) -> Float64:
        """A function of loc and scale (n,), of each pixel, block by block."""
        out = np.empty(self.batch_shape + self.event_shape)
        flat, loc, scale = out.reshape(-1), self.loc.reshape(-1), self.scale.reshape(-1)
        for part in blocks(len(flat), 1, _AT_ONCE):
            flat[part] = function(loc[part], scale[part])
        return out
