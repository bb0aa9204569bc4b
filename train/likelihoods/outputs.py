"""What the decoder ends in: the outputs that are a likelihood's parameters, each with its activation and first bias."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass

import keras
from keras import layers, ops

from vae_edge.runtime.errors import InputError

__all__ = ["LEVELS", "PARAMETERS", "Output", "outputs"]

LEVELS = 256  # of a pixel: k / 255, k = 0..255

# The parameters of each family, in the order of the decoder's outputs.
PARAMETERS = {
    "bernoulli": ("logits",),
    "normal": ("loc", "scale"),
    "discretized_logistic": ("loc", "scale"),
    "categorical": ("logits",),
}

# Larger logits change nothing: 784 pixels at 15 cost 2.4e-4 nats together, and the seed contract's 16-bit words end at
# 11.8. Without a bound, those of the background grow until float32's rounding shows.
BOUND = 15.0

LEAST_SCALE = 1e-3  # of a normal over a table's columns, whose standard deviation is 1
LEAST_SCALE_OF_A_PIXEL = 1 / 255  # a narrower density over whole levels would be rewarded for the rounding
LEAST_SCALE_OF_A_LEVEL = 1 / (4 * 255)  # at a quarter of a level a logistic puts 0.76 of its mass on one level
# Where the scales begin: about the spread of pixels that the decoder knows nothing of, and of standardised columns.
FIRST_SCALE_OF_A_PIXEL = 0.2
FIRST_SCALE_OF_A_LEVEL = 0.1
FIRST_SCALE = 1.0

Shape = tuple[int, ...]


@dataclass(frozen=True)
class Output:
    """One parameter of p(x|z): `numbers` of it for each element of the event, made by `activation` of a linear map.

    `bias` is that map's first bias.
    """

    activation: Callable[[], keras.Layer] | None = None
    bias: float = 0.0
    numbers: int = 1


def outputs(likelihood: str, event_shape: Shape) -> tuple[Output, ...]:
    """The outputs of a decoder of events (H, W, C) or (size,), in the order of PARAMETERS.

    Raises InputError where the likelihood is still 'auto', or is for pixels and the event is a table's row.
    """
    is_image = len(event_shape) == 3
    if likelihood == "normal":
        if is_image:
            return _location_scale(0.5, FIRST_SCALE_OF_A_PIXEL, LEAST_SCALE_OF_A_PIXEL)
        return _location_scale(0.0, FIRST_SCALE, LEAST_SCALE)
    if likelihood not in PARAMETERS or not is_image:
        expected = ", ".join(PARAMETERS) if is_image else "normal, as the events are rows of a table"
        raise InputError(
            f"likelihood should be {expected}, it is {likelihood!r}; "
            "vae_edge.train.choice.resolve takes it from the data"
        )
    if likelihood == "bernoulli":
        return (Output(Bounded),)
    if likelihood == "categorical":
        return (Output(numbers=LEVELS),)
    return _location_scale(0.5, FIRST_SCALE_OF_A_LEVEL, LEAST_SCALE_OF_A_LEVEL)


def _location_scale(loc: float, scale: float, least: float) -> tuple[Output, Output]:
    return Output(bias=loc), Output(lambda: Positive(least), bias=math.log(math.expm1(scale)))


class Bounded(layers.Layer):
    """Logits held in [-BOUND, BOUND]."""

    def call(self, x: keras.KerasTensor) -> keras.KerasTensor:
        """`x`, clipped."""
        return ops.clip(x, -BOUND, BOUND)


class Positive(layers.Layer):
    """log(1 + e^x) + least: a scale that is never below `least`."""

    def __init__(self, least: float, **kwargs: object) -> None:
        super().__init__(**kwargs)
        self.least = least

    def call(self, x: keras.KerasTensor) -> keras.KerasTensor:
        """The scale that `x` stands for."""
        return ops.softplus(x) + self.least
