"""Parameters of TFP's distributions, its tf_keras layers, and its bijectors."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from functools import partial
from typing import Any

import numpy as np
import tensorflow as tf
import tensorflow_probability as tfp
import tf_keras

from benchmarks.layers.cases import Case, Function, spec

__all__ = ["cases"]

tfd, tfb, tfpl = tfp.distributions, tfp.bijectors, tfp.layers
WIDE = spec(8)


def cases() -> Iterator[Case]:
    """All of them, group by group."""
    for group, functions in (("parameters", _PARAMETERS), ("statistics", _STATISTICS)):
        for name, function in functions.items():
            yield Case(f"Distributions: {group}", name, partial(_of_parts, function), (WIDE,))
    for name, parts in _LAYERS.items():
        yield Case("Layers of TFP (tf_keras)", name, partial(_of_layer, *parts), (spec(6),))
    for name, make in _BIJECTORS.items():
        for way in ("forward", "inverse"):
            inputs = (_bijector_spec(name, way),)
            yield Case("Bijectors", f"{name}.{way}", partial(_of_bijector, make, way), inputs)


def _of_parts(function: Callable[..., Any]) -> Function:
    """`function` of a location and a positive scale (B, 4) each."""
    return lambda x: function(x[:, :4], tf.nn.softplus(x[:, 4:]) + 1e-3)


_PARAMETERS: dict[str, Callable[..., Any]] = {
    "Normal": lambda m, s: ((q := tfd.Normal(m, s)).loc, q.scale),
    "Independent(Normal)": lambda m, s: (
        (q := tfd.Independent(tfd.Normal(m, s), 1).distribution).loc,
        q.scale,
    ),
    "MultivariateNormalDiag": lambda m, s: ((q := tfd.MultivariateNormalDiag(m, s)).loc, q.scale.diag_part()),
    "MultivariateNormalTriL": lambda m, s: ((q := tfd.MultivariateNormalTriL(m, tf.linalg.diag(s))).loc, q.scale_tril),
    "MultivariateNormalTriL (FillScaleTriL)": lambda m, s: tfd.MultivariateNormalTriL(
        m[:, :2], tfb.FillScaleTriL()(tf.concat([m[:, :2], s[:, :1]], -1))
    ).scale_tril,
    "LogNormal": lambda m, s: ((q := tfd.LogNormal(m, s)).loc, q.scale),
    "Laplace": lambda m, s: ((q := tfd.Laplace(m, s)).loc, q.scale),
    "Logistic": lambda m, s: ((q := tfd.Logistic(m, s)).loc, q.scale),
    "QuantizedDistribution(Logistic)": lambda m, s: (
        (q := tfd.QuantizedDistribution(tfd.Logistic(m, s), 0, 255)).distribution.loc,
        q.distribution.scale,
    ),
    "StudentT": lambda m, s: ((q := tfd.StudentT(3.0, m, s)).loc, q.scale),
    "Bernoulli (logits)": lambda m, s: tfd.Bernoulli(logits=m).logits,
    "Bernoulli (probs)": lambda m, s: tfd.Bernoulli(probs=tf.sigmoid(m)).probs,
    "ContinuousBernoulli": lambda m, s: tfd.ContinuousBernoulli(logits=m).logits,
    "Categorical": lambda m, s: tfd.Categorical(logits=m).logits,
    "OneHotCategorical": lambda m, s: tfd.OneHotCategorical(logits=m).logits,
    "Beta": lambda m, s: ((q := tfd.Beta(s, s + 1)).concentration0, q.concentration1),
    "Gamma": lambda m, s: ((q := tfd.Gamma(s, s + 1)).concentration, q.rate),
    "Poisson": lambda m, s: tfd.Poisson(log_rate=m).log_rate,
    "VectorDeterministic": lambda m, s: tfd.VectorDeterministic(m).loc,
    "MixtureSameFamily": lambda m, s: (
        (q := tfd.MixtureSameFamily(tfd.Categorical(logits=m), tfd.Normal(m, s))).mixture_distribution.logits,
        q.components_distribution.loc,
    ),
    "TransformedDistribution": lambda m, s: tfd.TransformedDistribution(
        tfd.Normal(m, s), tfb.Sigmoid()
    ).distribution.loc,
}  # fmt: skip

_STATISTICS: dict[str, Callable[..., Any]] = {
    "Normal.mean, stddev": lambda m, s: ((q := tfd.Normal(m, s)).mean(), q.stddev()),
    "Normal.log_prob": lambda m, s: tfd.Normal(m, s).log_prob(0.5),
    "MultivariateNormalDiag.mean, stddev": lambda m, s: ((q := tfd.MultivariateNormalDiag(m, s)).mean(), q.stddev()),
    "MultivariateNormalDiag.log_prob": lambda m, s: tfd.MultivariateNormalDiag(m, s).log_prob(tf.zeros_like(m)),
    "MultivariateNormalTriL.covariance": lambda m, s: tfd.MultivariateNormalTriL(m, tf.linalg.diag(s)).covariance(),
    "MultivariateNormalTriL.log_prob": lambda m, s: tfd.MultivariateNormalTriL(m, tf.linalg.diag(s)).log_prob(m + 1),
    "Bernoulli.mean": lambda m, s: tfd.Bernoulli(logits=m).mean(),
    "Bernoulli.log_prob": lambda m, s: tfd.Bernoulli(logits=m).log_prob(tf.ones_like(m)),
    "Categorical.log_prob": lambda m, s: tfd.Categorical(logits=m).log_prob(tf.ones(tf.shape(m)[:1], tf.int32)),
    "Logistic.cdf": lambda m, s: tfd.Logistic(m, s).cdf(0.5),
    "Gamma.log_prob": lambda m, s: tfd.Gamma(s, s).log_prob(0.5),
    "Beta.log_prob": lambda m, s: tfd.Beta(s, s).log_prob(0.5),
    "Normal.sample": lambda m, s: tfd.Normal(m, s).sample(),
    "kl_divergence(Normal, Normal)": lambda m, s: tfd.kl_divergence(tfd.Normal(m, s), tfd.Normal(0.0, 1.0)),
}


def _of_layer(size: int, make: Callable[[], Any], read: Callable[[Any], Any]) -> Function:
    """A dense layer of `size` outputs, then the layer; `read` gives the parameters of what comes back."""
    x = tf_keras.Input((6,))
    model = tf_keras.Model(x, make()(tf_keras.layers.Dense(size)(x) if size else x))
    return lambda x: read(model(x, training=False))


def _posterior(kernel_size: int, bias_size: int = 0, dtype: Any = None) -> Any:
    size = kernel_size + bias_size
    return tf_keras.Sequential(
        [
            tfpl.VariableLayer(size, dtype=dtype),
            tfpl.DistributionLambda(lambda t: tfd.Independent(tfd.Normal(t, 1.0), 1)),
        ]
    )


_LAYERS: dict[str, tuple[int, Callable[[], Any], Callable[[Any], Any]]] = {
    "IndependentBernoulli": (4, lambda: tfpl.IndependentBernoulli((4,)), lambda p: p.distribution.logits),
    "IndependentNormal": (
        8,
        lambda: tfpl.IndependentNormal((4,)),
        lambda p: (p.distribution.loc, p.distribution.scale),
    ),
    "IndependentLogistic": (
        8,
        lambda: tfpl.IndependentLogistic((4,)),
        lambda p: (p.distribution.loc, p.distribution.scale),
    ),
    "IndependentPoisson": (4, lambda: tfpl.IndependentPoisson((4,)), lambda p: p.distribution.log_rate),
    "MultivariateNormalTriL": (
        tfpl.MultivariateNormalTriL.params_size(4),
        lambda: tfpl.MultivariateNormalTriL(4),
        lambda p: (p.loc, p.scale_tril),
    ),
    "MultivariateNormalTriL (KLDivergenceRegularizer)": (
        tfpl.MultivariateNormalTriL.params_size(4),
        lambda: tfpl.MultivariateNormalTriL(
            4,
            activity_regularizer=tfpl.KLDivergenceRegularizer(tfd.MultivariateNormalDiag(tf.zeros(4), tf.ones(4))),
        ),
        lambda p: (p.loc, p.scale_tril),
    ),
    "OneHotCategorical": (4, lambda: tfpl.OneHotCategorical(4), lambda p: p.logits),
    "CategoricalMixtureOfOneHotCategorical": (
        tfpl.CategoricalMixtureOfOneHotCategorical.params_size(3, 2),
        lambda: tfpl.CategoricalMixtureOfOneHotCategorical(3, 2),
        lambda p: (p.mixture_distribution.logits, p.components_distribution.logits),
    ),
    "MixtureNormal": (
        tfpl.MixtureNormal.params_size(2, (3,)),
        lambda: tfpl.MixtureNormal(2, (3,)),
        lambda p: (p.mixture_distribution.logits, p.components_distribution.distribution.loc),
    ),
    "MixtureLogistic": (
        tfpl.MixtureLogistic.params_size(2, (3,)),
        lambda: tfpl.MixtureLogistic(2, (3,)),
        lambda p: (p.mixture_distribution.logits, p.components_distribution.distribution.loc),
    ),
    "DistributionLambda": (
        4,
        lambda: tfpl.DistributionLambda(lambda t: tfd.Independent(tfd.Bernoulli(logits=t), 1)),
        lambda p: p.distribution.logits,
    ),
    "VariableLayer": (0, lambda: tfpl.VariableLayer((4,), initializer="ones"), lambda t: t),
    "DenseReparameterization": (0, lambda: tfpl.DenseReparameterization(4), lambda t: t),
    "DenseFlipout": (0, lambda: tfpl.DenseFlipout(4), lambda t: t),
    "DenseVariational": (0, lambda: tfpl.DenseVariational(4, _posterior, _posterior, kl_weight=0.1), lambda t: t),
}

_TRIANGULAR = ("FillTriangular", "FillScaleTriL", "CorrelationCholesky")

_BIJECTORS: dict[str, Callable[[], Any]] = {
    "Ascending": tfb.Ascending,
    "Chain": lambda: tfb.Chain([tfb.Shift(1.0), tfb.Scale(2.0)]),
    "CorrelationCholesky": tfb.CorrelationCholesky,
    "Exp": tfb.Exp,
    "Expm1": tfb.Expm1,
    "FillScaleTriL": tfb.FillScaleTriL,
    "FillTriangular": tfb.FillTriangular,
    "Identity": tfb.Identity,
    "MaskedAutoregressiveFlow": lambda: tfb.MaskedAutoregressiveFlow(
        tfb.AutoregressiveNetwork(2, hidden_units=[8], event_shape=[6])
    ),
    "NormalCDF": tfb.NormalCDF,
    "Permute": lambda: tfb.Permute([5, 4, 3, 2, 1, 0]),
    "RealNVP": lambda: tfb.RealNVP(3, shift_and_log_scale_fn=_coupling()),
    "ScaleMatvecTriL": lambda: tfb.ScaleMatvecTriL(np.tril(np.ones((6, 6), "f")) + np.eye(6, dtype="f")),
    "Sigmoid": tfb.Sigmoid,
    "Softplus": tfb.Softplus,
    "SoftmaxCentered": tfb.SoftmaxCentered,
    "Tanh": tfb.Tanh,
}  # fmt: skip


def _coupling() -> Any:
    dense = tf_keras.layers.Dense(6)
    return lambda x, size, **more: tf.split(dense(x), 2, -1)


def _bijector_spec(name: str, way: str) -> Any:
    if name in _TRIANGULAR and way == "inverse":
        return spec(4, 4) if name == "CorrelationCholesky" else spec(3, 3)
    return spec(7) if name == "SoftmaxCentered" and way == "inverse" else spec(6)


def _of_bijector(make: Callable[[], Any], way: str) -> Function:
    """The bijector's `way`; before the inverse the input is moved to where its values lie."""
    bijector = make()
    if way == "forward":
        return lambda x: bijector.forward(tf.identity(x))
    name = type(bijector).__name__
    if name == "SoftmaxCentered":
        return lambda x: bijector.inverse(tf.nn.softmax(x))
    if name == "FillScaleTriL":
        return lambda x: bijector.inverse(
            tf.linalg.set_diag(tf.linalg.band_part(x, -1, 0), tf.exp(tf.linalg.diag_part(x)))
        )
    if name == "FillTriangular":
        return lambda x: bijector.inverse(tf.linalg.band_part(x, -1, 0))
    if name == "CorrelationCholesky":
        return lambda x: bijector.inverse(tf.math.l2_normalize(tf.linalg.band_part(x, -1, 0) + 2 * tf.eye(4), -1))
    if name == "Ascending":
        return lambda x: bijector.inverse(tf.cumsum(tf.exp(x), axis=-1))
    domain = {"Exp": tf.exp, "Expm1": tf.exp, "Softplus": tf.exp, "Sigmoid": tf.sigmoid, "NormalCDF": tf.sigmoid,
              "Tanh": tf.tanh}.get(name, tf.identity)  # fmt: skip
    return lambda x: bijector.inverse(domain(x))
