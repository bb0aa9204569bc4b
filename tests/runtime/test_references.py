"""Distributions against SciPy's and against values in closed form, in ranges that float32 hardly holds too."""

from __future__ import annotations

import math

import numpy as np
import pytest
from scipy import special, stats

from vae_edge.runtime import Bernoulli, Categorical, DiscretizedLogistic, Mixture, MultivariateNormalTriL, Normal
from vae_edge.runtime.distributions import rounded_logistic


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
    "log P(0) of a logistic at its edge = log 1/2": (
        lambda: DiscretizedLogistic([[[0.5]]], 0.1, levels=2).log_prob([[[0]]]),
        -0.6931471805599453,
    ),
    "log P of the middle of three levels = log tanh(s / 4), s = 1": (
        lambda: DiscretizedLogistic([[[0.5]]], 0.5, levels=3).log_prob([[[0.5]]]),
        math.log(math.tanh(0.25)),
    ),
    "log P of a level far off": (
        lambda: DiscretizedLogistic([[[0]]], 1 / 2048, levels=257).log_prob([[[200 / 256]]]),
        -199.5 * 8 + math.log(-math.expm1(-8)),
    ),
    "log P of a level that is all but certain": (
        lambda: DiscretizedLogistic([[[0]]], 1 / 64, levels=2).log_prob([[[0]]]),
        -math.exp(-32),
    ),
    "H of four equal levels = log 4": (lambda: Categorical(np.zeros((1, 1, 1, 4))).entropy(), 1.3862943611198906),
    "log P of softmax(0, log 3)": (
        lambda: Categorical([[[[0, math.log(3)]]]]).log_prob([[[1]]]),
        -0.2876820724517809,
    ),
    "KL(1/4, 3/4 || 1/2, 1/2) = log 2 - H": (
        lambda: Categorical([[[[0, math.log(3)]]]]).kl_divergence(Categorical([[[[0, 0]]]])),
        0.6931471805599453 - 0.5623351446188083,
    ),
    "KL of a correlation of 0.6 from none = -log(1 - 0.6^2) / 2": (
        lambda: MultivariateNormalTriL([0, 0], [[1, 0], [0.6, 0.8]]).kl_divergence(Normal([0, 0], [1, 1])),
        -math.log(0.8),
    ),
    "KL of none from a correlation of 0.6 = 0.36 / 0.64 + log 0.8": (
        lambda: Normal([0, 0], [1, 1]).kl_divergence(MultivariateNormalTriL([0, 0], [[1, 0], [0.6, 0.8]])),
        0.36 / 0.64 + math.log(0.8),
    ),
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


@pytest.mark.parametrize("size", [1e-6, 1.0, 1e6])
def test_full_covariance_is_scipy_s_multivariate_normal(size):
    loc = (rng().normal(size=4) * size).astype(np.float32)
    tril = ((np.tril(rng().normal(size=(4, 4)), -1) + np.diag(rng().gamma(2, size=4) + 0.1)) * size).astype(np.float32)
    p, wide = MultivariateNormalTriL(loc, tril), tril.astype(np.float64)
    exact = stats.multivariate_normal(loc.astype(np.float64), wide @ wide.T)
    x = loc + (rng().normal(size=(50, 4)) * 3) @ wide.T
    np.testing.assert_allclose(p.log_prob(x), exact.logpdf(x), rtol=1e-8)
    np.testing.assert_allclose(p.entropy(), exact.entropy(), rtol=1e-9)
    np.testing.assert_allclose(p.covariance(), exact.cov, rtol=1e-6)
    np.testing.assert_allclose(p.variance(), np.diag(exact.cov), rtol=1e-6)


def test_normal_images_are_scipy_s():
    loc, scale = rng().random((3, 4, 5, 2)).astype(np.float32), np.array([0.125, 0.5])
    p, x = Normal(loc, scale), rng().random((7, 3, 4, 5, 2))
    exact = stats.norm(loc.astype(np.float64), scale)
    np.testing.assert_allclose(p.log_prob(x), exact.logpdf(x).sum(axis=(-1, -2, -3)), rtol=1e-12)
    np.testing.assert_allclose(p.entropy(), exact.entropy().sum(axis=(-1, -2, -3)), rtol=1e-12)
    np.testing.assert_allclose(p.variance(), exact.var(), rtol=1e-6)


def test_discretized_logistic_is_the_difference_of_scipy_s_distribution_functions():
    """Where they do not cancel: on the lower side by cdf, on the upper by sf."""
    loc, scale = (rng().random((200, 1, 1, 1)) * 1.4 - 0.2).astype(np.float32), 0.03
    exact = stats.logistic(loc.astype(np.float64) * 255, np.float64(np.float32(scale)) * 255)
    k = np.arange(256.0)
    edges = np.concatenate([[-np.inf], k[:-1] + 0.5, [np.inf]])
    low, high = exact.cdf(edges), exact.sf(edges)
    mass = np.where(k < loc * 255, low[..., 1:] - low[..., :-1], high[..., :-1] - high[..., 1:])[:, 0, 0]
    p = DiscretizedLogistic(loc, scale)
    found = np.stack([p.log_prob(np.full((1, 1, 1), each / 255)) for each in k], axis=-1)
    np.testing.assert_allclose(found, np.log(mass), rtol=1e-9, atol=1e-9)
    grid = k / 255
    np.testing.assert_allclose(p.mean().ravel(), mass @ grid, atol=1e-6)
    np.testing.assert_allclose(p.entropy(), stats.entropy(mass, axis=-1), rtol=1e-9)
    variance = mass @ grid**2 - (mass @ grid) ** 2
    np.testing.assert_allclose(p.variance().ravel(), variance, rtol=1e-6)


@pytest.mark.parametrize(("loc", "scale"), [(128 / 255, 1e-4), (-0.4, 0.0135), (1.4, 0.0135)])
def test_the_variance_of_nearly_certain_pixels_is_no_difference_of_large_numbers(loc, scale):
    """One level has nearly all of the probability, within the range or at either end of it."""
    p = DiscretizedLogistic(np.full((1, 1, 1), loc), scale)
    log_p = np.array([p.log_prob(np.full((1, 1, 1), k / 255)) for k in range(256)])
    k, mass = np.arange(256.0) - log_p.argmax(), np.exp(log_p)
    assert 1e-18 < 1 - mass.max() < 1e-8
    expected = (mass @ k**2 - (mass @ k) ** 2) / 255**2  # about the likeliest level nothing cancels
    np.testing.assert_allclose(p.variance().item(), expected, rtol=1e-4)


SCALES = 10.0 ** np.arange(-12, 9.1, 0.5)


@pytest.mark.parametrize("levels", [2, 3, 4, 16, 17, 256, 1000])
def test_mean_and_mode_of_a_discretized_logistic_are_those_of_all_its_levels(levels):
    """For locations between, on and at the edges of levels, outside too, and every size of scale."""
    last = levels - 1
    edges = (np.rint(rng().random(100) * last) + 0.5) / last
    loc = [rng().normal(0.5, 0.6, 200), np.rint(rng().random(100) * last) / last, edges, [0.5, 0, 1]]
    loc += [rng().normal(0, 3 / last, 100), 1 + rng().normal(0, 3 / last, 100)]
    loc = np.concatenate(loc).astype(np.float32)
    for scale in SCALES / last:
        scales = np.full(loc.shape, scale, np.float32)
        log_p = np.stack([each for _, each in rounded_logistic.masses(loc, scales, levels)])
        p = np.exp(log_p)
        np.testing.assert_allclose(p.sum(axis=0), 1, rtol=1e-12)
        found = rounded_logistic.mean(loc, scales, levels)
        np.testing.assert_allclose(found / last, np.arange(levels) @ p / last, atol=2e-6)
        mode = rounded_logistic.mode(loc, scales, levels).astype(int)
        assert np.array_equal(np.take_along_axis(log_p, mode[None], axis=0)[0], log_p.max(axis=0)), scale


def test_mean_and_mode_do_not_depend_on_the_scales_beside_them():
    """All ways of calculating in one call."""
    loc = np.tile(rng().normal(0.5, 0.5, 300).astype(np.float32), (len(SCALES), 1))
    scale = np.broadcast_to((SCALES / 255).astype(np.float32)[:, None], loc.shape)
    for function in (rounded_logistic.mean, rounded_logistic.mode):
        together = function(loc, scale, 256)
        apart = [function(loc[i], scale[i].copy(), 256) for i in range(len(SCALES))]
        np.testing.assert_allclose(together, np.stack(apart), atol=3e-4)  # levels


def test_a_probability_is_right_at_the_ends_of_float32():
    for loc, scale in ((0.5, 1e-45), (0.5, 3e38), (3e38, 1e-45), (-3e38, 3e38)):
        p = DiscretizedLogistic(np.full((1, 1, 1), loc), scale)
        log_p = np.array([p.log_prob(np.full((1, 1, 1), k / 255)) for k in range(256)])
        assert not np.isnan(log_p).any()
        np.testing.assert_allclose(np.exp(log_p).sum(), 1, rtol=1e-9)
        assert 0 <= p.mean() <= 1
        assert p.log_prob(p.mode()) == log_p.max()
        assert np.isfinite(p.entropy())


def test_categorical_is_scipy_s():
    logits = (rng().normal(size=(5, 3, 2, 1, 11)) * 4).astype(np.float32)
    logits[0, 0, 0, 0, :4] = -np.inf
    log_p = special.log_softmax(logits.astype(np.float64), axis=-1)
    p, grid = Categorical(logits), np.arange(11) / 10
    probability = special.softmax(logits.astype(np.float64), axis=-1)
    k = rng().integers(4, 11, size=(7, 5, 3, 2, 1))
    expected = np.take_along_axis(np.broadcast_to(log_p, (7, *log_p.shape)), k[..., None], axis=-1)
    np.testing.assert_allclose(p.log_prob(k / 10), expected.sum(axis=(-1, -2, -3, -4)), rtol=1e-12)
    np.testing.assert_allclose(p.entropy(), stats.entropy(probability, axis=-1).sum(axis=(-1, -2, -3)), rtol=1e-12)
    np.testing.assert_allclose(p.mean(), probability @ grid, rtol=1e-6)
    np.testing.assert_allclose(p.mode(), log_p.argmax(axis=-1) / 10, rtol=1e-6)
    variance = probability @ grid**2 - (probability @ grid) ** 2
    np.testing.assert_allclose(p.variance(), variance, rtol=1e-6)
    other = rng().normal(size=logits.shape).astype(np.float32)
    other_p = special.softmax(other.astype(np.float64), axis=-1)
    divergence = special.rel_entr(probability, other_p).sum(axis=(-1, -2, -3, -4))
    np.testing.assert_allclose(p.kl_divergence(Categorical(other)), divergence, rtol=1e-12)
    assert Categorical(other).kl_divergence(p).tolist()[0] == math.inf
