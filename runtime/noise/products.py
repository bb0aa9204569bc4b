"""Sums of products that are the same on every machine: T eps of a mixture and of a full-covariance normal.

BLAS sums in a different order on each kind of processor, and one float32 in 10^8 then rounds differently. The contract
is the correctly rounded float64 sum of the exact products, rounded to float32. BLAS computes it, its error is bounded,
and where the two ends of the bound round differently, a few values in 10^5, `math.fsum` decides.
"""

from __future__ import annotations

import math

import numpy as np
import numpy.typing as npt

__all__ = ["LARGEST", "error_bounds", "products", "row_norms"]

Float32 = npt.NDArray[np.float32]
Float64 = npt.NDArray[np.float64]

LARGEST = 6.67  # of the normals: sqrt(-2 log 2**-32) = 6.6604


def row_norms(matrices: Float64) -> Float64:
    """The Euclidean norm of each row, (..., L) of (..., L, L)."""
    norms: Float64 = np.sqrt(np.square(matrices).sum(axis=-1))
    return norms


def error_bounds(norms: Float64) -> Float64:
    """How far a float64 sum of `products` may be from the exact one, (..., L) of the rows' norms (..., L)."""
    # In any order, a sum of L terms is within (L - 1) 2**-53 sum |T_ij eps_j| of the exact one, to first order, and
    # sum |T_ij eps_j| <= |T_i| sqrt(L) LARGEST (Cauchy and Schwarz). Two more terms cover the bound's own roundings.
    size = norms.shape[-1]
    bounds: Float64 = norms * (math.sqrt(size) * LARGEST * (size + 2) * 2.0**-53)
    return bounds


def products(matrices: Float64, bounds: Float64, vectors: Float32) -> Float32:
    """Each matrix times its vector, float32 (n, L), the same to the bit on every machine.

    `matrices` (n, L, L) hold float32 numbers in float64, in which a product of two float32 numbers is exact; `bounds`
    (n, L) are their `error_bounds`, and `vectors` (n, L) are draws of `normals`, none above LARGEST in size.
    """
    wide = vectors.astype(np.float64)
    sums = _sums(matrices, wide)
    low: Float32 = (sums - bounds).astype(np.float32)
    high = (sums + bounds).astype(np.float32)
    if low.tobytes() != high.tobytes():
        for row, column in np.argwhere(low != high).tolist():
            low[row, column] = np.float32(math.fsum((matrices[row, column] * wide[row]).tolist()))
    return low


def _sums(matrices: Float64, vectors: Float64) -> Float64:
    sums: Float64 = np.matmul(matrices, vectors[..., None])[..., 0]
    return sums
