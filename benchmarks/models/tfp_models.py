"""Models of tf_keras whose outputs are TFP's distributions."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import tensorflow as tf
import tensorflow_probability as tfp
import tf_keras

from benchmarks.models.parts import LATENT, Arguments, ink, randomise

__all__ = ["probabilistic_layers", "subclassed"]

tfd, tfpl = tfp.distributions, tfp.layers


def probabilistic_layers(folder: Path) -> Arguments:
    """TFP's layers in tf_keras: full covariance, a KL regulariser in the graph, IndependentBernoulli."""
    prior = tfd.Independent(tfd.Normal(tf.zeros(LATENT), 1.0), 1)
    k = tf_keras.layers
    encoder = tf_keras.Sequential(
        [
            k.InputLayer((12, 12, 1)),
            k.Conv2D(6, 3, strides=2, activation="relu"),
            k.Flatten(),
            k.Dense(tfpl.MultivariateNormalTriL.params_size(LATENT)),
            tfpl.MultivariateNormalTriL(LATENT, activity_regularizer=tfpl.KLDivergenceRegularizer(prior)),
        ]
    )
    decoder = tf_keras.Sequential(
        [
            k.InputLayer((LATENT,)),
            k.Dense(10, activation="relu"),
            k.Dense(tfpl.IndependentBernoulli.params_size((12, 12, 1))),
            tfpl.IndependentBernoulli((12, 12, 1), tfd.Bernoulli.logits),
        ]
    )
    randomise(encoder, decoder)
    return {"encoder": encoder, "decoder": decoder, "examples": ink(12, 12, 1)}


class Subclassed(tf_keras.Model):
    """encode and decode return distributions; the prior is a trainable mixture."""

    def __init__(self) -> None:
        super().__init__()
        k = tf_keras.layers
        self.hidden, self.out = k.Dense(8, activation="relu"), k.Dense(2 * LATENT)
        self.hidden_back, self.out_back = k.Dense(8, activation="relu"), k.Dense(144)
        draws = np.random.default_rng(3)
        self.weights_of_prior = tf.Variable(draws.normal(size=4).astype("f"))
        self.locs = tf.Variable(draws.normal(size=(4, LATENT)).astype("f"))
        self.scales = tf.Variable(draws.uniform(0.3, 1, size=(4, LATENT)).astype("f"))

    def encode(self, x: tf.Tensor) -> Any:
        h = self.out(self.hidden(tf.reshape(x, (-1, 144))))
        loc, raw = tf.split(h, 2, axis=-1)
        return tfd.MultivariateNormalDiag(loc, 1e-3 + tf.nn.softplus(raw))

    def decode(self, z: tf.Tensor) -> Any:
        logits = tf.reshape(self.out_back(self.hidden_back(z)), (-1, 12, 12, 1))
        return tfd.Independent(tfd.Bernoulli(logits=logits), 3)

    @property
    def prior(self) -> Any:
        return tfd.MixtureSameFamily(
            tfd.Categorical(logits=self.weights_of_prior), tfd.MultivariateNormalDiag(self.locs, self.scales)
        )


def subclassed(folder: Path) -> Arguments:
    """A subclassed model whose methods return TFP distributions, and a mixture as the prior."""
    model = Subclassed()
    model.decode(model.encode(tf.zeros((1, 12, 12, 1))).mean())
    randomise(model.hidden, model.out, model.hidden_back, model.out_back)
    return {"model": model, "prior": model.prior, "examples": ink(12, 12, 1)}
