"""Quick log-densities of many draws of z: log p(x|z) of a decoder's outputs, and log p(z)."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import numpy as np
import numpy.typing as npt

from vae_edge.runtime.bundle.manifest import Image
from vae_edge.runtime.distributions import Bernoulli, DiscretizedLogistic, Flow, Mixture, Normal
from vae_edge.runtime.distributions.base import Distribution
from vae_edge.runtime.model import Model

__all__ = ["likelihood", "prior", "prior_of", "surprise"]

Float32 = npt.NDArray[np.float32]
Float64 = npt.NDArray[np.float64]
Outputs = list[Float32]

# Multiply-adds of a matrix product that OpenBLAS still runs on one thread. Above, its threads spin beside ours, and all
# callers wait for one another.
_SMALL_PRODUCT = 1 << 19

_AT_ONCE = 1 << 15  # pixels of a block: temporaries of 128 KiB, which stay in the cache


def likelihood(model: Model, x: Float32) -> Callable[[Outputs], Float64]:
    """A function of the decoder's outputs for K * B latents: log p(x|z) in nats, (K * B,), of B prepared events.

    Latent k * B + i is one of event i. The outputs may be overwritten. Bernoullis of black and white pixels and
    discretised logistics are calculated in float32, several times as fast as their `log_prob`, and within 1e-4 nats of
    it or 1e-6 of its size.
    """

    def exact(outputs: Outputs) -> Float64:
        p = model.likelihood(outputs)
        each = np.broadcast_to(x, (p.batch_shape[0] // len(x), *x.shape)).reshape(-1, *x.shape[1:])
        return p.log_prob(each)

    spec, event = model.bundle.manifest.likelihood, model.event
    if spec.family == Bernoulli.family and isinstance(event, Image) and event.threshold is not None:
        return _bernoulli(x, exact)
    if spec.family == DiscretizedLogistic.family:
        return _discretized_logistic(model, x, int(spec.constants["levels"]))
    return exact


def surprise(p: Distribution, x: Float32) -> tuple[Float32, Float32]:
    """The mode y of p(x|z), and log p(y) - log p(x) of each number of the event, nats >= 0: two (B, *event_shape)."""
    y = p.mode()
    if not isinstance(p, DiscretizedLogistic):
        found: Float32 = (p.elementwise_log_prob(y) - p.elementwise_log_prob(x)).astype(np.float32)
        return y, np.maximum(found, 0, out=found)  # rounding
    loc, scale = (each.reshape(len(x), -1) for each in (p.loc, p.scale))
    parts = [_Levels(levels, p.levels).terms(slice(None), loc, scale) for levels in (x, y)]
    of_x, of_y = (linear + np.log(factors) for linear, factors in parts)
    found = (of_x - of_y).reshape(p.loc.shape)
    return y, np.maximum(found, 0, out=found)


def prior(prior: Normal | Mixture | Flow) -> Callable[[Float32], Float64]:
    """A quick function from z (B, L) to log p(z) (B,): a mixture's in float32 where that is exact to 1e-4.

    Of a batch of B priors, z (K * B, L) takes its members in turn.
    """

    def exact(z: Float32) -> Float64:
        return prior.log_prob(z.reshape(-1, *prior.batch_shape, z.shape[1])).reshape(-1)

    plain = exact if prior.batch_shape else prior.log_prob
    if not isinstance(prior, Mixture):
        return plain
    components, at_once = prior.components(), _SMALL_PRODUCT // prior.event_shape[0]
    with np.errstate(divide="ignore"):
        log_weights = np.log(prior.weights).astype(np.float32)

    def quick(z: Float32) -> Float64:
        joint = components.log_joint(z, at_once)
        if prior.batch_shape:
            joint += log_weights[np.arange(len(z)) % len(log_weights)]
        top = joint.max(axis=1, keepdims=True)
        joint -= top
        np.exp(joint, out=joint)
        result: Float64 = np.log(joint.sum(axis=1, dtype=np.float64)) + top[:, 0]
        return result

    z = prior.sample(() if prior.batch_shape else 256, seed=0)
    return quick if np.abs(quick(z) - plain(z)).max() < 1e-4 else plain


def prior_of(model: Model) -> Callable[[Float32, npt.NDArray[Any] | None], Float64]:
    """A function from z (K * B, L) and the conditions of B events to log p(z) or log p(z|y), (K * B,)."""
    if model.prior.is_conditional:
        return lambda z, rows: prior(model.prior.given(rows))(z)
    quick = prior(model.prior.alone())
    return lambda z, rows: quick(z)


def _bernoulli(x: Float32, exact: Callable[[Outputs], Float64]) -> Callable[[Outputs], Float64]:
    """-sum log(1 + exp(t)), t = (1 - 2x) logits, with one logarithm for the product of four pixels.

    A fifth of the time of Bernoulli.log_prob. 1 + exp(t) drops what is below 2**-24, at most 5e-5 nats for an image of
    784 pixels.
    """
    sign, size = 1 - 2 * x, math.prod(x.shape[1:])

    def quick(outputs: Outputs) -> Float64:
        t = outputs[0].reshape(-1, *x.shape)
        t *= sign
        worst = t.max()
        if not worst < 80:  # exp(89) is inf
            t *= sign
            return exact(outputs)
        flat = t.reshape(-1, size)
        np.exp(flat, out=flat)
        flat += 1
        if worst < 20:
            flat = _quarters(flat)
        np.log(flat, out=flat)
        total: Float64 = flat.sum(axis=1, dtype=np.float64)
        return -total

    return quick


def _discretized_logistic(model: Model, x: Float32, levels: int) -> Callable[[Outputs], Float64]:
    """The sum of `_Levels.terms`, with one logarithm for the product of four pixels."""
    count, size, pixels = len(x), math.prod(x.shape[1:]), _Levels(x, levels)
    draws, rows = max(1, _AT_ONCE // (count * size)), max(1, _AT_ONCE // size)

    def quick(outputs: Outputs) -> Float64:
        p: Any = model.likelihood(outputs)
        loc, scale = (each.reshape(-1, count, size) for each in (p.loc, p.scale))
        out = np.empty(loc.shape[:2])
        for first in range(0, len(loc), draws):
            for at in range(0, count, rows):
                here, part = slice(first, first + draws), slice(at, at + rows)
                linear, factors = pixels.terms(part, loc[here, part], scale[here, part])
                product = _quarters(factors)
                np.log(product, out=product)
                out[here, part] = -linear.sum(axis=2, dtype=np.float64) - product.sum(axis=2, dtype=np.float64)
        return out.reshape(-1)

    return quick


class _Levels:
    """Pixels of B events, (B, size), and the log P of their levels k under discretised logistics.

    With d = (x - loc) / scale and h = 1 / (2 scale (levels - 1)), P(k) = (1 - exp(-2h)) / ((1 + exp(|d| - h)) (1 +
    exp(-|d| - h))); of the first level 1 / (1 + exp(-d - h)), of the last 1 / (1 + exp(d - h)).
    """

    def __init__(self, x: Float32, levels: int) -> None:
        self._last = np.float32(levels - 1)
        self._x = x.reshape(len(x), -1)
        k = np.rint(self._x * self._last)
        self._is_inner = (k > 0) & (k < self._last)
        self._inner, self._outer = (each.astype(np.float32) for each in (self._is_inner, ~self._is_inner))
        self._sign = np.where(k == 0, np.float32(-1), np.float32(1))  # of d, at the first and last level

    def terms(self, rows: slice, loc: Float32, scale: Float32) -> tuple[Float32, Float32]:
        """a and f of -log P = a + log f, each of the shape of loc and scale, (..., b, size), which broadcast to it.

        f lies in [1, 4) over the level's own factor. log(1 + exp(y)) = max(y, 0) + log(1 + exp(-|y|)): nothing
        overflows.
        """
        inner = self._inner[rows]
        h = np.reciprocal(scale)
        t = self._x[rows] - loc
        t *= h
        t *= self._sign[rows]
        np.abs(t, out=t, where=self._is_inner[rows])
        h *= np.float32(0.5) / self._last
        # 1 + exp(-t - h), and the level's own factor 1 - exp(-2h) = 2 tanh(h) / (1 + tanh(h)); both of inner levels
        factors = np.abs(t)
        factors += h
        np.negative(factors, out=factors)
        np.exp(factors, out=factors)
        factors *= inner
        factors += 1
        t -= h
        own = np.tanh(h, out=h)
        own /= (own + 1) * np.float32(0.5)
        own = own * inner + self._outer[rows]
        factors /= own
        linear = np.maximum(t, 0)
        np.abs(t, out=t)
        np.negative(t, out=t)
        np.exp(t, out=t)
        t += 1
        factors *= t
        return linear, factors


def _quarters(flat: Float32) -> Float32:
    """Products of four factors, (..., size / 4); the factors themselves where four do not divide their number."""
    size = flat.shape[-1]
    if size % 4:
        return flat
    quarters = flat.reshape(*flat.shape[:-1], 4, size // 4)
    quarters[..., :2, :] *= quarters[..., 2:, :]
    product = quarters[..., 0, :]
    product *= quarters[..., 1, :]
    return product
