"""The entropy of a mean of distributions, parted: against sums over all values, and quadrature."""

from __future__ import annotations

import math

import numpy as np
import pytest

from vae_edge.runtime.distributions import Bernoulli, Categorical, DiscretizedLogistic, Normal
from vae_edge.runtime.distributions.ensemble import parted

M, SHAPE = 5, (3, 2, 4, 1)


def draws(seed: int, *shape: int) -> np.ndarray:
    return np.random.default_rng(seed).normal(size=shape).astype(np.float32)


def by_enumeration(masses: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Of P (M, numbers, levels): mean_m H[p_m], and mean_m KL(p_m || mean)."""
    mean = masses.mean(axis=0)
    with np.errstate(divide="ignore", invalid="ignore"):
        entropy = -np.where(masses > 0, masses * np.log(masses), 0).sum(-1)
        divergence = np.where(masses > 0, masses * np.log(masses / mean), 0).sum(-1)
    return entropy.mean(axis=0), divergence.mean(axis=0)


def of_levels(kind: str) -> tuple[list, np.ndarray]:
    if kind == "bernoulli":
        logits = 4 * draws(0, M, *SHAPE)
        logits[:, 0] = [[[[12.0]]], [[[12.5]]], [[[11.0]]], [[[12.0]]], [[[-3.0]]]]
        p = 1 / (1 + np.exp(-logits.astype(np.float64)))
        return [Bernoulli(each) for each in logits], np.stack([1 - p, p], -1)
    if kind == "categorical":
        logits = 3 * draws(1, M, *SHAPE, 6)
        logits[..., 2] = -np.inf
        wide = np.exp(logits.astype(np.float64))
        return [Categorical(each) for each in logits], wide / wide.sum(-1, keepdims=True)
    loc, scale = 0.5 + draws(2, M, *SHAPE) / 4, np.exp(draws(3, M, *SHAPE) - 3)
    edges = np.array([-np.inf, *((np.arange(15) + 0.5) / 15), np.inf])
    below = 1 / (1 + np.exp(-(edges - loc[..., None].astype(np.float64)) / scale[..., None]))
    return [DiscretizedLogistic(*each, levels=16) for each in zip(loc, scale, strict=True)], np.diff(below, axis=-1)


@pytest.mark.parametrize("kind", ["bernoulli", "categorical", "discretized_logistic"])
def test_of_discrete_families_both_parts_are_those_of_their_definition(kind: str) -> None:
    members, masses = of_levels(kind)
    aleatoric, epistemic = parted(members)
    expected = by_enumeration(masses.reshape(M, -1, masses.shape[-1]))
    assert aleatoric.shape == epistemic.shape == SHAPE
    assert aleatoric.dtype == epistemic.dtype == np.float32
    assert aleatoric.ravel() == pytest.approx(expected[0], abs=2e-6)
    assert epistemic.ravel() == pytest.approx(expected[1], abs=2e-6)
    assert epistemic.max() > 0.05


@pytest.mark.parametrize("apart", [0.0, 0.5, 3.0, 30.0])
def test_of_normals_too_by_quadrature(apart: float) -> None:
    loc, scale = apart * draws(3, M, 2, 5), np.exp(draws(4, M, 2, 5) / 2)
    aleatoric, epistemic = parted([Normal(*each) for each in zip(loc, scale, strict=True)])
    x = np.linspace(-200, 200, 400_001)
    for place in np.ndindex(2, 5):
        p = [np.exp(-np.square((x - m) / s) / 2) / (s * math.sqrt(2 * math.pi)) for m, s in
             zip(loc[:, *place], scale[:, *place], strict=True)]  # fmt: skip
        mean = np.mean(p, axis=0)
        whole = -np.trapezoid(np.where(mean > 0, mean * np.log(np.maximum(mean, 1e-300)), 0), x)
        within = np.mean([0.5 * math.log(2 * math.pi * math.e * s * s) for s in scale[:, *place]])
        assert aleatoric[place] == pytest.approx(within, abs=1e-5)
        assert epistemic[place] == pytest.approx(whole - within, abs=0.02)


def test_members_that_agree_leave_nothing_to_settle() -> None:
    for p in (Bernoulli(draws(0, *SHAPE)), Normal(draws(0, 3, 5), np.ones((3, 5)))):
        _, epistemic = parted([p] * 4)
        assert (epistemic < 1e-6).all()


def test_members_that_are_sure_of_different_things_leave_log_m() -> None:
    aleatoric, epistemic = parted([Bernoulli(np.full(SHAPE, 30.0)), Bernoulli(np.full(SHAPE, -30.0))])
    assert aleatoric == pytest.approx(0, abs=1e-10)
    assert epistemic == pytest.approx(math.log(2), abs=1e-6)
    apart = [Normal(np.full((1, 2), 100.0 * m), np.ones((1, 2))) for m in range(4)]
    assert parted(apart)[1] == pytest.approx(math.log(4), abs=1e-6)
