"""Diagonal normal distributions, over vectors and over images."""

from __future__ import annotations

import math
from collections.abc import Mapping
from types import MappingProxyType
from typing import Self

import numpy as np
import numpy.typing as npt

from vae_edge.runtime import noise
from vae_edge.runtime.distributions.base import (
    LOG_2_PI,
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

__all__ = ["Normal"]


class Normal(Distribution):
    """Diagonal normal distributions N(loc, scale^2) over vectors or images: loc (B, L), (L,), (B, H, W, C), (H, W, C).

    `scale` >= 0 has the shape of `loc`, or is one number; an image's may be of any shape that broadcasts, as (C,).
    Where a scale is 0 it is a point: it has samples and moments but no density. Draws take their noise from `purpose`,
    Purpose.POSTERIOR for vectors and Purpose.PIXEL for images where none is given.
    """

    family = "normal"
    roles = ("posterior", "likelihood", "prior")
    parameters = MappingProxyType({"loc": "real", "scale": "positive"})
    spellings = MappingProxyType({"log_scale": ("scale", "exp"), "log_var": ("scale", "exp_half")})
    tfp = MappingProxyType(
        {
            "Normal": {"loc": "loc", "scale": "scale"},
            "MultivariateNormalDiag": {"loc": "loc", "scale": "scale.diag_part()"},
        }
    )
    is_location_scale = True
    writes_in_place = True

    def __init__(self, loc: npt.ArrayLike, scale: npt.ArrayLike, *, purpose: Purpose | None = None) -> None:
        mean, deviation = owned("loc", loc), owned("scale", scale)
        if mean.ndim not in (1, 2, 3, 4) or not _fits(deviation.shape, mean.shape):
            raise InputError(
                "loc should have shape (B, L), (L,), (B, H, W, C) or (H, W, C), and scale the same or (); "
                f"they have {mean.shape} and {deviation.shape}"
            )
        axes = 1 if mean.ndim < 3 else 3
        Distribution.__init__(self, mean.shape[:-axes], mean.shape[-axes:])
        check_finite("loc", mean)
        if not (deviation.min() >= 0 and np.isfinite(deviation.max())):
            raise InputError("scale should be finite and >= 0, there is a NaN, an infinity or a negative number in it")
        if (deviation == 0).any() and ((deviation == 0) & (np.asarray(scale) != 0)).any():
            raise InputError("scale should be 0, or at least 1e-45, float32's smallest number: it is between them")
        self.loc, self.scale = mean, spread(deviation, mean.shape)
        self._purpose = purpose or (Purpose.POSTERIOR if axes == 1 else Purpose.PIXEL)

    @classmethod
    def from_parameters(  # noqa: D102 - documented in the base class, as below
        cls,
        parameters: Mapping[str, Float32],
        settings: Mapping[str, float],
        event_shape: tuple[int, ...],
        purpose: Purpose,
    ) -> Self:
        loc, scale = parameters["loc"], parameters["scale"]
        check_finite("loc", loc)
        check_positive("scale", scale)
        if not loc.shape[1:] == scale.shape[1:] == event_shape:
            full = cls._spread(parameters, settings, event_shape)
            loc, scale = full["loc"], full["scale"]
        self = cls.__new__(cls)
        Distribution.__init__(self, loc.shape[: -len(event_shape)], event_shape)
        self.loc, self.scale, self._purpose = loc, scale, purpose
        return self

    def _write_sample(self, out: Float32, seed: int, start: int, stream: int) -> None:
        """z = loc + scale * eps, in float32: the product is rounded, then the sum."""
        loc, scale = np.broadcast_to(self.loc, out.shape), np.broadcast_to(self.scale, out.shape)
        for rows in blocks(len(out), math.prod(self.event_shape)):
            z = self._noise(seed, start + rows.start, rows.stop - rows.start, stream)
            with np.errstate(over="ignore"):
                z *= scale[rows]
                np.add(z, loc[rows], out=out[rows])

    def _noise(self, seed: int, start: int, n: int, stream: int) -> Float32:
        size = math.prod(self.event_shape)
        if len(self.event_shape) == 1:
            return noise.normals(seed, self._purpose, start, n, size, stream)
        # for pixels, a table of 2**16 quantiles: quicker than Box and Muller's, and within 2**-17 of the distribution
        raw = noise.words16(seed, self._purpose, start, n, size, stream)
        return noise.normal_quantiles().take(raw, mode="wrap").reshape(n, *self.event_shape)

    def _write_mean(self, out: Float32) -> None:
        if out is not self.loc:
            np.copyto(out, self.loc)

    def _write_mode(self, out: Float32) -> None:
        self._write_mean(out)

    def stddev(self) -> Float32:  # noqa: D102
        return self.scale.copy()

    def variance(self) -> Float32:  # noqa: D102
        with np.errstate(over="ignore"):
            variance: Float32 = np.square(self.scale)
        return variance

    def log_prob(self, value: npt.ArrayLike) -> Float64:  # noqa: D102
        return total(self.elementwise_log_prob(value), len(self.event_shape))

    def elementwise_log_prob(self, value: npt.ArrayLike) -> Float64:  # noqa: D102
        scale = self._positive_scale()
        with np.errstate(over="ignore"):  # from |z| = 1e154 on it is -inf
            z = (self._value(value, np.float64) - self.loc) / scale
            # log N(x; loc, scale^2) = -z^2 / 2 - log(scale) - log(2 pi) / 2
            elements: Float64 = -np.square(z) / 2.0 - np.log(scale) - LOG_2_PI / 2.0
            return elements

    def entropy(self) -> Float64:  # noqa: D102
        return total(np.log(self._positive_scale()) + (1.0 + LOG_2_PI) / 2.0, len(self.event_shape))

    def kl_divergence(self, other: Distribution) -> Float64:  # noqa: D102
        if not isinstance(other, Normal):
            return super().kl_divergence(other)
        self._check_shapes(other)
        scale, other_scale = self._positive_scale(), other._positive_scale()
        z = (self.loc.astype(np.float64) - other.loc) / other_scale
        log_ratio = np.log(scale / other_scale)
        # KL(N1 || N2) = ((s1 / s2)^2 - 1 + z^2) / 2 - log(s1 / s2); expm1 keeps its digits where s1 is close to s2
        return total((np.expm1(2.0 * log_ratio) + np.square(z)) / 2.0 - log_ratio, len(self.event_shape))

    def _positive_scale(self) -> Float64:
        if not self.scale.all():
            raise InputError("a Normal of scale 0 (an autoencoder's code) is a point, it has no density: use mean()")
        return self.scale.astype(np.float64)


def _fits(scale: tuple[int, ...], loc: tuple[int, ...]) -> bool:
    """Whether a scale's shape goes with loc's: a vector's scale has the same shape or (), an image's broadcasts."""
    if scale in ((), loc):
        return True
    pairs = zip(reversed(scale), reversed(loc), strict=False)
    return len(loc) >= max(3, len(scale)) and all(a in (1, b) for a, b in pairs)
