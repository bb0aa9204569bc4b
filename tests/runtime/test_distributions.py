"""Bernoulli and normal: draws, figures, limits; and the parameters and values that each family refuses."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from vae_edge.runtime import (
    Bernoulli,
    Categorical,
    Deterministic,
    DiscretizedLogistic,
    InputError,
    Mixture,
    MultivariateNormalTriL,
    Normal,
)

INF = math.inf
LOGITS = hnp.arrays(np.float32, (3, 2, 2, 1), elements=st.floats(-1e4, 1e4, width=32) | st.sampled_from([-INF, INF]))
FINITE = st.floats(-100, 100, width=32)
SCALES = st.floats(0.015625, 64, width=32)
NORMALS = st.builds(
    Normal, hnp.arrays(np.float32, (2, 3), elements=FINITE), hnp.arrays(np.float32, (2, 3), elements=SCALES)
)


@given(LOGITS)
def test_bernoulli_probabilities_of_the_two_values_sum_to_one(logits):
    p = Bernoulli(logits.reshape(-1, 1, 1, 1))
    total = np.exp(p.log_prob(np.zeros((1, 1, 1)))) + np.exp(p.log_prob(np.ones((1, 1, 1))))
    np.testing.assert_allclose(total, 1, rtol=1e-6)


@given(LOGITS)
def test_bernoulli_mode_is_the_likeliest_value(logits):
    p = Bernoulli(logits)
    assert (p.log_prob(p.mode()) >= p.log_prob(1 - p.mode())).all()
    assert np.array_equal(p.mode(), (logits >= 0).astype(np.float32))


@given(LOGITS)
def test_bernoulli_entropy_is_between_zero_and_log_2_a_pixel(logits):
    entropy = Bernoulli(logits).entropy()
    assert (entropy >= 0).all()
    assert (entropy <= 4 * math.log(2) + 1e-6).all()


@given(LOGITS, LOGITS)
def test_divergence_is_never_negative_and_zero_from_itself(a, b):
    p, q = Bernoulli(a), Bernoulli(b)
    assert (p.kl_divergence(q) >= -1e-9).all()
    assert np.array_equal(p.kl_divergence(p), np.zeros(3))


@given(NORMALS, NORMALS)
def test_normal_divergence_is_never_negative_and_zero_from_itself(p, q):
    assert (p.kl_divergence(q) >= 0).all()
    assert np.array_equal(p.kl_divergence(p), np.zeros(2))


@given(LOGITS)
def test_the_image_of_a_certain_pixel_is_certain(logits):
    drawn = Bernoulli(logits).sample(20, seed=0)
    assert np.isin(drawn, [0, 1]).all()
    assert (drawn[:, logits == INF] == 1).all()
    assert (drawn[:, logits == -INF] == 0).all()


def test_infinite_logits_have_exact_figures():
    p = Bernoulli(np.array([-INF, INF]).reshape(2, 1, 1, 1))
    zero, one = np.zeros((1, 1, 1)), np.ones((1, 1, 1))
    assert p.log_prob(zero).tolist() == [0, -INF]
    assert p.log_prob(one).tolist() == [-INF, 0]
    assert p.entropy().tolist() == [0, 0]
    assert p.mean().ravel().tolist() == [0, 1]
    assert p.variance().ravel().tolist() == [0, 0]


@pytest.mark.parametrize("p", [0.0, 1e-3, 0.1, 0.5, 0.9, 0.999, 1.0])
def test_bernoulli_draws_have_their_mean(p):
    n = 100_000
    with np.errstate(divide="ignore"):
        logits = np.full((n // 100, 10, 10, 1), np.log(p) - np.log1p(-p))
    assert abs(Bernoulli(logits).sample(seed=3).mean() - p) <= 2**-17 + 4.5 * math.sqrt(p * (1 - p) / n)


def test_bernoulli_draws_pass_a_chi_square_test():
    """10^6 draws over 101 values of p here, 10^8 over 1,001 at full size."""
    p, n = np.linspace(0.005, 0.995, 101), 10_000
    logits = np.broadcast_to(np.log(p / (1 - p)).reshape(101, 1, 1), (n, 101, 1, 1))
    counts = Bernoulli(logits).sample(seed=0).sum(axis=0, dtype=np.float64).ravel()
    chi_square = ((counts - n * p) ** 2 / (n * p * (1 - p))).sum()
    assert 101 - 4.5 * math.sqrt(202) < chi_square < 101 + 4.5 * math.sqrt(202)


def test_scale_zero_is_a_point_without_a_density():
    point = Normal([[1, 2]], [[0, 0]])
    assert point.sample(seed=0).tolist() == point.mean().tolist() == [[1, 2]]
    for density in (point.entropy, lambda: point.log_prob([[1, 2]]), lambda: point.kl_divergence(point)):
        with pytest.raises(InputError, match="it has no density"):
            density()


@pytest.mark.parametrize("shape", [(), (3,), (1, 3), (4, 3), (5, 1, 1), (5, 4, 3), (2, 5, 4, 3), (2, 1, 1, 1), (1, 1)])
def test_the_scale_of_an_image_may_be_any_that_broadcasts_to_it(shape):
    scale = np.arange(1, 1 + math.prod(shape), dtype=np.float32).reshape(shape)
    p = Normal(np.zeros((2, 5, 4, 3)), scale)
    assert np.array_equal(p.stddev(), np.broadcast_to(scale, (2, 5, 4, 3)))


@pytest.mark.parametrize(
    ("loc", "scale"),
    [((2, 5, 4, 3), (2,)), ((2, 5, 4, 3), (4, 1, 1)), ((5, 4, 3), (1, 5, 4, 3)), ((2, 3), (3,)), ((3,), (1,))],
)
def test_a_scale_that_does_not_broadcast_to_its_image_or_is_not_its_vectors_is_refused(loc, scale):
    with pytest.raises(InputError, match="scale"):
        Normal(np.zeros(loc), np.ones(scale))


@pytest.mark.parametrize(
    "make",
    [
        lambda: Normal([[0.0]], [[-1.0]]),
        lambda: Normal([[math.nan]], [[1.0]]),
        lambda: Normal([[0.0]], [[math.nan]]),
        lambda: Normal([[0.0]], [[INF]]),
        lambda: Normal([[0.0]], [1.0]),
        lambda: Normal(0.0, 1.0),
        lambda: Normal(np.zeros((0, 3)), np.ones((0, 3))),
        lambda: Normal([["a"]], [[1.0]]),
        lambda: Normal([[None]], [[1.0]]),
        lambda: Normal([[1j]], [[1.0]]),
        lambda: Normal([[1.0], [1.0, 2.0]], [[1.0]]),
        lambda: Bernoulli([[0.0]]),
        lambda: Bernoulli(np.full((1, 1, 1, 1), math.nan)),
        lambda: Bernoulli(np.zeros((0, 6, 4, 1))),
        lambda: Mixture([0.5, 0.4], [[0], [0]], [[[1]], [[1]]]),
        lambda: Mixture([1.5, -0.5], [[0], [0]], [[[1]], [[1]]]),
        lambda: Mixture([1.0], [[0], [0]], [[[1]], [[1]]]),
        lambda: Mixture([1.0], [[0]], [[1]]),
        lambda: Mixture([1.0], [[0]], [[[0]]]),
        lambda: Mixture([1.0], [[0, 0]], [[[1, 0], [0, -1]]]),
        lambda: Mixture([1.0], [[0, 0]], [[[1, 1], [0, 1]]]),
        lambda: Mixture([1.0], [[0]], [[[math.nan]]]),
        lambda: Mixture([1.0], [[INF]], [[[1]]]),
        lambda: Normal([[0.0]], [[1e-50]]),
        lambda: Normal([[0.0]], [[1e50]]),
        lambda: Normal(np.zeros((4, 4, 1)), np.ones(3)),
        lambda: Normal(np.zeros((4, 4, 1)), np.ones((2, 4, 4, 1))),
        lambda: Normal(np.zeros((1, 2, 4, 4, 1)), 1.0),
        lambda: Deterministic([[math.nan]]),
        lambda: Deterministic(0.0),
        lambda: MultivariateNormalTriL([0.0], [[1e-50]]),
        lambda: MultivariateNormalTriL([0.0], [[-1.0]]),
        lambda: MultivariateNormalTriL([0.0], [[math.nan]]),
        lambda: MultivariateNormalTriL([math.inf], [[1.0]]),
        lambda: MultivariateNormalTriL([0.0], [1.0]),
        lambda: MultivariateNormalTriL([0.0, 0.0], [[1.0, 1e-9], [0.0, 1.0]]),
        lambda: MultivariateNormalTriL([[0.0]], [[[1.0], [1.0]]]),
        lambda: MultivariateNormalTriL([0.0], [[1.0]]).kl_divergence(Normal([0.0], [0.0])),
        lambda: MultivariateNormalTriL([0.0], [[1.0]]).kl_divergence(Normal([0.0, 0.0], [1.0, 1.0])),
        lambda: DiscretizedLogistic(np.zeros((2, 2, 1)), 0.0),
        lambda: DiscretizedLogistic(np.zeros((2, 2, 1)), 1e-50),
        lambda: DiscretizedLogistic(np.full((2, 2, 1), math.nan), 1.0),
        lambda: DiscretizedLogistic(np.zeros((2, 2)), 1.0),
        lambda: DiscretizedLogistic(np.zeros((2, 2, 1)), np.ones((3, 1, 1))),
        lambda: DiscretizedLogistic(np.zeros((2, 2, 1)), 1.0, levels=1),
        lambda: DiscretizedLogistic(np.zeros((2, 2, 1)), 1.0, levels=65537),
        lambda: DiscretizedLogistic(np.zeros((2, 2, 1)), 1.0, levels=2.5),
        lambda: DiscretizedLogistic(np.zeros((2, 2, 1)), 1.0).log_prob(np.full((2, 2, 1), 0.5)),
        lambda: DiscretizedLogistic(np.zeros((2, 2, 1)), 1.0).log_prob(np.full((2, 2, 1), 256 / 255)),
        lambda: DiscretizedLogistic(np.zeros((2, 2, 1)), 1.0).log_prob(np.full((2, 2, 1), -1 / 255)),
        lambda: DiscretizedLogistic(np.zeros((2, 2, 1)), 1.0).log_prob(np.full((2, 2, 1), math.nan)),
        lambda: DiscretizedLogistic(np.zeros((2, 2, 1)), 1.0, levels=65536).log_prob(np.full((2, 2, 1), 0.25)),
        lambda: Categorical(np.zeros((2, 2, 1))),
        lambda: Categorical(np.zeros((2, 2, 1, 1))),
        lambda: Categorical(np.full((2, 2, 1, 3), -math.inf)),
        lambda: Categorical(np.full((2, 2, 1, 3), math.inf)),
        lambda: Categorical(np.full((2, 2, 1, 3), math.nan)),
        lambda: Categorical(np.zeros((2, 2, 1, 3))).log_prob(np.full((2, 2, 1), 0.4)),
        lambda: Categorical(np.zeros((2, 2, 1, 3))).kl_divergence(Categorical(np.zeros((2, 2, 1, 4)))),
        lambda: Mixture(np.ones(0), np.ones((0, 2)), np.ones((0, 2, 2))),
        lambda: Normal([[0.0]], [[1.0]]).log_prob([[0.0, 1.0]]),
        lambda: Normal([[0.0]], [[1.0]]).sample(0, seed=0),
        lambda: Normal([[0.0]], [[1.0]]).sample(1.5, seed=0),
        lambda: Normal([[0.0]], [[1.0]]).sample(seed=-1),
        lambda: Normal([[0.0]], [[1.0]]).kl_divergence(Normal([[0.0, 1.0]], [[1.0, 1.0]])),
        lambda: Normal([[0.0]] * 2, [[1.0]] * 2).kl_divergence(Normal([[0.0]] * 3, [[1.0]] * 3)),
        lambda: Bernoulli(np.zeros((1, 2, 2, 1))).log_prob(np.full((2, 2, 1), 2.0)),
        lambda: Bernoulli(np.zeros((1, 2, 2, 1))).log_prob(np.full((2, 2, 1), math.nan)),
        lambda: Bernoulli(np.zeros((1, 2, 2, 1))).log_prob(np.zeros((3, 2, 1))),
        lambda: Bernoulli(np.zeros((1, 2, 2, 1))).kl_divergence(Bernoulli(np.zeros((1, 2, 1, 1)))),
    ],
)
def test_bad_parameters_and_values_are_named(make):
    with pytest.raises(InputError, match=r"should|no density"):
        make()
