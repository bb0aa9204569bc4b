"""Every distribution against its twin in TensorFlow Probability, to 1e-5 relative."""

from __future__ import annotations

import math
import warnings

import numpy as np
import pytest

from vae_edge.runtime import (
    Bernoulli,
    Categorical,
    Deterministic,
    DiscretizedLogistic,
    Mixture,
    MultivariateNormalTriL,
    Normal,
)
from vae_edge.runtime.distributions import registry

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


def factors(n: int, size: int) -> np.ndarray:
    diagonal = np.eye(size) * (rng().gamma(2, size=(n, 1, size)) + 0.05)
    return (np.tril(rng().normal(size=(n, size, size)), -1) + diagonal).astype(np.float32)


def test_full_covariance_is_tfp_s():
    loc, tril = rng().normal(size=(20, 8)).astype(np.float32), factors(20, 8)
    ours, theirs = MultivariateNormalTriL(loc, tril), tfd.MultivariateNormalTriL(loc.astype("d"), tril.astype("d"))
    x = ours.sample(3, seed=0)
    close(ours.log_prob(x), theirs.log_prob(x.astype("d")))
    close(ours.entropy(), theirs.entropy())
    for method in (*MOMENTS, "covariance"):
        np.testing.assert_allclose(getattr(ours, method)(), getattr(theirs, method)(), rtol=1e-5, atol=1e-6)
    assert ours.batch_shape == tuple(theirs.batch_shape)
    assert ours.event_shape == tuple(theirs.event_shape)
    other = tfd.MultivariateNormalTriL(loc[::-1].astype("d"), tril[::-1].astype("d"))
    close(ours.kl_divergence(MultivariateNormalTriL(loc[::-1], tril[::-1])), tfd.kl_divergence(theirs, other))
    standard = Normal(np.zeros(8), np.ones(8))
    twin = tfd.MultivariateNormalDiag(np.zeros(8), np.ones(8))
    close(ours.kl_divergence(standard), tfd.kl_divergence(theirs, twin))
    close(standard.kl_divergence(ours), tfd.kl_divergence(twin, theirs))


@pytest.mark.parametrize("scale", [0.25, np.array([0.125, 0.5, 2.0]), rng().gamma(2, size=(5, 6, 4, 3))])
def test_normal_images_are_tfp_s(scale):
    loc, scale = rng().random((5, 6, 4, 3)).astype(np.float32), np.asarray(scale, np.float32)
    ours = Normal(loc, scale)
    theirs = tfd.Independent(tfd.Normal(loc.astype("d"), scale.astype("d")), 3)
    x = ours.sample(2, seed=0)
    close(ours.log_prob(x), theirs.log_prob(x.astype("d")))
    close(ours.entropy(), theirs.entropy())
    for method in MOMENTS:
        close(getattr(ours, method)(), getattr(theirs, method)())
    other = tfd.Independent(tfd.Normal(loc[::-1].astype("d"), np.ones(1)), 3)
    close(ours.kl_divergence(Normal(loc[::-1], 1.0)), tfd.kl_divergence(theirs, other))


def quantized(loc: np.ndarray, scale: np.ndarray, levels: int) -> object:
    """The same in TFP, its parameters in levels."""
    last = levels - 1
    shifted = tfd.TransformedDistribution(tfd.Logistic(loc * last, scale * last), tfp.bijectors.Shift(np.float64(-0.5)))
    return tfd.QuantizedDistribution(shifted, low=np.float64(0), high=np.float64(last))


@pytest.mark.parametrize("levels", [2, 16, 256])
@pytest.mark.parametrize("size", [1e-2, 1e-1, 1.0, 10.0])
def test_discretized_logistic_is_tfp_s(levels, size):
    """TFP has log_prob, and no entropy or moments; where its difference of two float64 does not cancel."""
    loc = (rng().random((50, 6, 4, 1)) * 1.2 - 0.1).astype(np.float32)
    scale = (rng().gamma(2, size=loc.shape) * size / levels + 1e-3).astype(np.float32)
    ours, theirs = DiscretizedLogistic(loc, scale, levels=levels), quantized(loc.astype("d"), scale.astype("d"), levels)
    for x in (ours.sample(seed=0), ours.mode(), np.zeros_like(loc), np.ones_like(loc)):
        close(ours.log_prob(x), np.asarray(theirs.log_prob(np.rint(x * (levels - 1.0)))).sum(axis=(1, 2, 3)))


@pytest.mark.parametrize("levels", [2, 10, 256])
def test_categorical_is_tfp_s(levels):
    logits = (rng().normal(size=(9, 6, 4, 1, levels)) * 3).astype(np.float32)
    ours, theirs = Categorical(logits), tfd.Independent(tfd.Categorical(logits.astype("d")), 3)
    x = ours.sample(2, seed=0)
    close(ours.log_prob(x), theirs.log_prob(np.rint(x * (levels - 1)).astype(np.int32)))
    close(ours.entropy(), theirs.entropy())
    close(ours.mode() * (levels - 1), theirs.mode())
    other = tfd.Independent(tfd.Categorical(logits[::-1].astype("d")), 3)
    close(ours.kl_divergence(Categorical(logits[::-1])), tfd.kl_divergence(theirs, other))
    grid = tfd.FiniteDiscrete(np.arange(levels) / (levels - 1), logits=logits.astype("d"))
    close(ours.mean(), grid.mean())
    close(ours.variance(), grid.variance())


def follow(thing: object, place: str) -> object:
    """What stands at a place, as the comment on `Distribution.tfp` says."""
    for mark, calculate in ((" / ", lambda a, b: a / b), (" + ", lambda a, b: a + b)):
        if mark in place:
            return calculate(*(follow(thing, part) for part in place.split(mark)))
    if place.isdigit():
        return int(place)
    for name in place.split("."):
        thing = getattr(thing, name.removesuffix("()"))
        thing = thing() if name.endswith("()") else thing
    return np.asarray(thing)


def test_parameters_stand_where_the_families_say():
    """Each class of TFP's that a family names, taken apart by its table and made again."""
    loc, scale = rng().random((2, 6, 4, 1)).astype("f"), rng().random((2, 6, 4, 1)).astype("f") + 0.1
    row, rows, tril = loc[..., 0, 0], scale[..., 0, 0], factors(2, 6)
    logits = rng().normal(size=(2, 6, 4, 1, 5)).astype("f")
    cases = {
        ("bernoulli", "Bernoulli"): (tfd.Bernoulli(logits=loc), {"logits": loc}),
        ("normal", "Normal"): (tfd.Normal(loc, scale), {"loc": loc, "scale": scale}),
        ("normal", "MultivariateNormalDiag"): (tfd.MultivariateNormalDiag(row, rows), {"loc": row, "scale": rows}),
        ("deterministic", "Deterministic"): (tfd.Deterministic(loc), {"loc": loc}),
        ("deterministic", "VectorDeterministic"): (tfd.VectorDeterministic(row), {"loc": row}),
        ("multivariate_normal_tril", "MultivariateNormalTriL"): (
            tfd.MultivariateNormalTriL(row, tril), {"loc": row, "scale_tril": tril},
        ),
        ("categorical", "Categorical"): (tfd.Categorical(logits), {"logits": logits}),
        ("discretized_logistic", "QuantizedDistribution(TransformedDistribution(Logistic))"): (
            quantized(loc.astype("d"), scale.astype("d"), 16), {"loc": loc, "scale": scale, "levels": 16},
        ),
    }  # fmt: skip
    named = {(family, name) for family, kind in registry.FAMILIES.items() for name in kind.tfp}
    assert cases.keys() == named
    for (family, name), (theirs, expected) in cases.items():
        table, inner = registry.FAMILIES[family].tfp[name], theirs
        for part in name.rstrip(")").split("("):
            assert type(inner).__name__ == part
            inner = getattr(inner, "distribution", None)
        found = {}
        for key, place in table.items():
            if place.startswith("= "):
                assert follow(theirs, key) == float(place[2:])
            else:
                found[key] = follow(theirs, place)
        assert found.keys() == expected.keys()
        for key, value in expected.items():
            np.testing.assert_allclose(found[key], value, rtol=1e-6)


def test_deterministic_is_tfp_s():
    ours, theirs = Deterministic(LOC := rng().normal(size=(5, 3)).astype("f")), tfd.VectorDeterministic(LOC)
    for method in MOMENTS:
        close(getattr(ours, method)(), getattr(theirs, method)())
    close(ours.sample(seed=0), theirs.sample())
