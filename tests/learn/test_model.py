"""The networks return distributions, and the objective is the evidence lower bound."""

import math

import numpy as np
import pytest
import tensorflow as tf
import tensorflow_probability as tfp

from vae_edge.train.config import Config
from vae_edge.train.model import VariationalAutoencoder
from vae_edge.train.objective import terms

tfd = tfp.distributions
SHAPE = (12, 10, 1)  # oblong, and 10 does not divide by 4


def make(**options: object) -> VariationalAutoencoder:
    return VariationalAutoencoder(Config(**({"latent": 3, "width": 8, "depth": 1} | options)), SHAPE)  # type: ignore[arg-type]


def images(count: int) -> tf.Tensor:
    return tf.constant(np.random.default_rng(0).integers(0, 2, (count, *SHAPE)), tf.float32)


@pytest.mark.parametrize("network", ["conv", "mlp"])
@pytest.mark.parametrize("count", [1, 5])
def test_encode_and_decode_return_distributions(network: str, count: int) -> None:
    model = make(network=network)
    q = model.encode(images(count))
    p = model.decode(q.sample(seed=(0, 0)))
    assert isinstance(q, tfd.Distribution)
    assert isinstance(p, tfd.Independent)
    assert isinstance(p.distribution, tfd.Bernoulli)
    assert (q.batch_shape, q.event_shape) == ((count,), (3,))
    assert (p.batch_shape, p.event_shape) == ((count,), SHAPE)
    assert np.all(q.stddev() > 0)


def test_an_autoencoder_encodes_to_a_point() -> None:
    model = make(objective="ae")
    q = model.encode(images(2))
    assert np.array_equal(q.sample(seed=(0, 0)), q.sample(seed=(0, 1)))
    assert not np.any(model.encoder(images(2))[1])


def test_the_same_seed_gives_the_same_weights() -> None:
    one, two, other = (make(seed=seed).get_weights() for seed in (1, 1, 2))
    assert all(np.array_equal(a, b) for a, b in zip(one, two, strict=True))
    assert not all(np.array_equal(a, b) for a, b in zip(one, other, strict=True))


def test_the_terms_are_log_likelihood_and_kl_in_nats() -> None:
    # By hand, in float64: z = loc + scale*eps; sum of x*l - log(1+e^l); sum of (scale^2 + loc^2 - 1)/2 - log(scale).
    model, x, seed = make(), images(4), tf.constant([3, 4])
    loc, scale = (tensor.numpy().astype(float) for tensor in model.encoder(x))
    eps = tf.random.stateless_normal(loc.shape, seed).numpy()
    logits = model.decoder((loc + scale * eps).astype(np.float32)).numpy().astype(float)
    found = terms(model, x, seed)
    reconstruction = (x.numpy() * logits - np.logaddexp(0, logits)).sum((1, 2, 3))
    kl = ((scale**2 + loc**2 - 1) / 2 - np.log(scale)).sum(1)
    np.testing.assert_allclose(found.reconstruction, reconstruction, rtol=1e-5)
    np.testing.assert_allclose(found.kl, kl, rtol=1e-5)


def test_a_mixture_of_one_standard_normal_has_the_normal_priors_kl_on_average() -> None:
    model = make(prior="mixture", components=1)
    assert model.mixture is not None
    model.mixture.loc.assign(tf.zeros((1, 3)))
    x = tf.repeat(images(1), 20_000, 0)
    drawn = terms(model, x, tf.constant([0, 1])).kl.numpy()
    exact = tfd.kl_divergence(model.encode(x[:1]), tfd.Independent(tfd.Normal(tf.zeros(3), tf.ones(3)), 1)).numpy()
    assert abs(drawn.mean() - exact[0]) < 5 * drawn.std() / math.sqrt(len(drawn))


def test_free_bits_hold_the_kl_up() -> None:
    model, x, seed = make(), images(4), tf.constant([0, 0])
    mean = tf.reduce_mean(tfd.kl_divergence(model.encode(x).distribution, model.prior.distribution), 0)
    raised = terms(model, x, seed, free_bits=5.0).kl
    np.testing.assert_allclose(tf.reduce_mean(raised), tf.reduce_sum(tf.maximum(mean, 5.0)), rtol=1e-5)


def test_the_priors_are_distributions_over_z() -> None:
    for model in (make(), make(prior="mixture", components=5)):
        z = model.prior.sample(7, seed=(0, 0))
        assert z.shape == (7, 3)
        assert model.prior.log_prob(z).shape == (7,)
