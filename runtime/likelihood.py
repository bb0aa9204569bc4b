"""How likely images are under a bundle's model, in nats per image, from its two graphs alone."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator

import numpy as np
import numpy.typing as npt

from vae_edge.runtime import image, random
from vae_edge.runtime.distributions import Bernoulli, Normal
from vae_edge.runtime.errors import InputError
from vae_edge.runtime.random import Purpose
from vae_edge.runtime.vae import BATCH_SIZE, VAE

__all__ = ["elbo", "nll"]

Float32 = npt.NDArray[np.float32]
Float64 = npt.NDArray[np.float64]


def elbo(vae: VAE, images: npt.ArrayLike, *, seed: int = 0, batch_size: int = BATCH_SIZE) -> tuple[Float64, Float64]:
    """E_q[log p(x|z)] and KL(q || p), each (n,): their difference is the ELBO, a lower bound on log p(x).

    One sample of z an image. The KL is exact for a normal prior; for a mixture it is log q(z) - log p(z) of the same
    sample; for an autoencoder, which has neither q nor p, it is NaN (Kingma & Welling 2014).
    """
    reconstruction, kl = [], []
    prior = None if vae.manifest.prior.kind == "none" else vae.prior
    for x, q, start in _batches(vae, images, seed, batch_size):
        if prior is None:
            z, divergence = q.loc, np.full(len(x), np.nan)
        else:
            z, log_q = _posterior_sample(q, seed, start, stream=0)
            divergence = q.kl_divergence(prior) if isinstance(prior, Normal) else log_q - prior.log_prob(z)
        reconstruction.append(_log_likelihood(vae, x, z))
        kl.append(divergence)
    return np.concatenate(reconstruction), np.concatenate(kl)


def nll(
    vae: VAE,
    images: npt.ArrayLike,
    samples: int,
    *,
    seed: int = 0,
    batch_size: int = BATCH_SIZE,
    progress: Callable[[int], None] | None = None,
) -> Float64:
    """An upper bound on -log p(x) by importance weighting (Burda et al. 2016), (n,): the tighter, the more samples.

    Sample k of image i is draw i of stream k. Memory does not grow with `samples`; `progress` is told how many were
    drawn since it was last called, n * samples in all.
    """
    if samples < 1:
        raise InputError(f"samples should be positive, it is {samples}")
    prior = vae.prior  # an autoencoder has none, and says so
    bounds = []
    for x, q, start in _batches(vae, images, seed, batch_size):
        # log 1/K sum_k w_k with log w = log p(x|z) + log p(z) - log q(z|x): the sum runs relative to the largest so far
        top, total = np.full(len(x), -np.inf), np.zeros(len(x))
        for k in range(samples):
            z, log_q = _posterior_sample(q, seed, start, stream=k)
            log_w = _log_likelihood(vae, x, z) + prior.log_prob(z) - log_q
            higher = np.maximum(top, log_w)
            total = total * np.exp(top - higher) + np.exp(log_w - higher)
            top = higher
            if progress is not None:
                progress(len(x))
        bounds.append(math.log(samples) - np.log(total) - top)
    return np.concatenate(bounds)


def _batches(vae: VAE, images: npt.ArrayLike, seed: int, batch_size: int) -> Iterator[tuple[Float32, Normal, int]]:
    """Prepared images, q(z|x) and the index of the first, batch by batch."""
    random.check_seed(seed)
    if batch_size < 1:
        raise InputError(f"batch_size should be positive, it is {batch_size}")
    checked = image.check(images, vae.manifest.image)
    for at in range(0, len(checked), batch_size):
        x = image.convert(checked[at : at + batch_size], vae.manifest.image)
        yield x, vae.encode(x), at


def _posterior_sample(q: Normal, seed: int, start: int, stream: int) -> tuple[Float32, Float64]:
    """z of q(z|x) and log q(z|x), from the noise itself: the same draws as `q.sample`."""
    eps = random.normals(seed, Purpose.POSTERIOR, start, len(q.loc), q.event_shape[0], stream)
    log_q = -np.sum(np.square(eps) / 2 + np.log(q.scale), axis=1, dtype=np.float64)
    return q.loc + q.scale * eps, log_q - q.loc.shape[1] * math.log(2 * math.pi) / 2


def _log_likelihood(vae: VAE, x: Float32, z: Float32) -> Float64:
    """log p(x|z), (B,). For pixels of 0 and 1 it is -sum log(1 + exp((1 - 2x) logits)).

    That takes a third of Bernoulli.log_prob's time. 1 + exp(t) drops what is below 2**-24: at most 5e-5 nats for an
    image of 784 pixels.
    """
    (logits,) = vae._decoder.run(z)
    if vae.manifest.image.threshold is None or np.abs(logits).max() > 80:  # exp(89) is inf
        return Bernoulli(logits).log_prob(x)
    logits *= 1 - 2 * x
    np.exp(logits, out=logits)
    logits += 1
    np.log(logits, out=logits)
    total: Float64 = logits.reshape(len(x), -1).sum(axis=1, dtype=np.float64)
    return -total
