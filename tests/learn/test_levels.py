"""The distributions over a pixel's levels are TFP's over whole numbers, and hold in float32."""

import numpy as np
import pytest
import tensorflow as tf
import tensorflow_probability as tfp

from vae_edge.train.likelihoods.levels import DiscretizedLogistic, PixelCategorical

tfd = tfp.distributions
LEVELS = (np.arange(256) / 255)[:, None]
LOC = np.array([-0.3, 0.0, 0.2, 0.5, 0.998, 1.0, 1.4])
SCALES = [1 / 1020, 0.01, 0.1, 1.0]


@pytest.mark.parametrize("scale", SCALES)
def test_a_discretised_logistic_is_tfps_quantised_one(scale: float) -> None:
    ours = DiscretizedLogistic(LOC, np.full_like(LOC, scale))
    logistic = tfd.Logistic(LOC * 255 - 0.5, np.full_like(LOC, scale * 255))
    theirs = tfd.QuantizedDistribution(logistic, low=0.0, high=255.0)
    found, expected = ours.prob(LEVELS).numpy(), theirs.prob(LEVELS * 255).numpy()
    np.testing.assert_allclose(found, expected, rtol=1e-6, atol=1e-9)
    np.testing.assert_allclose(found.sum(0), 1, rtol=1e-9)


@pytest.mark.parametrize("scale", SCALES)
def test_mean_and_mode_are_those_of_the_enumeration(scale: float) -> None:
    ours = DiscretizedLogistic(LOC, np.full_like(LOC, scale))
    mass = ours.prob(LEVELS).numpy()
    np.testing.assert_allclose(ours.mean(), (mass * LEVELS).sum(0), rtol=1e-6, atol=1e-9)
    at_mode = ours.prob(ours.mode()).numpy()
    np.testing.assert_allclose(at_mode, mass.max(0), rtol=1e-9)


def test_draws_are_levels_in_their_shares() -> None:
    ours = DiscretizedLogistic(np.float32([0.02, 0.5]), np.float32([0.02, 0.02]))
    drawn = ours.sample(100_000, seed=(0, 1)).numpy()
    levels = np.rint(drawn * 255).astype(int)
    np.testing.assert_allclose(drawn, levels / 255, atol=1e-6)
    for column, mass in zip(levels.T, ours.prob(LEVELS.astype(np.float32)).numpy().T, strict=True):
        shares = np.bincount(column, minlength=256) / len(drawn)
        assert np.all(np.abs(shares - mass) < 5 * np.sqrt(mass / len(drawn)) + 1e-4)


def test_log_prob_and_its_gradient_hold_in_float32_far_from_the_mean() -> None:
    # Differences of distribution functions are 0 here: their logarithm is -inf, and its gradient is not a number.
    loc = tf.constant([-3.0, 0.0, 0.5, 4.0])[:, None]
    x = tf.constant([0.0, 1 / 255, 0.5, 1.0])
    for scale in (1 / 1020, 0.01, 1.0):
        scales = tf.fill((4, 1), np.float32(scale))
        with tf.GradientTape() as tape:
            tape.watch([loc, scales])
            found = DiscretizedLogistic(loc, scales).log_prob(x)
        exact = DiscretizedLogistic(tf.cast(loc, tf.float64), tf.cast(scales, tf.float64)).log_prob(
            tf.cast(x, tf.float64)
        )
        np.testing.assert_allclose(found, exact, rtol=1e-4, atol=1e-4)
        assert all(np.isfinite(gradient).all() for gradient in tape.gradient(found, [loc, scales]))


def test_a_pixels_categorical_is_tfps_over_levels() -> None:
    logits = np.random.default_rng(0).normal(size=(3, 256)).astype(np.float32)
    ours, theirs = PixelCategorical(logits=logits, dtype=tf.float32), tfd.Categorical(logits=logits)
    k = np.arange(256)[:, None]
    x = (k / 255).astype(np.float32)
    np.testing.assert_allclose(ours.log_prob(x), theirs.log_prob(k), rtol=1e-6)
    np.testing.assert_allclose(ours.mean(), (theirs.probs_parameter() * x[:, 0]).numpy().sum(1), rtol=1e-5)
    np.testing.assert_allclose(ours.mode() * 255, theirs.mode(), rtol=1e-6)
    np.testing.assert_allclose(ours.sample(5, seed=(0, 1)) * 255, theirs.sample(5, seed=(0, 1)), rtol=1e-6)
