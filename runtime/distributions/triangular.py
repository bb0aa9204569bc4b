"""Lower triangular matrices: the square roots of covariances, of mixtures and of full-covariance normals."""

from __future__ import annotations

import numpy as np

from vae_edge.runtime.distributions.base import Float32, Float64, total
from vae_edge.runtime.errors import InputError

__all__ = ["check", "divergence", "solve"]


def check(matrices: Float32) -> None:
    """Raises InputError unless the matrices (..., L, L) are finite, lower triangular and of positive diagonal."""
    if not (np.isfinite(matrices.min()) and np.isfinite(matrices.max())):
        raise InputError("scale_tril should be finite, there is a NaN or an infinity in it")
    if not matrices.diagonal(axis1=-2, axis2=-1).min() > 0:
        raise InputError("scale_tril should have a diagonal > 0 in float32")
    upper = np.triu_indices(matrices.shape[-1], 1)
    if matrices[..., upper[0], upper[1]].any():
        raise InputError("scale_tril should be lower triangular, something stands above its diagonal")


def solve(matrices: Float64, vectors: Float64) -> Float64:
    """The solution x (..., L, n) of matrices (..., L, L) times x = vectors (..., L, n), by forward substitution.

    Its error is relative to each matrix element, however much the rows differ in size (Higham 2002, section 8.1).
    """
    size = matrices.shape[-1]
    shape = np.broadcast_shapes(matrices.shape[:-2], vectors.shape[:-2]) + vectors.shape[-2:]
    found = np.empty(shape)
    with np.errstate(over="ignore", invalid="ignore"):  # callers handle overflow
        for row in range(size):
            known = (matrices[..., row, None, :row] @ found[..., :row, :])[..., 0, :]
            found[..., row, :] = (vectors[..., row, :] - known) / matrices[..., row, row, None]
    return found


def divergence(loc: Float64, tril: Float64, other_loc: Float64, other_tril: Float64) -> Float64:
    """KL(N(loc, T T') || N(other_loc, S S')) in nats, of shape (...): loc (..., L), T and S (..., L, L).

    With M = S^-1 T, m its diagonal and z = S^-1 (loc - other_loc), it is half of
    sum_i (m_i^2 - 1 - 2 log m_i) + sum_(i > j) M_ij^2 + |z|^2.
    No term is negative, and all are 0 where the two are the same.
    """
    size = tril.shape[-1]
    ratio = solve(other_tril, np.broadcast_to(tril, np.broadcast_shapes(tril.shape, other_tril.shape)))
    z = solve(other_tril, (loc - other_loc)[..., None])[..., 0]
    log_ratio = np.log(tril.diagonal(axis1=-2, axis2=-1)) - np.log(other_tril.diagonal(axis1=-2, axis2=-1))
    # expm1 keeps its digits where the two are close
    stretch = total(np.expm1(2.0 * log_ratio) - 2.0 * log_ratio, 1)
    turn = total(np.square(ratio[..., *np.tril_indices(size, -1)]), 1)
    return np.asarray((stretch + turn + total(np.square(z), 1)) / 2.0)
