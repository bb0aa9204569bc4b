from __future__ import annotations

import inspect
import math
import tracemalloc

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
    Distribution,
    InputError,
    Mixture,
    MultivariateNormalTriL,
    Normal,
)
from vae_edge.runtime.noise import Purpose

INF = math.inf
LOGITS = hnp.arrays(np.float32, (3, 2, 2, 1), elements=st.floats(-1e4, 1e4, width=32) | st.sampled_from([-INF, INF]))
FINITE = st.floats(-100, 100, width=32)
SCALES = st.floats(0.015625, 64, width=32)
NORMALS = st.builds(
    Normal, hnp.arrays(np.float32, (2, 3), elements=FINITE), hnp.arrays(np.float32, (2, 3), elements=SCALES)
)


TRIL = [[0.25, 0], [-0.2, 0.1]]
GREY = np.linspace(-0.1, 1.1, 24).reshape(6, 4, 1)


def one_of_each(batch: tuple[int, ...] = ()) -> dict[str, Distribution]:
    """A distribution of every family that there is."""

    def spread(array: object) -> np.ndarray:
        return np.broadcast_to(array, (*batch, *np.shape(array)))

    return {
        "bernoulli": Bernoulli(spread(GREY)),
        "categorical": Categorical(spread(np.stack([GREY, -GREY, GREY * GREY], axis=-1))),
        "deterministic": Deterministic(spread([1, 2])),
        "discretized_logistic": DiscretizedLogistic(spread(GREY), 0.1, levels=4),
        "multivariate_normal_tril": MultivariateNormalTriL(spread([1, 2]), spread(TRIL)),
        "normal": Normal(spread([1, 2]), spread([3, 4])),
        "normal of images": Normal(spread(GREY), 0.2),
    } | ({} if batch else {"mixture": mixture()})


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


@pytest.mark.parametrize("method", ["mean", "mode", "variance", "stddev", "entropy"])
def test_a_family_that_defines_nothing_has_nothing_in_closed_form(method):
    with pytest.raises(InputError, match=r"a Distribution has no \w+ in closed form: estimate it from samples"):
        getattr(Distribution((2,), (3,)), method)()
    with pytest.raises(InputError, match="a Distribution has no log_prob in closed form"):
        Distribution((2,), (3,)).log_prob(np.zeros((2, 3)))


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


# ---- what holds of every family ------------------------------------------------------------------------------------


@pytest.mark.parametrize("batch", [(), (1,), (3,)])
def test_shapes_and_dtypes_are_those_of_the_contract(batch):
    for p in one_of_each(batch).values():
        full = batch + p.event_shape
        assert p.batch_shape == batch
        draws = p.sample((2, 4), seed=0)
        assert (draws.shape, draws.dtype) == ((2, 4, *full), np.float32)
        for method in (p.mean, p.mode, p.variance, p.stddev):
            try:
                found = method()
            except InputError:
                continue
            assert (found.shape, found.dtype) == (full, np.float32), method


@pytest.mark.parametrize("batch", [(), (3,)])
def test_a_figure_is_an_array_of_float64_also_without_a_batch(batch):
    for name, p in one_of_each(batch).items():
        x = p.sample(seed=0)
        figures = {
            "log_prob": lambda p=p, x=x: p.log_prob(x), "entropy": p.entropy, "kl": lambda p=p: p.kl_divergence(p),
        }  # fmt: skip
        for method, figure in figures.items():
            if name in ("deterministic", "mixture", "discretized_logistic") and (method, name) not in {
                ("log_prob", "mixture"), ("log_prob", "discretized_logistic"), ("entropy", "discretized_logistic"),
            }:  # fmt: skip
                continue
            found = figure()
            assert type(found) is np.ndarray, (name, method)
            assert (found.shape, found.dtype) == (batch, np.float64), (name, method)


def test_nothing_that_is_handed_in_or_out_is_the_distribution_s_own():
    """Written over before and after, and nothing changes."""
    given = {
        Bernoulli: [np.zeros((2, 6, 4, 1), "f")],
        Categorical: [np.zeros((2, 6, 4, 1, 3), "f")],
        Deterministic: [np.zeros((2, 3), "f")],
        DiscretizedLogistic: [np.zeros((2, 6, 4, 1), "f"), np.ones((2, 6, 4, 1), "f")],
        MultivariateNormalTriL: [np.zeros((2, 3), "f"), np.stack([np.eye(3, dtype="f")] * 2)],
        Normal: [np.zeros((2, 3), "f"), np.ones((2, 3), "f")],
        Mixture: [np.array([0.25, 0.75]), np.zeros((2, 3), "f"), np.stack([np.eye(3, dtype="f")] * 2)],
    }
    for kind, arrays in given.items():
        kept, p = [array.copy() for array in arrays], kind(*arrays)
        before = p.sample(seed=0)
        assert all(np.array_equal(array, was) for array, was in zip(arrays, kept, strict=True))
        for array in arrays:
            array[...] = math.nan
        for method in (p.mean, p.mode, p.variance, p.stddev):
            try:
                found = method()
            except InputError:
                continue
            found[...] = math.nan
        assert np.array_equal(p.sample(seed=0), before), kind


def test_the_weights_of_a_mixture_stay_the_caller_s():
    weights = np.array([0.5, 0.5001])
    p = Mixture(weights, [[0], [0]], [[[1]], [[1]]])
    assert weights.tolist() == [0.5, 0.5001]
    assert p.weights.sum() == pytest.approx(1, abs=1e-15)


@pytest.mark.parametrize("name", one_of_each())
def test_more_draws_than_fit_in_memory_are_refused_at_once(name):
    for batch in ((), (3,)):
        p = one_of_each(batch).get(name)
        if p is not None:
            for shape in (10**15, (10**8, 10**8), 10**18):
                with pytest.raises(InputError, match="do not fit in memory"):
                    p.sample(shape, seed=0)


def test_a_log_prob_broadcasts_as_it_says():
    one = Mixture([1], [[0.5]], [[[2]]])
    normal = Normal([0.5], [2])
    for x in (3.0, [3.0], [[3.0], [1.0]], np.zeros((4, 2, 1))):
        assert one.log_prob(x).shape == normal.log_prob(x).shape == np.shape(x)[:-1]
        np.testing.assert_allclose(one.log_prob(x), normal.log_prob(x), rtol=1e-14)
    for p in one_of_each((3,)).values():
        if type(p) is Deterministic:
            continue
        x = p.sample((2, 5), seed=0)
        assert p.log_prob(x).shape == (2, 5, 3)
        assert np.array_equal(p.log_prob(x)[1, 2], p.log_prob(x[1, 2]))
        assert p.log_prob(x[0, 0, :1]).shape == (3,)
        assert p.log_prob(np.zeros(())).shape == (3,)
    assert mixture().log_prob(np.zeros((7, 1))).shape == (7,)
    assert np.array_equal(mixture().log_prob(np.zeros((7, 1))), mixture().log_prob(np.zeros((7, 2))))


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


def test_no_values_have_no_log_probs():
    for batch in ((), (3,)):
        for p in one_of_each(batch).values():
            if type(p) is not Deterministic:
                found = p.log_prob(np.zeros((0, *batch, *p.event_shape)))
                assert (found.shape, found.dtype) == ((0, *batch), np.float64), p


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


@pytest.mark.parametrize("method", [Distribution.sample, Distribution.write])
def test_draws_begin_at_draw_0_of_stream_0_where_nothing_else_is_said(method):
    defaults = inspect.signature(method).parameters
    assert (defaults["start"].default, defaults["stream"].default) == (0, 0)
