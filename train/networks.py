"""The networks: x -> (loc, scale) and z -> the parameters of p(x|z), as Keras 3 functional models.

For images both work on the grid of 4x4 patches, where a pixel of an image costs a sixteenth: for 28x28 that is 7x7.
Residual blocks add before the ReLU, so that a runtime fuses each convolution with its sum and its activation. The
tensor is transposed to channels-first where it is flattened: ONNX is channels-first, and the converter's own transposes
cancel.

A block is two 3x3 convolutions (`conv`), or one that keeps channels apart and a 1x1 one that mixes them (`separable`),
which costs a sixteenth at 64 channels, of a kind that a processor is better at: 2.3 microseconds of ONNX Runtime
beside 28. Blocks of 64 channels and their halves come in whole vector registers.

A table's rows take multilayer perceptrons. A conditional model's networks have the label, one-hot, as a second input.
The decoder's weights may be uncertain (`weights`).
"""

from __future__ import annotations

import math
from collections.abc import Callable

import keras
from keras import layers, ops

from vae_edge.runtime.errors import InputError, RunError
from vae_edge.train.config import Config
from vae_edge.train.likelihoods.outputs import Output, outputs
from vae_edge.train.weights import POINT, Kit, UncertainKit

__all__ = ["decoder", "encoder"]

PATCH = 4

Shape = tuple[int, ...]

if keras.backend.backend() != "tensorflow":
    raise RunError(f"Keras runs on {keras.backend.backend()}, expected tensorflow: unset KERAS_BACKEND")


def encoder(config: Config, event_shape: Shape, labels: int = 0) -> keras.Model:
    """x (B, H, W, C) in [0, 1] or (B, size) -> loc, scale (B, L), float32; scale > 0, or 0 for an autoencoder.

    With `labels` of them a second input holds the label, one-hot (B, labels) float32.
    """
    event = keras.Input(event_shape, name="image" if len(event_shape) == 3 else "x")
    label = keras.Input((labels,), name="label") if labels else None
    kind = _kind(config.network if config.encoder_network == "same" else config.encoder_network, event_shape)
    width, depth = config.encoder_width or config.width, config.encoder_depth or config.depth
    # Inputs that are all positive slow learning (LeCun et al. 1998). With pixels from 0 to 1 many features of the first
    # layer were 0 for every image, and one colour of three could stay unlearned (benchmarks/quality/search.md).
    seen = layers.Rescaling(2.0, -1.0)(event) if config.encoder_pixels == "centred" else event
    if kind == "mlp":
        x = _perceptron(_beside(layers.Flatten()(seen), label), width, depth, POINT)
    else:
        x = _convolutions(seen, kind, width, depth)
    x = _beside(_gated(x, label, POINT), label)
    loc = layers.Dense(config.latent, name="loc")(x)
    if config.objective == "ae":
        scale = layers.Lambda(ops.zeros_like, name="scale")(loc)
    else:
        scale = layers.Dense(config.latent, activation="softplus", name="scale")(x)
    return keras.Model(event if label is None else [event, label], [loc, scale], name="encoder")


def decoder(config: Config, event_shape: Shape, labels: int = 0) -> keras.Model:
    """z (B, L) -> the likelihood's parameters in the order of outputs.PARAMETERS, each (B, *event_shape), float32.

    A categorical's logits have the levels as one axis more. With `labels` of them a second input holds the label,
    one-hot (B, labels) float32.
    """
    z = keras.Input((config.latent,), name="z")
    label = keras.Input((labels,), name="label") if labels else None
    kind = _kind(config.network, event_shape)
    kit = UncertainKit() if config.weights == "uncertain" else POINT
    wanted = outputs(config.likelihood, event_shape)
    if kind == "mlp":
        # A layer draws its seed where it is made: the last ones first, as runs were recorded with.
        last = [_dense(output, event_shape, kit) for output in wanted]
        x = _gated(_perceptron(layers.Flatten()(_beside(z, label)), config.width, config.depth, kit), label, kit)
        parameters = [make(x) for make in last]
    else:
        x = _grid(z, label, config, kind, event_shape, kit)
        pixels = _pixels(x, config.pixel_width, kit) if config.pixel_width else None
        parameters = [_painted(x, pixels, output, event_shape, kit) for output in wanted]
    single = parameters[0] if len(parameters) == 1 else parameters
    return keras.Model(z if label is None else [z, label], single, name="decoder")


def _kind(network: str, event_shape: Shape) -> str:
    """conv, separable or mlp; raises InputError where a table's rows are to be convolved."""
    is_image = len(event_shape) == 3
    if network == "auto":
        return "conv" if is_image else "mlp"
    if network != "mlp" and not is_image:
        raise InputError(f"network should be mlp for the rows of a table, it is {network!r}")
    return network


def _beside(x: keras.KerasTensor, label: keras.KerasTensor | None) -> keras.KerasTensor:
    return x if label is None else layers.Concatenate()([x, label])


def _gated(x: keras.KerasTensor, label: keras.KerasTensor | None, kit: Kit) -> keras.KerasTensor:
    """Features (B, n), each times (1 + a weight of the label), Perez et al. 2018: each label has features of its own.

    With the label beside z and beside the last features alone, z goes on telling the class: after 6 epochs of MNIST 66
    of 100 generated digits were what was asked for, with gates 83, at an ELBO 1.9 nats higher.
    """
    if label is None:
        return x
    weight = kit.dense(x.shape[-1], use_bias=False, kernel_initializer="zeros")(label)
    return layers.Add()([x, layers.Multiply()([x, weight])])


def _grid(
    z: keras.KerasTensor, label: keras.KerasTensor | None, config: Config, kind: str, image_shape: Shape, kit: Kit
) -> keras.KerasTensor:
    """The decoder's features on the grid of patches."""
    rows, columns = -(-image_shape[0] // PATCH), -(-image_shape[1] // PATCH)
    # A dense layer shares no weights. Where blocks are cheap, half of the channels are enough (benchmarks/quality/
    # search.md).
    first = max(1, config.width // 2) if kind == "separable" else config.width
    x = kit.dense(first * rows * columns, activation="relu")(_beside(z, label))
    x = _gated(x, label, kit)
    x = layers.Permute((2, 3, 1))(layers.Reshape((first, rows, columns))(x))
    # With a convolution first, ONNX Runtime keeps its blocked layout through all blocks, which is faster. It cannot
    # where a residual sum reads the dense layer.
    x = kit.conv(config.width, 1, activation="relu")(x)
    return _blocks(x, kind, config.width, config.depth, kit)


def _pixels(x: keras.KerasTensor, width: int, kit: Kit) -> keras.KerasTensor:
    """Features on the grid -> `width` features of each pixel, (B, rows, columns, width).

    What a cell paints is a sum of its features. A ReLU on each pixel can choose: a form's colour where the form is,
    else 0.
    """
    return DepthToSpace(PATCH)(kit.conv(width * PATCH**2, 1, activation="relu")(x))


def _painted(
    x: keras.KerasTensor, pixels: keras.KerasTensor | None, output: Output, image_shape: Shape, kit: Kit
) -> keras.KerasTensor:
    """One output of features on the grid: each cell paints its own patch.

    A 3x3 convolution of the grid costs a tenth of the decoder, and is better spent on width. With `pixels`
    (B, H, W, n), their 3x3 convolution is added. It begins near 0, so that training begins as it does without it.
    """
    height, width, channels = image_shape
    numbers = channels * output.numbers
    activate = output.activation() if output.activation else lambda x: x
    cells = kit.conv(numbers * PATCH**2, 1, bias_initializer=_constant(output.bias))(x)
    if pixels is None:
        x = DepthToSpace(PATCH)(activate(cells))
    else:
        near_zero = keras.initializers.VarianceScaling(0.01, "fan_avg", "uniform")
        drawn = kit.conv(numbers, 3, padding="same", kernel_initializer=near_zero)(pixels)
        x = activate(layers.Add()([DepthToSpace(PATCH)(cells), drawn]))
    if (surplus := (-height % PATCH, -width % PATCH)) != (0, 0):
        x = layers.Cropping2D(((0, surplus[0]), (0, surplus[1])))(x)
    return x if output.numbers == 1 else layers.Reshape((*image_shape, output.numbers))(x)


def _dense(output: Output, event_shape: Shape, kit: Kit) -> Callable[[keras.KerasTensor], keras.KerasTensor]:
    """What makes one output of a perceptron's features."""
    shape = event_shape if output.numbers == 1 else (*event_shape, output.numbers)
    dense = kit.dense(math.prod(shape), bias_initializer=_constant(output.bias))

    def make(x: keras.KerasTensor) -> keras.KerasTensor:
        x = layers.Reshape(shape)(dense(x))
        return x if output.activation is None else output.activation()(x)

    return make


def _constant(value: float) -> keras.Initializer:
    return keras.initializers.Constant(value)


def _perceptron(x: keras.KerasTensor, width: int, depth: int, kit: Kit) -> keras.KerasTensor:
    for _ in range(depth):
        x = kit.dense(width, activation="relu")(x)
    return x


def _convolutions(x: keras.KerasTensor, kind: str, width: int, depth: int) -> keras.KerasTensor:
    if (missing := (-x.shape[1] % PATCH, -x.shape[2] % PATCH)) != (0, 0):
        x = layers.ZeroPadding2D(((0, missing[0]), (0, missing[1])))(x)
    x = layers.Conv2D(width, PATCH, strides=PATCH, activation="relu")(x)
    x = _blocks(x, kind, width, depth, POINT)
    if kind == "separable":
        x = layers.Conv2D(max(1, width // 2), 1, activation="relu")(x)
    return layers.Flatten()(layers.Permute((3, 1, 2))(x))


def _blocks(x: keras.KerasTensor, kind: str, width: int, depth: int, kit: Kit) -> keras.KerasTensor:
    # A block begins near the identity (Zhang, Dauphin & Ma 2019)
    last = {"kernel_initializer": keras.initializers.VarianceScaling(0.01, "fan_avg", "uniform")}
    for _ in range(depth):
        if kind == "separable":
            # relu(x + mix(each channel's conv(x))), Chollet 2017
            y = kit.depthwise(3, padding="same")(x)
            y = kit.conv(width, 1, **last)(y)
        else:
            # relu(x + conv(relu(conv(x)))), He et al. 2015
            y = kit.conv(width, 3, padding="same", activation="relu")(x)
            y = kit.conv(width, 3, padding="same", **last)(y)
        x = layers.ReLU()(layers.Add()([x, y]))
    return x


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
