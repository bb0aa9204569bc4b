"""Layers whose weights have a posterior, learned by Bayes by backprop (Blundell et al. 2015).

q(w) = N(loc, scale^2), each weight for itself (mean field). The bound of a whole set of N events is

    log p(x_1 .. x_N) >= sum_n E_q(w)[ELBO_n(w)] - KL(q(w) || p(w)),

so a step's loss has KL / N beside the mean over its batch. Each event of a batch has weights of its own. A dense layer
draws its outputs, N(x loc, x^2 scale^2): the same distribution, and a gradient of less variance (local
reparameterisation; Kingma, Salimans & Welling 2015). A convolution uses its weights at every place of an image, so it
takes one draw a batch and gives it other signs for each event (flipout; Wen et al. 2018).

The prior is N(0, s^2), with one s for each kernel and each bias: the s that makes the KL least, s^2 = mean(loc^2 +
scale^2), which moves with the posterior (empirical Bayes). A layer's `prior_scale` fixes it instead.
"""

from __future__ import annotations

import contextlib
import math
from collections.abc import Iterator
from contextvars import ContextVar
from typing import Any, Protocol

import keras
import tensorflow as tf
import tensorflow_probability as tfp
from keras import layers

from vae_edge.train import replicas

tfd = tfp.distributions

__all__ = ["POINT", "START", "Kit", "Uncertain", "UncertainKit", "drawn", "uncertain_layers"]

START = 0.05  # a posterior's first scale, of sqrt(2 / fan-in); a bias has a fan-in of 1
_TINY = 1e-12  # a variance that is 0 has no gradient under a square root

_seed: ContextVar[tf.Tensor | None] = ContextVar("seed", default=None)


@contextlib.contextmanager
def drawn(seed: tf.Tensor) -> Iterator[None]:
    """For its length uncertain layers draw weights for each event; elsewhere they use their posteriors' means.

    The noise is a function of `seed` (2,) int32.
    """
    token = _seed.set(seed)
    try:
        yield
    finally:
        _seed.reset(token)


class Kit(Protocol):
    """What networks make their layers with: Keras's layers, or layers whose weights are uncertain."""

    def dense(self, units: int, **options: Any) -> keras.Layer:
        """A `keras.layers.Dense` with these `units` and `options`."""

    def conv(self, filters: int, kernel_size: int, **options: Any) -> keras.Layer:
        """A `keras.layers.Conv2D` with these `filters`, `kernel_size` and `options`."""

    def depthwise(self, kernel_size: int, **options: Any) -> keras.Layer:
        """A `keras.layers.DepthwiseConv2D` with this `kernel_size` and `options`."""


class _PointKit:
    dense = staticmethod(layers.Dense)
    conv = staticmethod(layers.Conv2D)
    depthwise = staticmethod(layers.DepthwiseConv2D)


POINT: Kit = _PointKit()


class UncertainKit:
    """Makes layers whose weights are uncertain. Each has a number of its own, which its noise depends on."""

    def __init__(self) -> None:
        self._made = 0

    def dense(self, units: int, **options: Any) -> keras.Layer:
        """A dense layer that draws its outputs; `units` and `options` are those of `keras.layers.Dense`."""
        return self._numbered(UncertainDense(units, **options))

    def conv(self, filters: int, kernel_size: int, **options: Any) -> keras.Layer:
        """A convolution by flipout; `filters`, `kernel_size` and `options` are those of `keras.layers.Conv2D`."""
        return self._numbered(UncertainConv2D(filters, kernel_size, **options))

    def depthwise(self, kernel_size: int, **options: Any) -> keras.Layer:
        """By flipout too; `kernel_size` and `options` are those of `keras.layers.DepthwiseConv2D`."""
        return self._numbered(UncertainDepthwiseConv2D(kernel_size, **options))

    def _numbered(self, layer: Uncertain) -> keras.Layer:
        layer.number = self._made
        self._made += 1
        return layer


class Uncertain(layers.Layer):
    """What uncertain layers share. Keras's kernel and bias are the posteriors' means; their scales stand beside them.

    `number` tells the layer's noise from that of others. `prior_scale` is s of the prior N(0, s^2), or None for the s
    that makes the KL least.
    """

    number = 0
    prior_scale: float | None = None

    def build(self, input_shape: Any) -> None:
        """Makes Keras's weights, and a rho for each: scale = log(1 + e^rho)."""
        super().build(input_shape)
        fan_in = math.prod(self.kernel.shape[:-1]) // getattr(self, "groups_of_one", 1)
        self.kernel_rho = self._rho("kernel_rho", self.kernel.shape, START * math.sqrt(2 / fan_in))
        self.bias_rho = None if self.bias is None else self._rho("bias_rho", self.bias.shape, START * math.sqrt(2))

    def _rho(self, name: str, shape: Any, scale: float) -> Any:
        start = keras.initializers.Constant(math.log(math.expm1(scale)))
        return self.add_weight(name=name, shape=shape, initializer=start, trainable=True)

    @property
    def posteriors(self) -> list[tuple[keras.Variable, keras.Variable]]:
        """(loc, rho) of the kernel, and of the bias where there is one."""
        found = [(self.kernel, self.kernel_rho)]
        return found if self.bias is None else [*found, (self.bias, self.bias_rho)]

    def kl(self) -> tf.Tensor:
        """KL(q(w) || p(w)) of all of the layer's weights, in nats, ()."""
        return tf.add_n([self._kl(loc.value, tf.nn.softplus(rho.value)) for loc, rho in self.posteriors])

    def _kl(self, loc: tf.Tensor, scale: tf.Tensor) -> tf.Tensor:
        s = self.prior_scale or tf.sqrt(tf.reduce_mean(tf.square(loc) + tf.square(scale)))
        return tf.reduce_sum(tfd.kl_divergence(tfd.Normal(loc, scale), tfd.Normal(0.0, s)))

    def _noise(self, place: int, shape: Any) -> tf.Tensor:
        """Standard normals, others for each `place` of each layer."""
        return tf.random.stateless_normal(shape, self._fold(place))

    def _row_noise(self, place: int, shape: Any) -> tf.Tensor:
        """The same for the rows of a batch, which replicas may share."""
        return replicas.rows(lambda whole: self._noise(place, whole), shape)

    def _signs(self, place: int, batch: tf.Tensor, channels: int) -> tf.Tensor:
        """-1 or 1 for each event and channel, (batch, 1, 1, channels)."""
        seed = self._fold(place)
        bits = replicas.rows(
            lambda shape: tf.random.stateless_uniform(shape, seed, 0, 2, dtype=tf.int32), (batch, 1, 1, channels)
        )
        return tf.cast(2 * bits - 1, tf.float32)

    def _fold(self, place: int) -> tf.Tensor:
        return tf.random.experimental.stateless_fold_in(_seed.get(), 4 * self.number + place)

    def _kernel_draw(self) -> tf.Tensor:
        """scale * eps of the kernel: one draw for the whole batch."""
        return tf.nn.softplus(self.kernel_rho.value) * self._noise(0, self.kernel.shape)

    def _bias_scale(self) -> tf.Tensor:
        assert self.bias_rho is not None
        return tf.nn.softplus(self.bias_rho.value)

    def _finished(self, y: tf.Tensor) -> tf.Tensor:
        """y of a convolution with its bias, one draw an event, and its activation."""
        if self.bias is not None:
            eps = self._row_noise(3, (tf.shape(y)[0], 1, 1, y.shape[-1]))
            y += self.bias.value + self._bias_scale() * eps
        return self.activation(y)


class UncertainDense(Uncertain, layers.Dense):
    """A `keras.layers.Dense` with a posterior over its weights."""

    def call(self, x: tf.Tensor, training: bool | None = None) -> tf.Tensor:
        """The layer of `x` (B, n); `training` is Keras's, and changes nothing."""
        if _seed.get() is None:
            return super().call(x)
        # y ~ N(x loc + b, x^2 scale^2 + scale_b^2)
        mean = tf.matmul(x, self.kernel.value)
        variance = tf.matmul(tf.square(x), tf.square(tf.nn.softplus(self.kernel_rho.value)))
        if self.bias is not None:
            mean += self.bias.value
            variance += tf.square(self._bias_scale())
        return self.activation(mean + tf.sqrt(variance + _TINY) * self._row_noise(0, tf.shape(mean)))


class UncertainConv2D(Uncertain, layers.Conv2D):
    """A `keras.layers.Conv2D` with a posterior over its weights."""

    def call(self, x: tf.Tensor, training: bool | None = None) -> tf.Tensor:
        """The layer of `x` (B, H, W, C); `training` is Keras's, and changes nothing."""
        if _seed.get() is None:
            return super().call(x)
        batch = tf.shape(x)[0]
        before, after = self._signs(1, batch, x.shape[-1]), self._signs(2, batch, self.filters)
        # w of event n = loc + scale eps (before_n after_n')
        y = self.convolution_op(x, self.kernel.value)
        y += after * self.convolution_op(before * x, self._kernel_draw())
        return self._finished(y)


class UncertainDepthwiseConv2D(Uncertain, layers.DepthwiseConv2D):
    """A `keras.layers.DepthwiseConv2D` of one filter a channel, with a posterior over its weights."""

    def build(self, input_shape: Any) -> None:
        """Makes the weights of a filter for each channel."""
        self.groups_of_one = input_shape[-1]
        super().build(input_shape)

    def call(self, x: tf.Tensor, training: bool | None = None) -> tf.Tensor:
        """The layer of `x` (B, H, W, C); `training` is Keras's, and changes nothing."""
        if _seed.get() is None:
            return super().call(x)
        signs = self._signs(1, tf.shape(x)[0], x.shape[-1])  # a channel's filter has one, not two
        y = self._convolved(x, self.kernel.value) + signs * self._convolved(x, self._kernel_draw())
        return self._finished(y)

    def _convolved(self, x: tf.Tensor, kernel: tf.Tensor) -> tf.Tensor:
        strides = (1, *self.strides, 1)
        return tf.nn.depthwise_conv2d(x, kernel, strides, self.padding.upper())


def uncertain_layers(model: keras.Model) -> list[Uncertain]:
    """The layers of a `model` whose weights are uncertain, in order; none of one with weights that are points."""
    return [layer for layer in model.layers if isinstance(layer, Uncertain)]
