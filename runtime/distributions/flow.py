"""Normalizing flows, as priors: noise through a graph, and back through another."""

from __future__ import annotations

import math
from collections.abc import Callable
from types import MappingProxyType
from typing import Any

import numpy as np
import numpy.typing as npt

from vae_edge.runtime import noise
from vae_edge.runtime.distributions.base import LOG_2_PI, Distribution, Float32, Float64
from vae_edge.runtime.noise import Purpose

__all__ = ["Flow"]

Rows = npt.NDArray[Any] | None
Forward = Callable[[Float32, Rows], Float32]
Inverse = Callable[[Float32, Rows], tuple[Float32, Float32]]

AT_ONCE = 256  # vectors of one run of a graph


class Flow(Distribution):
    """A prior z = f(eps) of standard normal noise (Dinh et al. 2017); batch_shape () or (B,), event_shape (L,).

    `forward` maps noise (n, L) to z (n, L), and `inverse` z (n, L) to the noise (n, L) and log |det d eps / d z| (n,),
    all float32; both are also given the condition of each vector, or None. `size` is L. `condition` has one row for all
    vectors, or with `is_batch` one for each of B. `at_once` bounds the vectors of a call. `temperature`, a float32 > 0,
    is the noise's standard deviation. Draw i takes its noise from Purpose.PRIOR, as a draw of a standard normal prior.
    """

    family = "flow"
    roles = ("prior",)
    parameters = MappingProxyType({"sample": "real", "noise": "real", "log_det": "real"})

    def __init__(
        self,
        forward: Forward,
        inverse: Inverse,
        size: int,
        *,
        condition: Rows = None,
        is_batch: bool = False,
        at_once: int = AT_ONCE,
        temperature: float = 1.0,
    ) -> None:
        super().__init__((len(condition),) if is_batch and condition is not None else (), (size,))
        self._forward, self._inverse = forward, inverse
        self._condition, self._at_once = condition, at_once
        self._temperature = np.float32(temperature)

    @classmethod
    def prior_shapes(cls, event_shape: tuple[int, ...]) -> dict[str, tuple[int, ...]]:
        """The shapes, without the batch, of what the two graphs give: z, the noise, and the log-determinant."""
        return {"sample": event_shape, "noise": event_shape, "log_det": ()}

    def _write_sample(self, out: Float32, seed: int, start: int, stream: int) -> None:
        """z = f(T eps), T the temperature."""
        for at in range(0, len(out), self._at_once):
            part = out[at : at + self._at_once]
            eps = noise.normals(seed, Purpose.PRIOR, start + at, len(part), part.shape[1], stream)
            part[:] = self._forward(eps * self._temperature, self._rows(at, len(part)))

    def log_prob(self, value: npt.ArrayLike) -> Float64:  # noqa: D102
        x = self._value(value, np.float32)
        shape = np.broadcast_shapes(x.shape, self.batch_shape + self.event_shape)
        flat = np.ascontiguousarray(np.broadcast_to(x, shape).reshape(-1, *self.event_shape))
        out = np.empty(len(flat))
        for at in range(0, len(flat), self._at_once):
            part = flat[at : at + self._at_once]
            eps, log_det = self._inverse(part, self._rows(at, len(part)))
            # log p(z) = log N(T eps; 0, T^2) + log |det d (T eps) / d z|
            scale = float(self._temperature)
            squares = np.square(eps / scale, dtype=np.float64).sum(axis=1)
            out[at : at + self._at_once] = log_det - squares / 2 - part.shape[1] * (LOG_2_PI / 2 + math.log(scale))
        return out.reshape(shape[:-1])

    def _rows(self, at: int, n: int) -> Rows:
        """The conditions of vectors at to at + n; member i of the batch is vector i of each place."""
        condition = self._condition
        return None if condition is None else condition[np.arange(at, at + n) % len(condition)]
