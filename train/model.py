"""The model: networks that return distributions.

q(z|x) = N(loc(x), scale(x)^2), p(x|z) = Bernoulli(logits(z)), p(z) = N(0, 1) or a learned mixture of normals.
"""

from __future__ import annotations

import math
from typing import Any, TypeAlias

import keras
import tensorflow as tf
import tensorflow_probability as tfp

from vae_edge.train import networks
from vae_edge.train.config import Config

tfd = tfp.distributions

Distribution: TypeAlias = Any  # tfd.Distribution; TFP ships no types

__all__ = ["MixturePrior", "VariationalAutoencoder"]


class VariationalAutoencoder(keras.Model):
    """A variational autoencoder (Kingma & Welling 2014) over images of one shape (H, W, C)."""

    def __init__(self, config: Config, image_shape: tuple[int, int, int]) -> None:
        super().__init__(name="vae")
        self.config = config
        keras.utils.set_random_seed(config.seed)
        self.encoder = networks.encoder(config, image_shape)
        self.decoder = networks.decoder(config, image_shape)
        self.mixture = MixturePrior(config.components, config.latent) if config.prior == "mixture" else None
        self.built = True

    def encode(self, x: tf.Tensor) -> Distribution:
        """q(z|x), a tfd.Independent of a tfd.Normal: batch_shape (B,), event_shape (L,).

        `x` is (B, H, W, C) float32 in [0, 1]. An autoencoder's is a tfd.VectorDeterministic.
        """
        loc, scale = self.encoder(x)
        if self.config.objective == "ae":
            return tfd.VectorDeterministic(loc)
        return tfd.Independent(tfd.Normal(loc, scale), 1)

    def decode(self, z: tf.Tensor) -> Distribution:
        """p(x|z), a tfd.Independent of a tfd.Bernoulli: batch_shape (B,), event_shape (H, W, C).

        `z` is (B, L) float32.
        """
        return tfd.Independent(tfd.Bernoulli(logits=self.decoder(z)), 3)

    @property
    def prior(self) -> Distribution:
        """p(z): batch_shape (), event_shape (L,)."""
        if self.mixture is not None:
            return self.mixture.distribution()
        zeros = tf.zeros(self.config.latent)
        return tfd.Independent(tfd.Normal(zeros, tf.ones_like(zeros)), 1)

    def call(self, x: tf.Tensor) -> tf.Tensor:
        """Logits of the reconstruction from the posterior's mean."""
        return self.decoder(self.encoder(x)[0])


class MixturePrior(keras.Layer):
    """p(z) = sum_k weight_k N(loc_k, scale_k^2), learned with the rest: the MoG prior of Tomczak & Welling 2018."""

    def __init__(self, components: int, latent: int) -> None:
        super().__init__(name="prior")
        one = math.log(math.expm1(1.0))  # softplus(one) = 1
        self.logits = self.add_weight(shape=(components,), initializer="zeros", name="logits")
        normal = keras.initializers.RandomNormal(stddev=1.0)
        self.loc = self.add_weight(shape=(components, latent), initializer=normal, name="loc")
        constant = keras.initializers.Constant(one)
        self.raw_scale = self.add_weight(shape=(components, latent), initializer=constant, name="raw_scale")
        self.built = True

    def distribution(self) -> Distribution:
        """The mixture with the weights of this moment: batch_shape (), event_shape (L,)."""
        return _DiagonalMixture(
            tfd.Categorical(logits=self.logits.value),
            tfd.Independent(tfd.Normal(self.loc.value, tf.nn.softplus(self.raw_scale.value)), 1),
        )


class _DiagonalMixture(tfd.MixtureSameFamily):  # type: ignore[name-defined]
    """TFP's mixture, its log_prob by one matrix product instead of a (B, K, L) tensor."""

    def _log_prob(self, x: tf.Tensor) -> tf.Tensor:
        normal, weights = self.components_distribution.distribution, self.mixture_distribution
        # log w_k N(x; m_k, s_k^2) = [x^2, x] . [-1 / 2 s_k^2, m_k / s_k^2] + constant_k
        precision = 1 / tf.square(normal.scale)
        constant = tf.reduce_sum(
            tf.square(normal.loc) * precision / 2 + tf.math.log(normal.scale) + math.log(2 * math.pi) / 2, -1
        )
        matrix = tf.concat([precision / -2, normal.loc * precision], -1)
        joint = tf.matmul(tf.concat([tf.square(x), x], -1), matrix, transpose_b=True)
        return tf.reduce_logsumexp(joint + tf.nn.log_softmax(weights.logits) - constant, -1)
