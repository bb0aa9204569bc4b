"""The networks: image -> (loc, scale) and z -> logits, as Keras 3 functional models.

Both work on the grid of 4x4 patches, where a pixel of an image costs a sixteenth: for 28x28 that is 7x7. Residual
blocks add before the ReLU, so that a runtime fuses each convolution with its sum and its activation. The tensor is
transposed to channels-first where it is flattened: ONNX is channels-first, and the converter's own transposes cancel.

A block is two 3x3 convolutions (`conv`), or one that keeps channels apart and a 1x1 one that mixes them (`separable`),
which costs a sixteenth at 64 channels, of a kind that a processor is better at: 2.3 microseconds of ONNX Runtime
beside 28. Blocks of 64 channels and their halves come in whole vector registers.
"""

from __future__ import annotations

import math

import keras
from keras import layers, ops

from vae_edge.runtime.errors import RunError
from vae_edge.train.config import Config

__all__ = ["decoder", "encoder"]

PATCH = 4
# Beyond +-15 a logit tells nothing: all 784 pixels at 15 cost 2.4e-4 nats, and the seed contract's 16-bit words
# end at 11.8. Unbounded, the background's ran to -400, where float32 itself is 2e-4 off.
BOUND = 15.0

Shape = tuple[int, int, int]

if keras.backend.backend() != "tensorflow":
    raise RunError(f"Keras runs on {keras.backend.backend()}, expected tensorflow: unset KERAS_BACKEND")


def encoder(config: Config, image_shape: Shape) -> keras.Model:
    """image (B, H, W, C) in [0, 1] -> loc, scale (B, L), float32; scale > 0, or 0 throughout for an autoencoder."""
    image = keras.Input(image_shape, name="image")
    kind = config.network if config.encoder_network == "same" else config.encoder_network
    width, depth = config.encoder_width or config.width, config.encoder_depth or config.depth
    x = _perceptron(image, width, depth) if kind == "mlp" else _convolutions(image, kind, width, depth)
    loc = layers.Dense(config.latent, name="loc")(x)
    if config.objective == "ae":
        scale = layers.Lambda(ops.zeros_like, name="scale")(loc)
    else:
        scale = layers.Dense(config.latent, activation="softplus", name="scale")(x)
    return keras.Model(image, [loc, scale], name="encoder")


def decoder(config: Config, image_shape: Shape) -> keras.Model:
    """z (B, L) -> logits (B, H, W, C), float32."""
    z = keras.Input((config.latent,), name="z")
    if config.network == "mlp":
        x = layers.Dense(math.prod(image_shape))(_perceptron(z, config.width, config.depth))
        return keras.Model(z, Bounded()(layers.Reshape(image_shape)(x)), name="decoder")
    height, width, channels = image_shape
    rows, columns = -(-height // PATCH), -(-width // PATCH)
    # A dense layer has no neighbours to share weights with: half of the channels are enough where blocks are cheap (0.3
    # nats for a sixth of the time), and cost 0.8 nats where they are not.
    first = max(1, config.width // 2) if config.network == "separable" else config.width
    x = layers.Dense(first * rows * columns, activation="relu")(z)
    x = layers.Permute((2, 3, 1))(layers.Reshape((first, rows, columns))(x))
    # With a convolution first, ONNX Runtime keeps its blocked layout through all blocks; it cannot where a residual sum
    # reads the dense layer. The decoder is 4 to 6 % faster for it.
    x = layers.Conv2D(config.width, 1, activation="relu")(x)
    x = _blocks(x, config.network, config.width, config.depth)
    # Each cell paints its own patch. A 3x3 convolution here costs a tenth of the decoder, and is better spent on width.
    x = layers.Conv2D(channels * PATCH**2, 1)(x)
    x = DepthToSpace(PATCH)(Bounded()(x))
    if (surplus := (rows * PATCH - height, columns * PATCH - width)) != (0, 0):
        x = layers.Cropping2D(((0, surplus[0]), (0, surplus[1])))(x)
    return keras.Model(z, x, name="decoder")


def _perceptron(x: keras.KerasTensor, width: int, depth: int) -> keras.KerasTensor:
    x = layers.Flatten()(x)
    for _ in range(depth):
        x = layers.Dense(width, activation="relu")(x)
    return x


def _convolutions(x: keras.KerasTensor, kind: str, width: int, depth: int) -> keras.KerasTensor:
    if (missing := (-x.shape[1] % PATCH, -x.shape[2] % PATCH)) != (0, 0):
        x = layers.ZeroPadding2D(((0, missing[0]), (0, missing[1])))(x)
    x = layers.Conv2D(width, PATCH, strides=PATCH, activation="relu")(x)
    x = _blocks(x, kind, width, depth)
    if kind == "separable":
        x = layers.Conv2D(max(1, width // 2), 1, activation="relu")(x)
    return layers.Flatten()(layers.Permute((3, 1, 2))(x))


def _blocks(x: keras.KerasTensor, kind: str, width: int, depth: int) -> keras.KerasTensor:
    # A block begins near the identity (Zhang, Dauphin & Ma 2019): 1.3 nats after 12 epochs of MNIST.
    last = {"kernel_initializer": keras.initializers.VarianceScaling(0.01, "fan_avg", "uniform")}
    for _ in range(depth):
        if kind == "separable":
            # relu(x + mix(each channel's conv(x))), Chollet 2017
            y = layers.DepthwiseConv2D(3, padding="same")(x)
            y = layers.Conv2D(width, 1, **last)(y)
        else:
            # relu(x + conv(relu(conv(x)))), He et al. 2015
            y = layers.Conv2D(width, 3, padding="same", activation="relu")(x)
            y = layers.Conv2D(width, 3, padding="same", **last)(y)
        x = layers.ReLU()(layers.Add()([x, y]))
    return x


class Bounded(layers.Layer):
    """Logits held in [-BOUND, BOUND]."""

    def call(self, x: keras.KerasTensor) -> keras.KerasTensor:
        """`x`, clipped."""
        return ops.clip(x, -BOUND, BOUND)


class DepthToSpace(layers.Layer):
    """(B, h, w, C*block^2) -> (B, h*block, w*block, C), the inverse of cutting an image into patches."""

    def __init__(self, block: int, **kwargs: object) -> None:
        super().__init__(**kwargs)
        self.block = block

    def call(self, x: keras.KerasTensor) -> keras.KerasTensor:
        """The patches of `x` laid out."""
        import tensorflow as tf

        return tf.nn.depth_to_space(x, self.block)

    def compute_output_shape(self, shape: tuple[int | None, int, int, int]) -> tuple[int | None, int, int, int]:
        """The shape of the image."""
        batch, rows, columns, channels = shape
        return batch, rows * self.block, columns * self.block, channels // self.block**2
