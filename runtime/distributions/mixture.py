"""Mixtures of normals, as priors."""

from __future__ import annotations

from types import MappingProxyType

import numpy as np
import numpy.typing as npt

from vae_edge.runtime import noise
from vae_edge.runtime.distributions.base import LOG_2_PI, Distribution, Float32, Float64, numbers
from vae_edge.runtime.errors import InputError
from vae_edge.runtime.noise import Purpose

__all__ = ["Mixture"]

_DRAWS_AT_ONCE = 256  # each with its component's scale_tril: 2 MiB, for 32 latent dimensions
_TERMS_AT_ONCE = 1 << 20  # of squares that a log_prob sums: 8 MiB


class Mixture(Distribution):
    """A prior of K normals: weights (K,), loc (K, L), scale_tril (K, L, L); batch_shape (), event_shape (L,).

    A component's covariance is T T', T = scale_tril being lower triangular with a positive diagonal. Draw i takes its
    component from Purpose.COMPONENT and its noise from Purpose.PRIOR.
    """

    family = "mixture"
    roles = ("prior",)
    settings = MappingProxyType({"components": (1, 4096)})

    def __init__(self, weights: npt.ArrayLike, loc: npt.ArrayLike, scale_tril: npt.ArrayLike) -> None:
        self.weights = numbers("weights", weights, np.float64)
        self.loc, self.scale_tril = numbers("loc", loc, np.float32), numbers("scale_tril", scale_tril, np.float32)
        shapes = self.weights.shape, self.loc.shape, self.scale_tril.shape
        if self.loc.ndim != 2 or shapes != (self.loc.shape[:1], self.loc.shape, (*self.loc.shape, self.loc.shape[1])):
            raise InputError(
                "weights, loc and scale_tril should have shapes (K,), (K, L) and (K, L, L), "
                f"they have {shapes[0]}, {shapes[1]} and {shapes[2]}"
            )
        super().__init__((), self.loc.shape[1:])
        if not (np.isfinite(self.loc).all() and np.isfinite(self.scale_tril).all()):
            raise InputError("loc and scale_tril should be finite, there is a NaN or an infinity in them")
        total, diagonal = self.weights.sum(), self.scale_tril.diagonal(axis1=1, axis2=2)
        if not (self.weights.min() >= 0 and abs(total - 1.0) < 1e-3 and diagonal.min() > 0):
            raise InputError("a mixture's weights should be >= 0 and sum to 1, and the diagonals of scale_tril be > 0")
        if np.triu(self.scale_tril, 1).any():
            raise InputError("scale_tril should be lower triangular, something stands above its diagonal")
        self.weights /= total
        self._cumulative = np.cumsum(self.weights)[:-1]
        self._wide = self.scale_tril.astype(np.float64)

    def _draw(self, seed: int, start: int, n: int, stream: int) -> Float32:
        uniform = noise.uniforms(seed, Purpose.COMPONENT, start, n, stream)
        k = self._cumulative.searchsorted(uniform, side="right")
        z = noise.normals(seed, Purpose.PRIOR, start, n, self.event_shape[0], stream)
        for at in range(0, n, _DRAWS_AT_ONCE):
            part = slice(at, at + _DRAWS_AT_ONCE)
            # T eps is summed in float64 and then rounded, so that the order in which a BLAS sums does not show
            z[part] = np.matmul(self._wide.take(k[part], axis=0), z[part, :, None])[..., 0]
        z += self.loc.take(k, axis=0)
        return z

    def mean(self) -> Float32:  # noqa: D102
        mean: Float32 = (self.weights @ self.loc).astype(np.float32)
        return mean

    def variance(self) -> Float32:  # noqa: D102
        # Var[x] = E[diag T T'] + Var[m]
        spread = np.square(self.loc - self.weights @ self.loc) + np.square(self._wide).sum(axis=2)
        variance: Float32 = (self.weights @ spread).astype(np.float32)
        return variance

    def log_prob(self, value: npt.ArrayLike) -> Float64:  # noqa: D102
        x = self._value(value, np.float64)
        flat = x.reshape(-1, *self.event_shape)
        matrix, constant = self.whitening()
        rows, out = max(1, _TERMS_AT_ONCE // matrix.shape[1]), np.empty(len(flat))
        for at in range(0, len(flat), rows):
            part = flat[at : at + rows]
            white = np.concatenate([part, np.ones((len(part), 1))], axis=1) @ matrix
            joint = constant - np.square(white).reshape(-1, *self.loc.shape).sum(axis=2) / 2
            top = joint.max(axis=1, keepdims=True)
            out[at : at + rows] = np.log(np.exp(joint - top).sum(axis=1)) + top[:, 0]
        return out.reshape(x.shape[:-1])

    def whitening(self) -> tuple[Float64, Float64]:
        """A matrix (L + 1, K * L) and constants (K,) that give each component's weighted log-density of z (n, L).

        log w_k N(z; m_k, T_k T_k') = constant_k - |white_k|^2 / 2, white (n, K, L) = [z, 1] @ matrix.
        """
        k, size = self.loc.shape
        inverse = np.linalg.inv(self._wide)
        # white = T^-1 z - T^-1 m
        rows = np.concatenate([inverse, -(inverse @ self.loc[..., None])], axis=2).reshape(k * size, size + 1)
        with np.errstate(divide="ignore"):  # a component of weight 0
            constant = np.log(self.weights) - size * LOG_2_PI / 2
        return np.ascontiguousarray(rows.T), constant - np.log(self._wide.diagonal(axis1=1, axis2=2)).sum(axis=1)
