"""A temperature multiplies the standard deviations of the prior's normals, and changes nothing else."""

from __future__ import annotations

import math
from fractions import Fraction
from typing import Any

import numpy as np
import pytest

from tests import bundles
from vae_edge.runtime import VAE, InputError, Mixture, Normal, noise
from vae_edge.runtime.distributions import Flow
from vae_edge.runtime.noise import Purpose

T = float(np.float32(0.7))
SEED = 2**63 + 1


@pytest.fixture
def labels_vae() -> VAE:
    return VAE.load("mnist-labels", threads=1)


def test_a_standard_normal_prior_gets_the_temperature_for_its_scale(vae: VAE) -> None:
    prior = vae.prior_given(temperature=0.7)
    assert isinstance(prior, Normal)
    eps = noise.normals(SEED, Purpose.PRIOR, 5, 40, 3)
    np.testing.assert_array_equal(prior.sample(40, seed=SEED, start=5), eps * np.float32(0.7))
    np.testing.assert_array_equal(prior.stddev(), np.full(3, 0.7, np.float32))


def test_a_mixture_is_drawn_as_the_seed_contract_says(mixture_vae: VAE) -> None:
    plain, prior = mixture_vae.prior, mixture_vae.prior_given(temperature=0.7)
    assert isinstance(prior, Mixture)
    assert isinstance(plain, Mixture)
    n = 200
    k = np.searchsorted(plain.weights.cumsum()[:-1], noise.uniforms(SEED, Purpose.COMPONENT, 5, n), side="right")
    eps = noise.normals(SEED, Purpose.PRIOR, 5, n, 3)
    tril = plain.scale_tril * np.float32(0.7)
    exact = [[sum(Fraction(float(t)) * Fraction(float(e)) for t, e in zip(row, eps[i], strict=True))
              for row in tril[k[i]]] for i in range(n)]  # fmt: skip
    expected = np.array(exact, np.float64).astype(np.float32) + plain.loc[k]
    np.testing.assert_array_equal(prior.sample(n, seed=SEED, start=5), expected)
    assert len(set(k.tolist())) == 2


@pytest.mark.parametrize("temperature", [0.01, 0.7, 1.5, 10])
def test_a_mixture_s_density_and_moments_are_those_of_its_draws(mixture_vae: VAE, temperature: float) -> None:
    plain, prior = mixture_vae.prior, mixture_vae.prior_given(temperature=temperature)
    assert isinstance(plain, Mixture)
    rebuilt = Mixture(plain.weights, plain.loc, plain.scale_tril * np.float32(temperature))
    z = prior.sample(50, seed=0)
    np.testing.assert_allclose(prior.log_prob(z), rebuilt.log_prob(z), rtol=1e-12)
    np.testing.assert_allclose(prior.variance(), rebuilt.variance(), rtol=1e-6)
    drawn = prior.sample(100_000, seed=1)
    np.testing.assert_allclose(drawn.var(0), prior.variance(), rtol=0.05)
    np.testing.assert_array_equal(prior.mean(), plain.mean())


def test_a_mixture_and_its_temperature_stay_apart(mixture_vae: VAE) -> None:
    before = mixture_vae.prior.sample(20, seed=0)
    cold = mixture_vae.prior_given(temperature=0.5).sample(20, seed=0)
    np.testing.assert_array_equal(mixture_vae.prior.sample(20, seed=0), before)
    assert np.abs(cold - before).max() > 0.1
    warm = mixture_vae.prior_given(temperature=2).sample(20, seed=0)  # takes the place of the one that was kept
    np.testing.assert_array_equal(mixture_vae.prior_given(temperature=0.5).sample(20, seed=0), cold)
    np.testing.assert_allclose(warm - cold, (before - cold) * 3, atol=1e-5)


FLOWS: dict[str, dict[str, Any]] = {
    "flow": {},
    "flow-labels": {"label": [3, 9, 0, 3, 5]},
    "flow-vector": {"condition": np.arange(10).reshape(5, 2) / 8.0},
}


@pytest.mark.parametrize("kind", FLOWS)
def test_a_flow_s_noise_has_the_temperature(bundle_of: Any, kind: str) -> None:
    from vae_edge.runtime import conditions

    vae, given, model = VAE.load(bundle_of(kind)), FLOWS[kind], bundles.build(kind)
    prior = vae.prior_given(**given, temperature=0.7)
    assert isinstance(prior, Flow)
    z = prior.sample(() if given else 5, seed=SEED, start=7)
    rows = conditions.check(vae.manifest.condition, given.get("label"), given.get("condition"), 5)
    eps = noise.normals(SEED, Purpose.PRIOR, 7, 5, bundles.L) * np.float32(0.7)
    np.testing.assert_allclose(z, model.from_noise(eps, rows), rtol=2e-6, atol=2e-6)
    scaled, log_det = model.to_noise(z, rows)
    # N(scaled; 0, T^2) and the change of variables
    expected = log_det - np.square(scaled / T).sum(axis=1) / 2 - bundles.L * (math.log(2 * math.pi) / 2 + math.log(T))
    np.testing.assert_allclose(prior.log_prob(z), expected, rtol=1e-5)


def test_a_flow_s_density_at_a_temperature_integrates_to_one(bundle_of: Any) -> None:
    axis = np.linspace(-12, 12, 61)
    grid = np.stack(np.meshgrid(axis, axis, axis), -1).reshape(-1, bundles.L)
    prior = VAE.load(bundle_of("flow")).prior_given(temperature=0.8)
    total = np.exp(prior.log_prob(grid)).sum() * (axis[1] - axis[0]) ** 3
    assert total == pytest.approx(1, abs=2e-3)


@pytest.mark.parametrize("kind", ["normal", "mixture", "flow", "labels"])
@pytest.mark.parametrize("head", ["sample", "mean", "mode"])
def test_one_is_no_temperature(kind: str, head: str, request: pytest.FixtureRequest) -> None:
    vae, given = _of(kind, request)
    expected = vae.generate(9, head=head, seed=3, start=2, **given)
    np.testing.assert_array_equal(vae.generate(9, head=head, seed=3, start=2, temperature=1, **given), expected)
    assert not np.array_equal(vae.generate(9, head=head, seed=3, start=2, temperature=0.3, **given), expected)


@pytest.mark.parametrize("kind", ["normal", "mixture", "flow", "labels"])
def test_events_are_the_decoder_s_of_the_prior_s_draws_at_the_temperature(
    kind: str, request: pytest.FixtureRequest
) -> None:
    vae, given = _of(kind, request)
    prior = vae.prior_given(**given, temperature=0.7)
    z = prior.sample(() if prior.batch_shape else 9, seed=3, start=2)
    p = vae.decode(z, **given)
    options: dict[str, Any] = {"seed": 3, "start": 2, "temperature": 0.7, **given}
    np.testing.assert_allclose(vae.generate(9, head="mean", **options), p.mean(), atol=1e-5)
    parts = list(vae.stream(9, head="sample", batch_size=4, **options))
    assert [len(part) for part in parts] == [4, 4, 1]
    whole = vae.generate(9, head="sample", **options)
    assert (np.concatenate(parts) != whole).mean() < 1e-3  # batches of another size round the logits otherwise
    assert (p.sample(seed=3, start=2) != whole).mean() < 1e-3


@pytest.mark.parametrize("value", [0, -1, 0.009, 10.01, 10**400, math.nan, math.inf, "0.9", None, True, [0.9, 0.8], 1j])
def test_what_is_no_temperature_is_refused_at_the_call(vae: VAE, value: Any) -> None:
    message = r"temperature should be a number from 0\.01 to 10, it is "
    for call in (vae.generate, vae.stream):
        with pytest.raises(InputError, match=message):
            call(3, temperature=value)
    with pytest.raises(InputError, match=message):
        vae.prior_given(temperature=value)


@pytest.mark.parametrize("value", [0.01, 10, np.float64(0.9), np.float32(0.9), 1, Fraction(9, 10)])
def test_numbers_of_the_range_are_taken(vae: VAE, value: Any) -> None:
    assert vae.generate(2, temperature=value).shape == (2, *vae.event_shape)


def test_an_autoencoder_has_no_temperature(autoencoder: VAE) -> None:
    with pytest.raises(InputError, match="is an autoencoder"):
        autoencoder.generate(2, temperature=0.9)


def test_a_scale_that_leaves_float32_is_refused() -> None:
    small = Mixture([1.0], np.zeros((1, 1)), np.full((1, 1, 1), 1e-44))
    with pytest.raises(InputError, match="diagonal > 0"):
        small.at_temperature(0.01)


def test_colder_digits_are_closer_to_the_middle_and_take_the_same_components(labels_vae: VAE) -> None:
    """Of `mnist-labels`, whose labels have weights of their own."""
    priors = [labels_vae.prior_given(label=3, temperature=each) for each in (1, 0.5)]
    assert all(isinstance(each, Mixture) for each in priors)
    np.testing.assert_array_equal(priors[0].weights, priors[1].weights)
    spread = [each.stddev().mean() for each in priors]
    assert spread[1] < spread[0]


def _of(kind: str, request: pytest.FixtureRequest) -> tuple[VAE, dict[str, Any]]:
    if kind == "labels":
        return request.getfixturevalue("labels_vae"), {"label": [1, 2, 3, 4, 5, 6, 7, 8, 9]}
    if kind == "flow":
        return VAE.load(request.getfixturevalue("bundle_of")("flow")), {}
    return request.getfixturevalue({"normal": "vae", "mixture": "mixture_vae"}[kind]), {}
