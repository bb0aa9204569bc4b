"""Normal distributions of full covariance, as posteriors."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import Self

import numpy as np
import numpy.typing as npt

from vae_edge.runtime import noise
from vae_edge.runtime.distributions import triangular
from vae_edge.runtime.distributions.base import (
    LOG_2_PI,
    Distribution,
    Float32,
    Float64,
    check_finite,
    owned,
    total,
)
from vae_edge.runtime.distributions.blocks import blocks
from vae_edge.runtime.distributions.normal import Normal
from vae_edge.runtime.errors import InputError
from vae_edge.runtime.noise import Purpose

__all__ = ["MultivariateNormalTriL"]

_ENTRIES_AT_ONCE = 1 << 18  # matrix entries that a block of draws reads: 2 MiB in float64


class MultivariateNormalTriL(Distribution):
    """Normals N(loc, T T'): loc (B, L) or (L,), T = scale_tril (B, L, L) or (L, L).

    T is lower triangular with a positive diagonal. Draws take their noise from `purpose`.
    """

    family = "multivariate_normal_tril"
    roles = ("posterior",)
    parameters = MappingProxyType({"loc": "real", "scale_tril": "lower_triangular"})
    tfp = MappingProxyType({"MultivariateNormalTriL": {"loc": "loc", "scale_tril": "scale_tril"}})

    @classmethod
    def parameter_shapes(  # noqa: D102 - documented in the base class, as below
        cls, event_shape: tuple[int, ...], settings: Mapping[str, float]
    ) -> dict[str, tuple[int, ...]]:
        return {"loc": event_shape, "scale_tril": event_shape * 2}

    def __init__(self, loc: npt.ArrayLike, scale_tril: npt.ArrayLike, *, purpose: Purpose = Purpose.POSTERIOR) -> None:
        mean, tril = owned("loc", loc), owned("scale_tril", scale_tril)
        if mean.ndim not in (1, 2) or tril.shape != (*mean.shape, *mean.shape[-1:]):
            raise InputError("loc and scale_tril should have shapes (B, L) and (B, L, L), or (L,) and (L, L); "
                             f"they have {mean.shape} and {tril.shape}")  # fmt: skip
        self._hold(mean, tril, purpose)

    @classmethod
    def from_parameters(  # noqa: D102
        cls,
        parameters: Mapping[str, Float32],
        settings: Mapping[str, float],
        event_shape: tuple[int, ...],
        purpose: Purpose,
    ) -> Self:
        full = cls._spread(parameters, settings, event_shape)
        self = cls.__new__(cls)
        self._hold(full["loc"], full["scale_tril"], purpose)
        return self

    def _hold(self, loc: Float32, scale_tril: Float32, purpose: Purpose) -> None:
        super().__init__(loc.shape[:-1], loc.shape[-1:])
        check_finite("loc", loc)
        triangular.check(scale_tril)
        self.loc, self.scale_tril, self._purpose = loc, scale_tril, purpose

    def _write_sample(self, out: Float32, seed: int, start: int, stream: int) -> None:
        """z = loc + T eps: the product rounded to float32 as the contract says, then the sum."""
        size = self.event_shape[0]
        loc = np.broadcast_to(self.loc, out.shape)
        matrices = np.broadcast_to(self.scale_tril, (*out.shape, size))
        for rows in blocks(len(out), size * size, _ENTRIES_AT_ONCE):
            wide = matrices[rows].astype(np.float64)
            eps = noise.normals(seed, self._purpose, start + rows.start, rows.stop - rows.start, size, stream)
            with np.errstate(over="ignore"):
                bounds = noise.error_bounds(noise.row_norms(wide))
                np.add(noise.products(wide, bounds, eps), loc[rows], out=out[rows])

    def _write_mean(self, out: Float32) -> None:
        np.copyto(out, self.loc)

    def _write_mode(self, out: Float32) -> None:
        np.copyto(out, self.loc)

    def variance(self) -> Float32:  # noqa: D102
        with np.errstate(over="ignore"):
            variance: Float32 = np.square(self._tril()).sum(axis=-1).astype(np.float32)
        return variance

    def stddev(self) -> Float32:  # noqa: D102
        with np.errstate(over="ignore"):
            stddev: Float32 = noise.row_norms(self._tril()).astype(np.float32)
        return stddev

    def covariance(self) -> Float32:
        """T T', float32 of shape batch_shape + (L, L)."""
        tril = self._tril()
        with np.errstate(over="ignore"):
            covariance: Float32 = (tril @ tril.swapaxes(-1, -2)).astype(np.float32)
        return covariance

    def log_prob(self, value: npt.ArrayLike) -> Float64:  # noqa: D102
        x = self._value(value, np.float64)
        difference: Float64 = x - self.loc  # (..., B, L)
        tril = self._tril()
        with np.errstate(over="ignore", invalid="ignore"):
            if self.batch_shape:
                # the sample axes last, so that each matrix is solved for all its values at once
                columns = np.moveaxis(difference.reshape(-1, *self.batch_shape, *self.event_shape), 0, -1)
                z = np.moveaxis(triangular.solve(tril, columns), -1, 0).reshape(difference.shape)
            else:
                z = triangular.solve(tril, difference.reshape(-1, *self.event_shape).T).T.reshape(difference.shape)
            squares = np.square(z)
        squares[np.isnan(squares) & ~np.isnan(x).any(axis=-1, keepdims=True)] = np.inf  # inf - inf: beyond float64
        # log N(x; m, T T') = -|T^-1 (x - m)|^2 / 2 - log |T| - L log(2 pi) / 2
        return np.asarray(-total(squares, 1) / 2.0 - self._log_determinant() - self.event_shape[0] * LOG_2_PI / 2.0)

    def entropy(self) -> Float64:  # noqa: D102
        return np.asarray(self._log_determinant() + self.event_shape[0] * (1.0 + LOG_2_PI) / 2.0)

    def kl_divergence(self, other: Distribution) -> Float64:  # noqa: D102
        if not isinstance(other, Normal | MultivariateNormalTriL):
            return super().kl_divergence(other)
        self._check_shapes(other)
        return triangular.divergence(*_wide(self), *_wide(other))

    def _divergence_from(self, other: Distribution) -> Float64:
        if not isinstance(other, Normal):
            return super()._divergence_from(other)
        self._check_shapes(other)
        return triangular.divergence(*_wide(other), *_wide(self))

    def _tril(self) -> Float64:
        return self.scale_tril.astype(np.float64)

    def _log_determinant(self) -> Float64:
        return total(np.log(self._tril().diagonal(axis1=-2, axis2=-1)), 1)


def _wide(normal: Normal | MultivariateNormalTriL) -> tuple[Float64, Float64]:
    """loc (..., L) and scale_tril (..., L, L) in float64."""
    loc = normal.loc.astype(np.float64)
    if isinstance(normal, MultivariateNormalTriL):
        return loc, normal.scale_tril.astype(np.float64)
    if not normal.scale.all():
        raise InputError("a Normal of scale 0 (an autoencoder's code) is a point, it has no density: use mean()")
    return loc, normal.scale[..., None] * np.eye(loc.shape[-1])
