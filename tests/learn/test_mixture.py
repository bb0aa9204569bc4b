"""The mixture prior is fitted to codes by expectation and maximisation."""

import numpy as np
import pytest
from sklearn.mixture import GaussianMixture

from vae_edge.runtime import Mixture
from vae_edge.train import mixture
from vae_edge.train.learner import evenly
from vae_edge.train.mixture import Parts


@pytest.fixture
def codes() -> np.ndarray:
    """3,000 draws of three normals of full covariance, (3000, 2)."""
    rng = np.random.default_rng(0)
    trils = np.array([[[1, 0], [0.9, 0.2]], [[0.3, 0], [0, 0.3]], [[0.5, 0], [-2, 0.4]]])
    which = rng.choice(3, 3000, p=[0.5, 0.3, 0.2])
    apart = np.array([[0, 0], [4, 1], [-3, 3]])[which]
    return (apart + np.einsum("nij,nj->ni", trils[which], rng.normal(size=(3000, 2)))).astype(np.float32)


def log_likelihood(parts: Parts, z: np.ndarray) -> float:
    tril = np.tril(np.linalg.inv(parts.factor.astype(np.float64)))
    return float(Mixture(parts.weights, parts.loc, tril).log_prob(z).mean())


def test_each_step_raises_the_likelihood_until_it_is_scikit_learns(
    codes: np.ndarray, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(mixture, "SHRINKAGE", 0.0)
    parts = mixture.begin(codes, 3, seed=0)
    found = [log_likelihood(parts, codes)]
    for _ in range(60):
        parts = mixture.improve(codes, parts)
        found.append(log_likelihood(parts, codes))
    assert np.all(np.diff(found) > -1e-4)
    reference = GaussianMixture(3, reg_covar=mixture.FLOOR, n_init=5, tol=1e-6, max_iter=500, random_state=0).fit(codes)
    assert found[-1] == pytest.approx(reference.score(codes), abs=1e-3)


def test_one_step_is_scikit_learns(codes: np.ndarray, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(mixture, "SHRINKAGE", 0.0)
    before = mixture.begin(codes, 4, seed=1)
    precision = np.swapaxes(before.factor, 1, 2).astype(np.float64) @ before.factor
    reference = GaussianMixture(
        4, weights_init=before.weights / before.weights.sum(dtype=np.float64), means_init=before.loc,
        precisions_init=precision, reg_covar=mixture.FLOOR, max_iter=1, tol=0,
    )  # fmt: skip
    with pytest.warns(UserWarning, match="did not converge"):
        reference.fit(codes)
    after = mixture.improve(codes, before)
    np.testing.assert_allclose(after.weights, reference.weights_, atol=1e-4)
    np.testing.assert_allclose(after.loc, reference.means_, atol=1e-3)
    covariance = np.linalg.inv(np.swapaxes(after.factor, 1, 2).astype(np.float64) @ after.factor)
    np.testing.assert_allclose(covariance, reference.covariances_, atol=5e-3)


def test_shrinkage_holds_a_component_of_few_codes_near_the_pooled_covariance(codes: np.ndarray) -> None:
    parts = mixture.begin(codes, 500, seed=0)  # six codes each
    for _ in range(3):
        parts = mixture.improve(codes, parts)
    assert all(np.isfinite(part).all() for part in parts)
    scales = 1 / parts.factor.diagonal(axis1=1, axis2=2)
    assert scales.max() / scales.min() < 10


@pytest.mark.parametrize("components", [1, 7])
def test_more_components_than_codes_are_no_matter(components: int) -> None:
    z = np.random.default_rng(0).normal(size=(5, 3)).astype(np.float32)
    parts = mixture.improve(z, mixture.begin(z, components, seed=0))
    assert all(np.isfinite(part).all() for part in parts)
    assert parts.weights.sum() == pytest.approx(1)


def labelled(codes: np.ndarray, *ends: int) -> np.ndarray:
    """One-hot labels (n, Y) float32 of the codes up to each end."""
    return np.eye(len(ends), dtype=np.float32)[np.searchsorted(ends, np.arange(len(codes)), side="right")]


def test_each_label_has_components_of_its_own_fitted_as_if_alone(codes: np.ndarray) -> None:
    label = labelled(codes, 1000, 3000)
    parts = mixture.begin(codes, 21, 0, label)
    alone = mixture.begin(codes[:1000], 10, 0), mixture.begin(codes[1000:], 11, 0)
    for _ in range(3):
        parts = mixture.improve(codes, parts, label)
        alone = mixture.improve(codes[:1000], alone[0]), mixture.improve(codes[1000:], alone[1])
    for y, own in enumerate((slice(0, 10), slice(10, 21))):
        for found, expected in zip((parts.weights[y, own], parts.loc[own], parts.factor[own]), alone[y], strict=True):
            np.testing.assert_array_equal(found, expected)
    assert not parts.weights[0, 10:].any()
    assert not parts.weights[1, :10].any()


@pytest.mark.parametrize(
    ("components", "ends"),
    [(19, (1000, 3000)), (20, (99, 3000)), (20, (3000, 3000))],  # few components, few codes of a label, none
)
def test_labels_share_components_where_there_are_too_few(
    codes: np.ndarray, components: int, ends: tuple[int, ...]
) -> None:
    label = labelled(codes, *ends)
    parts = mixture.improve(codes, mixture.begin(codes, components, 0, label), label)
    assert (parts.weights > 0).all()


def test_a_label_without_codes_keeps_its_components(codes: np.ndarray) -> None:
    before = mixture.begin(codes, 20, 0, labelled(codes, 1000, 3000))
    after = mixture.improve(codes[:1000], before, labelled(codes[:1000], 1000, 3000))
    np.testing.assert_array_equal(after.loc[10:], before.loc[10:])
    assert (after.loc[:10] != before.loc[:10]).any()


def test_the_prior_is_fitted_to_codes_of_every_class() -> None:
    assert np.array_equal(evenly(55_000, 60_000), np.arange(55_000))  # MNIST's: all, in their order
    chosen = evenly(150_001, 60_000)
    assert len(np.unique(chosen)) == 60_000
    assert chosen.max() < 150_001
    classes = np.sort(np.arange(150_001) % 10)[chosen]
    assert np.ptp(np.bincount(classes)) <= 2
