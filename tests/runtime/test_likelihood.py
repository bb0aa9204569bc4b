from __future__ import annotations

import math

import numpy as np
import pytest

from vae_edge.runtime import VAE, InputError
from vae_edge.runtime.bundle.manifest import Image, Spec
from vae_edge.runtime.evaluation import likelihood


def test_the_elbo_is_its_two_terms(vae, images):
    q = vae.encode(images)
    reconstruction, kl = likelihood.elbo(vae, images, seed=3)
    x = vae.prepare(images)
    np.testing.assert_allclose(reconstruction, vae.decode(q.sample(seed=3)).log_prob(x), rtol=1e-5)
    np.testing.assert_allclose(kl, q.kl_divergence(vae.prior), rtol=1e-12)
    assert reconstruction.dtype == kl.dtype == np.float64


def test_the_bound_is_the_log_mean_of_the_weights(vae, mixture_vae, images):
    x = vae.prepare(images)
    for model in (vae, mixture_vae):
        q = model.encode(images)
        z = q.sample(6, seed=3)
        log_w = np.stack([model.decode(one).log_prob(x) + model.prior.log_prob(one) for one in z]) - q.log_prob(z)
        expected = math.log(6) - np.logaddexp.reduce(log_w, axis=0)
        np.testing.assert_allclose(likelihood.nll(model, images, 6, seed=3), expected, rtol=1e-5)


def test_with_one_sample_the_bound_is_the_elbo_of_a_mixture(mixture_vae, images):
    reconstruction, kl = likelihood.elbo(mixture_vae, images, seed=1)
    np.testing.assert_allclose(likelihood.nll(mixture_vae, images, 1, seed=1), kl - reconstruction, rtol=1e-6)


def test_more_samples_bound_tighter_and_never_pass_the_truth(vae, images):
    """log p(x) = log E_p(z)[p(x|z)], here by 200,000 draws of the prior."""
    x = vae.prepare(images[:2])
    sums = [vae.decode(vae.prior.sample(50_000, seed=9, start=i * 50_000)).log_prob(x[:, None]) for i in range(4)]
    truth = math.log(200_000) - np.logaddexp.reduce(np.concatenate(sums, axis=1), axis=1)
    bounds = [likelihood.nll(vae, images[:2], k).mean() for k in (1, 30, 3000)]
    assert bounds[0] > bounds[1] > bounds[2] > truth.mean() - 0.05


def test_batches_change_nothing_and_progress_is_told(vae, images):
    seen = []
    whole = likelihood.nll(vae, images, 5)
    np.testing.assert_allclose(likelihood.nll(vae, images, 5, batch_size=2, progress=seen.append), whole, rtol=1e-6)
    assert sum(seen) == 5 * len(images)
    for term, other in zip(likelihood.elbo(vae, images), likelihood.elbo(vae, images, batch_size=3), strict=True):
        np.testing.assert_allclose(term, other, rtol=1e-6)


def test_large_logits_and_grey_pixels_are_exact(make_bundle, vae, images):
    """Logits beyond exp's range come of the decoder's weights times a thousand."""
    decoder = vae.bundle.files["decoder.onnx"]
    at = decoder.index(b"\x4a\xa0\x02") + 3  # raw_data of the 3 x 24 weights
    scaled = (np.frombuffer(decoder, "<f4", 72, at) * 1000).tobytes()
    large = VAE.load(make_bundle({"decoder.onnx": decoder[:at] + scaled + decoder[at + len(scaled) :]}))
    grey = VAE.load(make_bundle(folder="grey", event=Image(6, 4, 1, None)))
    for model in (large, grey):
        q, x = model.encode(images), model.prepare(images)
        p = model.decode(q.sample(seed=0))
        assert model is grey or np.abs(p.logits).max() > 80
        np.testing.assert_allclose(likelihood.elbo(model, images)[0], p.log_prob(x), rtol=1e-6)


def test_an_autoencoder_has_a_reconstruction_and_no_divergence(autoencoder, images):
    reconstruction, kl = likelihood.elbo(autoencoder, images)
    q = autoencoder.encode(images)
    x = autoencoder.prepare(images)
    np.testing.assert_allclose(reconstruction, autoencoder.decode(q.mean()).log_prob(x), rtol=1e-5)
    assert np.isnan(kl).all()
    with pytest.raises(InputError, match="no prior"):
        likelihood.nll(autoencoder, images, 3)


def test_a_code_without_a_density_has_no_bound_whatever_the_prior(make_bundle, images):
    point = VAE.load(make_bundle(folder="point", posterior=Spec("deterministic", (3,), {"loc": "loc"})))
    assert not likelihood.has_bound(point.manifest)
    assert np.isnan(likelihood.elbo(point, images)[1]).all()
    with pytest.raises(InputError, match="posterior without a density"):
        likelihood.nll(point, images, 3)


def test_bad_input_is_named(vae, images):
    for bad in (
        lambda: likelihood.nll(vae, images, 0),
        lambda: likelihood.nll(vae, images, 1, batch_size=0),
        lambda: likelihood.nll(vae, images, 1, seed=-1),
        lambda: likelihood.elbo(vae, images, batch_size=0),
        lambda: likelihood.elbo(vae, images[:0]),
        lambda: likelihood.elbo(vae, np.full((1, 6, 4), np.nan)),
    ):
        with pytest.raises(InputError, match="should"):
            bad()
