"""The heads of every likelihood, against what `docs/seed-contract.md` says, written out pixel by pixel."""

from __future__ import annotations

import math
import tracemalloc

import numpy as np
import pytest

from vae_edge.runtime import HEADS, Bernoulli, Categorical, DiscretizedLogistic, InputError, Normal, noise
from vae_edge.runtime.distributions import registry
from vae_edge.runtime.noise import Purpose

IMAGE = (5, 4, 3)
SEED, START, STREAM = 2**63 + 11, 10**12, 9
F = np.float32


def rng() -> np.random.Generator:
    return np.random.default_rng(3)


def numbers(*shape: int, low: float = 0.0, high: float = 1.0) -> np.ndarray:
    return rng().uniform(low, high, size=shape).astype(F)


def parameters(family: str, shape: tuple[int, ...], batch: int = 6) -> tuple[dict[str, np.ndarray], dict[str, float]]:
    """What a graph might give for a batch of events, and the settings."""
    full = (batch, *shape)
    return {
        "bernoulli": ({"logits": numbers(*full, low=-8, high=8)}, {}),
        "normal": ({"loc": numbers(*full), "scale": numbers(*full, low=0.01)}, {}),
        "discretized_logistic": ({"loc": numbers(*full, low=-0.2, high=1.2), "scale": numbers(*full, low=1e-3)},
                                 {"levels": 256.0}),
        "categorical": ({"logits": numbers(*full, 7, low=-5, high=5)}, {"levels": 7.0}),
    }[family]  # fmt: skip


LIKELIHOODS = [name for name, kind in registry.FAMILIES.items() if "likelihood" in kind.roles]


def make(family: str, shape: tuple[int, ...] = IMAGE, batch: int = 6):
    given, settings = parameters(family, shape, batch)
    return registry.FAMILIES[family].from_parameters(given, settings, shape, Purpose.PIXEL)


def word16(draw: int, pixel: int, size: int) -> int:
    return int(noise.words16(SEED, Purpose.PIXEL, draw, 1, size, STREAM)[0, pixel])


@pytest.mark.parametrize("family", LIKELIHOODS)
def test_all_likelihoods_write_their_heads(family):
    p = make(family)
    for head in HEADS:
        out = np.full((6, *IMAGE), math.nan, F)
        p.write(head, out, seed=SEED, start=START)
        expected = p.sample(seed=SEED, start=START) if head == "sample" else getattr(p, head)()
        assert np.array_equal(out, expected)
    p.write("sample", out, seed=SEED, start=START, stream=2)
    assert np.array_equal(out, p.sample(3, seed=SEED, start=START)[2])


@pytest.mark.parametrize("family", LIKELIHOODS)
@pytest.mark.parametrize("head", HEADS)
def test_an_event_is_the_same_in_any_batch(family, head):
    """Also where a batch is more than a block of the cache."""
    shape = (40, 40, 1)
    p = make(family, shape, batch=40)
    together = np.empty((40, *shape), F)
    p.write(head, together, seed=SEED, start=START)
    given, settings = parameters(family, shape, batch=40)
    for i in (0, 17, 39):
        alone = registry.FAMILIES[family].from_parameters(
            {name: array[i : i + 1] for name, array in given.items()}, settings, shape, Purpose.PIXEL
        )
        out = np.empty((1, *shape), F)
        alone.write(head, out, seed=SEED, start=START + i)
        if family in ("categorical", "discretized_logistic") and head == "mean":
            np.testing.assert_allclose(out[0], together[i], atol=1e-6)  # sums, whose terms and order a block decides
        else:
            assert np.array_equal(out[0], together[i])


@pytest.mark.parametrize("family", [name for name in LIKELIHOODS if registry.FAMILIES[name].writes_in_place])
@pytest.mark.parametrize("head", HEADS)
def test_out_may_be_the_array_of_a_parameter(family, head):
    given, settings = parameters(family, IMAGE)
    for name in given:
        fresh, _ = parameters(family, IMAGE)
        p = registry.FAMILIES[family].from_parameters(fresh, settings, IMAGE, Purpose.PIXEL)
        expected = np.empty((6, *IMAGE), F)
        p.write(head, expected, seed=SEED)
        p.write(head, fresh[name], seed=SEED)
        assert np.array_equal(fresh[name], expected)


@pytest.mark.parametrize("family", LIKELIHOODS)
@pytest.mark.parametrize("head", HEADS)
def test_no_head_needs_a_second_array_of_that_size(family, head):
    noise.logistic_quantiles(), noise.normal_quantiles()
    shape = (64, 64, 64, 4)
    full = (*shape, 2) if family == "categorical" else shape
    given = {name: np.ones(full, F) for name in registry.FAMILIES[family].parameters}
    settings = {"levels": 2.0 if family == "categorical" else 256.0}
    p = registry.FAMILIES[family].from_parameters(given, settings, shape[1:], Purpose.PIXEL)
    out = next(iter(given.values())) if p.writes_in_place else np.empty(shape, F)
    tracemalloc.start()
    p.write(head, out, seed=0)
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert peak < 0.35 * out.nbytes


@pytest.mark.parametrize("family", LIKELIHOODS)
def test_from_parameters_copies_nothing(family):
    given, settings = parameters(family, IMAGE)
    p = registry.FAMILIES[family].from_parameters(given, settings, IMAGE, Purpose.PIXEL)
    for name, array in given.items():
        assert np.shares_memory(getattr(p, name), array)


@pytest.mark.parametrize("family", LIKELIHOODS)
@pytest.mark.parametrize("bad", [math.nan, math.inf])
def test_from_parameters_refuses_what_is_no_number(family, bad):
    for name in parameters(family, IMAGE)[0]:
        given, settings = parameters(family, IMAGE)
        given[name].flat[7] = bad
        with pytest.raises(InputError, match="should be"):
            registry.FAMILIES[family].from_parameters(given, settings, IMAGE, Purpose.PIXEL)


@pytest.mark.parametrize("family", ["normal", "discretized_logistic"])
@pytest.mark.parametrize("bad", [0.0, -1.0])
def test_from_parameters_refuses_a_scale_that_is_not_positive(family, bad):
    given, settings = parameters(family, IMAGE)
    given["scale"].flat[7] = bad
    with pytest.raises(InputError, match="scale should be finite and > 0"):
        registry.FAMILIES[family].from_parameters(given, settings, IMAGE, Purpose.PIXEL)


@pytest.mark.parametrize("family", ["normal", "discretized_logistic"])
@pytest.mark.parametrize("shape", [(), (6, 1, 1, 3), (6, 1, 1, 1), (6, 5, 4, 1), (5, 4, 3), (3,), (6, 5, 4, 3)])
@pytest.mark.parametrize("vary", ["scale", "loc"])
def test_a_parameter_of_size_1_along_an_axis_is_spread(family, shape, vary):
    """One number, a number for each channel, for each event, for each row and column, for all events' pixels."""
    given, settings = parameters(family, IMAGE)
    given[vary] = np.ascontiguousarray(np.broadcast_to(numbers(*shape, low=0.1), shape))
    full = given | {vary: np.broadcast_to(given[vary], (6, *IMAGE)).copy()}
    kind = registry.FAMILIES[family]
    p, q = (kind.from_parameters(each, settings, IMAGE, Purpose.PIXEL) for each in (given, full))
    for head in HEADS:
        out, expected = np.empty((6, *IMAGE), F), np.empty((6, *IMAGE), F)
        p.write(head, out, seed=SEED)
        q.write(head, expected, seed=SEED)
        assert np.array_equal(out, expected)
    x = p.mode()
    np.testing.assert_allclose(p.log_prob(x), q.log_prob(x), rtol=1e-14)
    np.testing.assert_allclose(p.entropy(), q.entropy(), rtol=1e-14)
    assert p.batch_shape == (6,)


@pytest.mark.parametrize("family", LIKELIHOODS)
def test_events_may_be_vectors(family):
    p = make(family, (9,))
    assert p.sample(seed=0).shape == (6, 9)
    assert p.log_prob(p.mode()).shape == p.entropy().shape == (6,)


# ---- the contract, a pixel at a time -------------------------------------------------------------------------------


def draw(p, n: int = 6) -> np.ndarray:
    out = np.empty((n, *IMAGE), F)
    p.write("sample", out, seed=SEED, start=START, stream=STREAM)
    return out.reshape(n, -1)


def test_a_normal_image_is_drawn_by_the_table():
    p, size = make("normal"), math.prod(IMAGE)
    table, found = noise.normal_quantiles(), draw(p)
    for i, pixel in ((0, 0), (2, 17), (5, size - 1)):
        eps = table[word16(START + i, pixel, size)]
        expected = F(F(eps * p.scale[i].flat[pixel]) + p.loc[i].flat[pixel])
        assert found[i, pixel] == expected


def test_a_normal_vector_is_drawn_by_box_and_mullers_method():
    given, _ = parameters("normal", (7,))
    p = Normal.from_parameters(given, {}, (7,), Purpose.PIXEL)
    eps = noise.normals(SEED, Purpose.PIXEL, START, 6, 7)
    assert np.array_equal(p.sample(seed=SEED, start=START), eps * given["scale"] + given["loc"])


def test_a_discretized_logistic_is_drawn_by_the_table():
    p, size = make("discretized_logistic"), math.prod(IMAGE)
    table, found = noise.logistic_quantiles(), draw(p)
    for i in range(6):
        for pixel in range(0, size, 7):
            t = table[word16(START + i, pixel, size)]
            x = F(F(F(t * p.scale[i].flat[pixel]) + p.loc[i].flat[pixel]) * F(255))
            assert found[i, pixel] == F(np.rint(min(max(x, F(0)), F(255)))) / F(255)
    assert {0.0, 1.0} < set(found.ravel().tolist())


def test_a_categorical_is_drawn_by_its_distribution_function():
    p, size = make("categorical"), math.prod(IMAGE)
    found = draw(p)
    for i, pixel in ((0, 0), (2, 17), (3, 18), (5, size - 1)):
        word = int(noise.words(SEED, Purpose.PIXEL, START + i, 1, -(-size // 2), STREAM)[0, pixel // 2])
        half = word >> 32 if pixel % 2 else word & 0xFFFFFFFF
        logits = p.logits[i].reshape(size, 7)[pixel].astype(np.float64)
        e = np.exp(logits - logits.max())
        level = next(k for k in range(7) if e[: k + 1].sum() > (half + 0.5) / 2**32 * e.sum())
        assert found[i, pixel] == F(level) / F(6)


def test_a_level_of_probability_zero_is_never_drawn_and_a_certain_one_always():
    logits = np.full((20, 20, 1, 5), -math.inf)
    logits[..., 3] = -1e30
    assert np.unique(Categorical(logits).sample(50, seed=0)).tolist() == [0.75]
    logits[..., 1] = -1e30
    assert np.unique(Categorical(logits).sample(50, seed=0)).tolist() == [0.25, 0.75]


def test_certain_pixels_of_a_discretized_logistic_are_certain():
    k = np.arange(256).reshape(1, 16, 16, 1) / 255
    p = DiscretizedLogistic(k, 1e-30)
    for drawn in (p.sample(seed=0), p.mean(), p.mode()):
        assert np.array_equal(drawn, k.astype(F))
    far = DiscretizedLogistic(np.array([-3e38, -5, 5, 3e38]).reshape(4, 1, 1), 1e-3)
    for drawn in (far.sample(seed=0), far.mean(), far.mode()):
        assert drawn.ravel().tolist() == [0, 0, 1, 1]


# ---- what is handed in wrongly --------------------------------------------------------------------------------------


@pytest.mark.parametrize("head", ["Mean", "", None, 1, [], "all"])
def test_an_unknown_head_is_answered_with_all_heads(head):
    with pytest.raises(InputError, match="one of sample, mean, mode"):
        Bernoulli(np.zeros((2, 2, 1))).write(head, np.empty((2, 2, 1), F))


@pytest.mark.parametrize(
    "out", [np.empty((2, 2, 2)), np.empty((2, 2, 1), F), np.empty((3, 2, 2, 1), F), np.empty((1, 2, 2, 2), F).T]
)
def test_an_array_that_does_not_fit_is_refused(out):
    with pytest.raises(InputError, match=r"out should be float32 of shape \(2, 2, 2, 1\)"):
        Bernoulli(np.zeros((2, 2, 2, 1))).write("mean", out)
