"""From a decoder's outputs to p(x|z), by the name of the likelihood."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import tensorflow as tf
import tensorflow_probability as tfp

from vae_edge.train.likelihoods.levels import DiscretizedLogistic, PixelCategorical

tfd = tfp.distributions

__all__ = ["DISCRETE", "distribution"]

DISCRETE = ("discretized_logistic", "categorical")  # over a pixel's levels: their nats are also told as bits a pixel

_FAMILIES: dict[str, Callable[..., Any]] = {
    "bernoulli": lambda logits: tfd.Bernoulli(logits=logits),
    "normal": tfd.Normal,
    "discretized_logistic": DiscretizedLogistic,
    "categorical": lambda logits: PixelCategorical(logits=logits, dtype=tf.float32),
}


def distribution(likelihood: str, parameters: list[tf.Tensor], event_axes: int) -> Any:
    """p(x|z), a tfd.Independent over the last `event_axes` axes, of `parameters` in the order of outputs.PARAMETERS."""
    return tfd.Independent(_FAMILIES[likelihood](*parameters), event_axes)
