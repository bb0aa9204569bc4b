"""The figures of a model, by TensorFlow Probability's distributions: one code for baselines and bundles alike.

Noise of the posterior is the seed contract's (vae_edge.runtime.noise), so that `check` holds this code against the
runtime's own, which is NumPy, draw by draw.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import tensorflow as tf
import tensorflow_probability as tfp

from benchmarks.quality.baselines import IMAGE, Baseline, Distribution, Networks, standard_normal
from vae_edge.runtime import VAE, noise
from vae_edge.runtime.distributions import Bernoulli, Mixture, Normal
from vae_edge.runtime.errors import CheckFailed, InputError
from vae_edge.runtime.evaluation import likelihood
from vae_edge.runtime.evaluation.figures import Judge
from vae_edge.runtime.noise import Purpose

tfd = tfp.distributions

__all__ = ["Figures", "Model", "check", "elbo", "measure", "nll", "of_baseline", "of_bundle"]

Float32 = npt.NDArray[np.float32]
Float64 = npt.NDArray[np.float64]

BATCH = 100  # images at once
DRAWS = 1000  # draws of z at once
TOLERANCE = 0.05  # nats an image
REAL = ("frechet", "precision", "recall")


@dataclass(frozen=True)
class Model:
    """A VAE as two functions and a prior: image (B, 28, 28, 1) -> q(z|x), z (B, L) -> logits (B, 28, 28, 1), p(z)."""

    encode: Callable[[Float32], Distribution]
    decode: Callable[[tf.Tensor], tf.Tensor]
    prior: Distribution

    def stream(self, n: int, *, head: str = "sample", seed: int = 0) -> Iterator[Float32]:
        """n new images in batches (b, 28, 28, 1), by the head `sample` or `mode`: 0 or 1."""
        if head not in ("sample", "mode"):
            raise InputError(f"head should be sample or mode, it is {head!r}")
        for number, at in enumerate(range(0, n, BATCH)):
            z = self.prior.sample(min(BATCH, n - at), seed=(seed, 2 * number))
            p = tfd.Bernoulli(logits=self.decode(z))
            pixels = p.mode() if head == "mode" else p.sample(seed=(seed, 2 * number + 1))
            yield pixels.numpy().astype(np.float32)


@dataclass(frozen=True)
class Figures:
    """Test figures: nats an image, with standard errors; samples beside what real images get in their place."""

    negative_elbo: float
    negative_elbo_error: float
    elbo_images: int
    nll: float
    nll_error: float
    nll_images: int
    nll_samples: int
    frechet: float
    precision: float
    recall: float
    real: dict[str, float]  # frechet, precision, recall


def of_baseline(baseline: Baseline, networks: Networks) -> Model:
    """A baseline with these weights."""
    image, z = tf.TensorSpec((None, *IMAGE)), tf.TensorSpec((None, baseline.latent))
    encode = tf.function(lambda x: networks.encoder(x, training=False), input_signature=[image])
    decode = tf.function(lambda z: networks.decoder(z, training=False), input_signature=[z])
    return Model(lambda x: baseline.posterior(encode(x)), decode, standard_normal(baseline.latent))


def of_bundle(vae: VAE) -> Model:
    """A bundle: ONNX Runtime's networks under TFP's distributions. An autoencoder has no prior (InputError)."""

    def encode(x: Float32) -> Distribution:
        q = vae.encode(x)
        assert isinstance(q, Normal)
        return tfd.MultivariateNormalDiag(q.loc, q.scale)

    def decode(z: tf.Tensor) -> tf.Tensor:
        p = vae.decode(z.numpy())
        assert isinstance(p, Bernoulli)
        return p.logits

    prior = vae.prior
    if not isinstance(prior, Mixture):
        return Model(encode, decode, standard_normal(vae.latent_size))
    components = tfd.MultivariateNormalTriL(prior.loc, prior.scale_tril)
    return Model(encode, decode, tfd.MixtureSameFamily(tfd.Categorical(probs=np.float32(prior.weights)), components))


def elbo(model: Model, images: Float32, *, seed: int = 0) -> Float64:
    """E_q[log p(x|z)] - KL(q || p) by one z an image, (n,): the KL exact for a normal prior, else by the same draw."""
    found = []
    for x, q, at in _batches(model, images):
        z, log_q = _draws(q, seed, at, range(1))
        if isinstance(model.prior, tfd.MixtureSameFamily):
            kl = log_q - model.prior.log_prob(z)
        else:
            kl = tfd.kl_divergence(q, model.prior)
        found.append((_log_likelihood(model, x, z) - kl)[0].numpy())
    return np.concatenate(found).astype(np.float64)


def nll(model: Model, images: Float32, samples: int, *, seed: int = 0) -> Float64:
    """An upper bound on -log p(x) by importance weighting (Burda et al. 2016), (n,)."""
    found = []
    for x, q, at in _batches(model, images):
        parts, at_once = [], max(1, DRAWS // len(x))
        for first in range(0, samples, at_once):
            # log w = log p(x|z) + log p(z) - log q(z|x)
            z, log_q = _draws(q, seed, at, range(first, min(first + at_once, samples)))
            parts.append((_log_likelihood(model, x, z) + model.prior.log_prob(z) - log_q).numpy())
        log_w = np.concatenate(parts).astype(np.float64)
        found.append(math.log(samples) - np.logaddexp.reduce(log_w, axis=0))
    return np.concatenate(found)


def check(vae: VAE, images: Float32, samples: int = 100, *, seed: int = 0) -> dict[str, float]:
    """By how many nats an image this code and the runtime's differ on a bundle, for -ELBO and NLL.

    Raises CheckFailed beyond TOLERANCE: then no figure of this program can stand beside another.
    """
    model = of_bundle(vae)
    reconstruction, kl = likelihood.elbo(vae, images, seed=seed)
    pairs = {
        "elbo": (elbo(model, images, seed=seed), reconstruction - kl),
        "nll": (nll(model, images, samples, seed=seed), likelihood.nll(vae, images, samples, seed=seed)),
    }
    found = {name: abs(float(here.mean() - there.mean())) for name, (here, there) in pairs.items()}
    for name, difference in found.items():
        if not difference <= TOLERANCE:
            raise CheckFailed(
                f"{name} of {vae.manifest.name} by this evaluation and by the runtime's evaluation should differ "
                f"by {TOLERANCE} nats at most, they differ by {difference:.3f}; one of the two is wrong"
            )
    return found


def measure(model: Model, test: Float32, judge: Judge, *, nll_images: int, nll_samples: int, seed: int = 0) -> Figures:
    """All figures of a model: -ELBO on all of `test`, NLL on the first of them, samples by `judge`."""
    bound, weighted = -elbo(model, test, seed=seed), nll(model, test[:nll_images], nll_samples, seed=seed)
    samples = judge.judge(model, seed=seed)
    return Figures(
        negative_elbo=float(bound.mean()),
        negative_elbo_error=_error(bound),
        elbo_images=len(bound),
        nll=float(weighted.mean()),
        nll_error=_error(weighted),
        nll_images=len(weighted),
        nll_samples=nll_samples,
        **{name: samples[name].value for name in REAL},
        real={name: judge.floor[name] for name in REAL},
    )


def _batches(model: Model, images: Float32) -> Iterator[tuple[Float32, Distribution, int]]:
    for at in range(0, len(images), BATCH):
        x = images[at : at + BATCH]
        yield x, model.encode(x), at


def _draws(q: Distribution, seed: int, start: int, streams: range) -> tuple[tf.Tensor, tf.Tensor]:
    """z of q(z|x) and log q(z|x), (K, B, L) and (K, B); image i takes draw start + i of each stream."""
    count, latent = int(q.batch_shape[0]), int(q.event_shape[0])
    eps = np.stack([noise.normals(seed, Purpose.POSTERIOR, start, count, latent, stream) for stream in streams])
    z = q.loc + q.scale.matvec(eps)  # z = loc + T eps
    return z, q.log_prob(z)


def _log_likelihood(model: Model, x: Float32, z: tf.Tensor) -> tf.Tensor:
    """log p(x|z), (K, B), of images (B, 28, 28, 1) and z (K, B, L)."""
    logits = model.decode(tf.reshape(z, (-1, z.shape[-1])))
    logits = tf.reshape(logits, (len(z), *x.shape))
    return tfd.Independent(tfd.Bernoulli(logits=logits), 3).log_prob(x)


def _error(values: Float64) -> float:
    """The standard error of their mean."""
    return float(values.std(ddof=1) / math.sqrt(len(values)))
