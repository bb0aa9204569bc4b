"""Keras 3 models of images and of a table."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import keras
import numpy as np
import tensorflow as tf
import tensorflow_probability as tfp
from keras import layers, ops

from benchmarks.models.parts import EXAMPLES, LATENT, Arguments, ink, randomise
from vae_edge.export import Bernoulli, Categorical, DiscretizedLogistic, Normal, OneHot

__all__ = ["colour", "conditional", "convolutional", "functional", "grey", "table"]

tfd = tfp.distributions

LABELS = ("zero", "one", "two", "three")


def convolutional(folder: Path) -> Arguments:
    """Conv2D and Conv2DTranspose; mean and log-variance side by side in one output; logits."""
    encoder = keras.Sequential(
        [
            keras.Input((12, 12, 1)),
            layers.Conv2D(6, 3, strides=2, activation="relu"),
            layers.Conv2D(8, 3, strides=2, activation="relu"),
            layers.Flatten(),
            layers.Dense(2 * LATENT),
        ]
    )
    decoder = keras.Sequential(
        [
            keras.Input((LATENT,)),
            layers.Dense(3 * 3 * 8, activation="relu"),
            layers.Reshape((3, 3, 8)),
            layers.Conv2DTranspose(6, 3, strides=2, padding="same", activation="relu"),
            layers.Conv2DTranspose(4, 3, strides=2, padding="same", activation="relu"),
            layers.Conv2DTranspose(1, 3, padding="same"),
        ]
    )
    randomise(encoder, decoder)
    return {
        "encoder": encoder,
        "decoder": decoder,
        "examples": ink(12, 12, 1),
        "posterior": Normal(loc=0, log_var=1),
        "likelihood": Bernoulli(logits=0),
    }


@keras.saving.register_keras_serializable("zoo")
class Sampling(layers.Layer):
    """z = mean + exp(log_var / 2) eps, as the tutorials have it."""

    def __init__(self, **options: Any) -> None:
        super().__init__(**options)
        self.seed_generator = keras.random.SeedGenerator(1)

    def call(self, inputs: Any) -> Any:
        mean, log_var = inputs
        return mean + ops.exp(0.5 * log_var) * keras.random.normal(ops.shape(mean), seed=self.seed_generator)


def functional(folder: Path) -> Arguments:
    """Functional Keras: the encoder also gives a sampled z; the decoder ends in a sigmoid."""
    x = keras.Input((12, 12, 1))
    h = layers.Conv2D(6, 3, strides=2, padding="same", activation="relu")(x)
    h = layers.Dense(8, activation="relu")(layers.Flatten()(h))
    mean, log_var = layers.Dense(LATENT, name="z_mean")(h), layers.Dense(LATENT, name="z_log_var")(h)
    encoder = keras.Model(x, [mean, log_var, Sampling(name="z")([mean, log_var])], name="encoder")
    decoder = _sigmoid_decoder()
    randomise(encoder, decoder)
    return {
        "encoder": encoder,
        "decoder": decoder,
        "examples": ink(12, 12, 1),
        "posterior": Normal(loc="z_mean", log_var="z_log_var"),
        "likelihood": Bernoulli(probs=0),
    }


def colour(folder: Path, scale: str = "fixed") -> Arguments:
    """Colour images: upsampling, batch normalisation, LeakyReLU; a `scale` that is fixed, shared, or of each pixel."""
    x = keras.Input((8, 8, 3))
    h = layers.Conv2D(6, 3, strides=2, padding="same")(x)
    h = layers.LeakyReLU(negative_slope=0.2)(layers.BatchNormalization()(h))
    h = layers.Flatten()(h)
    encoder = keras.Model(x, [layers.Dense(LATENT, name="mu")(h), layers.Dense(LATENT, name="log_std")(h)])
    z = keras.Input((LATENT,))
    h = layers.Reshape((2, 2, 8))(layers.Dense(32)(z))
    for filters in (8, 6):
        h = layers.Conv2D(filters, 3, padding="same")(layers.UpSampling2D()(h))
        h = layers.LeakyReLU(negative_slope=0.2)(layers.BatchNormalization()(h))
    mean = layers.Conv2D(3, 3, padding="same", activation="sigmoid")(h)
    outputs = [mean, layers.Conv2D(3, 3, padding="same")(h)] if scale == "pixel" else mean
    decoder = keras.Model(z, outputs)
    randomise(encoder, decoder)
    function: Any = decoder
    if scale == "shared":
        shared = tf.Variable([0.1, 0.2, 0.3])

        def function(z: tf.Tensor) -> Any:
            return tfd.Independent(tfd.Normal(decoder(z, training=False), shared), 3)

    said = {"fixed": Normal(loc=0, scale=0.22), "pixel": Normal(loc=0, log_scale=1), "shared": None}[scale]
    return {
        "encoder": encoder,
        "decoder": function,
        "examples": np.random.default_rng(0).integers(0, 256, (EXAMPLES, 8, 8, 3)).astype(np.float32) / 255,
        "posterior": Normal(loc="mu", log_scale="log_std"),
    } | ({"likelihood": said} if said else {})


def conditional(folder: Path) -> Arguments:
    """A one-hot label as second input of encoder and decoder."""
    x, label = keras.Input((12, 12, 1), name="x"), keras.Input((len(LABELS),), name="y")
    h = layers.Dense(8, activation="relu")(layers.Concatenate()([layers.Flatten()(x), label]))
    encoder = keras.Model([x, label], [layers.Dense(LATENT, name="mean")(h), layers.Dense(LATENT, name="logvar")(h)])
    z, label = keras.Input((LATENT,), name="z"), keras.Input((len(LABELS),), name="y")
    h = layers.Dense(8, activation="relu")(layers.Concatenate()([z, label]))
    decoder = keras.Model([z, label], layers.Reshape((12, 12, 1))(layers.Dense(144, activation="sigmoid")(h)))
    randomise(encoder, decoder)
    return {
        "encoder": encoder,
        "decoder": decoder,
        "examples": ink(12, 12, 1),
        "conditions": np.arange(EXAMPLES) % len(LABELS),
        "condition": OneHot(LABELS),
        "posterior": Normal(loc="mean", log_var="logvar"),
        "likelihood": Bernoulli(probs=0),
    }


def table(folder: Path) -> Arguments:
    """30 numeric columns in their own units: the encoder normalises, the decoder gives these units back."""
    draws = np.random.default_rng(0)
    shift, scale = draws.uniform(-100, 100, 30), draws.uniform(0.1, 30, 30)
    rows = (draws.normal(size=(EXAMPLES, 30)) * scale + shift).astype(np.float32)
    normalise = layers.Normalization()
    normalise.adapt(rows)
    x = keras.Input((30,))
    h = layers.Dense(16, activation="relu")(normalise(x))
    encoder = keras.Model(x, [layers.Dense(LATENT, name="mean")(h), layers.Dense(LATENT, name="log_var")(h)])
    z = keras.Input((LATENT,))
    h = layers.Dense(16, activation="relu")(z)
    loc = layers.Dense(30)(h) * scale.astype("f") + shift.astype("f")
    decoder = keras.Model(z, [loc, ops.log(scale.astype("f")) + 0.1 * layers.Dense(30)(h)])
    randomise(encoder, decoder)
    return {
        "encoder": encoder,
        "decoder": decoder,
        "examples": rows,
        "posterior": Normal(loc="mean", log_var="log_var"),
        "likelihood": Normal(loc=0, log_scale=1),
    }


def grey(folder: Path, family: str = "discretized_logistic") -> Arguments:
    """Grey images of 256 shades: a discretised logistic, or a probability of each shade (categorical)."""
    x = keras.Input((6, 6, 1))
    h = layers.Dense(8, activation="relu")(layers.Flatten()(x))
    encoder = keras.Model(x, [layers.Dense(LATENT)(h), layers.Dense(LATENT, activation="softplus")(h)])
    z = keras.Input((LATENT,))
    h = layers.Dense(8, activation="relu")(z)
    if family == "categorical":
        decoder = keras.Model(z, layers.Reshape((6, 6, 256))(layers.Dense(36 * 256)(h)))
        likelihood: Any = Categorical(logits=0)
    else:
        loc, log_scale = (layers.Reshape((6, 6, 1))(layers.Dense(36)(h)) for _ in range(2))
        decoder = keras.Model(z, [layers.Activation("sigmoid")(loc), log_scale - 3.0])
        likelihood = DiscretizedLogistic(loc=0, log_scale=1)
    randomise(encoder, decoder)
    return {
        "encoder": encoder,
        "decoder": decoder,
        "examples": np.random.default_rng(0).integers(0, 256, (EXAMPLES, 6, 6, 1)).astype(np.float32) / 255,
        "posterior": Normal(loc=0, scale=1),
        "likelihood": likelihood,
    }


def _sigmoid_decoder() -> Any:
    z = keras.Input((LATENT,))
    h = layers.Reshape((3, 3, 8))(layers.Dense(72, activation="relu")(z))
    h = layers.Conv2DTranspose(8, 3, strides=2, padding="same", activation="relu")(h)
    h = layers.Conv2DTranspose(4, 3, strides=2, padding="same", activation="relu")(h)
    return keras.Model(z, layers.Conv2DTranspose(1, 3, padding="same", activation="sigmoid")(h), name="decoder")
