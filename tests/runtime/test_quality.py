"""The figures of samples against brute force, known values, and SciPy's matrix root."""

from __future__ import annotations

import math
import tracemalloc

import numpy as np
import pytest
import scipy.linalg
from hypothesis import given, settings
from hypothesis import strategies as st

from vae_edge.runtime import InputError
from vae_edge.runtime.evaluation import quality
from vae_edge.runtime.evaluation.quality import Features, Likeness


def features(n: int, size: int, seed: int, loc: float = 0, scale: float = 1) -> Features:
    return Features(np.random.default_rng(seed).normal(loc, scale, (n, size)))


def by_hand(real: np.ndarray, generated: np.ndarray, k: int) -> Likeness:
    """Loops over the papers' definitions."""

    def radius(points: np.ndarray, at: int) -> float:
        return sorted(math.dist(points[at], other) for i, other in enumerate(points) if i != at)[k - 1]

    real_balls = [radius(real, i) for i in range(len(real))]
    made_balls = [radius(generated, j) for j in range(len(generated))]
    d = [[math.dist(x, y) for y in generated] for x in real]
    n, m = range(len(real)), range(len(generated))
    return Likeness(
        precision=sum(any(d[i][j] < real_balls[i] for i in n) for j in m) / len(m),
        recall=sum(any(d[i][j] < made_balls[j] for j in m) for i in n) / len(n),
        density=sum(d[i][j] < real_balls[i] for i in n for j in m) / (k * len(m)),
        coverage=sum(min(d[i]) < real_balls[i] for i in n) / len(n),
    )


@settings(deadline=None, max_examples=30)
@given(
    n=st.integers(6, 30), m=st.integers(6, 30), size=st.integers(1, 4), k=st.integers(1, 5), seed=st.integers(0, 999)
)
def test_likeness_is_what_the_papers_define(n, m, size, k, seed):
    generator = np.random.default_rng(seed)
    real, generated = generator.normal(size=(n, size)), generator.normal(0.5, 1, (m, size))
    found = quality.likeness(Features(real, k), Features(generated, k))
    assert vars(found) == pytest.approx(vars(by_hand(real, generated, k)))


@pytest.mark.parametrize("k", [1, 5, 37])
def test_a_radius_reaches_to_the_kth_neighbour_of_many(k):
    points = np.random.default_rng(0).normal(size=(500, 3))
    distances = np.square(points[:, None] - points).sum(axis=2)
    np.fill_diagonal(distances, np.inf)
    np.testing.assert_allclose(Features(points, k).radii, np.sort(distances, axis=1)[:, k - 1], rtol=1e-9)


def test_the_same_images_are_as_like_as_can_be():
    same = features(200, 3, seed=0)
    found = quality.likeness(same, same)
    assert (found.precision, found.recall, found.coverage) == (1, 1, 1)
    assert quality.frechet(same, same) == pytest.approx(0, abs=1e-9)


def test_images_of_another_world_are_not_like_at_all():
    found = quality.likeness(features(50, 3, seed=0), features(60, 3, seed=1, loc=100))
    assert vars(found) == {"precision": 0, "recall": 0, "density": 0, "coverage": 0}


def test_a_generator_of_one_image_is_precise_and_covers_nothing():
    real = features(300, 2, seed=0)
    found = quality.likeness(real, Features(np.zeros((300, 2)) + real.values[0]))
    assert found.precision == 1
    assert found.recall == 0
    assert found.coverage < 0.1


@pytest.mark.parametrize("size", [1, 2, 64])
def test_the_frechet_distance_is_scipys(size):
    a, b = features(500, size, seed=1), features(400, size, seed=2, loc=0.3, scale=2)
    (m1, s1), (m2, s2) = a.moments, b.moments
    root = np.atleast_2d(np.real(scipy.linalg.sqrtm(s1 @ s2)))
    expected = np.square(m1 - m2).sum() + np.trace(s1 + s2 - 2 * root)
    assert quality.frechet(a, b) == pytest.approx(expected, rel=1e-8)
    assert quality.frechet(b, a) == pytest.approx(expected, rel=1e-8)


def test_the_frechet_distance_of_a_shift_is_its_square():
    a = features(300, 4, seed=0)
    assert quality.frechet(a, Features(a.values + np.array([3, 0, 4, 0]))) == pytest.approx(25)
    doubled = Features(2 * a.values)  # tr(S + 4 S - 2 * 2 S) = tr S
    expected = np.trace(a.moments[1]) + np.square(a.moments[0]).sum()
    assert quality.frechet(a, doubled) == pytest.approx(expected)


def test_a_dead_feature_does_no_harm():
    values = np.pad(features(100, 2, seed=0).values, ((0, 0), (0, 3)))
    assert quality.frechet(Features(values), Features(values + 1)) == pytest.approx(5)


def test_blocks_change_nothing_and_bound_the_memory(monkeypatch):
    real, generated = features(4000, 8, seed=0), features(4000, 8, seed=1)
    whole = quality.likeness(real, generated)
    monkeypatch.setattr(quality, "_ROWS", 40_000)
    real, generated = Features(real.values), Features(generated.values)
    tracemalloc.start()
    assert quality.likeness(real, generated) == whole
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 4_000_000  # all distances would take 128 MB


def test_confidence_and_class_distance_have_known_values():
    even = np.eye(10)[np.arange(100) % 10] * 1000
    assert quality.confidence(even) == 1
    assert quality.class_distance(even) == pytest.approx(0)
    assert quality.confidence(np.zeros((3, 10))) == pytest.approx(0.1)
    assert quality.class_distance(np.zeros((3, 10))) == pytest.approx(0.9)  # all are the first class
    assert quality.confidence(np.log([[3.0, 1.0]])) == pytest.approx(0.75)


@pytest.mark.parametrize("values", [np.zeros((5, 3)), np.zeros(9), np.full((9, 2), np.nan)])
def test_too_few_or_wrong_features_are_named(values):
    with pytest.raises(InputError, match="features should"):
        Features(values)
