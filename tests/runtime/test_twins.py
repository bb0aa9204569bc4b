"""Every distribution against its twin in TensorFlow Probability, to 1e-5 relative."""

from __future__ import annotations

import math
import warnings

import numpy as np
import pytest

from vae_edge.runtime import Bernoulli, Mixture, Normal

pytest.importorskip("tensorflow", reason="TensorFlow is not installed", exc_type=ImportError)
with warnings.catch_warnings():
    warnings.simplefilter("ignore")
    import tensorflow_probability as tfp

tfd = tfp.distributions
INF = math.inf
MOMENTS = ("mean", "mode", "stddev", "variance")


def close(ours: np.ndarray, theirs: object) -> None:
    np.testing.assert_allclose(ours, np.asarray(theirs), rtol=1e-5, atol=1e-37)


def rng() -> np.random.Generator:
    return np.random.default_rng(0)


NORMALS = {
    "standard": (np.zeros((2, 3)), np.ones((2, 3))),
    "random": (rng().normal(size=(50, 32)) * 3, rng().gamma(1, size=(50, 32)) + 0.01),
    "narrow": (rng().normal(size=(5, 8)), np.full((5, 8), 1e-6)),
    "wide": (rng().normal(size=(5, 8)) * 1e6, np.full((5, 8), 1e6)),
    "one": (np.array([[0.5]]), np.array([[2.0]])),
}


@pytest.mark.parametrize("case", NORMALS)
def test_normal_is_tfp_s(case):
    loc, scale = (array.astype(np.float32) for array in NORMALS[case])
    ours, theirs = Normal(loc, scale), tfd.MultivariateNormalDiag(loc, scale)
    x = ours.sample(3, seed=0)
    for method in MOMENTS:
        close(getattr(ours, method)(), getattr(theirs, method)())
    exact = tfd.MultivariateNormalDiag(loc.astype(np.float64), scale.astype(np.float64))
    close(ours.log_prob(x), exact.log_prob(x.astype(np.float64)))
    close(ours.entropy(), exact.entropy())
    assert ours.batch_shape == tuple(theirs.batch_shape)
    assert ours.event_shape == tuple(theirs.event_shape)


def test_normal_divergence_is_tfp_s():
    loc, scale = (array.astype(np.float32) for array in NORMALS["random"])
    size = loc.shape[1]
    close(
        Normal(loc, scale).kl_divergence(Normal(np.zeros(size), np.ones(size))),
        tfd.MultivariateNormalDiag(loc, scale).kl_divergence(tfd.MultivariateNormalDiag(np.zeros(size, np.float32))),
    )
    close(
        Normal(loc, scale).kl_divergence(Normal(loc[::-1], scale[::-1])),
        tfd.kl_divergence(tfd.MultivariateNormalDiag(loc, scale), tfd.MultivariateNormalDiag(loc[::-1], scale[::-1])),
    )


LOGITS = {
    "random": rng().normal(size=(20, 6, 4, 1)) * 3,
    "zero": np.zeros((1, 6, 4, 1)),
    "sure": rng().choice([-30.0, 30.0], size=(5, 6, 4, 1)),
    "extreme": rng().choice([-85.0, -20.0, 20.0, 85.0], size=(5, 6, 4, 1)),
    "p = 0 and p = 1": rng().choice([-INF, INF], size=(5, 6, 4, 1)),
    "half certain": np.where(rng().random((5, 6, 4, 1)) < 0.5, INF, 0.25),
}


@pytest.mark.parametrize("case", LOGITS)
def test_bernoulli_is_tfp_s(case):
    logits = LOGITS[case].astype(np.float32)
    ours, theirs = Bernoulli(logits), tfd.Independent(tfd.Bernoulli(logits=logits, dtype=np.float32), 3)
    close(ours.mean(), theirs.mean())
    close(ours.mode(), np.where(logits == 0, 1, theirs.mode()))  # ours is 1 where p is one half
    if np.isfinite(logits).all():  # TFP's entropy of a certain pixel is NaN
        close(ours.entropy(), theirs.entropy())
        # p (1 - p), where TFP's 1 - p rounds to 0
        certain = tfd.Bernoulli(logits=np.abs(logits.astype(np.float64)))
        p = np.exp(-np.logaddexp(0, np.abs(logits.astype(np.float64))))
        close(ours.variance(), p * np.asarray(certain.mean()))
    for x in (ours.sample(seed=0), ours.mode(), 1 - ours.mode(), np.zeros_like(logits)):
        close(ours.log_prob(x), theirs.log_prob(x))


def test_bernoulli_divergence_is_tfp_s():
    a, b = (rng().normal(size=(2, 9, 6, 4, 1)) * 4).astype(np.float32)
    independent = [tfd.Independent(tfd.Bernoulli(logits=logits.astype(np.float64)), 3) for logits in (a, b)]
    close(Bernoulli(a).kl_divergence(Bernoulli(b)), tfd.kl_divergence(*independent))


def test_mixture_is_tfp_s():
    k, size = 20, 8
    weights = rng().dirichlet(np.ones(k))
    loc = (rng().normal(size=(k, size)) * 3).astype(np.float32)
    diagonal = np.eye(size) * (rng().gamma(2, size=(k, 1, size)) + 0.05)
    scale_tril = (np.tril(rng().normal(size=(k, size, size)), -1) + diagonal).astype(np.float32)
    ours = Mixture(weights, loc, scale_tril)
    theirs = tfd.MixtureSameFamily(
        tfd.Categorical(probs=weights),
        tfd.MultivariateNormalTriL(loc.astype(np.float64), scale_tril.astype(np.float64)),
    )
    x = np.concatenate([ours.sample(100, seed=0), [[100.0] * size]]).astype(np.float32)
    close(ours.log_prob(x), theirs.log_prob(x.astype(np.float64)))
    np.testing.assert_allclose(ours.mean(), theirs.mean(), rtol=1e-5, atol=1e-6)
    close(ours.variance(), theirs.variance())
    close(ours.stddev(), theirs.stddev())
