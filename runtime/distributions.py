"""The distributions that the two graphs and the prior speak of, with the names of TensorFlow Probability's.

A distribution has `batch_shape` and `event_shape`; a sample has shape sample_shape + batch_shape + event_shape
(float32), and a log-probability, an entropy or a divergence is in nats, summed over the event, of shape
(sample_shape +) batch_shape (float64). Bernoulli's stay in logit space.
"""

from __future__ import annotations

import math
import operator
from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from vae_edge.runtime import heads, random
from vae_edge.runtime.errors import InputError
from vae_edge.runtime.random import Purpose

__all__ = ["Bernoulli", "Distribution", "Mixture", "Normal"]

Float32 = npt.NDArray[np.float32]
Float64 = npt.NDArray[np.float64]

_LOG_2_PI = math.log(2.0 * math.pi)
_DRAWS_AT_ONCE = 256  # each with its component's scale_tril: 2 MiB, for 32 latent dimensions
_TERMS_AT_ONCE = 1 << 20  # of squares that a log_prob sums: 8 MiB


class Distribution:
    """What all of them promise; a method that has no closed form raises InputError, and says what to do instead."""

    def __init__(self, batch_shape: tuple[int, ...], event_shape: tuple[int, ...]) -> None:
        if 0 in batch_shape + event_shape:
            raise InputError(f"a {type(self).__name__} should hold something, its shape is {batch_shape + event_shape}")
        self.batch_shape = batch_shape  # () or (B,)
        self.event_shape = event_shape

    def sample(self, sample_shape: int | Sequence[int] = (), *, seed: int, start: int = 0) -> Float32:
        """Draws, float32 of shape sample_shape + batch_shape + event_shape; the same for the same seed, everywhere.

        Member i of the batch takes draw start + i; each place of the sample shape has a stream of its own. Without a
        batch, as for a prior, the draws run along the sample shape.
        """
        seed = random.check_seed(seed)
        try:
            shape = tuple(map(operator.index, sample_shape if isinstance(sample_shape, Sequence) else (sample_shape,)))
        except TypeError:
            shape = (-1,)
        if any(size < 1 for size in shape):
            raise InputError(f"sample_shape should hold positive integers, it is {sample_shape!r:.60}")
        n = math.prod(shape)
        if not self.batch_shape:
            start = random.check_draws(start, n)
            return self._draw(seed, start, n, stream=0).reshape(shape + self.event_shape)
        start = random.check_draws(start, self.batch_shape[0])
        draws = [self._draw(seed, start, self.batch_shape[0], stream) for stream in range(n)]
        return np.stack(draws).reshape(shape + self.batch_shape + self.event_shape)

    def _draw(self, seed: int, start: int, n: int, stream: int) -> Float32:
        """Draws start to start + n of one stream, (n, *event_shape)."""
        raise NotImplementedError

    def mean(self) -> Float32:
        """E[x], of shape batch_shape + event_shape."""
        raise self._no("mean")

    def mode(self) -> Float32:
        """The likeliest value, of shape batch_shape + event_shape."""
        raise self._no("mode")

    def variance(self) -> Float32:
        """Var[x], of shape batch_shape + event_shape."""
        raise self._no("variance")

    def stddev(self) -> Float32:
        """The square root of the variance, of shape batch_shape + event_shape."""
        return np.sqrt(self.variance())

    def log_prob(self, value: npt.ArrayLike) -> Float64:
        """log p(value) in nats; `value` has shape (sample_shape +) batch_shape + event_shape, or broadcasts to it."""
        raise self._no("log_prob")

    def entropy(self) -> Float64:
        """-E[log p(x)] in nats, of shape batch_shape."""
        raise self._no("entropy")

    def kl_divergence(self, other: Distribution) -> Float64:
        """E_self[log self(x) - log other(x)] in nats, of the two batch shapes broadcast."""
        raise InputError(
            f"KL({type(self).__name__} || {type(other).__name__}) has no closed form: estimate it from samples, "
            "mean(self.log_prob(x) - other.log_prob(x)) over x of self.sample(...)"
        )

    def _no(self, method: str) -> InputError:
        return InputError(f"a {type(self).__name__} has no {method} in closed form: estimate it from samples")

    def _check_shapes(self, other: Distribution) -> None:
        if self.event_shape != other.event_shape or len({*self.batch_shape, *other.batch_shape, 1}) > 2:
            raise InputError(f"both should have the same batch and event shapes, they are {self!r} and {other!r}")

    def _value(self, value: npt.ArrayLike, dtype: type[np.floating[Any]]) -> npt.NDArray[Any]:
        array = _numbers("value", value, dtype)
        try:
            shape = np.broadcast_shapes(array.shape, self.batch_shape + self.event_shape)
            fits = shape[-len(self.event_shape) :] == self.event_shape
        except ValueError:
            fits = False
        if not fits:
            wanted = self.batch_shape + self.event_shape
            raise InputError(f"value should have shape (..., {str(wanted)[1:]}, it has {array.shape}")
        return array

    def __repr__(self) -> str:
        return f"{type(self).__name__}(batch_shape={self.batch_shape}, event_shape={self.event_shape})"


class Normal(Distribution):
    """Diagonal normal distributions N(loc, scale^2) over vectors: loc and scale (B, L) or (L,), scale >= 0.

    Where a scale is 0, as in an autoencoder's code, it is a point: it has samples and moments but no density.
    """

    def __init__(self, loc: npt.ArrayLike, scale: npt.ArrayLike, *, purpose: Purpose = Purpose.POSTERIOR) -> None:
        self.loc, self.scale = _numbers("loc", loc, np.float32), _numbers("scale", scale, np.float32)
        if self.loc.shape != self.scale.shape or self.loc.ndim not in (1, 2):
            raise InputError(
                f"loc and scale should have one shape, (B, L) or (L,), not {self.loc.shape} and {self.scale.shape}"
            )
        super().__init__(self.loc.shape[:-1], self.loc.shape[-1:])
        _check_loc_scale(self.loc, self.scale)
        self._purpose = purpose

    def _draw(self, seed: int, start: int, n: int, stream: int) -> Float32:
        z = random.normals(seed, self._purpose, start, n, self.event_shape[0], stream)
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
        return -_sum(np.square(z) / 2.0 + np.log(scale) + _LOG_2_PI / 2.0, 1)

    def entropy(self) -> Float64:  # noqa: D102
        return _sum(np.log(self._positive_scale()) + (1.0 + _LOG_2_PI) / 2.0, 1)

    def kl_divergence(self, other: Distribution) -> Float64:  # noqa: D102
        if not isinstance(other, Normal):
            return super().kl_divergence(other)
        self._check_shapes(other)
        scale, other_scale = self._positive_scale(), other._positive_scale()
        z = (self.loc.astype(np.float64) - other.loc) / other_scale
        log_ratio = np.log(scale / other_scale)
        # KL(N1 || N2) = ((s1 / s2)^2 - 1 + z^2) / 2 - log(s1 / s2); expm1 keeps its digits where s1 is close to s2
        return _sum((np.expm1(2.0 * log_ratio) + np.square(z)) / 2.0 - log_ratio, 1)

    def _positive_scale(self) -> Float64:
        if not self.scale.all():
            raise InputError("a Normal of scale 0 (an autoencoder's code) is a point, it has no density: use mean()")
        return self.scale.astype(np.float64)


class Bernoulli(Distribution):
    """Independent pixels, 1 with probability sigmoid(logits), else 0: logits (B, H, W, C) or (H, W, C), also +-inf."""

    def __init__(self, logits: npt.ArrayLike) -> None:
        self.logits = _numbers("logits", logits, np.float32)
        if self.logits.ndim not in (3, 4):
            raise InputError(f"logits should have shape (B, H, W, C) or (H, W, C), they have {self.logits.shape}")
        super().__init__(self.logits.shape[:-3], self.logits.shape[-3:])
        if np.isnan(self.logits).any():
            raise InputError("logits should be numbers, there is a NaN among them")

    def _draw(self, seed: int, start: int, n: int, stream: int) -> Float32:
        logits = self.logits if self.batch_shape else np.broadcast_to(self.logits, (n, *self.event_shape))
        out = np.empty(logits.shape, np.float32)
        heads.sample(logits, out, seed, start, stream)
        return out

    def mean(self) -> Float32:
        """P(x = 1), in [0, 1], of shape batch_shape + event_shape."""
        out = np.empty_like(self.logits)
        heads.mean(self.logits, out)
        return out

    def mode(self) -> Float32:
        """1 where P(x = 1) >= 0.5, else 0, of shape batch_shape + event_shape."""
        out = np.empty_like(self.logits)
        heads.mode(self.logits, out)
        return out

    def variance(self) -> Float32:  # noqa: D102
        e = np.exp(-np.abs(self.logits))
        variance: Float32 = e / np.square(1 + e)  # p (1 - p), without 1 - p's rounding
        return variance

    def log_prob(self, value: npt.ArrayLike) -> Float64:
        """log p(value) in nats, also for grey pixels in [0, 1]: x log p + (1 - x) log (1 - p)."""
        x = self._value(value, np.float32)
        if not (x.min() >= 0 and x.max() <= 1):
            raise InputError("pixels should lie in [0, 1] to have a probability: use image.prepare")
        log_p0, log_p1 = _log_probs(self.logits)
        return _sum(_expectation(x, log_p1) + _expectation(1 - x, log_p0), 3)

    def entropy(self) -> Float64:  # noqa: D102
        log_p0, log_p1 = _log_probs(self.logits)
        return -_sum(_expectation(np.exp(log_p1), log_p1) + _expectation(np.exp(log_p0), log_p0), 3)

    def kl_divergence(self, other: Distribution) -> Float64:  # noqa: D102
        if not isinstance(other, Bernoulli):
            return super().kl_divergence(other)
        self._check_shapes(other)
        log_p0, log_p1 = _log_probs(self.logits.astype(np.float64))
        log_q0, log_q1 = _log_probs(other.logits.astype(np.float64))
        with np.errstate(invalid="ignore"):  # inf - inf, whose weight is 0
            ratio0, ratio1 = log_p0 - log_q0, log_p1 - log_q1
        each = _expectation(np.exp(log_p1), ratio1) + _expectation(np.exp(log_p0), ratio0)
        return _sum(np.maximum(each, 0.0), 3)  # where p and q all but agree, rounding leaves -1e-16


class Mixture(Distribution):
    """A prior of K normals: weights (K,), loc (K, L), scale_tril (K, L, L); batch_shape (), event_shape (L,).

    A component's covariance is T T', T = scale_tril being lower triangular with a positive diagonal. Draw i takes its
    component from Purpose.COMPONENT and its noise from Purpose.PRIOR.
    """

    def __init__(self, weights: npt.ArrayLike, loc: npt.ArrayLike, scale_tril: npt.ArrayLike) -> None:
        self.weights = _numbers("weights", weights, np.float64)
        self.loc, self.scale_tril = _numbers("loc", loc, np.float32), _numbers("scale_tril", scale_tril, np.float32)
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
        uniform = random.uniforms(seed, Purpose.COMPONENT, start, n, stream)
        k = self._cumulative.searchsorted(uniform, side="right")
        z = random.normals(seed, Purpose.PRIOR, start, n, self.event_shape[0], stream)
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
            constant = np.log(self.weights) - size * _LOG_2_PI / 2
        return np.ascontiguousarray(rows.T), constant - np.log(self._wide.diagonal(axis1=1, axis2=2)).sum(axis=1)


def _numbers(name: str, values: npt.ArrayLike, dtype: type[np.floating[Any]]) -> npt.NDArray[Any]:
    try:
        array = np.asarray(values)
        if array.dtype.kind not in "fiub":
            raise TypeError(f"dtype {array.dtype}")
    except (TypeError, ValueError) as error:
        raise InputError(f"{name} should be one array of real numbers, it is not: {error}") from error
    return array.astype(dtype, copy=False)


def _check_loc_scale(loc: Float32, scale: Float32) -> None:
    if not np.isfinite(loc).all():
        raise InputError("loc should be finite, there is a NaN or an infinity in it")
    if not (scale.min() >= 0 and np.isfinite(scale).all()):
        raise InputError("scale should be finite and >= 0, there is a NaN, an infinity or a negative number in it")


def _sum(terms: npt.NDArray[Any], axes: int) -> Float64:
    """The sum over the last `axes` axes, accumulated in float64."""
    flat = terms.reshape((*terms.shape[: terms.ndim - axes], -1))
    total: Float64 = np.asarray(flat.sum(axis=-1, dtype=np.float64))
    return total


def _log_probs(logits: npt.NDArray[Any]) -> tuple[npt.NDArray[Any], npt.NDArray[Any]]:
    """log (1 - p) and log p: -max(l, 0) - s and min(l, 0) - s, with s = log(1 + exp(-|l|))."""
    s = np.log1p(np.exp(-np.abs(logits)))
    return -np.maximum(logits, 0) - s, np.minimum(logits, 0) - s


def _expectation(p: npt.NDArray[Any], value: npt.NDArray[Any]) -> npt.NDArray[Any]:
    """p * value, and 0 where p is 0, also where value is infinite."""
    with np.errstate(invalid="ignore"):
        product: npt.NDArray[Any] = np.where(p > 0, p * value, p.dtype.type(0))
    return product
