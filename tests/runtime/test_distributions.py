from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from vae_edge.runtime import Bernoulli, InputError, Mixture, Normal
from vae_edge.runtime.noise import Purpose

INF = math.inf
LOGITS = hnp.arrays(np.float32, (3, 2, 2, 1), elements=st.floats(-1e4, 1e4, width=32) | st.sampled_from([-INF, INF]))
FINITE = st.floats(-100, 100, width=32)
SCALES = st.floats(0.015625, 64, width=32)
NORMALS = st.builds(
    Normal, hnp.arrays(np.float32, (2, 3), elements=FINITE), hnp.arrays(np.float32, (2, 3), elements=SCALES)
)


TRIL = [[0.25, 0], [-0.2, 0.1]]


def mixture() -> Mixture:
    return Mixture([0.2, 0.5, 0.3], [[0, 0], [3, -1], [-2, 4]], [[[1, 0], [0, 1]], [[0.5, 0], [1, 2]], TRIL])


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


def test_a_sample_has_the_shape_that_the_contract_says():
    q, p = Normal(np.zeros((5, 3)), np.ones((5, 3))), Bernoulli(np.zeros((5, 6, 4, 1)))
    assert q.sample(seed=0).shape == (5, 3)
    assert q.sample(2, seed=0).shape == (2, 5, 3)
    assert q.sample((2, 7), seed=0).shape == (2, 7, 5, 3)
    assert p.sample((2, 7), seed=0).shape == (2, 7, 5, 6, 4, 1)
    assert Bernoulli(np.zeros((6, 4, 1))).sample(2, seed=0).shape == (2, 6, 4, 1)
    assert mixture().sample((4, 2), seed=0).shape == (4, 2, 2)
    assert mixture().sample(seed=0).shape == (2,)
    assert q.sample(seed=0).dtype == p.sample(seed=0).dtype == mixture().sample(seed=0).dtype == np.float32


def test_member_i_takes_draw_start_plus_i_and_each_sample_a_stream():
    loc = np.arange(15, dtype=np.float32).reshape(5, 3)
    q = Normal(loc, np.full((5, 3), 2))
    many = q.sample(3, seed=1, start=10)
    assert np.array_equal(many[0], q.sample(seed=1, start=10))
    assert np.array_equal(many[:, 2], Normal(loc[2:3], [[2, 2, 2]]).sample(3, seed=1, start=12)[:, 0])
    assert len(np.unique(many - loc)) == many.size


def test_without_a_batch_the_draws_run_along_the_sample_shape():
    for prior in (Normal(np.zeros(2), np.ones(2), purpose=Purpose.PRIOR), mixture()):
        assert np.array_equal(prior.sample(10, seed=4)[6:], prior.sample((2, 2), seed=4, start=6).reshape(4, 2))


def test_scale_zero_is_a_point_without_a_density():
    point = Normal([[1, 2]], [[0, 0]])
    assert point.sample(seed=0).tolist() == point.mean().tolist() == [[1, 2]]
    for density in (point.entropy, lambda: point.log_prob([[1, 2]]), lambda: point.kl_divergence(point)):
        with pytest.raises(InputError, match="it has no density"):
            density()


def test_a_mixture_draws_its_components_by_their_weights():
    z = mixture().sample(20_000, seed=0)
    counts = [
        (np.abs(np.linalg.solve(tril, (z - loc).T)) < 6).all(axis=0).mean()
        for loc, tril in zip(mixture().loc, mixture().scale_tril, strict=True)
    ]
    assert counts[2] == pytest.approx(0.3, abs=0.02)
    np.testing.assert_allclose(z.mean(axis=0), mixture().mean(), atol=0.1)
    np.testing.assert_allclose(z.var(axis=0), mixture().variance(), rtol=0.05)


def test_a_mixture_of_one_is_a_normal():
    one, normal = Mixture([1], [[1, -2]], [[[0.5, 0], [0, 3]]]), Normal([1, -2], [0.5, 3])
    x = np.random.default_rng(0).normal(size=(50, 2))
    np.testing.assert_allclose(one.log_prob(x), normal.log_prob(x), rtol=1e-9)
    np.testing.assert_allclose(one.stddev(), normal.stddev(), rtol=1e-6)


def test_a_component_of_weight_zero_is_never_drawn():
    z = Mixture([0, 1, 0], [[-100], [0], [100]], [[[1]], [[1]], [[1]]]).sample(1000, seed=0)
    assert np.abs(z).max() < 10


def test_what_has_no_closed_form_says_what_to_do():
    for missing in (mixture().mode, mixture().entropy, lambda: Normal([[0, 0]], [[1, 1]]).kl_divergence(mixture())):
        with pytest.raises(InputError, match=r"no .*closed form: estimate it from samples"):
            missing()


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
