"""What holds of every distribution, whatever its parameters: by enumeration, by quadrature, and by its own draws."""

from __future__ import annotations

import itertools
import math

import numpy as np
from hypothesis import example, given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from vae_edge.runtime import Bernoulli, Categorical, DiscretizedLogistic, Mixture, MultivariateNormalTriL, Normal

LOCS = st.floats(-100, 100, width=32)
SCALES = st.floats(0.015625, 64, width=32)
PIXELS = hnp.arrays(np.float32, (2, 2, 1), elements=st.floats(-80, 80, width=32))
ONE = st.builds(lambda loc, scale: Normal([loc], [scale]), LOCS, SCALES)
MIXTURES = st.lists(st.tuples(st.integers(1, 9), LOCS, SCALES), min_size=1, max_size=4).map(
    lambda parts: Mixture(
        np.array([weight for weight, _, _ in parts]) / sum(weight for weight, _, _ in parts),
        [[loc] for _, loc, _ in parts],
        [[[scale]] for _, _, scale in parts],
    )
)
# All sixteen images of four pixels.
OUTCOMES = np.array(list(itertools.product([0, 1], repeat=4)), np.float32).reshape(16, 2, 2, 1)


def quadrature(*distributions: Normal | Mixture) -> tuple[np.ndarray, np.ndarray]:
    """Points (n, 1) and weights (n,) by which what these make of a line is integrated, to ten scales from each loc.

    Gauss-Legendre's, in panels no wider than the narrowest scale around.
    """
    scales = [(d.scale_tril if isinstance(d, Mixture) else d.scale).ravel() for d in distributions]
    places = [
        pair for d, own in zip(distributions, scales, strict=True) for pair in zip(d.loc.ravel(), own, strict=True)
    ]
    ends = np.unique(np.concatenate([float(loc) + float(scale) * np.arange(-10.0, 10.5, 0.5) for loc, scale in places]))
    nodes, weights = np.polynomial.legendre.leggauss(12)
    half = np.diff(ends)[:, None] / 2
    return (ends[:-1, None] + half * (nodes + 1)).reshape(-1, 1), (half * weights).ravel()


@given(PIXELS)
def test_bernoulli_probabilities_of_all_images_sum_to_one(logits):
    p = Bernoulli(logits)
    log_prob = p.log_prob(OUTCOMES)
    probability = np.exp(log_prob)
    np.testing.assert_allclose(probability.sum(), 1, rtol=1e-5)
    # E[x] and E[-log p(x)], as they are defined
    np.testing.assert_allclose(np.tensordot(probability, OUTCOMES, 1), p.mean(), rtol=1e-5, atol=1e-37)
    np.testing.assert_allclose(-probability @ log_prob, p.entropy(), rtol=1e-5, atol=1e-30)
    assert 0 <= p.entropy() <= 4 * math.log(2) + 1e-6


@given(PIXELS)
def test_bernoulli_mode_is_the_likeliest_of_all_images(logits):
    p = Bernoulli(logits)
    assert p.log_prob(p.mode()) >= p.log_prob(OUTCOMES).max()


@example(np.full((2, 2, 1), 1.4060827e-15, "f"), np.zeros((2, 2, 1), "f"))
@given(PIXELS, PIXELS)
def test_bernoulli_divergence_is_what_it_is_defined_as(a, b):
    p, q = Bernoulli(a), Bernoulli(b)
    log_p, log_q = p.log_prob(OUTCOMES), q.log_prob(OUTCOMES)
    expected = np.exp(log_p) @ (log_p - log_q)
    np.testing.assert_allclose(p.kl_divergence(q), expected, rtol=1e-5, atol=1e-5)
    assert p.kl_divergence(q) >= 0
    assert p.kl_divergence(p) == 0


@given(ONE)
def test_normal_density_integrates_to_one_and_to_its_moments(p):
    x, dx = quadrature(p)
    log_prob = p.log_prob(x)
    mass = np.exp(log_prob) * dx
    scale = float(p.scale[0])
    np.testing.assert_allclose(mass.sum(), 1, rtol=1e-9)
    np.testing.assert_allclose(mass @ x, p.mean(), atol=1e-9 * scale + 1e-12)
    np.testing.assert_allclose(mass @ np.square(x - p.mean()), p.variance(), rtol=1e-6)
    np.testing.assert_allclose(-mass @ log_prob, p.entropy(), rtol=1e-9, atol=1e-9)
    np.testing.assert_allclose(p.entropy(), math.log(scale * math.sqrt(2 * math.pi * math.e)), rtol=1e-12, atol=1e-12)


@given(st.lists(st.tuples(LOCS, SCALES), min_size=2, max_size=2), hnp.arrays(np.float32, (9, 2), elements=LOCS))
def test_normal_density_of_a_vector_is_the_product_of_its_parts(parts, x):
    loc, scale = zip(*parts, strict=True)
    whole, apart = Normal(loc, scale), [Normal([m], [s]) for m, s in parts]
    expected = sum(p.log_prob(x[:, [axis]]) for axis, p in enumerate(apart))
    np.testing.assert_allclose(whole.log_prob(x), expected, rtol=1e-12)
    np.testing.assert_allclose(whole.entropy(), sum(p.entropy() for p in apart), rtol=1e-12, atol=1e-12)


@given(ONE, hnp.arrays(np.float32, (20, 1), elements=LOCS))
def test_normal_mode_is_the_likeliest_value(p, x):
    assert (p.log_prob(p.mode()) >= p.log_prob(x)).all()
    assert (p.log_prob(p.mode()) > p.log_prob(p.mode() + p.scale / 8)).all()


@given(ONE, ONE)
def test_normal_divergence_is_what_it_is_defined_as(p, q):
    x, dx = quadrature(p)
    log_p, log_q = p.log_prob(x), q.log_prob(x)
    np.testing.assert_allclose(p.kl_divergence(q), (np.exp(log_p) * dx) @ (log_p - log_q), rtol=1e-7, atol=1e-9)
    assert p.kl_divergence(q) >= 0
    assert p.kl_divergence(p) == 0


@given(MIXTURES)
def test_mixture_density_integrates_to_one_and_to_its_moments(p):
    x, dx = quadrature(p)
    mass = np.exp(p.log_prob(x)) * dx
    np.testing.assert_allclose(mass.sum(), 1, rtol=1e-6)
    reach = float(np.abs(p.loc).max() + p.scale_tril.max())
    np.testing.assert_allclose(mass @ x, p.mean(), atol=1e-6 * reach)
    np.testing.assert_allclose(mass @ np.square(x - mass @ x), p.variance(), rtol=1e-5, atol=1e-5 * reach)


@given(MIXTURES, hnp.arrays(np.float32, (9, 1), elements=LOCS))
def test_mixture_density_is_the_weighted_mean_of_its_parts(p, x):
    parts = [Normal(loc, scale).log_prob(x) for loc, scale in zip(p.loc, p.scale_tril[:, 0], strict=True)]
    expected = np.logaddexp.reduce([np.log(w) + part for w, part in zip(p.weights, parts, strict=True)])
    np.testing.assert_allclose(p.log_prob(x), expected, rtol=1e-6, atol=1e-6)


LEVELS = st.integers(2, 40)
LOGISTICS = st.builds(
    lambda loc, scale, levels: DiscretizedLogistic([[[loc]]], scale, levels=levels),
    st.floats(-2, 3, width=32), st.floats(-40, 6).map(lambda power: max(2.0**power, 1e-12)), LEVELS,
)  # fmt: skip
CATEGORICALS = hnp.arrays(np.float32, (1, 1, 1, 9), elements=st.floats(-80, 80, width=32))


def masses(p: DiscretizedLogistic | Categorical) -> tuple[np.ndarray, np.ndarray]:
    """All levels of a pixel, and log P of each."""
    grid = np.arange(p.levels) / (p.levels - 1)
    return grid, p.log_prob(grid.reshape(-1, 1, 1, 1)).ravel()


@given(LOGISTICS | CATEGORICALS.map(Categorical))
def test_the_levels_of_a_pixel_are_what_its_figures_say(p):
    grid, log_p = masses(p)
    mass = np.exp(log_p)
    np.testing.assert_allclose(mass.sum(), 1, rtol=1e-12)
    np.testing.assert_allclose(p.mean().ravel(), mass @ grid, atol=1e-5)
    np.testing.assert_allclose(p.entropy(), -mass @ log_p, rtol=1e-9, atol=1e-30)
    np.testing.assert_allclose(p.variance().ravel(), mass @ np.square(grid - mass @ grid), rtol=1e-5, atol=1e-37)
    assert p.log_prob(p.mode()) == log_p.max()


@given(LOGISTICS)
def test_a_discretized_logistic_turned_over_is_its_mirror_image(p):
    _, log_p = masses(p)
    mirror = DiscretizedLogistic(1 - p.loc.astype(np.float64), p.scale, levels=p.levels)
    if mirror.loc == 1 - p.loc.astype(np.float64):  # 1 - loc is a float32
        np.testing.assert_allclose(masses(mirror)[1][::-1], log_p, rtol=1e-9, atol=1e-9 / p.scale.min())


@given(CATEGORICALS, CATEGORICALS, st.floats(-50, 50, width=32))
def test_categorical_divergence_is_what_it_is_defined_as(a, b, shift):
    p, q = Categorical(a), Categorical(b)
    log_p, log_q = masses(p)[1], masses(q)[1]
    np.testing.assert_allclose(p.kl_divergence(q), [np.exp(log_p) @ (log_p - log_q)], rtol=1e-9, atol=1e-12)
    assert p.kl_divergence(q) >= 0
    assert p.kl_divergence(p) == 0
    # softmax does not know a constant
    np.testing.assert_allclose(p.kl_divergence(Categorical(a + shift)), [0], atol=1e-4)


SQUARES = hnp.arrays(np.float32, (2, 3, 3), elements=st.floats(-4, 4, width=32)).map(
    lambda raw: np.tril(raw, -1) + np.exp2(raw) * np.eye(3, dtype=np.float32)
)
FULL = st.builds(MultivariateNormalTriL, hnp.arrays(np.float32, (2, 3), elements=st.floats(-4, 4, width=32)), SQUARES)


@given(FULL)
def test_full_covariance_is_the_density_of_what_makes_it(p):
    """log N(m + T e; m, T T') = log N(e; 0, 1) - log |T|, and H is that of N(0, 1) + log |T|."""
    eps = np.random.default_rng(0).normal(size=(20, 2, 3))
    x = p.loc + np.einsum("bij,nbj->nbi", p.scale_tril.astype(np.float64), eps)
    standard, log_det = Normal(np.zeros(3), np.ones(3)), np.log(p.scale_tril.diagonal(axis1=1, axis2=2)).sum(axis=1)
    np.testing.assert_allclose(p.log_prob(x), standard.log_prob(eps) - log_det, rtol=1e-5, atol=1e-5)
    np.testing.assert_allclose(p.entropy(), standard.entropy() + log_det, rtol=1e-5, atol=1e-5)


@given(FULL, FULL)
def test_full_divergence_is_what_it_is_defined_as(p, q):
    """E[(x - a)' A (x - a)] of a normal is exact by the 2 L points m +- sqrt(L) T e_i (Julier & Uhlmann 1997)."""
    spread = np.sqrt(3) * p.scale_tril.astype(np.float64)
    points = np.concatenate([p.loc + np.moveaxis(spread, 2, 0), p.loc - np.moveaxis(spread, 2, 0)])
    expected = (p.log_prob(points) - q.log_prob(points)).mean(axis=0)
    np.testing.assert_allclose(p.kl_divergence(q), expected, rtol=1e-7, atol=1e-9)
    assert (p.kl_divergence(q) >= 0).all()
    assert np.array_equal(p.kl_divergence(p), np.zeros(2))
    diagonal = Normal(q.loc, q.scale_tril.diagonal(axis1=1, axis2=2))
    expected = (p.log_prob(points) - diagonal.log_prob(points)).mean(axis=0)
    np.testing.assert_allclose(p.kl_divergence(diagonal), expected, rtol=1e-7, atol=1e-9)


# ---- draws: seeds are fixed, so what is drawn is too, and a bound that holds once holds for good -------------------

N = 4000


@given(LOCS, SCALES)
def test_the_mean_of_normal_draws_is_the_mean(loc, scale):
    """The noise is the same for any loc and scale: 4.5 standard errors, and float32's rounding of what is drawn."""
    p = Normal(np.full((N, 1), loc), np.full((N, 1), scale))
    z = p.sample(seed=11).astype(np.float64)
    rounding = 2**-23 * (abs(loc) + 5 * scale)
    assert abs(z.mean() - loc) <= 4.5 * scale / math.sqrt(N) + rounding
    # a variance of n normal draws has a standard error of sqrt(2 / n)
    assert abs(z.std() / scale - 1) <= 4.5 * math.sqrt(1 / (2 * N)) + rounding / scale


@given(st.floats(-80, 80, width=32))
def test_the_mean_of_bernoulli_draws_is_the_mean(logit):
    """For all p at once (Dvoretzky, Kiefer & Wolfowitz 1956): the draws compare the same words with p."""
    p = Bernoulli(np.full((N, 1, 1, 1), logit))
    bound = math.sqrt(math.log(2 / 1e-6) / (2 * N)) + 2**-17
    assert abs(p.sample(seed=12).mean(dtype=np.float64) - p.mean()[0, 0, 0, 0]) <= bound


@settings(derandomize=True)  # what falls to a component depends on the weights
@given(MIXTURES)
def test_the_mean_of_mixture_draws_is_the_mean(p):
    z = p.sample(N, seed=13).astype(np.float64)
    spread = math.sqrt(float(p.variance()[0]))
    assert abs(z.mean() - p.mean()[0]) <= 5 * spread / math.sqrt(N) + 2**-20 * np.abs(p.loc).max()


@given(LOGISTICS)
def test_the_mean_of_discretized_logistic_draws_is_the_mean(p):
    """A draw misses each P(x <= k) by 2**-17 at most; N draws by what Dvoretzky, Kiefer & Wolfowitz's bound says."""
    many = DiscretizedLogistic(np.broadcast_to(p.loc, (N, 1, 1, 1)), p.scale, levels=p.levels)
    bound = math.sqrt(math.log(2 / 1e-6) / (2 * N)) + 2**-17
    drawn = many.sample(seed=14)
    grid, log_p = masses(p)
    below, above = np.cumsum(np.exp(log_p)), (drawn.ravel()[:, None] <= grid.astype(np.float32)).mean(axis=0)
    moved = 0.25 * 2.0**-22 * max(abs(float(p.loc.max())), 1) / float(p.scale.min())  # float32 rounds loc
    assert np.abs(below - above).max() <= bound + moved


@given(CATEGORICALS)
def test_the_levels_of_categorical_draws_have_their_probabilities(logits):
    p = Categorical(np.broadcast_to(logits, (N, 1, 1, 1, 9)))
    drawn, (grid, log_p) = p.sample(seed=15), masses(Categorical(logits))
    found = (drawn.ravel()[:, None] <= grid.astype(np.float32)).mean(axis=0)
    assert np.abs(np.cumsum(np.exp(log_p)) - found).max() <= math.sqrt(math.log(2 / 1e-6) / (2 * N))
