"""Mixtures of normals, as priors."""

from __future__ import annotations

import copy
import math
from types import MappingProxyType

import numpy as np
import numpy.typing as npt

from vae_edge.runtime import noise
from vae_edge.runtime.distributions import triangular
from vae_edge.runtime.distributions.base import LOG_2_PI, Distribution, Float32, Float64, check_finite, owned
from vae_edge.runtime.distributions.blocks import blocks
from vae_edge.runtime.distributions.components import Components
from vae_edge.runtime.errors import InputError
from vae_edge.runtime.noise import Purpose

__all__ = ["Mixture"]

_ENTRIES_AT_ONCE = 1 << 18  # matrix entries that a block of draws reads: 2 MiB, 256 draws of 32 latent dimensions
_TERMS_AT_ONCE = 1 << 20  # squares that a block of a log_prob sums: 8 MiB


class Mixture(Distribution):
    """A prior of K normals: weights (K,), loc (K, L), scale_tril (K, L, L); batch_shape (), event_shape (L,).

    A component's covariance is T T', T = scale_tril being lower triangular with a positive diagonal. With weights
    (B, K) it is a batch of B mixtures of the same normals, as that of each event's label. Draw i takes its component
    from Purpose.COMPONENT and its noise from Purpose.PRIOR.
    """

    family = "mixture"
    roles = ("prior",)
    settings = MappingProxyType({"components": (1, 4096)})
    options = MappingProxyType({"labels": (1, 4096)})  # weights for each label

    def __init__(self, weights: npt.ArrayLike, loc: npt.ArrayLike, scale_tril: npt.ArrayLike) -> None:
        given = owned("weights", weights, np.float64)
        self.loc, self.scale_tril = owned("loc", loc), owned("scale_tril", scale_tril)
        shapes = given.shape[-1:], self.loc.shape, self.scale_tril.shape
        fits = self.loc.ndim == 2 and given.ndim in (1, 2)
        if not fits or shapes != (self.loc.shape[:1], self.loc.shape, (*self.loc.shape, self.loc.shape[1])):
            raise InputError(
                "weights, loc and scale_tril should have shapes (K,) or (B, K), (K, L) and (K, L, L), "
                f"they have {given.shape}, {shapes[1]} and {shapes[2]}"
            )
        super().__init__(given.shape[:-1], self.loc.shape[1:])
        if 0 in self.loc.shape:
            raise InputError("a Mixture should have at least one component, it has none")
        check_finite("loc", self.loc)
        triangular.check(self.scale_tril)
        # exact sums: the draws must not depend on the order of one
        totals = np.array([math.fsum(row) for row in given.reshape(-1, len(self.loc))])
        if not (given.min() >= 0 and np.abs(totals - 1.0).max() < 1e-3):
            worst = totals[np.abs(totals - 1.0).argmax()]
            raise InputError(f"a mixture's weights should be >= 0 and sum to 1, they sum to {worst:.6g}")
        self._weigh(given / totals.reshape(*self.batch_shape, 1))
        self._widen()

    def _weigh(self, weights: Float64) -> None:
        self.weights = weights
        self.weights.setflags(write=False)
        self._cumulative = np.cumsum(weights, axis=-1)[..., :-1]

    def _widen(self) -> None:
        self._wide = self.scale_tril.astype(np.float64)
        self._norms = noise.row_norms(self._wide)
        self._bounds = noise.error_bounds(self._norms)

    def at_temperature(self, temperature: float) -> Mixture:
        """The mixture with each scale_tril times `temperature`, a float32 > 0: below 1, draws keep nearer to loc."""
        chosen = copy.copy(self)
        chosen.scale_tril = self.scale_tril * np.float32(temperature)
        triangular.check(chosen.scale_tril)
        chosen.scale_tril.setflags(write=False)
        chosen._widen()
        return chosen

    def members(self, places: npt.NDArray[np.intp] | int) -> Mixture:
        """The mixtures at `places` of the batch (n,), or the one at a number, which has no batch; may repeat."""
        chosen = copy.copy(self)
        chosen._weigh(self.weights[places])
        chosen.batch_shape = chosen.weights.shape[:-1]
        return chosen

    def _write_sample(self, out: Float32, seed: int, start: int, stream: int) -> None:
        """z = loc_k + T_k eps: the product rounded to float32 as the contract says, then the sum."""
        size = self.event_shape[0]
        for rows in blocks(len(out), size * size, _ENTRIES_AT_ONCE):
            first, n = start + rows.start, rows.stop - rows.start
            k = self._chosen(noise.uniforms(seed, Purpose.COMPONENT, first, n, stream), rows)
            eps = noise.normals(seed, Purpose.PRIOR, first, n, size, stream)
            with np.errstate(over="ignore"):
                z = noise.products(self._wide.take(k, axis=0), self._bounds.take(k, axis=0), eps)
                np.add(z, self.loc.take(k, axis=0), out=out[rows])

    def _chosen(self, u: Float64, rows: slice) -> npt.NDArray[np.intp]:
        """The component of each draw: how many sums of the weights are <= u."""
        if not self.batch_shape:
            return self._cumulative.searchsorted(u, side="right")
        count: npt.NDArray[np.intp] = (self._cumulative[rows] <= u[:, None]).sum(axis=1)
        return count

    def _write_mean(self, out: Float32) -> None:
        out[:] = self.weights @ self.loc

    def variance(self) -> Float32:  # noqa: D102
        with np.errstate(over="ignore"):
            variance: Float32 = self._wide_variance().astype(np.float32)
        return variance

    def stddev(self) -> Float32:  # noqa: D102
        stddev: Float32 = np.sqrt(self._wide_variance()).astype(np.float32)
        return stddev

    def _wide_variance(self) -> Float64:
        # Var[x] = E[diag T T'] + Var[m]
        mean = (self.weights @ self.loc)[..., None, :]
        spread = np.square(self.loc - mean) + np.square(self._norms)
        variance: Float64 = (self.weights[..., None, :] @ spread)[..., 0, :]
        return variance

    def log_prob(self, value: npt.ArrayLike) -> Float64:  # noqa: D102
        x = self._value(value, np.float64)
        shape = np.broadcast_shapes(x.shape, self.batch_shape + self.event_shape)
        flat = np.broadcast_to(x, shape).reshape(-1, *self.event_shape)
        inverse, constant = self._inverse(), self._constant().reshape(-1, len(self.loc))  # a row a member
        rows, out = max(1, _TERMS_AT_ONCE // self.loc.size), np.empty(len(flat))
        for at in range(0, len(flat), rows):
            part = flat[at : at + rows]
            with np.errstate(over="ignore", invalid="ignore"):
                # white = T^-1 (z - m), (K, n, L); the difference first: it is exact where z is close to m
                white = (part - self.loc[:, None].astype(np.float64)) @ inverse.swapaxes(1, 2)
                squares = np.square(white)
                squares[np.isnan(squares) & ~np.isnan(part).any(axis=1)[:, None]] = np.inf  # beyond float64
                each = constant[np.arange(at, at + len(part)) % len(constant)]
                joint = each - squares.sum(axis=2).T / 2  # (n, K)
                top = joint.max(axis=1, keepdims=True)
                log_sum = np.log(np.exp(joint - top).sum(axis=1)) + top[:, 0]
            out[at : at + rows] = np.where(top[:, 0] == -np.inf, -np.inf, log_sum)
        return out.reshape(shape[:-1])

    def components(self) -> Components:
        """The components, for log-densities in float32; those of a batch have weights of 1."""
        return Components(np.ones(len(self.loc)) if self.batch_shape else self.weights, self.loc, self._inverse())

    def _inverse(self) -> Float64:
        return triangular.solve(self._wide, np.broadcast_to(np.eye(self.event_shape[0]), self._wide.shape))

    def _constant(self) -> Float64:
        """log w_k - log |T_k| - L log(2 pi) / 2, (K,) or (B, K)."""
        with np.errstate(divide="ignore"):  # a component of weight 0
            constant = np.log(self.weights) - self.event_shape[0] * LOG_2_PI / 2
        result: Float64 = constant - np.log(self._wide.diagonal(axis1=1, axis2=2)).sum(axis=1)
        return result
