"""Sampling is right: draws have the distribution that they say, and that of their TFP twins."""

from __future__ import annotations

import numpy as np
import pytest
from scipy import stats

from vae_edge.runtime import Bernoulli, Mixture, Normal

P = np.linspace(0, 1, 1001)
WEIGHTS = np.array([0.5, 0.25, 0.125, 0.1, 0.02, 0.005])
ALPHA = 1e-4


def logits(p: np.ndarray) -> np.ndarray:
    with np.errstate(divide="ignore"):
        return np.log(p / (1 - p)).astype(np.float32)


def chi_square(found: np.ndarray, expected: np.ndarray, freedom: int) -> float:
    """p of sum((found - expected)^2 / expected), two-sided: too good is no better than too bad."""
    statistic = float((np.square(found - expected) / expected).sum())
    return min(1.0, 2 * min(stats.chi2.sf(statistic, freedom), stats.chi2.cdf(statistic, freedom)))


def bernoulli_counts(draws: int) -> np.ndarray:
    """How often each of the 1,001 pixels is 1."""
    pixels, counts, at_once = Bernoulli(logits(P)[:, None, None]), np.zeros(len(P)), 2000
    for start in range(0, draws, at_once):
        counts += pixels.sample(at_once, seed=1, start=start).sum(axis=(0, 2, 3))
    return counts


def test_bernoulli_draws_are_right_over_1001_probabilities(soak):
    draws = soak(2_000, 100_000)  # of each: 10^8 in all
    counts = bernoulli_counts(draws)
    assert counts[0] == 0
    assert counts[-1] == draws
    inner, lit = P[1:-1], counts[1:-1]
    both, expected = np.concatenate([lit, draws - lit]), np.concatenate([inner, 1 - inner]) * draws
    assert chi_square(both, expected, len(inner)) > ALPHA


def test_bernoulli_draws_are_tfps(soak):
    tfp = pytest.importorskip("tensorflow_probability", reason="the train extra is not installed")
    draws = soak(2_000, 100_000)
    theirs = np.zeros(len(P))
    twin = tfp.distributions.Bernoulli(logits=logits(P))
    for seed in range(draws // 2000):
        theirs += twin.sample(2000, seed=(seed, 0)).numpy().sum(axis=0)
    ours = bernoulli_counts(draws)
    assert (ours[0], ours[-1]) == (theirs[0], theirs[-1])
    # two binomials of one p: (a - b)^2 / (2 n p (1 - p))
    spread = np.square(ours - theirs)[1:-1] / (2 * draws * P[1:-1] * (1 - P[1:-1]))
    assert min(stats.chi2.sf(spread.sum(), 999), stats.chi2.cdf(spread.sum(), 999)) > ALPHA / 2


def test_normal_draws_are_normal_and_tfps(soak):
    n, size = soak(10_000, 312_500), 32  # 10^7 in all
    loc, scale = np.linspace(-3, 3, size), np.linspace(0.1, 4, size)
    x = Normal(loc, scale).sample(n, seed=2)
    standard = ((x - loc) / scale).ravel()
    assert stats.kstest(standard, "norm").pvalue > ALPHA
    tfp = pytest.importorskip("tensorflow_probability", reason="the train extra is not installed")
    twin = tfp.distributions.MultivariateNormalDiag(loc.astype(np.float32), scale.astype(np.float32))
    theirs = ((twin.sample(n, seed=(3, 4)).numpy() - loc) / scale).ravel()
    assert stats.ks_2samp(standard, theirs).pvalue > ALPHA


def test_mixtures_draw_their_components_by_weight_as_tfp_does(soak):
    n = soak(100_000, 10_000_000)
    loc = 100.0 * np.arange(len(WEIGHTS), dtype=np.float32)[:, None]
    scale = np.ones_like(loc)

    def counts(x: np.ndarray) -> np.ndarray:
        return np.bincount(np.rint(x[:, 0] / 100).astype(int), minlength=len(WEIGHTS))

    ours = counts(Mixture(WEIGHTS, loc, scale[..., None]).sample(n, seed=5))
    assert chi_square(ours, WEIGHTS * n, len(WEIGHTS) - 1) > ALPHA
    tfp = pytest.importorskip("tensorflow_probability", reason="the train extra is not installed")
    tfd = tfp.distributions
    twin = tfd.MixtureSameFamily(
        tfd.Categorical(probs=WEIGHTS.astype(np.float32)), tfd.MultivariateNormalDiag(loc, scale)
    )
    theirs = sum(counts(twin.sample(n // 10, seed=(i, 6)).numpy()) for i in range(10))
    assert stats.chi2_contingency(np.stack([ours, theirs])).pvalue > ALPHA
