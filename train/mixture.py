"""Fits a mixture of normals of full covariance to codes z, by expectation and maximisation (Dempster et al. 1977).

Of all priors, the aggregated posterior, the mean of q(z|x) over the images, has the highest ELBO (Tomczak & Welling
2018): a prior fitted to draws of it raises the ELBO while the networks stand still. Learned by gradients instead, 500
components of diagonal covariance ended 2 nats lower after 12 epochs of MNIST than 50 of these.

A conditional model's codes have labels, and the prior is p(z|y). Where there are enough normals each label has its own,
fitted to its codes alone: a normal that two labels share draws codes between them, which the decoder shows as another
label's image (benchmarks/quality/search.md). With fewer, each label has weights of its own over the same normals.
"""

from __future__ import annotations

from itertools import pairwise
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from vae_edge.runtime.distributions.components import Components

__all__ = ["Parts", "begin", "improve"]

Float32 = npt.NDArray[np.float32]

_NOWHERE = 1e-6  # codes with a smaller responsibility are left out of a component's covariance
SHRINKAGE = 50.0  # each component's covariance is shrunk towards the pooled one, as if by so many codes
PRIOR_COUNT = 1.0  # each label's weights are shrunk towards the common ones, as if by so many codes
OWN = 10  # a label has components of its own if they are so many or more, with so many codes for each
FLOOR = 1e-3  # added to each variance, so that no component falls onto a point


class Parts(NamedTuple):
    """A mixture: weights (K,), or (Y, K) for Y labels; loc (K, L), and factor (K, L, L), lower triangular.

    covariance^-1 = factor' factor
    """

    weights: Float32
    loc: Float32
    factor: Float32


def begin(z: Float32, components: int, seed: int, label: Float32 | None = None) -> Parts:
    """A first mixture for codes z (n, L): components around codes drawn at random, each given the codes nearest to it.

    Nearest in the metric of the codes' own covariance. With `label` (n, Y), one-hot, each label has weights of its own.
    If there are enough components and codes (OWN), it also has components of its own, and weight 0 for all others.
    """
    if label is not None:
        slices, events = _slices(label.shape[1], components), label.sum(0)
        sizes = [own.stop - own.start for own in slices]
        if min(sizes) >= OWN and all(n >= OWN * size for n, size in zip(events, sizes, strict=True)):
            return _joined([begin(z[label[:, y] > 0], size, seed) for y, size in enumerate(sizes)])
    order = np.argsort(np.random.Philox(key=seed).random_raw(len(z)), kind="stable")
    centres = z[np.resize(order, components)]
    factor = _factor(np.atleast_2d(np.cov(z, rowvar=False)).astype(np.float64))
    everywhere = Parts(
        np.full(components, 1 / components, np.float32), centres, np.tile(factor.astype(np.float32), (components, 1, 1))
    )
    nearest = Components(*everywhere).log_joint(z).argmax(1)
    return _maximise(z, (nearest[:, None] == np.arange(components)).astype(np.float32), label)


def improve(z: Float32, parts: Parts, label: Float32 | None = None) -> Parts:
    """The mixture after one step of expectation and maximisation on codes z (n, L); `label` as for `begin`."""
    if label is not None and (slices := _own(parts.weights)):
        return _joined([_improved(z[label[:, y] > 0], parts, y, own) for y, own in enumerate(slices)])
    if label is None:
        share = Components(*parts).log_joint(z)
    else:
        share = Components(np.ones(len(parts.loc)), parts.loc, parts.factor).log_joint(z)
        share += np.log(parts.weights)[label.argmax(1)]
    share -= share.max(1, keepdims=True)
    np.exp(share, out=share)
    share /= share.sum(1, keepdims=True)
    return _maximise(z, share, label)


def _slices(labels: int, components: int) -> list[slice]:
    """The components of each label where it has its own."""
    ends = [components * (y + 1) // labels for y in range(labels)]
    return [slice(start, end) for start, end in pairwise([0, *ends])]


def _own(weights: Float32) -> list[slice] | None:
    """The components of each label, or None where labels share them: weights (Y, K)."""
    slices = _slices(*weights.shape)
    of_others = np.ones(weights.shape, bool)
    for y, own in enumerate(slices):
        of_others[y, own] = False
    return None if weights[of_others].any() else slices


def _improved(z: Float32, parts: Parts, label: int, own: slice) -> Parts:
    """The components of one label after a step on its codes; as they are where it has none."""
    mine = Parts(parts.weights[label, own], parts.loc[own], parts.factor[own])
    return improve(z, mine) if len(z) else mine


def _joined(each: list[Parts]) -> Parts:
    """p(z|y) of the mixture of each label."""
    weights = np.zeros((len(each), sum(len(parts.loc) for parts in each)), np.float32)
    for y, own in enumerate(_slices(*weights.shape)):
        weights[y, own] = each[y].weights
    return Parts(weights, np.concatenate([p.loc for p in each]), np.concatenate([p.factor for p in each]))


def _maximise(z: Float32, share: Float32, label: Float32 | None) -> Parts:
    """The likeliest mixture where code n belongs to component k by `share` (n, K); covariances shrink to the pooled.

    A label's weights shrink to those of all codes, so that no component is impossible.
    """
    count = share.sum(0, dtype=np.float64)
    loc = (share.T @ z) / np.maximum(count, 1e-12)[:, None]
    scatter = np.empty((len(count), z.shape[1], z.shape[1]))
    for k, centre in enumerate(loc.astype(np.float32)):
        near = np.flatnonzero(share[:, k] > _NOWHERE)
        apart = z[near] - centre
        scatter[k] = (apart * share[near, k, None]).T @ apart
    pooled = scatter.sum(0) / count.sum()
    covariance = (scatter + SHRINKAGE * pooled) / (count + SHRINKAGE)[:, None, None]
    weights = count / count.sum()
    if label is not None:
        counts = label.T.astype(np.float64) @ share + PRIOR_COUNT * weights
        weights = counts / counts.sum(1, keepdims=True)
    return Parts(weights.astype(np.float32), loc.astype(np.float32), _factor(covariance))


def _factor(covariance: npt.NDArray[np.float64]) -> Float32:
    """The inverse of the Cholesky factor of covariance + FLOOR, lower triangular."""
    size = covariance.shape[-1]
    inverse = np.linalg.inv(np.linalg.cholesky(covariance + FLOOR * np.eye(size)))
    factor: Float32 = np.tril(inverse).astype(np.float32)
    return factor
