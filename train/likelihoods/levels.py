"""Distributions over a pixel's levels k / (levels - 1), k = 0..levels-1, which TFP has over whole numbers alone."""

from __future__ import annotations

from typing import Any

import tensorflow as tf
import tensorflow_probability as tfp

tfd = tfp.distributions

__all__ = ["DiscretizedLogistic", "PixelCategorical"]


class DiscretizedLogistic(tfd.Distribution):  # type: ignore[name-defined]
    """A logistic variable rounded to the nearest level; the outermost two take its tails (Salimans et al. 2017).

    `loc` and `scale` are in the unit of the levels, [0, 1]; their broadcast shape is the batch shape, an event is one
    pixel. It is the tfd.QuantizedDistribution of a tfd.Logistic, with a log_prob that holds in float32.
    """

    def __init__(
        self,
        loc: tf.Tensor,
        scale: tf.Tensor,
        levels: int = 256,
        validate_args: bool = False,
        allow_nan_stats: bool = True,
        name: str = "DiscretizedLogistic",
    ) -> None:
        parameters = dict(locals())
        self.loc = tf.convert_to_tensor(loc)
        self.scale = tf.convert_to_tensor(scale)
        self.levels = levels
        super().__init__(
            dtype=self.loc.dtype,
            reparameterization_type=tfd.NOT_REPARAMETERIZED,
            validate_args=validate_args,
            allow_nan_stats=allow_nan_stats,
            parameters=parameters,
            name=name,
        )

    @classmethod
    def _parameter_properties(cls, dtype: tf.DType, num_classes: int | None = None) -> dict[str, Any]:
        return {name: tfp.util.ParameterProperties() for name in ("loc", "scale")}

    def _event_shape(self) -> tf.TensorShape:
        return tf.TensorShape([])

    def _event_shape_tensor(self) -> tf.Tensor:
        return tf.constant([], tf.int32)

    def _log_prob(self, x: tf.Tensor) -> tf.Tensor:
        half = 0.5 / (self.levels - 1)
        a, b = (x + half - self.loc) / self.scale, (x - half - self.loc) / self.scale
        # s(a) - s(b) = s(a) s(-b) (1 - e^(b - a)), s(x) = 1 / (1 + e^-x): a product, which cancels nowhere
        between = tf.math.log(-tf.math.expm1(-2 * half / self.scale))
        below, above = tf.math.log_sigmoid(a), tf.math.log_sigmoid(-b)
        inner = below + above + between
        return tf.where(x < half, below, tf.where(x > 1 - half, above, inner))

    def _sample_n(self, n: tf.Tensor, seed: Any = None) -> tf.Tensor:
        return self._nearest(tfd.Logistic(self.loc, self.scale).sample(n, seed=seed))

    def _mean(self) -> tf.Tensor:
        # E[k] = sum over k >= 1 of P(K >= k)
        edges = (tf.range(1, self.levels, dtype=self.dtype) - 0.5) / (self.levels - 1)
        beyond = tf.sigmoid((self.loc[..., None] - edges) / self.scale[..., None])
        return tf.reduce_sum(beyond, -1) / (self.levels - 1)

    def _mode(self) -> tf.Tensor:
        # The level nearest to loc, unless a tail holds more.
        nearest = self._nearest(self.loc + tf.zeros_like(self.scale))
        best, most = nearest, self._log_prob(nearest)
        for edge in (tf.zeros_like(nearest), tf.ones_like(nearest)):
            mass = self._log_prob(edge)
            best, most = tf.where(mass > most, edge, best), tf.maximum(mass, most)
        return best

    def _nearest(self, x: tf.Tensor) -> tf.Tensor:
        return tf.round(tf.clip_by_value(x, 0.0, 1.0) * (self.levels - 1)) / (self.levels - 1)


class PixelCategorical(tfd.Categorical):  # type: ignore[name-defined]
    """TFP's categorical with an event k / (levels - 1) in the place of k; make it with dtype=tf.float32."""

    def _log_prob(self, x: tf.Tensor) -> tf.Tensor:
        return super()._log_prob(tf.round(x * self._highest))

    def _sample_n(self, n: tf.Tensor, seed: Any = None) -> tf.Tensor:
        return super()._sample_n(n, seed) / self._highest

    def _mean(self) -> tf.Tensor:
        return tf.linalg.matvec(self.probs_parameter(), tf.linspace(0.0, 1.0, self.logits.shape[-1]))

    def _mode(self) -> tf.Tensor:
        return super()._mode() / self._highest

    @property
    def _highest(self) -> float:
        return float(self.logits.shape[-1] - 1)
