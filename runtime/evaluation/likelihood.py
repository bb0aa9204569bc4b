"""How likely events are under a bundle's model: the ELBO and the importance-weighted bound, in nats an event."""

from __future__ import annotations

import math
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor, as_completed
from typing import Any

import numpy as np
import numpy.typing as npt

from vae_edge.runtime import conditions, noise
from vae_edge.runtime.bundle.manifest import Manifest
from vae_edge.runtime.conditions import Label
from vae_edge.runtime.distributions import Normal
from vae_edge.runtime.distributions.base import Distribution
from vae_edge.runtime.distributions.deterministic import Deterministic
from vae_edge.runtime.distributions.registry import NO_PRIOR
from vae_edge.runtime.errors import InputError
from vae_edge.runtime.events import check
from vae_edge.runtime.model import BATCH_SIZE
from vae_edge.runtime.noise import Purpose
from vae_edge.runtime.scoring import densities
from vae_edge.runtime.session import PROVIDERS, Session
from vae_edge.runtime.vae import VAE

__all__ = ["ACTIVE", "active_units", "elbo", "has_bound", "nll"]

Float32 = npt.NDArray[np.float32]
Float64 = npt.NDArray[np.float64]

ACTIVE = 0.01


def has_bound(manifest: Manifest) -> bool:
    """Whether a bundle has an ELBO: a posterior with a density, and a prior."""
    return manifest.posterior.family != Deterministic.family and manifest.prior.family != NO_PRIOR


def elbo(
    vae: VAE,
    events: npt.ArrayLike,
    *,
    label: Label | None = None,
    condition: npt.ArrayLike | None = None,
    seed: int = 0,
    batch_size: int = BATCH_SIZE,
    progress: Callable[[int], None] | None = None,
) -> tuple[Float64, Float64]:
    """E_q[log p(x|z)] and KL(q || p), each (n,): their difference is the ELBO, a lower bound on log p(x).

    Both are float64, in nats, by one sample of z an event (Kingma & Welling 2014). The KL is exact for a normal prior;
    for a mixture it is log q(z) - log p(z) of the same sample; for an autoencoder, which has no q or no p, it is NaN.
    `progress` is called with the number of events done since the last call. Raises InputError.
    """
    reconstruction, kl = [], []
    bound = has_bound(vae.manifest)
    for x, q, start, given in _batches(vae, events, label, condition, seed, batch_size):
        if not bound:
            z, divergence = q.mean(), np.full(len(x), np.nan)
        else:
            prior = vae.model.prior.given(given)
            z, log_q = _sampler(q, seed, start)(range(1))
            divergence = q.kl_divergence(prior) if isinstance(prior, Normal) else log_q - prior.log_prob(z)
        reconstruction.append(vae.model.decode(z, given).log_prob(x))
        kl.append(divergence)
        if progress is not None:
            progress(len(x))
    return np.concatenate(reconstruction), np.concatenate(kl)


def nll(
    vae: VAE,
    events: npt.ArrayLike,
    samples: int,
    *,
    label: Label | None = None,
    condition: npt.ArrayLike | None = None,
    seed: int = 0,
    members: int | None = None,
    batch_size: int = BATCH_SIZE,
    progress: Callable[[int], None] | None = None,
) -> Float64:
    """An upper bound on -log p(x) by importance weighting (Burda et al. 2016), (n,): the tighter, the more samples.

    float64, in nats. Sample k of event i is draw i of stream k. Memory does not grow with `samples`; `progress` is
    called with the number of samples drawn since the last call, n * samples in all. On CPUs each thread takes events of
    its own, from noise to sum, and all share one decoder session. With `members` M it is a bound on -log 1/M sum_m
    p_m(x), the mean of what members 0 to M - 1 make of the same samples; n * samples * M are decoded. Raises
    InputError, also for a model without a bound.
    """
    if samples < 1:
        raise InputError(f"samples should be positive, it is {samples}")
    if batch_size < 1:
        raise InputError(f"batch_size should be positive, it is {batch_size}")
    vae.model.prior.expect()
    log_p = None if vae.model.prior.is_conditional else densities.prior(vae.prior)
    if not has_bound(vae.manifest):
        raise InputError(f"{vae.manifest.name!r} has a posterior without a density: there is no bound on log p(x)")
    noise.check_seed(seed)
    checked = check(events, vae.manifest.event)
    rows = conditions.check(vae.manifest.condition, label, condition, len(checked))
    decoder, workers = _decoder(vae)
    decoders = [decoder] if members is None else [vae.model.members.session(member) for member in range(members)]
    rounds = math.ceil(len(checked) / batch_size / workers)
    parts = [part for part in np.array_split(np.arange(len(checked)), rounds * workers) if len(part)]
    out, counting, stop = np.empty(len(checked)), threading.Lock(), threading.Event()

    def bound(part: npt.NDArray[np.intp]) -> None:
        here = slice(part[0], part[-1] + 1)
        x, given = vae.model.convert(checked[here]), None if rows is None else rows[here]
        draw, likelihood = _sampler(vae.model.encode(x, given), seed, int(part[0])), densities.likelihood(vae.model, x)
        prior = densities.prior(vae.model.prior.given(given)) if log_p is None else log_p
        # log 1/K sum_k w_k with log w = log p(x|z) + log p(z) - log q(z|x): the sum runs relative to the largest so far
        top, total = np.full(len(x), -np.inf), np.zeros(len(x))
        at_once = max(1, batch_size // len(x))  # few images take several samples each to fill a batch
        for first in range(0, samples, at_once):
            if stop.is_set():
                return
            streams = range(first, min(first + at_once, samples))
            z, log_q = draw(streams)
            repeated = None if given is None else np.concatenate([given] * len(streams))
            rest = prior(z) - log_q
            for each in decoders:
                log_w = (likelihood(each.run(z, repeated)) + rest).reshape(-1, len(x))
                higher = np.maximum(top, log_w.max(axis=0))
                total = total * np.exp(top - higher) + np.exp(log_w - higher).sum(axis=0)
                top = higher
                if progress is not None:
                    with counting:
                        progress(len(z))
        out[part] = math.log(samples * len(decoders)) - np.log(total) - top

    with ThreadPoolExecutor(workers) as pool:
        try:
            for future in as_completed([pool.submit(bound, part) for part in parts]):
                future.result()
        except BaseException:  # the first failure stops the other threads, and so does Ctrl-C
            stop.set()
            raise
    return out


def active_units(loc: npt.NDArray[np.floating]) -> int:
    """How many latent units are active, Var_x(E[z|x]) > 0.01 (Burda et al. 2016); `loc` (n, L) are the means."""
    return int(np.count_nonzero(loc.astype(np.float64).var(axis=0) > ACTIVE))


def _decoder(vae: VAE) -> tuple[Session, int]:
    """The decoder's session to draw samples through, and how many threads may use it at once."""
    if vae.provider != PROVIDERS["cpu"]:
        return vae.model.decoder, 1
    graph, outputs = vae.manifest.decoder, tuple(vae.manifest.likelihood.outputs.values())
    return Session("decoder", vae.bundle[graph.file], graph, outputs, provider=vae.provider, threads=1), vae.threads


def _batches(
    vae: VAE,
    events: npt.ArrayLike,
    label: Label | None,
    condition: npt.ArrayLike | None,
    seed: int,
    batch_size: int,
) -> Iterator[tuple[Float32, Distribution, int, npt.NDArray[Any] | None]]:
    """Prepared events, q(z|x), the index of the first, and their conditions, batch by batch."""
    noise.check_seed(seed)
    if batch_size < 1:
        raise InputError(f"batch_size should be positive, it is {batch_size}")
    checked = check(events, vae.manifest.event)
    rows = conditions.check(vae.manifest.condition, label, condition, len(checked))
    for at in range(0, len(checked), batch_size):
        here = slice(at, at + batch_size)
        x, given = vae.model.convert(checked[here]), None if rows is None else rows[here]
        yield x, vae.model.encode(x, given), at, given


def _sampler(q: Distribution, seed: int, start: int) -> Callable[[range], tuple[Float32, Float64]]:
    """A function from K streams to the draws z (K * B, L) of `q.sample` and their log q(z|x) (K * B,)."""
    if not isinstance(q, Normal):
        return lambda streams: _drawn(q, seed, start, streams)
    count, size = q.loc.shape
    # log q = -sum (eps^2 / 2 + log scale + log(2 pi) / 2)
    constant = -np.log(q.scale).sum(axis=1, dtype=np.float64) - size * math.log(2 * math.pi) / 2

    def draw(streams: range) -> tuple[Float32, Float64]:
        eps = np.empty((len(streams), count, size), np.float32)
        for place, stream in enumerate(streams):
            eps[place] = noise.normals(seed, Purpose.POSTERIOR, start, count, size, stream)
        log_q = constant - np.einsum("kbl,kbl->kb", eps, eps) / 2
        eps *= q.scale
        eps += q.loc
        return eps.reshape(-1, size), log_q.reshape(-1)

    return draw


def _drawn(q: Distribution, seed: int, start: int, streams: range) -> tuple[Float32, Float64]:
    z = np.stack([q.sample(seed=seed, start=start, stream=stream) for stream in streams])
    return z.reshape(-1, z.shape[-1]), q.log_prob(z).reshape(-1)
