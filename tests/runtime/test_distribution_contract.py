"""What holds of every family: shapes, dtypes, draws, and that no array is shared with the caller."""

from __future__ import annotations

import inspect
import math

import numpy as np
import pytest

from tests.families import mixture, one_of_each
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


def test_no_values_have_no_log_probs():
    for batch in ((), (3,)):
        for p in one_of_each(batch).values():
            if type(p) is not Deterministic:
                found = p.log_prob(np.zeros((0, *batch, *p.event_shape)))
                assert (found.shape, found.dtype) == ((0, *batch), np.float64), p


@pytest.mark.parametrize("method", [Distribution.sample, Distribution.write])
def test_draws_begin_at_draw_0_of_stream_0_where_nothing_else_is_said(method):
    defaults = inspect.signature(method).parameters
    assert (defaults["start"].default, defaults["stream"].default) == (0, 0)
