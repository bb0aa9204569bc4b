"""Diagonal normal distributions."""

from __future__ import annotations

from types import MappingProxyType

import numpy as np
import numpy.typing as npt

from vae_edge.runtime import noise
from vae_edge.runtime.distributions.base import LOG_2_PI, Distribution, Float32, Float64, numbers, total
from vae_edge.runtime.errors import InputError
from vae_edge.runtime.noise import Purpose

__all__ = ["Normal"]


class Normal(Distribution):
    """Diagonal normal distributions N(loc, scale^2) over vectors: loc and scale (B, L) or (L,), scale >= 0.

    Where a scale is 0, as in an autoencoder's code, it is a point: it has samples and moments but no density.
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

    def __init__(self, loc: npt.ArrayLike, scale: npt.ArrayLike, *, purpose: Purpose = Purpose.POSTERIOR) -> None:
        self.loc, self.scale = numbers("loc", loc, np.float32), numbers("scale", scale, np.float32)
        if self.loc.shape != self.scale.shape or self.loc.ndim not in (1, 2):
            raise InputError(
                f"loc and scale should have one shape, (B, L) or (L,), not {self.loc.shape} and {self.scale.shape}"
            )
        super().__init__(self.loc.shape[:-1], self.loc.shape[-1:])
        _check_loc_scale(self.loc, self.scale)
        self._purpose = purpose

    def _draw(self, seed: int, start: int, n: int, stream: int) -> Float32:
        z = noise.normals(seed, self._purpose, start, n, self.event_shape[0], stream)
        z *= self.scale
        z += self.loc  # z = loc + scale * eps
        return z

    def mean(self) -> Float32:  # noqa: D102 - told by the base class, as below
        return self.loc

    def mode(self) -> Float32:  # noqa: D102
        return self.loc

    def stddev(self) -> Float32:  # noqa: D102
        return self.scale

    def variance(self) -> Float32:  # noqa: D102
        variance: Float32 = np.square(self.scale)
        return variance

    def log_prob(self, value: npt.ArrayLike) -> Float64:  # noqa: D102
        scale = self._positive_scale()
        z = (self._value(value, np.float64) - self.loc) / scale
        # log N(x; loc, scale^2) = -z^2 / 2 - log(scale) - log(2 pi) / 2
        return -total(np.square(z) / 2.0 + np.log(scale) + LOG_2_PI / 2.0, 1)

    def entropy(self) -> Float64:  # noqa: D102
        return total(np.log(self._positive_scale()) + (1.0 + LOG_2_PI) / 2.0, 1)

    def kl_divergence(self, other: Distribution) -> Float64:  # noqa: D102
        if not isinstance(other, Normal):
            return super().kl_divergence(other)
        self._check_shapes(other)
        scale, other_scale = self._positive_scale(), other._positive_scale()
        z = (self.loc.astype(np.float64) - other.loc) / other_scale
        log_ratio = np.log(scale / other_scale)
        # KL(N1 || N2) = ((s1 / s2)^2 - 1 + z^2) / 2 - log(s1 / s2); expm1 keeps its digits where s1 is close to s2
        return total((np.expm1(2.0 * log_ratio) + np.square(z)) / 2.0 - log_ratio, 1)

    def _positive_scale(self) -> Float64:
        if not self.scale.all():
            raise InputError("a Normal of scale 0 (an autoencoder's code) is a point, it has no density: use mean()")
        return self.scale.astype(np.float64)


def _check_loc_scale(loc: Float32, scale: Float32) -> None:
    if not np.isfinite(loc).all():
        raise InputError("loc should be finite, there is a NaN or an infinity in it")
    if not (scale.min() >= 0 and np.isfinite(scale).all()):
        raise InputError("scale should be finite and >= 0, there is a NaN, an infinity or a negative number in it")
