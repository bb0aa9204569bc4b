"""The event and the condition of a model, from the user's statements and from the examples."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from vae_edge.export import layouts
from vae_edge.export.statements import NOT_SAID, Image, Index, OneHot, Vector
from vae_edge.runtime import conditions as runtime_conditions
from vae_edge.runtime import events as runtime_events
from vae_edge.runtime.bundle import manifest
from vae_edge.runtime.bundle.manifest import Condition
from vae_edge.runtime.errors import InputError

__all__ = ["Events", "condition_of", "conditions_of", "infer", "with_threshold"]

Array = npt.NDArray[Any]
_CHANNELS = (1, 3, 4)
_SLACK = 1e-4  # of pixels that a model's own preprocessing rounded


@dataclass(frozen=True)
class Events:
    """The event, and the examples as the runtime takes them, (N, *event.shape)."""

    event: manifest.Image | Vector
    examples: Array
    own_shape: tuple[int, ...]  # of an example as its user has it
    is_channels_first: bool
    threshold_said: bool
    how: str


def infer(examples: npt.ArrayLike, said: Image | Vector | None, declared: tuple[int, ...] | None,
          dtype: str | None) -> Events:  # fmt: skip
    """The event of a model that reads `declared`, a shape without its batch (None: unknown), of `dtype`.

    Raises InputError where the examples do not fit, or leave something open.
    """
    array = _array(examples)
    own, how = array.shape[1:], "from event="
    channels_first = False
    if said is None:
        said, channels_first = _shape_of(array, declared)
        how = "from the shape of the examples"
        is_float = dtype is None or np.dtype(dtype).kind == "f"
        if isinstance(said, Image) and is_float and array.dtype == np.uint8 and array.max() > 1:
            size = ", ".join(map(str, said.shape))
            raise InputError(
                f"examples are uint8, and the model reads pixels in [0, 1] or 0 to 255, which cannot be seen: say "
                f"event=Image({size}) for [0, 1], or event=Image({size}, scale=1 / 255) for 0 to 255"
            )
    elif isinstance(said, Image):
        channels_first = own != said.shape and own == (said.channels, said.height, said.width)
    array = layouts.find(own, said.shape, "examples").to_ours(array)
    if isinstance(said, Vector):
        return Events(said, runtime_events.check(array, said), own, False, True, how)
    if dtype is not None and np.dtype(dtype).kind in "iu" and said.scale == 1:
        said = Image(*said.shape, said.threshold, 0.0, 1 / 255)
        how += f"; the model takes {dtype}, so it reads 0 to 255"
    threshold = None if isinstance(said.threshold, str) else said.threshold
    event = manifest.Image(*said.shape, threshold, said.shift, said.scale)
    pixels = runtime_events.check(_pixels(array, event), event)
    return Events(event, pixels, own, channels_first, said.threshold != NOT_SAID, how)


def with_threshold(events: Events, family: str) -> tuple[Events, str]:
    """The events once the likelihood is known, and what to tell the user: a Bernoulli's pixels may be 0 and 1."""
    event = events.event
    if events.threshold_said or not isinstance(event, manifest.Image) or family != "bernoulli":
        return events, ""
    pixels = runtime_events.convert(events.examples, event)
    if not np.isin(pixels, (0.0, 1.0)).all():
        return events, "pixels stay grey, since the examples are; event=Image(..., threshold=0.5) makes them 0 and 1"
    changed = manifest.Image(*event.shape, 0.5, event.shift, event.scale)
    told = "threshold 0.5, since all pixels of the examples are 0 or 1"
    return Events(changed, events.examples, events.own_shape, events.is_channels_first, True, events.how), told


def condition_of(said: OneHot | Index | Vector | None) -> Condition | None:
    """The condition as a manifest holds it."""
    if said is None:
        return None
    if isinstance(said, Vector):
        if said.shift or said.scale:
            raise InputError("a condition has no shift and no scale: leave them out, or put them into the model")
        return Condition("vector", said.size, said.names)
    if not isinstance(said, (OneHot, Index)):
        raise InputError(f"condition should be OneHot(n), Index(n) or Vector(n), it is {said!r:.60}")
    return said.condition()


def conditions_of(condition: Condition | None, given: npt.ArrayLike | None, n: int) -> Array | None:
    """The conditions of n examples, as the runtime gives them to a graph; without `given` each label in turn."""
    if condition is None:
        if given is not None:
            raise InputError("conditions= needs condition=: OneHot(n), Index(n) for labels, Vector(n) for numbers")
        return None
    if given is None:
        if not condition.is_label:
            raise InputError(f"conditions= should hold the {condition.size} numbers of each example")
        given = np.arange(n) % condition.size
    array = np.asarray(given)
    if not condition.is_label:
        return runtime_conditions.check(condition, None, array, n)
    if array.ndim == 2 and array.shape[1] == condition.size and condition.size > 1:  # one-hot, as the model has them
        if not (np.isin(array, (0, 1)).all() and (array.sum(axis=1) == 1).all()):
            raise InputError("conditions= should be labels, or rows with a single 1")
        array = array.argmax(axis=1)
    labels = array.reshape(len(array)) if array.ndim == 2 and array.shape[1] == 1 else array
    return runtime_conditions.check(condition, _whole(labels), None, n)


def _whole(labels: Array) -> Array:
    if labels.dtype.kind == "f" and (labels == np.rint(labels)).all():
        return labels.astype(np.int64)
    return labels


def _array(examples: npt.ArrayLike) -> Array:
    try:
        array = np.asarray(examples)
    except (TypeError, ValueError) as error:
        raise InputError(f"examples should be one array, they are not: {error}") from error
    if array.ndim < 2 or len(array) == 0 or array.dtype.kind not in "fiub":
        raise InputError(
            f"examples should be some events that the model knows, numbers of shape (N, ...); they are {array.dtype} "
            f"{array.shape}"
        )
    if array.dtype.kind == "f" and not np.isfinite(array).all():
        raise InputError("examples should be finite, there is a NaN or an infinity in them")
    return array


def _shape_of(array: Array, declared: tuple[int, ...] | None) -> tuple[Image | Vector, bool]:
    """What the examples are, and whether they have their channels first."""
    shape = array.shape[1:]
    if len(shape) == 1 and declared is not None and len(declared) == 3 and np.prod(declared) == shape[0]:
        shape = declared
    if len(shape) == 1:
        return Vector(shape[0]), False
    if len(shape) == 2:
        return Image(*shape), False
    if len(shape) != 3:
        raise InputError(
            f"examples should be images (N, H, W, C) or vectors (N, size), they have {array.shape}: say event="
        )
    if shape[0] in _CHANNELS and shape[2] not in _CHANNELS:
        return Image(shape[1], shape[2], shape[0]), True
    return Image(*shape), False


def _pixels(array: Array, event: manifest.Image) -> Array:
    """Examples of images as pixels: as they are, or put back from the model's own units."""
    if array.dtype.kind in "iu" and array.dtype != np.uint8:
        if array.min() < 0 or array.max() > 255:
            raise InputError(
                f"examples of {array.dtype} should lie in 0 to 255, they go from {array.min()} to {array.max()}"
            )
        array = array.astype(np.uint8)
    if array.dtype == np.uint8 and array.max() <= 1:
        return array.astype(np.float32)
    low, high = (0.0, 0.0) if array.dtype.kind != "f" else (float(array.min()), float(array.max()))
    if low >= 0 and high <= 1:
        return array
    if (event.shift, event.scale) != (0.0, 1.0):
        pixels = array.astype(np.float64) * event.scale + event.shift
        if pixels.min() >= -_SLACK and pixels.max() <= 1 + _SLACK:
            return np.clip(pixels, 0, 1).astype(np.float32)
    size = ", ".join(map(str, event.shape))
    if low >= -1 - _SLACK and high <= 1 + _SLACK:
        remedy = f"where the model reads -1 to 1, say event=Image({size}, shift=0.5, scale=0.5)"
    elif low >= 0 and high <= 255:
        remedy = f"where the model reads 0 to 255, say event=Image({size}, scale=1/255)"
    else:
        remedy = f"say event=Image({size}, shift=..., scale=...), with (pixel - shift) / scale what the model reads"
    raise InputError(f"examples of images should lie in [0, 1], they go from {low:g} to {high:g}: {remedy}")
