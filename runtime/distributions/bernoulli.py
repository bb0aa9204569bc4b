"""Independent pixels of 0 and 1."""

from __future__ import annotations

import math
from collections.abc import Mapping
from types import MappingProxyType
from typing import Any, Self

import numpy as np
import numpy.typing as npt

from vae_edge.runtime import noise
from vae_edge.runtime.distributions.base import Distribution, Float32, Float64, check_finite, owned, total
from vae_edge.runtime.distributions.blocks import blocks
from vae_edge.runtime.errors import InputError
from vae_edge.runtime.noise import Purpose

__all__ = ["Bernoulli"]


class Bernoulli(Distribution):
    """Independent pixels, 1 with probability sigmoid(logits), else 0: logits (B, H, W, C) or (H, W, C), also +-inf."""

    family = "bernoulli"
    roles = ("likelihood",)
    parameters = MappingProxyType({"logits": "real"})
    spellings = MappingProxyType({"probs": ("logits", "logit")})
    tfp = MappingProxyType({"Bernoulli": {"logits": "logits"}})
    is_discrete = True
    writes_in_place = True

    def __init__(self, logits: npt.ArrayLike) -> None:
        array = owned("logits", logits)
        if array.ndim not in (3, 4):
            raise InputError(f"logits should have shape (B, H, W, C) or (H, W, C), they have {array.shape}")
        super().__init__(array.shape[:-3], array.shape[-3:])
        self.logits: Float32 = array
        if np.isnan(array.max()):
            raise InputError("logits should be numbers, there is a NaN among them")

    @classmethod
    def from_parameters(  # noqa: D102 - documented in the base class, as below
        cls,
        parameters: Mapping[str, Float32],
        settings: Mapping[str, float],
        event_shape: tuple[int, ...],
        purpose: Purpose,
    ) -> Self:
        self = cls.__new__(cls)
        logits = parameters["logits"]
        check_finite("logits", logits)  # an infinity of a graph is an overflow, as of float16, and not a certain pixel
        if logits.shape[1:] != event_shape:
            logits = cls._spread(parameters, settings, event_shape)["logits"]
        self.batch_shape, self.event_shape, self.logits = logits.shape[: -len(event_shape)], event_shape, logits
        return self

    def _write_sample(self, out: Float32, seed: int, start: int, stream: int) -> None:
        """A pixel is 1 where its 16-bit word w has (w + 1/2) / 2**16 < p: a bias of at most 2**-17.

        p = 0 and p = 1 are exact. The logits of both sides are compared, from a table of 2**16 logits: without an exp,
        a pixel does not depend on a platform's libm.
        """
        logits = self.logits if self.logits.shape == out.shape else np.broadcast_to(self.logits, out.shape)
        table = noise.logistic_quantiles()
        size = math.prod(self.event_shape)
        for rows in blocks(len(out), size):
            part = logits[rows]
            raw = noise.words16(seed, Purpose.PIXEL, start + rows.start, len(part), size, stream)
            below = table.take(raw, mode="wrap").reshape(part.shape)  # "wrap" checks no index
            np.less(below, part, out=out[rows], casting="unsafe")

    def _write_mean(self, out: Float32) -> None:
        np.negative(self.logits, out=out)  # p = 1 / (1 + exp(-logits))
        with np.errstate(over="ignore"):  # exp(89) is inf, and 1 / inf is the p = 0 that is meant
            np.exp(out, out=out)
        out += np.float32(1)
        np.reciprocal(out, out=out)

    def _write_mode(self, out: Float32) -> None:
        np.greater_equal(self.logits, 0, out=out, casting="unsafe")  # 1 where p >= 0.5

    def variance(self) -> Float32:  # noqa: D102
        e = np.exp(-np.abs(self.logits))
        variance: Float32 = e / np.square(1 + e)  # p (1 - p), without 1 - p's rounding
        return variance

    def log_prob(self, value: npt.ArrayLike) -> Float64:
        """log p(value) = x log p + (1 - x) log (1 - p) in nats, also for grey pixels x in [0, 1].

        float64 of shape (sample_shape +) batch_shape. Raises InputError for pixels outside [0, 1].
        """
        return total(self._elements(value), len(self.event_shape))

    def elementwise_log_prob(self, value: npt.ArrayLike) -> Float64:  # noqa: D102
        return self._elements(value).astype(np.float64)

    def _elements(self, value: npt.ArrayLike) -> Float32:
        x = self._value(value, np.float32)
        if not (x.min(initial=0) >= 0 and x.max(initial=0) <= 1):
            raise InputError("pixels should lie in [0, 1] to have a probability: use VAE.prepare")
        log_p0, log_p1 = _log_probs(self.logits)
        elements: Float32 = _expectation(x, log_p1) + _expectation(1 - x, log_p0)
        return elements

    def entropy(self) -> Float64:  # noqa: D102
        log_p0, log_p1 = _log_probs(self.logits)
        each = _expectation(np.exp(log_p1), -log_p1) + _expectation(np.exp(log_p0), -log_p0)
        return total(each, len(self.event_shape))

    def kl_divergence(self, other: Distribution) -> Float64:  # noqa: D102
        if not isinstance(other, Bernoulli):
            return super().kl_divergence(other)
        self._check_shapes(other)
        log_p0, log_p1 = _log_probs(self.logits.astype(np.float64))
        log_q0, log_q1 = _log_probs(other.logits.astype(np.float64))
        with np.errstate(invalid="ignore"):  # inf - inf, whose weight is 0
            ratio0, ratio1 = log_p0 - log_q0, log_p1 - log_q1
        each = _expectation(np.exp(log_p1), ratio1) + _expectation(np.exp(log_p0), ratio0)
        # where p and q all but agree, rounding leaves -1e-16
        return total(np.maximum(each, 0.0), len(self.event_shape))


def _log_probs(logits: npt.NDArray[Any]) -> tuple[npt.NDArray[Any], npt.NDArray[Any]]:
    """log (1 - p) and log p: -max(l, 0) - s and min(l, 0) - s, with s = log(1 + exp(-|l|))."""
    s = np.log1p(np.exp(-np.abs(logits)))
    return -np.maximum(logits, 0) - s, np.minimum(logits, 0) - s


def _expectation(p: npt.NDArray[Any], value: npt.NDArray[Any]) -> npt.NDArray[Any]:
    """p * value; 0 where p is 0, even where `value` is infinite."""
    with np.errstate(invalid="ignore"):
        product: npt.NDArray[Any] = np.where(p > 0, p * value, p.dtype.type(0))
    return product
