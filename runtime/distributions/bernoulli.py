"""Independent pixels of 0 and 1."""

from __future__ import annotations

from types import MappingProxyType
from typing import Any

import numpy as np
import numpy.typing as npt

from vae_edge.runtime.distributions import heads
from vae_edge.runtime.distributions.base import Distribution, Float32, Float64, numbers, total
from vae_edge.runtime.errors import InputError

__all__ = ["Bernoulli"]


class Bernoulli(Distribution):
    """Independent pixels, 1 with probability sigmoid(logits), else 0: logits (B, H, W, C) or (H, W, C), also +-inf."""

    family = "bernoulli"
    roles = ("likelihood",)
    parameters = MappingProxyType({"logits": "real"})
    spellings = MappingProxyType({"probs": ("logits", "logit")})
    tfp = MappingProxyType({"Bernoulli": {"logits": "logits"}})
    is_discrete = True

    def __init__(self, logits: npt.ArrayLike) -> None:
        self.logits = numbers("logits", logits, np.float32)
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
        return total(_expectation(x, log_p1) + _expectation(1 - x, log_p0), 3)

    def entropy(self) -> Float64:  # noqa: D102
        log_p0, log_p1 = _log_probs(self.logits)
        return -total(_expectation(np.exp(log_p1), log_p1) + _expectation(np.exp(log_p0), log_p0), 3)

    def kl_divergence(self, other: Distribution) -> Float64:  # noqa: D102
        if not isinstance(other, Bernoulli):
            return super().kl_divergence(other)
        self._check_shapes(other)
        log_p0, log_p1 = _log_probs(self.logits.astype(np.float64))
        log_q0, log_q1 = _log_probs(other.logits.astype(np.float64))
        with np.errstate(invalid="ignore"):  # inf - inf, whose weight is 0
            ratio0, ratio1 = log_p0 - log_q0, log_p1 - log_q1
        each = _expectation(np.exp(log_p1), ratio1) + _expectation(np.exp(log_p0), ratio0)
        return total(np.maximum(each, 0.0), 3)  # where p and q all but agree, rounding leaves -1e-16


def _log_probs(logits: npt.NDArray[Any]) -> tuple[npt.NDArray[Any], npt.NDArray[Any]]:
    """log (1 - p) and log p: -max(l, 0) - s and min(l, 0) - s, with s = log(1 + exp(-|l|))."""
    s = np.log1p(np.exp(-np.abs(logits)))
    return -np.maximum(logits, 0) - s, np.minimum(logits, 0) - s


def _expectation(p: npt.NDArray[Any], value: npt.NDArray[Any]) -> npt.NDArray[Any]:
    """p * value, and 0 where p is 0, also where value is infinite."""
    with np.errstate(invalid="ignore"):
        product: npt.NDArray[Any] = np.where(p > 0, p * value, p.dtype.type(0))
    return product
