"""The baselines: networks that others publish, built again with Keras 3, and how their authors train them.

Published and kept: layers, activations, size of z, form of q(z|x), optimiser (Adam), step size, batch. Ours, and the
same for all: the data (MNIST, 1 where pixel > 0.5), its split, the objective (the ELBO by one draw of z), the choice of
the best epoch on the validation images. An encoder gives the parameters of q(z|x), a decoder gives logits; weights
begin as Keras begins them, pythae's as PyTorch does.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Literal, TypeAlias

import keras
import tensorflow as tf
import tensorflow_probability as tfp
from keras import layers

from vae_edge.train.presets import PRESETS

tfb, tfd = tfp.bijectors, tfp.distributions

Distribution: TypeAlias = Any  # tfd.Distribution; TFP ships no types

__all__ = ["BASELINES", "IMAGE", "Baseline", "Networks", "standard_normal"]

IMAGE = (28, 28, 1)
OURS = PRESETS["mnist"].latent
EPOCHS = 20  # the common budget; a baseline whose author trains it for longer has the author's


def standard_normal(latent: int) -> Distribution:
    """p(z) = N(0, 1): batch_shape (), event_shape (L,)."""
    return tfd.MultivariateNormalDiag(tf.zeros(latent), tf.ones(latent))


@dataclass(frozen=True)
class Networks:
    """image (B, 28, 28, 1) -> parameters (B, P) of q(z|x); z (B, L) -> logits (B, 28, 28, 1)."""

    encoder: keras.Model
    decoder: keras.Model

    @property
    def variables(self) -> list[Any]:
        """The weights of both, in a fixed order."""
        return [*self.encoder.variables, *self.decoder.variables]

    @property
    def parameters(self) -> int:
        """How many weights both have."""
        return int(self.encoder.count_params() + self.decoder.count_params())


@dataclass(frozen=True)
class Baseline:
    """One published model. `epochs` and `result` are its author's; `result` says on which images, too."""

    name: str
    title: str
    source: str
    latent: int
    build: Callable[[int], Networks]
    batch: int
    learning_rate: float
    epochs: int
    result: str = ""
    q: Literal["diagonal", "full"] = "diagonal"
    trainer: Literal["keras", "pythae"] = "keras"

    def budget(self, epochs: int | None) -> int:
        """Epochs to train: as asked, else the common budget, or what its author takes where that is more."""
        return max(EPOCHS, self.epochs) if epochs is None else epochs

    def posterior(self, parameters: tf.Tensor) -> Distribution:
        """q(z|x) of the encoder's output (B, P): batch_shape (B,), event_shape (L,)."""
        if self.q == "diagonal":
            # N(loc, exp(log_variance))
            loc, log_variance = tf.split(parameters, 2, axis=-1)
            return tfd.MultivariateNormalDiag(loc, tf.exp(log_variance / 2))
        # N(loc, T T'), T lower triangular, its diagonal softplus(.) + 1e-5: what tfp.layers.MultivariateNormalTriL does
        scale = tfb.FillScaleTriL(diag_shift=tf.constant(1e-5))(parameters[..., self.latent :])
        return tfd.MultivariateNormalTriL(parameters[..., : self.latent], scale)


def _cvae(latent: int) -> Networks:
    encoder = keras.Sequential(
        [
            keras.Input(IMAGE, name="image"),
            layers.Conv2D(32, 3, strides=2, activation="relu"),
            layers.Conv2D(64, 3, strides=2, activation="relu"),
            layers.Flatten(),
            layers.Dense(2 * latent),
        ]
    )
    decoder = keras.Sequential(
        [
            keras.Input((latent,), name="z"),
            layers.Dense(7 * 7 * 32, activation="relu"),
            layers.Reshape((7, 7, 32)),
            layers.Conv2DTranspose(64, 3, strides=2, padding="same", activation="relu"),
            layers.Conv2DTranspose(32, 3, strides=2, padding="same", activation="relu"),
            layers.Conv2DTranspose(1, 3, padding="same"),
        ]
    )
    return Networks(encoder, decoder)


def _tfp_layers(latent: int) -> Networks:
    depth = 32

    def leaky(kind: type[layers.Layer], filters: int, kernel: int, strides: int = 1, padding: str = "same") -> Any:
        return kind(filters, kernel, strides=strides, padding=padding, activation="leaky_relu")

    conv, back = layers.Conv2D, layers.Conv2DTranspose
    encoder = keras.Sequential(
        [
            keras.Input(IMAGE, name="image"),
            layers.Rescaling(1.0, offset=-0.5),
            leaky(conv, depth, 5),
            leaky(conv, depth, 5, strides=2),
            leaky(conv, 2 * depth, 5),
            leaky(conv, 2 * depth, 5, strides=2),
            leaky(conv, 4 * latent, 7, padding="valid"),
            layers.Flatten(),
            layers.Dense(latent + latent * (latent + 1) // 2),
        ]
    )
    decoder = keras.Sequential(
        [
            keras.Input((latent,), name="z"),
            layers.Reshape((1, 1, latent)),
            leaky(back, 2 * depth, 7, padding="valid"),
            leaky(back, 2 * depth, 5),
            leaky(back, 2 * depth, 5, strides=2),
            leaky(back, depth, 5),
            leaky(back, depth, 5, strides=2),
            leaky(back, depth, 5),
            layers.Conv2D(1, 5, padding="same"),
        ]
    )
    return Networks(encoder, decoder)


def _perceptron(*widths: int) -> Callable[[int], Networks]:
    def build(latent: int) -> Networks:
        hidden = [layers.Dense(width, activation="relu") for width in widths]
        mirrored = [layers.Dense(width, activation="relu") for width in reversed(widths)]
        image, z = keras.Input(IMAGE, name="image"), keras.Input((latent,), name="z")
        encoder = keras.Sequential([image, layers.Flatten(), *hidden, layers.Dense(2 * latent)])
        decoder = keras.Sequential([z, *mirrored, layers.Dense(28 * 28), layers.Reshape(IMAGE)])
        return Networks(encoder, decoder)

    return build


def _tutorial(latent: int) -> Baseline:
    return Baseline(
        name=f"cvae-{latent}",
        title="TensorFlow's tutorial, convolutional" + ("" if latent == 2 else f", with {latent} latents for 2"),
        source="https://www.tensorflow.org/tutorials/generative/cvae",
        latent=latent,
        build=_cvae,
        batch=32,
        learning_rate=1e-4,
        epochs=10,
    )


def _pythae(latent: int) -> Baseline:
    return Baseline(
        name=f"pythae-{latent}",
        title="pythae's default VAE and trainer" + ("" if latent == 10 else f", with {latent} latents for 10"),
        source="https://github.com/clementchadebec/benchmark_VAE",
        latent=latent,
        build=_perceptron(512),
        batch=64,
        learning_rate=1e-4,
        epochs=100,
        trainer="pythae",
    )


BASELINES = (
    _tutorial(2),
    _tutorial(OURS),
    Baseline(
        name="tfp-16",
        title="TensorFlow Probability's tutorial, convolutional, full-covariance posterior",
        source="https://www.tensorflow.org/probability/examples/Probabilistic_Layers_VAE",
        latent=16,
        build=_tfp_layers,
        batch=256,
        learning_rate=1e-3,
        epochs=15,
        result="119.5 (images inverted, binarised at random)",
        q="full",
    ),
    Baseline(
        name="mlp-20",
        title="a perceptron, 784-512-256",
        source="https://github.com/abdulfatir/planar-flow-pytorch",
        latent=20,
        build=_perceptron(512, 256),
        batch=128,
        learning_rate=1e-3,
        epochs=10,
        result="84.60 (these images, all 60,000 to learn from); 81.83 with 20 planar flows",
    ),
    _pythae(10),
    _pythae(OURS),
)
