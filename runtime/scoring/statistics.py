"""What the two graphs and the prior say of events: one number each for every event, and a map of surprise."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from vae_edge.runtime import noise
from vae_edge.runtime.bundle.manifest import Image
from vae_edge.runtime.distributions.base import LOG_2_PI, Distribution
from vae_edge.runtime.distributions.deterministic import Deterministic
from vae_edge.runtime.distributions.flow import Flow
from vae_edge.runtime.distributions.mixture import Mixture
from vae_edge.runtime.distributions.multivariate_normal import MultivariateNormalTriL
from vae_edge.runtime.distributions.normal import Normal
from vae_edge.runtime.distributions.registry import NO_PRIOR
from vae_edge.runtime.errors import InputError
from vae_edge.runtime.model import Model
from vae_edge.runtime.noise import Purpose
from vae_edge.runtime.scoring import densities

__all__ = ["STATISTICS", "Meter", "Statistics"]

Array = npt.NDArray[Any]
Float32 = npt.NDArray[np.float32]
Float64 = npt.NDArray[np.float64]

# Name -> what it is, in nats where nothing else is said. z_1 .. z_K are draws of q(z|x), z* is its mean.
STATISTICS = {
    "log_evidence": "log p(x), the importance-weighted bound of K draws: log mean_k p(x|z_k) p(z_k) / q(z_k|x)",
    "spread": "the standard deviation of log p(x|z_k) p(z_k) / q(z_k|x) over the draws",
    "reconstruction": "the mean of log p(x|z_k)",
    "kl": "the mean of log q(z_k|x) - log p(z_k), an estimate of KL(q(z|x) || p(z))",
    "log_prior": "the mean of log p(z_k)",
    "entropy": "the entropy of q(z|x)",
    "distance": "how far z* lies from the prior: sqrt(2 (log p at its highest - log p(z*))), a number of scales",
    "misfit": "the sum of the surprise over the event",
    "worst_region": "the largest mean surprise of a region: a seventh of the image by a seventh, or a column",
    "bias": "the mean of the residuals r = sign(x - y) sqrt(2 surprise), y the mode of p(x|z*)",
    "texture": "the correlation of residuals r beside each other in the image: what is left over has a shape",
    "cycle": "KL(q(z|x) || q(z|y)) of the reconstruction y, p(x|z*)'s mode; without a density |z* - z of y|^2",
}
REGIONS = 7  # across an image


@dataclass(frozen=True)
class Statistics:
    """Of B events: `values` by name, float64 (B,); `surprise` float32 (B, *event_shape); `codes` float32 (B, L)."""

    values: dict[str, Float64]
    surprise: Float32
    codes: Float32


class Meter:
    """Measures the statistics that a model has: all of STATISTICS with a prior and a posterior that is no point."""

    def __init__(self, model: Model) -> None:
        self._model, self._shape = model, model.event.shape
        self._log_prior: Callable[[Float32, Array | None], Float64] | None = None
        if model.bundle.manifest.prior.family != NO_PRIOR:
            self._log_prior, self._distance = densities.prior_of(model), _distance_of(model)

    @property
    def names(self) -> tuple[str, ...]:
        """The statistics that there are of this model, in the order of STATISTICS."""
        manifest = self._model.bundle.manifest
        absent = {"texture"} if len(self._shape) == 1 else set()
        is_point = manifest.posterior.family == Deterministic.family
        if is_point:
            absent |= {"entropy", "log_evidence", "spread", "kl"}
        if self._log_prior is None:
            absent |= {"log_prior", "distance", "log_evidence", "spread", "kl"}
        return tuple(name for name in STATISTICS if name not in absent)

    def bound(self, checked: Array, condition: Array | None) -> Float64:
        """log p(x|z*) + log p(z*) + the entropy of q(z|x), of each event, (B,); terms that there are not left out.

        -inf of an event that a graph gives no distribution for.
        """
        try:
            return self._bound(checked, condition)
        except InputError:
            n = len(checked)
            if n == 1:
                return np.full(1, -np.inf)
            parts = (slice(0, n // 2), slice(n // 2, n))
            return np.concatenate(
                [self.bound(checked[part], None if condition is None else condition[part]) for part in parts]
            )

    def _bound(self, checked: Array, condition: Array | None) -> Float64:
        q = self._model.encode(checked, condition)
        codes, n = np.ascontiguousarray(q.mean()), len(checked)
        found = np.zeros(n) if isinstance(q, Deterministic) else q.entropy().copy()
        if self._log_prior is not None:
            found += self._log_prior(codes, condition)

        def work(part: slice) -> None:
            likelihood = densities.likelihood(self._model, self._model.convert(checked[part]))
            given = None if condition is None else condition[part]
            for rows, outputs in self._model.decode_part(codes[part], given):
                found[part.start + rows.start : part.start + rows.stop] += likelihood(outputs)

        self._model.each_part(n, 1, work)
        return found

    def measure(self, checked: Array, condition: Array | None, draws: int, seed: int) -> Statistics:
        """The statistics of events that `events.check` gave, with the conditions of `conditions.check`.

        All events share their noise: draw k of each is draw 0 of stream k, so that what an event gets does not depend
        on where it stands. An event so far off that a graph gives no distribution has NaN for statistics and codes, and
        a surprise of inf: it is no error, since to find such events is what scores are for.
        """
        try:
            return self._measure(checked, condition, draws, seed)
        except InputError:
            n = len(checked)
            if n == 1:
                return self._beyond()
            halves = [
                self.measure(checked[part], None if condition is None else condition[part], draws, seed)
                for part in (slice(0, n // 2), slice(n // 2, n))
            ]
            return Statistics(
                {name: np.concatenate([half.values[name] for half in halves]) for name in halves[0].values},
                np.concatenate([half.surprise for half in halves]),
                np.concatenate([half.codes for half in halves]),
            )

    def _beyond(self) -> Statistics:
        size = self._model.bundle.manifest.latent_size
        nothing = {name: np.full(1, np.nan) for name in self.names}
        surprise = np.full((1, *self._shape), np.inf, np.float32)
        return Statistics(nothing, surprise, np.full((1, size), np.nan, np.float32))

    def _measure(self, checked: Array, condition: Array | None, draws: int, seed: int) -> Statistics:
        q = self._model.encode(checked, condition)
        draw = _sampler(q, draws, seed, self._model.bundle.manifest.latent_size)
        x = self._model.convert(checked)
        n, codes = len(checked), np.ascontiguousarray(q.mean())
        each: dict[str, Float64] = {}
        surprise = np.empty((n, *self._shape), np.float32)
        again = np.empty((n, *self._shape), np.float32)

        def work(part: slice) -> None:
            given = None if condition is None else condition[part]
            z, log_q = draw(part)
            found = self._of_draws(x[part], z, log_q, given)
            for name, values in found.items():
                each.setdefault(name, np.empty(n))[part] = values

        def reconstruct(part: slice) -> None:
            given = None if condition is None else condition[part]
            for rows, outputs in self._model.decode_part(codes[part], given):
                here = slice(part.start + rows.start, part.start + rows.stop)
                again[here], surprise[here] = densities.surprise(self._model.likelihood(outputs), x[here])

        self._model.each_part(n, draws, work)
        self._model.each_part(n, 1, reconstruct)
        if not isinstance(q, Deterministic):
            each["entropy"] = q.entropy()
        if self._log_prior is not None:
            each["distance"] = self._distance(codes, condition)
        each["misfit"] = surprise.reshape(n, -1).sum(axis=1, dtype=np.float64)
        each["worst_region"] = _worst_region(surprise)
        each |= _residual(x, again, surprise)
        if isinstance(self._model.event, Image):
            np.clip(again, 0, 1, out=again)
        each["cycle"] = _apart(q, self._model.encode(again, condition))
        return Statistics({name: each[name] for name in STATISTICS if name in each}, surprise, codes)

    def _of_draws(self, x: Float32, z: Float32, log_q: Float64 | None, given: Array | None) -> dict[str, Float64]:
        """Statistics of draws z (K * B, L), draw k of event i at k * B + i, and their log q(z|x), None of a point."""
        b = len(x)
        likelihood = densities.likelihood(self._model, x)
        repeated = None if given is None else np.concatenate([given] * (len(z) // b))
        parts = [likelihood(outputs) for _, outputs in self._model.decode_part(z, repeated)]
        log_x = np.concatenate(parts).reshape(-1, b)
        found = {"reconstruction": log_x.mean(axis=0)}
        if self._log_prior is None:
            return found
        log_p = self._log_prior(z, given).reshape(-1, b)
        found["log_prior"] = log_p.mean(axis=0)
        if log_q is None:
            return found
        log_q = log_q.reshape(-1, b)
        # log w_k = log p(x|z_k) + log p(z_k) - log q(z_k|x); log mean_k w_k relative to the largest
        log_w = log_x + log_p - log_q
        top = log_w.max(axis=0)
        found["log_evidence"] = top + np.log(np.exp(log_w - top).mean(axis=0))
        found["spread"] = log_w.std(axis=0)
        found["kl"] = (log_q - log_p).mean(axis=0)
        return found


def _sampler(q: Distribution, draws: int, seed: int, size: int) -> Callable[[slice], tuple[Float32, Float64 | None]]:
    """A function from a part of the batch to its draws z (K * B, L) and their log q(z|x), (K * B,)."""
    if isinstance(q, Deterministic):
        return lambda part: (np.ascontiguousarray(q.loc[part]), None)
    eps = np.stack([noise.normals(seed, Purpose.POSTERIOR, 0, 1, size, stream) for stream in range(draws)])
    squares = np.square(eps, dtype=np.float64).sum(axis=2)  # (K, 1)
    constant = -squares / 2 - size * LOG_2_PI / 2
    if isinstance(q, MultivariateNormalTriL):
        tril = q.scale_tril
        logs = np.log(tril.diagonal(axis1=1, axis2=2).astype(np.float64)).sum(axis=1)

        def product(part: slice) -> Float32:
            moved: Float32 = np.einsum("bij,kj->kbi", tril[part], eps[:, 0])
            return moved

    else:
        assert isinstance(q, Normal)
        scale = q.scale
        logs = np.log(scale, dtype=np.float64).sum(axis=1)

        def product(part: slice) -> Float32:
            moved: Float32 = scale[part] * eps
            return moved

    loc = q.loc

    def draw(part: slice) -> tuple[Float32, Float64]:
        # z = m + T eps; log q(z|x) = -|eps|^2 / 2 - log |T| - L log(2 pi) / 2
        z = product(part)
        z += loc[part]
        return z.reshape(-1, size), (constant - logs[part]).reshape(-1)

    return draw


def _distance_of(model: Model) -> Callable[[Float32, Array | None], Float64]:
    """A function from codes (B, L) and their conditions to how far they lie out: sqrt(2 (highest log p - log p(z))).

    Of a flow it is the distance of the noise: |f^-1(z)|.
    """
    prior = model.prior
    if model.bundle.manifest.prior.family == Flow.family:
        return lambda z, rows: np.sqrt(np.square(prior.graphs.inverse(z, rows)[0], dtype=np.float64).sum(axis=1))
    highest = _highest(prior.mixture if prior.is_conditional else prior.alone())

    def distance(z: Float32, rows: Array | None) -> Float64:
        top = highest[prior.places(rows)] if prior.is_conditional and rows is not None else highest
        below: Float64 = top - prior.given(rows).log_prob(z)
        result: Float64 = np.sqrt(2 * np.maximum(below, 0))
        return result

    return distance


def _highest(prior: Distribution) -> Float64:
    """log p(z) at its highest, () or (B,): of a mixture, at the best of its components' means."""
    means = prior.loc if isinstance(prior, Mixture) else prior.mean()[None]
    if prior.batch_shape:
        means = means[:, None]
    highest: Float64 = prior.log_prob(means).max(axis=0)
    return highest


def _worst_region(surprise: Float32) -> Float64:
    """The largest mean over regions of (B, H, W, C), or the largest column of (B, size); (B,)."""
    if surprise.ndim == 2:
        column: Float64 = surprise.max(axis=1).astype(np.float64)
        return column
    flat = surprise.mean(axis=3, dtype=np.float64)
    sides = [max(1, round(size / REGIONS)) for size in flat.shape[1:]]
    for axis, side in enumerate(sides, 1):
        sums = np.cumsum(np.insert(flat, 0, 0, axis=axis), axis=axis)
        count = sums.shape[axis]
        flat = np.take(sums, range(side, count), axis) - np.take(sums, range(count - side), axis)
    largest: Float64 = flat.max(axis=(1, 2)) / math.prod(sides)
    return largest


def _residual(x: Float32, y: Float32, surprise: Float32) -> dict[str, Float64]:
    """The bias of the residuals, and of images (B, H, W, C) their texture; 0 where nothing is left over."""
    r = np.sqrt(2 * surprise)
    np.copysign(r, x - y, out=r)
    found = {"bias": r.reshape(len(r), -1).mean(axis=1, dtype=np.float64)}
    if r.ndim == 4:
        own = np.square(r).sum(axis=(1, 2, 3), dtype=np.float64)
        beside = np.einsum("bhwc,bhwc->b", r[:, 1:], r[:, :-1]) + np.einsum("bhwc,bhwc->b", r[:, :, 1:], r[:, :, :-1])
        found["texture"] = np.divide(beside, 2 * own, out=np.zeros(len(r)), where=own > 0)
    return found


def _apart(q: Distribution, other: Distribution) -> Float64:
    """KL(q || other) in nats; of points the squared distance."""
    if isinstance(q, Deterministic):
        squares: Float64 = np.square(q.mean() - other.mean(), dtype=np.float64).sum(axis=1)
        return squares
    return q.kl_divergence(other)
