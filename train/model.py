"""The model: networks that return distributions.

q(z|x) = N(loc(x), scale(x)^2), p(x|z) of the family that the configuration names, p(z) = N(0, 1), a mixture of normals
or a flow. A conditional model's are q(z|x, y) and p(x|z, y) for a label y (Sohn et al. 2015); its prior is p(z|y), but
for N(0, 1).
"""

from __future__ import annotations

import math
from typing import Any, TypeAlias

import keras
import numpy as np
import tensorflow as tf
import tensorflow_probability as tfp

from vae_edge.runtime.errors import InputError
from vae_edge.train import networks
from vae_edge.train.config import Config
from vae_edge.train.flow import FlowPrior
from vae_edge.train.likelihoods import families
from vae_edge.train.likelihoods.outputs import PARAMETERS
from vae_edge.train.mixture import Parts
from vae_edge.train.weights import uncertain_layers

tfd = tfp.distributions

Distribution: TypeAlias = Any  # tfd.Distribution; TFP ships no types

__all__ = ["MixturePrior", "VariationalAutoencoder"]


class VariationalAutoencoder(keras.Model):
    """A variational autoencoder (Kingma & Welling 2014) over events of one shape: images (H, W, C), or vectors (size,).

    `encoder` and `decoder` are Keras models of x and z, or of [x, label] and [z, label] where there are `labels`. The
    decoder's outputs are the `parameters` of the likelihood, in that order. A table's rows are standardised ones.
    """

    def __init__(self, config: Config, event_shape: tuple[int, ...], labels: int = 0) -> None:
        super().__init__(name="vae")
        self.config = config
        self.labels = labels
        self.event_axes = len(event_shape)
        keras.utils.set_random_seed(config.seed)
        self.encoder = networks.encoder(config, event_shape, labels)
        self.decoder = networks.decoder(config, event_shape, labels)
        self.mixture = MixturePrior(config.components, config.latent, labels) if config.prior == "mixture" else None
        self.flow: FlowPrior | None = None
        if config.prior == "flow":
            self.flow = FlowPrior(config.latent, config.flow_blocks, config.flow_width, labels, config.seed)
        self.built = True

    @property
    def parameters(self) -> tuple[str, ...]:
        """The names of the decoder's outputs: ('logits',) or ('loc', 'scale')."""
        return PARAMETERS[self.config.likelihood]

    def encode(self, x: tf.Tensor, label: tf.Tensor | None = None) -> Distribution:
        """q(z|x), a tfd.Independent of a tfd.Normal: batch_shape (B,), event_shape (L,).

        `x` is (B, *event_shape) float32; `label` is one-hot (B, labels) float32, for a conditional model alone. An
        autoencoder's is a tfd.VectorDeterministic.
        """
        loc, scale = self.encoder(self._inputs(x, label))
        if self.config.objective == "ae":
            return tfd.VectorDeterministic(loc)
        return tfd.Independent(tfd.Normal(loc, scale), 1)

    def decode(self, z: tf.Tensor, label: tf.Tensor | None = None) -> Distribution:
        """p(x|z), a tfd.Independent of the likelihood: batch_shape (B,), event_shape that of the data.

        `z` is (B, L) float32; `label` as for `encode`.
        """
        parameters = self.decoder(self._inputs(z, label))
        parameters = [parameters] if len(self.parameters) == 1 else parameters
        return families.distribution(self.config.likelihood, parameters, self.event_axes)

    def weights_kl(self) -> tf.Tensor:
        """KL(q(w) || p(w)) of the decoder's uncertain weights, in nats of the whole set, (); see `weights`."""
        return tf.add_n([layer.kl() for layer in uncertain_layers(self.decoder)])

    def _inputs(self, x: tf.Tensor, label: tf.Tensor | None) -> Any:
        if (label is not None) != bool(self.labels):
            expected = f"one-hot labels (B, {self.labels})" if self.labels else "no labels: the model is unconditional"
            raise InputError(f"expected {expected}, came {'none' if label is None else label.shape}")
        return x if label is None else [tf.convert_to_tensor(x), tf.convert_to_tensor(label)]

    @property
    def prior(self) -> Distribution:
        """p(z): batch_shape (), event_shape (L,); a model whose prior follows the label has `prior_given` alone."""
        return self.prior_given(None)

    @property
    def follows_label(self) -> bool:
        """Whether the prior is p(z|y)."""
        return bool(self.labels) and self.config.prior != "normal"

    def prior_given(self, label: tf.Tensor | None) -> Distribution:
        """p(z|y) of labels (B, labels), one-hot float32: batch_shape (B,), event_shape (L,).

        Where the prior does not follow the label it is p(z), of batch_shape ().
        """
        if self.follows_label and label is None:
            raise InputError(f"the prior follows the label: expected one-hot labels (B, {self.labels}), came none")
        label = label if self.follows_label else None
        if self.flow is not None:
            return self.flow.distribution(label)
        if self.mixture is not None:
            return self.mixture.distribution(label)
        zeros = tf.zeros(self.config.latent)
        return tfd.Independent(tfd.Normal(zeros, tf.ones_like(zeros)), 1)


class MixturePrior(keras.Layer):
    """p(z) = sum_k w_k N(m_k, S_k), fitted to codes by `vae_edge.train.mixture`; at first it is the standard normal.

    With `labels` of them it is p(z|y), and each label has weights of its own.
    """

    def __init__(self, components: int, latent: int, labels: int = 0) -> None:
        super().__init__(name="prior")
        shape = (labels, components) if labels else (components,)
        start = Parts(
            np.full(shape, 1 / components, np.float32),
            np.zeros((components, latent), np.float32),
            np.tile(np.eye(latent, dtype="f"), (components, 1, 1)),
        )
        self._own = [
            self.add_weight(shape=value.shape, initializer="zeros", trainable=False, name=name)
            for name, value in start._asdict().items()
        ]
        self.assign(start)
        self.built = True

    @property
    def parts(self) -> Parts:
        """The mixture of this moment."""
        return Parts(*(variable.numpy() for variable in self._own))

    def assign(self, parts: Parts) -> None:
        """Makes `parts` the mixture."""
        for variable, value in zip(self._own, parts, strict=True):
            variable.assign(value)

    def distribution(self, label: tf.Tensor | None = None) -> Distribution:
        """The mixture as a tfd.MixtureSameFamily: batch_shape () or that of `label` (B, labels); event_shape (L,)."""
        weights, loc, factor = (variable.value for variable in self._own)
        return _Mixture(weights if label is None else tf.matmul(label, weights), loc, factor)


class _Mixture(tfd.MixtureSameFamily):  # type: ignore[name-defined]
    """TFP's mixture of normals, its log_prob by one matrix product with the factors of the precisions."""

    def __init__(self, weights: tf.Tensor, loc: tf.Tensor, factor: tf.Tensor) -> None:
        self._factor = factor
        identity = tf.eye(loc.shape[-1], batch_shape=loc.shape[:1])
        scale_tril = tf.linalg.triangular_solve(factor, identity)  # a graph that only asks for log_prob drops it
        normals = tfd.MultivariateNormalTriL(loc, scale_tril)
        if len(weights.shape) == 2:  # a mixture each for a batch
            normals = tfd.BatchBroadcast(normals, tf.shape(weights))
        super().__init__(tfd.Categorical(probs=weights), normals)
        self._loc = loc
        self._parameters = self._no_dependency({"weights": weights, "loc": loc, "factor": factor})

    @classmethod
    def _parameter_properties(cls, dtype: tf.DType, num_classes: int | None = None) -> dict[str, Any]:
        # Without these TFP infers shapes from its own class's parameters, and warns of it at length.
        axes = {"weights": 1, "loc": 2, "factor": 3}  # of one mixture
        return {name: tfp.util.ParameterProperties(event_ndims=count) for name, count in axes.items()}

    def _log_prob(self, x: tf.Tensor) -> tf.Tensor:
        loc, factor = self._loc, self._factor
        components, latent = loc.shape
        # log N(x; m, (F'F)^-1) = sum log diag F - L log(2 pi) / 2 - |F x - F m|^2 / 2
        constant = tf.reduce_sum(tf.math.log(tf.linalg.diag_part(factor)), -1) - latent * math.log(2 * math.pi) / 2
        white = tf.matmul(tf.reshape(x, (-1, latent)), tf.reshape(factor, (-1, latent)), transpose_b=True)
        white = tf.reshape(white, (-1, components, latent)) - tf.linalg.matvec(factor, loc)
        normals = constant - tf.reduce_sum(tf.square(white), -1) / 2
        normals = tf.reshape(normals, tf.concat([tf.shape(x)[:-1], [components]], 0))
        return tf.reduce_logsumexp(normals + tf.math.log(self.mixture_distribution.probs), -1)
