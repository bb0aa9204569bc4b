"""A normalizing flow as prior: z -> noise by affine couplings (RealNVP, Dinh et al. 2017), between them rotations.

A block scales and shifts each dimension (actnorm, Kingma & Dhariwal 2018), turns the space by a learned rotation, and
gives the second half of the vector a scale and a shift that a network makes of the first half, as Xu et al. 2019 (arXiv
1905.13452) do for a VAE's prior. A rotation R has the inverse R' and no log-determinant, and scales are bounded: so
each direction undoes the other to float32's rounding.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable
from typing import Any, NamedTuple, TypeAlias

import keras
import numpy as np
import tensorflow as tf
import tensorflow_probability as tfp

tfb, tfd = tfp.bijectors, tfp.distributions

Distribution: TypeAlias = Any  # tfd.Distribution; TFP ships no types

__all__ = ["FlowPrior", "Maps"]

BOUND = 1.0  # of the logarithm of each scale


class Maps(NamedTuple):
    """The linear map of each block towards the noise and back, (blocks, L, L), and the sum of log-determinants."""

    there: tf.Tensor
    back: tf.Tensor
    log_det: tf.Tensor


class FlowPrior(keras.Layer):
    """p(z) of `blocks` couplings whose networks have two hidden layers of `width`; at first it is the standard normal.

    With `labels` of them it is p(z|y): the networks are given the label, one-hot, beside the half of z.
    """

    def __init__(self, latent: int, blocks: int, width: int, labels: int = 0, seed: int = 0) -> None:
        super().__init__(name="prior")
        self.latent, self.labels = latent, labels
        first, second = latent // 2, latent - latent // 2
        turns = np.random.default_rng(seed).normal(size=(blocks, latent, latent))
        self._start = self._weight("start", np.linalg.qr(turns)[0].astype(np.float32), trainable=False)
        self._skew = self._weight("skew", np.zeros((blocks, latent, latent), np.float32))
        self._scale = self._weight("scale", np.zeros((blocks, latent), np.float32))
        self._shift = self._weight("shift", np.zeros((blocks, latent), np.float32))
        self._networks = []
        for block in range(blocks):
            sizes = [first + labels, width, width, 2 * second]
            layers = []
            for place, (inputs, outputs) in enumerate(itertools.pairwise(sizes)):
                last = place == len(sizes) - 2
                kernel = keras.initializers.Zeros() if last else keras.initializers.HeUniform(seed + 31 * block + place)
                layers.append(
                    (
                        self.add_weight(shape=(inputs, outputs), initializer=kernel, name=f"kernel_{block}_{place}"),
                        self.add_weight(shape=(outputs,), initializer="zeros", name=f"bias_{block}_{place}"),
                    )
                )
            self._networks.append(layers)
        self.built = True

    def _weight(self, name: str, value: Any, *, trainable: bool = True) -> keras.Variable:
        weight = self.add_weight(shape=value.shape, initializer="zeros", trainable=trainable, name=name)
        weight.assign(value)
        return weight

    @property
    def maps(self) -> Maps:
        """The linear map of each block at this moment, and back."""
        upper = tf.linalg.band_part(self._skew.value, 0, -1)
        skew = upper - tf.linalg.matrix_transpose(upper)
        identity = tf.eye(self.latent)
        # Cayley: (I + A)^-1 (I - A) is a rotation where A = -A'
        turn = tf.matmul(self._start.value, tf.linalg.solve(identity + skew, identity - skew))
        logs = _bounded(self._scale.value)
        # M = diag(s) R, M^-1 = R' diag(1 / s)
        there = tf.exp(logs)[:, :, None] * turn
        return Maps(there, tf.linalg.matrix_transpose(turn) * tf.exp(-logs)[:, None, :], tf.reduce_sum(logs))

    def distribution(self, label: tf.Tensor | None = None, maps: Maps | None = None) -> Distribution:
        """The prior as a tfd.TransformedDistribution, batch_shape () or that of `label` (B, labels); event_shape (L,).

        `maps` are those of this moment where they are None.
        """
        batch = () if label is None else (tf.shape(label)[0],)
        zeros = tf.zeros((*batch, self.latent))
        noise = tfd.Independent(tfd.Normal(zeros, tf.ones_like(zeros)), 1)
        return _Flow(noise, _Couplings(self, label, self.maps if maps is None else maps))

    def frozen(self) -> Callable[[tf.Tensor | None], Distribution]:
        """A function from labels to the distribution as it is now, its maps constants: what can be exported."""
        maps = Maps(*(tf.constant(each.numpy()) for each in self.maps))

        def distribution(label: tf.Tensor | None) -> Distribution:
            return self.distribution(label, maps)

        return distribution

    def to_noise(self, z: tf.Tensor, label: tf.Tensor | None, maps: Maps) -> tuple[tf.Tensor, tf.Tensor]:
        """The noise (..., L) that becomes z (..., L), and log |det d noise / d z| (...,)."""
        log_det: tf.Tensor | float = maps.log_det
        for block, layers in enumerate(self._networks):
            kept, changed = self._halves(_turned(z, maps.there[block]) + self._shift.value[block])
            log_scale, shift = self._network(layers, kept, label)
            z = tf.concat([kept, changed * tf.exp(log_scale) + shift], -1)
            log_det += tf.reduce_sum(log_scale, -1)
        return z, log_det

    def from_noise(self, noise: tf.Tensor, label: tf.Tensor | None, maps: Maps) -> tf.Tensor:
        """z (..., L) of noise (..., L): `to_noise`, undone block by block."""
        z = noise
        for block, layers in reversed(list(enumerate(self._networks))):
            kept, changed = self._halves(z)
            log_scale, shift = self._network(layers, kept, label)
            z = tf.concat([kept, (changed - shift) * tf.exp(-log_scale)], -1)
            z = _turned(z - self._shift.value[block], maps.back[block])
        return z

    def _halves(self, z: tf.Tensor) -> list[tf.Tensor]:
        half: list[tf.Tensor] = tf.split(z, [self.latent // 2, self.latent - self.latent // 2], -1)
        return half

    def _network(self, layers: Any, kept: tf.Tensor, label: tf.Tensor | None) -> tuple[tf.Tensor, tf.Tensor]:
        x = kept if label is None else tf.concat([kept, label], -1)
        for place, (kernel, bias) in enumerate(layers):
            x = _turned(x, kernel.value) + bias.value
            x = tf.nn.relu(x) if place < len(layers) - 1 else x
        log_scale, shift = tf.split(x, 2, -1)
        return _bounded(log_scale), shift


class _Couplings(tfb.Bijector):  # type: ignore[name-defined]
    """noise -> z."""

    def __init__(self, layer: FlowPrior, label: tf.Tensor | None, maps: Maps) -> None:
        super().__init__(forward_min_event_ndims=1, validate_args=False, name="couplings")
        self._of = (layer, label, maps)

    @classmethod
    def _parameter_properties(cls, dtype: tf.DType) -> dict[str, Any]:
        return {}

    def both(self, z: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
        """The noise, and the log-determinant."""
        layer, label, maps = self._of
        return layer.to_noise(z, label, maps)

    def _forward(self, noise: tf.Tensor) -> tf.Tensor:
        layer, label, maps = self._of
        return layer.from_noise(noise, label, maps)

    def _inverse(self, z: tf.Tensor) -> tf.Tensor:
        return self.both(z)[0]

    def _inverse_log_det_jacobian(self, z: tf.Tensor) -> tf.Tensor:
        return self.both(z)[1]


class _Flow(tfd.TransformedDistribution):  # type: ignore[name-defined]
    """TFP's, whose log_prob runs the networks once."""

    def _log_prob(self, z: tf.Tensor, **_: Any) -> tf.Tensor:
        noise, log_det = self.bijector.both(z)
        return self.distribution.log_prob(noise) + log_det


def _turned(x: tf.Tensor, matrix: tf.Tensor) -> tf.Tensor:
    """x (..., n) times a matrix (n, m)."""
    return tf.matmul(x, matrix) if len(x.shape) == 2 else tf.tensordot(x, matrix, 1)


def _bounded(x: tf.Tensor) -> tf.Tensor:
    """x where it is small, and never beyond BOUND."""
    return BOUND * tf.tanh(x / BOUND)
