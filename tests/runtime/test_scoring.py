"""One rule for events: what `encode` takes, `log_prob` of a decoded distribution takes and scores as the model does."""

from __future__ import annotations

import pickle

import numpy as np
import pytest

from tests import bundles
from vae_edge.runtime import VAE, InputError

IMAGES = [kind for kind in bundles.KINDS if len(bundles.build(kind).event.shape) == 3]
UNCONDITIONAL = [kind for kind in IMAGES if bundles.KINDS[kind][2] is None]
RNG = np.random.default_rng(0)


def images(shape: tuple[int, ...], n: int = 5) -> list[np.ndarray]:
    """Images as users have them."""
    grey = RNG.integers(0, 256, (n, *shape)).astype(np.uint8)
    found = [grey, grey / 255, RNG.random((n, *shape), np.float32), grey > 127]
    return [*found, grey[..., 0]] if shape[2] == 1 else found


@pytest.mark.parametrize("kind", UNCONDITIONAL)
def test_log_prob_scores_what_encode_encodes(bundle_of, kind):
    vae = VAE.load(bundle_of(kind))
    for x in images(vae.event_shape):
        p = vae.decode(vae.encode(x).mean())
        prepared = vae.prepare(x)
        expected = vae.model.decode(vae.encode(x).mean(), None).log_prob(prepared)
        np.testing.assert_allclose(p.log_prob(x), expected, rtol=1e-6)
        np.testing.assert_allclose(p.log_prob(prepared), expected, rtol=1e-6)
        np.testing.assert_allclose(p.log_prob(np.stack([x, x])), np.stack([expected, expected]), rtol=1e-6)
        first = np.asarray(p.log_prob(x[0]))
        np.testing.assert_allclose(first[0], expected[0], rtol=1e-6)


def test_grey_pixels_are_made_black_and_white_before_they_are_scored(vae, images):
    p = vae.decode(vae.encode(images).mean())
    assert np.array_equal(p.log_prob(images), p.log_prob(images > 0.5))
    assert not np.allclose(p.log_prob(images), vae.model.decode(vae.encode(images).mean(), None).log_prob(images))


@pytest.mark.parametrize("kind", UNCONDITIONAL)
def test_its_own_samples_are_events(bundle_of, kind):
    p = VAE.load(bundle_of(kind)).decode(RNG.normal(size=(4, 3)))
    for draws in (p.sample(seed=0), p.sample(3, seed=0), p.mean(), p.mode()):
        assert np.isfinite(p.log_prob(draws)).all()


@pytest.mark.parametrize(
    ("value", "message"),
    [
        (np.full((7, 6, 4, 1), 300, np.int64), "bool, float in .0, 1. or uint8"),
        (np.full((7, 6, 4, 1), 1.5), r"should lie in \[0, 1\]"),
        (np.zeros((7, 6, 5, 1)), r"shape \(..., 6, 4, 1\), they have \(7, 6, 5, 1\)"),
        (np.ones((7, 6, 4, 1), np.uint8), "of 1 or of 255"),
    ],
)
def test_what_encode_refuses_is_not_scored(vae, images, value, message):
    with pytest.raises(InputError, match=message):
        vae.decode(vae.encode(images).mean()).log_prob(value)


def test_a_decoded_distribution_pickles_with_its_rule(vae, images):
    p = vae.decode(vae.encode(images).mean())
    assert np.array_equal(pickle.loads(pickle.dumps(p)).log_prob(images), p.log_prob(images))


def test_a_distribution_of_ones_own_has_no_rule(vae, images):
    p = vae.decode(vae.encode(images).mean())
    soft = type(p)(logits=p.logits).log_prob(images)
    assert not np.allclose(soft, p.log_prob(images))


def test_channels_first_are_told_with_the_remedy(vae):
    with pytest.raises(InputError, match=r"channels come last: use x\.transpose\(0, 2, 3, 1\)"):
        vae.encode(np.zeros((5, 1, 6, 4)))
