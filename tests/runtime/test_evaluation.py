"""A bundle's figures are the means that they say they are."""

from __future__ import annotations

import inspect

import numpy as np
import pytest

from vae_edge.runtime import VAE, Normal, noise
from vae_edge.runtime.distributions import Mixture
from vae_edge.runtime.evaluation import figures, likelihood
from vae_edge.runtime.noise import Purpose
from vae_edge.runtime.scoring import densities


@pytest.fixture
def pixels() -> np.ndarray:
    return np.random.default_rng(0).integers(0, 256, (300, 6, 4, 1), np.uint8)


def test_likelihoods_are_means_with_their_standard_errors(vae, pixels):
    found = figures.likelihoods(vae, pixels, 3, seed=4)
    nll = likelihood.nll(vae, pixels, 3, seed=4)
    assert found["nll"].value == pytest.approx(nll.mean())
    assert found["nll"].standard_error == pytest.approx(nll.std(ddof=1) / np.sqrt(300))
    assert found["elbo"].value == pytest.approx(found["reconstruction"].value - found["kl"].value)
    assert set(figures.likelihoods(vae, pixels, 0)) == {"elbo", "reconstruction", "kl", "active_units"}


def test_active_units_are_those_whose_mean_moves():
    rng = np.random.default_rng(0)
    loc = rng.normal(size=(1000, 5)) * np.sqrt([1, 0.05, 0.02, 0.005, 0]) + [0, 9, 0, 9, 9]
    assert likelihood.active_units(loc.astype(np.float32)) == 3


def test_reconstructions_are_made_from_the_posteriors_mean(vae, pixels):
    found = figures.reconstructions(vae, pixels)
    x = vae.prepare(pixels)
    p = vae.decode(vae.encode(x).mean())
    assert found["cross_entropy"].value == pytest.approx(-p.log_prob(x).mean())
    assert found["wrong_pixels"].value == pytest.approx((vae.reconstruct(pixels, head="mode") != x).mean())
    assert found["squared_error"].value == pytest.approx(np.square(vae.reconstruct(x, head="mean") - x).mean(), 1e-5)


def test_an_autoencoder_has_reconstructions_alone(autoencoder, pixels):
    assert figures.likelihoods(autoencoder, pixels, 3) == {}
    assert set(figures.reconstructions(autoencoder, pixels)) == {"cross_entropy", "wrong_pixels", "squared_error"}


@pytest.mark.parametrize("method", [figures.Judge.judge, figures.likelihoods, likelihood.elbo, likelihood.nll])
def test_figures_are_of_seed_0_where_no_other_is_given(method):
    assert inspect.signature(method).parameters["seed"].default == 0


def test_one_image_has_no_standard_error(vae, pixels):
    assert figures.likelihoods(vae, pixels[:1], 2)["nll"].standard_error is None


def test_costs_are_the_manifests_and_a_time(vae, mixture_vae):
    for found, one in zip(figures.costs([vae, mixture_vae], repeats=2), (vae, mixture_vae), strict=True):
        said = one.manifest
        assert found.decoder_multiply_adds == said.decoder.multiply_adds
        assert found.parameters == said.encoder.parameters + said.decoder.parameters
        assert found.bytes == sum(len(data) for data in one.bundle.files.values())
        assert found.microseconds > 0


def test_a_cost_is_the_median_of_its_runs_in_microseconds_an_event(vae, monkeypatch):
    """Four runs of 9, 0.256, 0.512 and 0.768 seconds for 256 events: the first one warms up."""
    clock = iter([0, 9, 0, 0.256, 0, 0.512, 0, 0.768])
    monkeypatch.setattr(figures.time, "perf_counter", lambda: next(clock))
    (found,) = figures.costs([vae], repeats=3)
    assert found.microseconds == pytest.approx(2000)
    assert next(clock, None) is None


@pytest.mark.parametrize("threads", [1, 2, 3])
@pytest.mark.parametrize("n", [1, 7, 300])
def test_threads_change_no_bound(tiny, pixels, threads, n):
    expected = likelihood.nll(VAE.load(tiny, threads=1), pixels[:n], 9, batch_size=64)
    np.testing.assert_allclose(likelihood.nll(VAE.load(tiny, threads=threads), pixels[:n], 9), expected, rtol=1e-6)


def test_what_goes_wrong_in_a_thread_ends_the_others(tiny, pixels):
    calls = []

    def progress(count: int) -> None:
        calls.append(count)
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        likelihood.nll(VAE.load(tiny, threads=2), pixels, 10**9, progress=progress)
    assert len(calls) <= 4


def test_samples_are_the_posteriors_draws(vae, pixels):
    q = vae.encode(pixels[:5])
    z, log_q = likelihood._sampler(q, 3, 2)(range(4, 6))
    eps = np.stack([noise.normals(3, Purpose.POSTERIOR, 2, 5, 3, stream) for stream in (4, 5)])
    np.testing.assert_allclose(z.reshape(2, 5, 3), q.loc + q.scale * eps, rtol=1e-6)
    np.testing.assert_allclose(log_q.reshape(2, 5), q.log_prob(z.reshape(2, 5, 3)), rtol=1e-5)


def test_the_quick_prior_is_the_priors():
    rng = np.random.default_rng(0)
    weights = np.append(rng.dirichlet(np.ones(49)), 0)
    tril = np.tril(rng.normal(size=(50, 32, 32)) / 9, -1) + np.eye(32) * rng.gamma(9, size=(50, 1, 32)) / 9
    prior = Mixture(weights, rng.normal(size=(50, 32)) * 2, tril)
    quick, z = densities.prior(prior), prior.sample(300, seed=1)
    assert quick != prior.log_prob
    np.testing.assert_allclose(quick(z), prior.log_prob(z), atol=1e-3)
    narrow = Mixture([1], np.full((1, 2), 100), np.eye(2)[None] * 1e-3)  # float32 has not the digits for it
    assert densities.prior(narrow) == narrow.log_prob
    normal = Normal(np.zeros(2), np.ones(2))
    assert densities.prior(normal) == normal.log_prob


@pytest.mark.parametrize("worst", [5, 40, 79, 200])
def test_log_likelihood_is_bernoullis_at_any_logits(vae, worst):
    rng = np.random.default_rng(0)
    logits = rng.uniform(-worst, worst, (6, 6, 4, 1)).astype(np.float32)
    x = (rng.random((3, 6, 4, 1)) > 0.5).astype(np.float32)
    found = densities.likelihood(vae.model, x)([logits.copy()])
    from vae_edge.runtime import Bernoulli

    np.testing.assert_allclose(found, Bernoulli(logits).log_prob(np.concatenate([x, x])), rtol=1e-5)
