"""Distributions against SciPy's and against values in closed form, in ranges that float32 hardly holds too."""

from __future__ import annotations

import math

import numpy as np
import pytest
from scipy import special, stats

from vae_edge.runtime import Bernoulli, Mixture, Normal


def rng() -> np.random.Generator:
    return np.random.default_rng(7)


LOG_2_PI = 1.8378770664093453

CLOSED_FORM = {
    "log N(0; 0, 1) = -log(2 pi) / 2": (lambda: Normal([0], [1]).log_prob([0]), -0.9189385332046727),
    "log N(1.96; 0, 1)": (lambda: Normal([0], [1]).log_prob([1.96]), -0.9189385332046727 - 1.9208),
    "H[N(0, 1)] = log(2 pi e) / 2": (lambda: Normal([0], [1]).entropy(), 1.4189385332046727),
    "H of sixteen": (lambda: Normal(np.zeros(16), np.ones(16)).entropy(), 22.703016531274763),
    "H[N(0, 0.125^2)] is below 0": (lambda: Normal([0], [0.125]).entropy(), 1.4189385332046727 - 3 * math.log(2)),
    "KL(N(0, 1) || N(1, 1)) = 1/2": (lambda: Normal([0], [1]).kl_divergence(Normal([1], [1])), 0.5),
    "KL(N(0, 1) || N(0, 2^2)) = log 2 + 1/8 - 1/2": (
        lambda: Normal([0], [1]).kl_divergence(Normal([0], [2])),
        0.3181471805599453,
    ),
    "KL(N(0, 2^2) || N(0, 1)) = 3/2 - log 2": (
        lambda: Normal([0], [2]).kl_divergence(Normal([0], [1])),
        0.8068528194400547,
    ),
    "log of one half": (lambda: Bernoulli([[[0]]]).log_prob([[[1]]]), -0.6931471805599453),
    "H of a fair coin = log 2": (lambda: Bernoulli([[[0]]]).entropy(), 0.6931471805599453),
    "H of p = 1/4": (lambda: Bernoulli([[[-math.log(3)]]]).entropy(), 0.5623351446188083),
    "KL(p = 1/4 || p = 1/2) = log 2 - H": (
        lambda: Bernoulli([[[-math.log(3)]]]).kl_divergence(Bernoulli([[[0]]])),
        0.6931471805599453 - 0.5623351446188083,
    ),
    "log p of what a logit of 80 expects = -exp(-80)": (
        lambda: Bernoulli([[[80]]]).log_prob([[[1]]]),
        -1.8048513878454153e-35,
    ),
    "log p of what it does not": (lambda: Bernoulli([[[80]]]).log_prob([[[0]]]), -80.0),
    "H at a logit of 80 = 81 exp(-80)": (lambda: Bernoulli([[[80]]]).entropy(), 1.4619296241547864e-33),
    "H at a logit of -80": (lambda: Bernoulli([[[-80]]]).entropy(), 1.4619296241547864e-33),
    "KL between logits of 80 and -80 = 80 tanh(40)": (
        lambda: Bernoulli([[[80]]]).kl_divergence(Bernoulli([[[-80]]])),
        80.0,
    ),
    "log N(0; 0, 10^-12)": (lambda: Normal([0], [1e-6]).log_prob([0]), 12.896572024759601),
    "two equal halves at 0 and 2, halfway": (
        lambda: Mixture([0.5, 0.5], [[0], [2]], [[[1]], [[1]]]).log_prob([1]),
        -0.9189385332046727 - 0.5,
    ),
}


@pytest.mark.parametrize("case", CLOSED_FORM)
def test_values_in_closed_form(case):
    found, expected = CLOSED_FORM[case]
    np.testing.assert_allclose(found(), expected, rtol=3e-7, atol=0)


@pytest.mark.parametrize("size", [1e-6, 1e-3, 1.0, 1e3, 1e6])
def test_normal_is_scipy_s(size):
    loc = (rng().normal(size=(20, 8)) * size).astype(np.float32)
    scale = ((rng().gamma(1, size=(20, 8)) + 0.01) * size).astype(np.float32)
    p = Normal(loc, scale)
    x = loc + scale * rng().normal(size=(5, 20, 8)) * 4
    exact = stats.norm(loc.astype(np.float64), scale.astype(np.float64))
    np.testing.assert_allclose(p.log_prob(x), exact.logpdf(x).sum(axis=-1), rtol=1e-9, atol=1e-9)
    np.testing.assert_allclose(p.entropy(), exact.entropy().sum(axis=-1), rtol=1e-9, atol=1e-9)
    np.testing.assert_allclose(p.mean(), exact.mean(), rtol=1e-6)
    np.testing.assert_allclose(p.variance(), exact.var(), rtol=1e-6)


def test_normal_vectors_are_scipy_s_multivariate_ones():
    loc, scale = rng().normal(size=6).astype(np.float32), (rng().gamma(2, size=6) + 0.1).astype(np.float32)
    x = rng().normal(size=(50, 6))
    exact = stats.multivariate_normal(loc.astype(np.float64), np.diag(np.square(scale.astype(np.float64))))
    np.testing.assert_allclose(Normal(loc, scale).log_prob(x), exact.logpdf(x), rtol=1e-9)
    np.testing.assert_allclose(Normal(loc, scale).entropy(), exact.entropy(), rtol=1e-9)


def test_mixtures_are_scipy_s_normals_weighed():
    weights = rng().dirichlet(np.ones(5))
    loc = (rng().normal(size=(5, 3)) * 4).astype(np.float32)
    tril = np.tril(rng().normal(size=(5, 3, 3)), -1) + np.eye(3) * (rng().gamma(2, size=(5, 1, 3)) + 0.1)
    tril = tril.astype(np.float32)
    x = rng().normal(size=(50, 3)) * 5
    exact = zip(loc.astype(np.float64), tril.astype(np.float64), strict=True)
    parts = [stats.multivariate_normal(mean, factor @ factor.T).logpdf(x) for mean, factor in exact]
    expected = special.logsumexp(parts, b=weights[:, None], axis=0)
    np.testing.assert_allclose(Mixture(weights, loc, tril).log_prob(x), expected, rtol=1e-8, atol=1e-8)


LOGITS = np.array([-80, -37, -16, -4, -0.5, 0, 1e-3, 2, 17, 40, 80], np.float32).reshape(-1, 1, 1, 1)


def test_bernoulli_is_scipy_s():
    """Over the range in which SciPy, which takes p, can say 1 - p: to a logit of 16."""
    logits = np.linspace(-16, 16, 101, dtype=np.float32).reshape(-1, 1, 1, 1)
    p, exact = Bernoulli(logits), stats.bernoulli(special.expit(logits.astype(np.float64)))
    for x in (0.0, 1.0):
        found = p.log_prob(np.full((1, 1, 1), x))
        np.testing.assert_allclose(found, exact.logpmf(int(x)).ravel(), rtol=1e-6)
    np.testing.assert_allclose(p.entropy(), exact.entropy().ravel(), rtol=1e-5)
    np.testing.assert_allclose(p.mean(), exact.mean(), rtol=1e-6)
    np.testing.assert_allclose(p.variance(), exact.var(), rtol=1e-6)


def test_bernoulli_is_scipy_s_logistic_function_where_p_is_close_to_0_and_1():
    p, exact = Bernoulli(LOGITS), LOGITS.astype(np.float64)
    log_p0, log_p1 = special.log_expit(-exact), special.log_expit(exact)
    np.testing.assert_allclose(p.log_prob(np.ones((1, 1, 1))), log_p1.ravel(), rtol=1e-6)
    np.testing.assert_allclose(p.log_prob(np.zeros((1, 1, 1))), log_p0.ravel(), rtol=1e-6)
    entropy = special.entr(special.expit(exact)) - special.expit(-exact) * log_p0
    # SciPy's entr of a p that rounds to 1 is 0, where the truth is 1 - p
    entropy = np.where(exact > 30, -special.expit(exact) * log_p1 - special.expit(-exact) * log_p0, entropy)
    np.testing.assert_allclose(p.entropy(), entropy.ravel(), rtol=1e-5)


def test_bernoulli_divergence_is_scipy_s():
    p, q = special.expit(rng().normal(size=(2, 30)) * 4)
    logits = [special.logit(value).astype(np.float32).reshape(-1, 1, 1, 1) for value in (p, q)]
    a, b = (special.expit(value.astype(np.float64)).ravel() for value in logits)
    expected = special.rel_entr(a, b) + special.rel_entr(1 - a, 1 - b)
    np.testing.assert_allclose(Bernoulli(logits[0]).kl_divergence(Bernoulli(logits[1])), expected, rtol=1e-6)
