"""What an event is to the networks: pixels in [0, 1], black and white or not, or a table's row in standard units."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import numpy.typing as npt

from vae_edge.runtime.bundle.manifest import Image, Vector
from vae_edge.train.data import Binarisation, Dataset, binarise

__all__ = ["as_input", "describe", "log_scale", "one_hot"]

THRESHOLD = 0.5  # above it a pixel is 1, for a Bernoulli


def describe(training: Dataset, likelihood: str) -> Image | Vector:
    """The event of a data set, as the manifest holds it; a table's shift and scale are its training split's.

    A column that is the same in each row has scale 1.
    """
    if not training.is_table:
        height, width, channels = training.events.shape[1:]
        return Image(height, width, channels, THRESHOLD if likelihood == "bernoulli" else None)
    shift, scale = training.events.mean(0), training.events.std(0)
    constant = scale <= 1e-12 * np.abs(shift)  # what rounding leaves of 0
    scale = np.where(constant, 1.0, scale)
    return Vector(training.events.shape[1], training.columns, tuple(shift.tolist()), tuple(scale.tolist()))


def as_input(event: Image | Vector, values: npt.NDArray[Any], how: Binarisation = "static") -> npt.NDArray[np.float32]:
    """What the encoder reads and the likelihood is held against, (n, *event_shape) float32.

    Pixels (uint8) as 0 and 1 where the event has a threshold, drawn with their grey value where `how` is 'dynamic',
    else as k / 255; a table's rows as (row - shift) / scale.
    """
    if isinstance(event, Vector):
        return ((values - np.array(event.shift)) / np.array(event.scale)).astype(np.float32)
    if event.threshold is not None:
        return binarise(values, how)
    return np.asarray(values, np.float32) / np.float32(255)


def log_scale(event: Image | Vector) -> float:
    """log |d row / d input|, by which a row's log-density in its own units is lower than that of the input."""
    return math.fsum(map(math.log, event.scale)) if isinstance(event, Vector) else 0.0


def one_hot(labels: npt.NDArray[np.int64] | None, size: int) -> npt.NDArray[np.float32] | None:
    """Labels (n,) as (n, size) float32, or None where there are none or the model takes none (`size` 0)."""
    if labels is None or not size:
        return None
    return (labels[:, None] == np.arange(size)).astype(np.float32)
