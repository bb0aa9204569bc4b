"""Mixtures and normals of full covariance, also where scales differ by many orders of magnitude."""

from __future__ import annotations

import math
import tracemalloc

import numpy as np
import pytest

from tests.families import mixture
from vae_edge.runtime import (
    Mixture,
    MultivariateNormalTriL,
    Normal,
)
from vae_edge.runtime.noise import Purpose


def test_a_mixture_draws_its_components_by_their_weights():
    z = mixture().sample(20_000, seed=0)
    counts = [
        (np.abs(np.linalg.solve(tril, (z - loc).T)) < 6).all(axis=0).mean()
        for loc, tril in zip(mixture().loc, mixture().scale_tril, strict=True)
    ]
    assert counts[2] == pytest.approx(0.3, abs=0.02)
    np.testing.assert_allclose(z.mean(axis=0), mixture().mean(), atol=0.1)
    np.testing.assert_allclose(z.var(axis=0), mixture().variance(), rtol=0.05)


def test_the_log_prob_of_a_mixture_takes_memory_for_a_part_of_the_values_alone():
    p, x = Mixture(np.ones(50) / 50, np.zeros((50, 8)), np.tile(np.eye(8), (50, 1, 1))), np.zeros((200_000, 8))
    tracemalloc.start()
    whole = p.log_prob(x)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 100e6  # all at once 1.9 GB
    assert np.unique(whole).size == 1


def test_a_mixture_of_one_is_a_normal():
    one, normal = Mixture([1], [[1, -2]], [[[0.5, 0], [0, 3]]]), Normal([1, -2], [0.5, 3])
    x = np.random.default_rng(0).normal(size=(50, 2))
    np.testing.assert_allclose(one.log_prob(x), normal.log_prob(x), rtol=1e-9)
    np.testing.assert_allclose(one.stddev(), normal.stddev(), rtol=1e-6)


def test_a_component_of_weight_zero_is_never_drawn():
    z = Mixture([0, 1, 0], [[-100], [0], [100]], [[[1]], [[1]], [[1]]]).sample(1000, seed=0)
    assert np.abs(z).max() < 10


def test_the_weights_of_a_mixture_stay_the_caller_s():
    weights = np.array([0.5, 0.5001])
    p = Mixture(weights, [[0], [0]], [[[1]], [[1]]])
    assert weights.tolist() == [0.5, 0.5001]
    assert p.weights.sum() == pytest.approx(1, abs=1e-15)


@pytest.mark.parametrize("at_once", [1, 10, 1 << 20])
def test_the_components_add_up_to_the_mixture(at_once):
    p = Mixture([0.25, 0.75, 0], [[1, -2], [0, 0.5], [9, 9]], [[[0.5, 0], [2, 1]], [[3, 0], [-1, 0.25]], np.eye(2)])
    z = p.sample(50, seed=0)
    joint = p.components().log_joint(z, at_once)
    assert (joint.shape, joint.dtype) == ((50, 3), np.float32)
    assert (joint[:, 2] == -math.inf).all()
    np.testing.assert_allclose(np.log(np.exp(joint).sum(axis=1)), p.log_prob(z), rtol=1e-4)
    second = MultivariateNormalTriL([0, 0.5], [[3, 0], [-1, 0.25]])
    np.testing.assert_allclose(joint[:, 1], math.log(0.75) + second.log_prob(z), rtol=1e-4)


@pytest.mark.parametrize("make", [
    lambda loc, scale: Normal([loc], [scale]),
    lambda loc, scale: Mixture([1], [[loc]], [[[scale]]]),
    lambda loc, scale: MultivariateNormalTriL([loc], [[scale]]),
])  # fmt: skip
def test_densities_hold_where_a_scale_is_far_from_its_mean(make):
    wanted = {(1e6, 1e-10): 22.1069, (1.0, 1e-30): 68.158614, (-1e30, 1e-30): 68.158614, (1.0, 1e30): -69.996491}
    for (loc, scale), expected in wanted.items():
        assert make(loc, scale).log_prob([np.float32(loc)]) == pytest.approx(expected, abs=1e-4)
    # two ulps of float64 beside the mean, which are 2.3 scales
    x = 1e6 + 2.0**-32
    z = 2.0**-32 / float(np.float32(1e-10))
    assert make(1e6, 1e-10).log_prob([x]) == pytest.approx(22.1069 - z * z / 2, abs=1e-4)
    with np.errstate(all="raise"):
        assert make(0.0, 1.0).log_prob([[2e154], [-1e200], [1e308]]).tolist() == [-math.inf] * 3
        assert make(0.0, 1e-30).log_prob([[1e154], [1e300]]).tolist() == [-math.inf] * 2
    assert np.isnan(make(0.0, 1.0).log_prob([math.nan]))


def test_a_mixture_of_far_components_is_no_nan():
    """T^-1 (x - m) is inf - inf there."""
    tril = np.array([[1, 0, 0], [0, 1, 0], [1e10, -1e10, 1]])
    for p in (Mixture([0.5, 0.5], np.zeros((2, 3)), [tril, tril]), MultivariateNormalTriL(np.zeros(3), tril)):
        assert p.log_prob([1e300, 1e300, 0]) == -math.inf
        assert np.isnan(p.log_prob([math.nan, 1e300, 0]))
        assert p.log_prob([math.inf, 0, 0]) == -math.inf
        assert np.isfinite(p.log_prob(np.zeros(3)))


@pytest.mark.parametrize("scale", [1e-30, 1e30])
def test_variances_beyond_float32_are_no_warning(scale):
    tril = [[scale]]
    for p in (Normal([0], [scale]), MultivariateNormalTriL([0], tril), Mixture([1], [[0]], [tril])):
        assert p.variance().tolist() == [math.inf if scale > 1 else 0.0]
        np.testing.assert_allclose(p.stddev(), [scale], rtol=1e-6)


def test_scales_that_differ_by_30_orders_stay_exact():
    tril = np.diag(np.array([1e-20, 1, 1e15])) + np.array([[0, 0, 0], [1e10, 0, 0], [-1e-20, 1e5, 0]])
    eps = np.array([1.0, -2.0, 0.5])
    x = tril.astype("f").astype("d") @ eps
    expected = (
        -np.square(eps).sum() / 2 - np.log(np.diag(tril.astype("f").astype("d"))).sum() - 1.5 * math.log(2 * math.pi)
    )
    for p in (MultivariateNormalTriL(np.zeros(3), tril), Mixture([1], np.zeros((1, 3)), tril[None])):
        assert p.log_prob(x) == pytest.approx(expected, rel=1e-4)


def test_the_full_covariance_of_a_diagonal_is_the_diagonal_normal_s():
    loc, scale = np.array([[1.0, -2.0], [0.0, 3.0]]), np.array([[0.5, 3.0], [2.0, 0.25]])
    full, diagonal = MultivariateNormalTriL(loc, scale[..., None] * np.eye(2)), Normal(loc, scale)
    assert np.array_equal(full.sample(5, seed=1, start=3), diagonal.sample(5, seed=1, start=3))
    x = diagonal.sample(5, seed=2)
    np.testing.assert_allclose(full.log_prob(x), diagonal.log_prob(x), rtol=1e-13)
    np.testing.assert_allclose(full.entropy(), diagonal.entropy(), rtol=1e-13)
    np.testing.assert_allclose(full.covariance(), np.square(scale)[..., None] * np.eye(2), rtol=1e-6)
    prior = Normal(np.zeros(2), np.ones(2), purpose=Purpose.PRIOR)
    np.testing.assert_allclose(full.kl_divergence(prior), diagonal.kl_divergence(prior), rtol=1e-13)
    np.testing.assert_allclose(diagonal.kl_divergence(full), np.zeros(2), atol=1e-15)
    assert np.array_equal(full.kl_divergence(diagonal), np.zeros(2))


def test_draws_of_full_covariance_have_their_moments():
    tril = np.array([[2, 0, 0], [-1, 0.5, 0], [3, 0.25, 0.1]])
    z = MultivariateNormalTriL([1, 2, 3], tril).sample(100_000, seed=5).astype("d")
    np.testing.assert_allclose(z.mean(axis=0), [1, 2, 3], atol=0.05)
    np.testing.assert_allclose(np.cov(z.T), tril @ tril.T, atol=0.18)  # 4.5 standard errors
    alone = MultivariateNormalTriL(np.zeros((4, 3)), np.stack([tril] * 4)).sample(seed=5, start=7)
    many = MultivariateNormalTriL(np.zeros(3), tril).sample(11, seed=5)
    assert np.array_equal(alone, many[7:])
