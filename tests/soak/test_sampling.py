"""Sampling is right: draws have the distribution that they say, and that of their TFP twins."""

from __future__ import annotations

import numpy as np
import pytest
from scipy import stats

from vae_edge.runtime import (
    Bernoulli,
    Categorical,
    DiscretizedLogistic,
    Mixture,
    MultivariateNormalTriL,
    Normal,
)

P = np.linspace(0, 1, 1001)
WEIGHTS = np.array([0.5, 0.25, 0.125, 0.1, 0.02, 0.005])
ALPHA = 1e-4


def logits(p: np.ndarray) -> np.ndarray:
    with np.errstate(divide="ignore"):
        return np.log(p / (1 - p)).astype(np.float32)


def chi_square(found: np.ndarray, expected: np.ndarray, freedom: int) -> float:
    """p of sum((found - expected)^2 / expected), two-sided: too good is no better than too bad."""
    statistic = float((np.square(found - expected) / expected).sum())
    return min(1.0, 2 * min(stats.chi2.sf(statistic, freedom), stats.chi2.cdf(statistic, freedom)))


def bernoulli_counts(draws: int) -> np.ndarray:
    """How often each of the 1,001 pixels is 1."""
    pixels, counts, at_once = Bernoulli(logits(P)[:, None, None]), np.zeros(len(P)), 2000
    for start in range(0, draws, at_once):
        counts += pixels.sample(at_once, seed=1, start=start).sum(axis=(0, 2, 3))
    return counts


def test_bernoulli_draws_are_right_over_1001_probabilities(soak):
    draws = soak(2_000, 100_000)  # of each: 10^8 in all
    counts = bernoulli_counts(draws)
    assert counts[0] == 0
    assert counts[-1] == draws
    inner, lit = P[1:-1], counts[1:-1]
    both, expected = np.concatenate([lit, draws - lit]), np.concatenate([inner, 1 - inner]) * draws
    assert chi_square(both, expected, len(inner)) > ALPHA


def test_bernoulli_draws_are_tfps(soak):
    tfp = pytest.importorskip("tensorflow_probability", reason="the train extra is not installed")
    draws = soak(2_000, 100_000)
    theirs = np.zeros(len(P))
    twin = tfp.distributions.Bernoulli(logits=logits(P))
    for seed in range(draws // 2000):
        theirs += twin.sample(2000, seed=(seed, 0)).numpy().sum(axis=0)
    ours = bernoulli_counts(draws)
    assert (ours[0], ours[-1]) == (theirs[0], theirs[-1])
    # two binomials of one p: (a - b)^2 / (2 n p (1 - p))
    spread = np.square(ours - theirs)[1:-1] / (2 * draws * P[1:-1] * (1 - P[1:-1]))
    assert min(stats.chi2.sf(spread.sum(), 999), stats.chi2.cdf(spread.sum(), 999)) > ALPHA / 2


def test_normal_draws_are_normal_and_tfps(soak):
    n, size = soak(10_000, 312_500), 32  # 10^7 in all
    loc, scale = np.linspace(-3, 3, size), np.linspace(0.1, 4, size)
    x = Normal(loc, scale).sample(n, seed=2)
    standard = ((x - loc) / scale).ravel()
    assert stats.kstest(standard, "norm").pvalue > ALPHA
    tfp = pytest.importorskip("tensorflow_probability", reason="the train extra is not installed")
    twin = tfp.distributions.MultivariateNormalDiag(loc.astype(np.float32), scale.astype(np.float32))
    theirs = ((twin.sample(n, seed=(3, 4)).numpy() - loc) / scale).ravel()
    assert stats.ks_2samp(standard, theirs).pvalue > ALPHA


def test_mixtures_draw_their_components_by_weight_as_tfp_does(soak):
    n = soak(100_000, 10_000_000)
    loc = 100.0 * np.arange(len(WEIGHTS), dtype=np.float32)[:, None]
    scale = np.ones_like(loc)

    def counts(x: np.ndarray) -> np.ndarray:
        return np.bincount(np.rint(x[:, 0] / 100).astype(int), minlength=len(WEIGHTS))

    ours = counts(Mixture(WEIGHTS, loc, scale[..., None]).sample(n, seed=5))
    assert chi_square(ours, WEIGHTS * n, len(WEIGHTS) - 1) > ALPHA
    tfp = pytest.importorskip("tensorflow_probability", reason="the train extra is not installed")
    tfd = tfp.distributions
    twin = tfd.MixtureSameFamily(
        tfd.Categorical(probs=WEIGHTS.astype(np.float32)), tfd.MultivariateNormalDiag(loc, scale)
    )
    theirs = sum(counts(twin.sample(n // 10, seed=(i, 6)).numpy()) for i in range(10))
    assert stats.chi2_contingency(np.stack([ours, theirs])).pvalue > ALPHA


def level_counts(pixels: DiscretizedLogistic | Categorical, draws: int) -> tuple[np.ndarray, np.ndarray]:
    """How often each pixel has each of its levels, and P of each: (pixels, levels)."""
    size, counts, at_once = pixels.event_shape[0], 0, 1000
    for start in range(0, draws, at_once):
        k = np.rint(pixels.sample(at_once, seed=7, start=start).reshape(-1, size) * (pixels.levels - 1)).astype(int)
        k += np.arange(size) * pixels.levels
        counts += np.bincount(k.ravel(), minlength=size * pixels.levels).reshape(size, pixels.levels)
    one = pixels.loc if isinstance(pixels, DiscretizedLogistic) else pixels.logits
    apart = [
        DiscretizedLogistic(one[i : i + 1], pixels.scale[i : i + 1], levels=pixels.levels)
        if isinstance(pixels, DiscretizedLogistic)
        else Categorical(one[i : i + 1])
        for i in range(size)
    ]
    grid = (np.arange(pixels.levels) / (pixels.levels - 1)).reshape(-1, 1, 1, 1)
    return counts, np.exp([each.log_prob(grid) for each in apart])


def is_right(counts: np.ndarray, p: np.ndarray, draws: int) -> bool:
    """By chi-square over all pixels' levels that are expected at least 20 times, the others taken together."""
    found, expected, freedom = [], [], 0
    for row, probability in zip(counts, p, strict=True):
        often = probability * draws >= 20
        groups = np.append(row[often], row[~often].sum()), np.append(probability[often], probability[~often].sum())
        keep = groups[1] * draws >= 20
        assert groups[0][~keep].sum() <= 60
        found.append(groups[0][keep])
        expected.append(groups[1][keep] * draws)
        freedom += int(keep.sum()) - 1
    return chi_square(np.concatenate(found), np.concatenate(expected), freedom) > ALPHA


def test_discretized_logistic_draws_have_the_probabilities_of_their_levels(soak):
    """Locations inside, at both ends and outside; scales from a tenth of a level to more than all levels."""
    draws = soak(20_000, 200_000)  # of each of 200 pixels: 4 x 10^6, and 4 x 10^7
    rng = np.random.default_rng(0)
    loc, scale = rng.uniform(-0.1, 1.1, size=(200, 1, 1)), np.geomspace(0.1 / 31, 4, 200).reshape(200, 1, 1)
    pixels = DiscretizedLogistic(loc, scale, levels=32)
    assert is_right(*level_counts(pixels, draws), draws)


def test_categorical_draws_have_the_probabilities_of_their_levels(soak):
    draws = soak(20_000, 200_000)
    rng = np.random.default_rng(0)
    logits = rng.normal(size=(200, 1, 1, 16)) * np.linspace(0, 5, 200).reshape(200, 1, 1, 1)
    assert is_right(*level_counts(Categorical(logits), draws), draws)


def test_discretized_logistic_and_categorical_draws_are_tfps(soak):
    tfp = pytest.importorskip("tensorflow_probability", reason="the train extra is not installed")
    tfd, draws, levels = tfp.distributions, soak(20_000, 200_000), 16
    loc, scale = np.linspace(-0.1, 1.1, 60, dtype="f"), np.geomspace(0.01, 1, 60).astype("f")
    shifted = tfd.TransformedDistribution(tfd.Logistic(loc * 15, scale * 15), tfp.bijectors.Shift(np.float32(-0.5)))
    logits = (np.random.default_rng(1).normal(size=(60, levels)) * 2).astype("f")
    for ours, theirs in (
        (DiscretizedLogistic(loc[:, None, None], scale[:, None, None], levels=levels),
         tfd.QuantizedDistribution(shifted, low=np.float32(0), high=np.float32(15))),
        (Categorical(logits[:, None, None]), tfd.Categorical(logits)),
    ):  # fmt: skip
        counts, _ = level_counts(ours, draws)
        twin = np.zeros_like(counts)
        for seed in range(draws // 20_000):
            k = np.asarray(theirs.sample(20_000, seed=(seed, 8))).astype(int) + np.arange(60) * levels
            twin += np.bincount(k.ravel(), minlength=60 * levels).reshape(60, levels)
        both = counts + twin
        keep = both >= 40
        # two counts of one p: (a - b)^2 / (a + b), all levels but one free
        statistic, freedom = (np.square(counts - twin)[keep] / both[keep]).sum(), int(keep.sum()) - 60
        assert min(stats.chi2.sf(statistic, freedom), stats.chi2.cdf(statistic, freedom)) > ALPHA / 2


def test_normal_images_are_normal_but_for_their_words(soak):
    """16 bits a pixel: a draw's distribution function is 2**-17 from the normal's at most."""
    n = soak(1_000, 20_000)  # of 784 pixels: 7.8 x 10^5, and 1.6 x 10^7
    loc, scale = np.linspace(-3, 3, 784).reshape(28, 28, 1), np.geomspace(0.1, 4, 784).reshape(28, 28, 1)
    pixels, least = Normal(loc, scale), []
    for start in range(0, n, 1000):
        x = pixels.sample(1000, seed=9, start=start)
        least.append(stats.norm.cdf(((x - loc) / scale).ravel()))
    found = np.sort(np.concatenate(least))
    places = np.arange(len(found) + 1) / len(found)
    distance = max((places[1:] - found).max(), (found - places[:-1]).max())
    assert stats.kstwo.sf(distance - 2**-17, len(found)) > ALPHA
    assert distance > 1e-5  # better than that would be no draws


def test_full_covariance_draws_are_normal_and_tfps(soak):
    n, size = soak(20_000, 1_000_000), 6
    rng = np.random.default_rng(0)
    tril = (np.tril(rng.normal(size=(size, size)), -1) + np.diag(rng.gamma(2, size=size) + 0.1)).astype("f")
    loc = np.linspace(-3, 3, size).astype("f")
    x = MultivariateNormalTriL(loc, tril).sample(n, seed=10)

    def standard(z: np.ndarray) -> np.ndarray:
        """The noise behind draws: normal and independent, where the covariance is T T'."""
        return np.linalg.solve(tril.astype("d"), (z - loc).T)

    eps = standard(x)
    assert stats.kstest(eps.ravel(), "norm").pvalue > ALPHA
    assert stats.kstest(np.square(eps).sum(axis=0), "chi2", args=(size,)).pvalue > ALPHA
    off = np.corrcoef(eps)[np.triu_indices(size, 1)] * np.sqrt(n)
    assert stats.chi2.sf(np.square(off).sum(), len(off)) > ALPHA
    tfp = pytest.importorskip("tensorflow_probability", reason="the train extra is not installed")
    twin = tfp.distributions.MultivariateNormalTriL(loc, tril).sample(n, seed=(3, 4)).numpy()
    for axis in range(size):
        assert stats.ks_2samp(x[:, axis], twin[:, axis]).pvalue > ALPHA
