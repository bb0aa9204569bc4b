"""Events as users have them -> events as a model knows them: images (B, H, W, C), or vectors (B, size), float32.

There is one rule for all that takes events: encoding, scoring by a likelihood, evaluating. An image's pixels lie in
[0, 1], and are made 0 and 1 where the bundle has a threshold; a vector's numbers are in their own units. What was
prepared may be prepared again: it stays as it is.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from vae_edge.runtime.bundle.manifest import Image, Vector
from vae_edge.runtime.errors import InputError

__all__ = ["Scored", "affine", "check", "convert", "prepare", "standardise"]

Array = npt.NDArray[Any]
Float32 = npt.NDArray[np.float32]


def prepare(events: npt.ArrayLike, event: Image | Vector) -> Float32:
    """Events as a model knows them, float32 (B, *event.shape).

    Images are bool, float in [0, 1], or uint8 in 0..255; of shape (B, H, W, C), or (B, H, W) where C is 1, or one
    image. Vectors are real numbers (B, size), or one vector. Raises InputError.
    """
    return convert(check(events, event), event)


def check(events: npt.ArrayLike, event: Image | Vector) -> Array:
    """`events` as an array (B, *event.shape) of its own dtype, where `prepare` can use it; raises InputError."""
    what = "images" if isinstance(event, Image) else "vectors"
    try:
        array = np.asarray(events)
    except (ValueError, TypeError) as error:
        raise InputError(f"{what} should be one array, these are not ({error}): stack {what} of one size") from error
    return _check_images(array, event) if isinstance(event, Image) else _check_vectors(array, event)


def convert(array: Array, event: Image | Vector, levels: float | None = None) -> Float32:
    """Checked events in float32, in C order: pixels in [0, 1], after the threshold; numbers as they are.

    Where the likelihood has `levels`, pixels are rounded to the nearest of them.
    """
    if isinstance(event, Vector):
        return array.astype(np.float32, order="C", copy=False)
    x = _pixels(array, event)
    if levels is not None and array.dtype.kind in "fu" and (array.dtype.kind, levels) != ("u", 256):
        steps = np.float32(levels - 1)
        x = np.rint(x * steps) / steps
    return x


@dataclass(frozen=True)
class Scored:
    """What `log_prob` of p(x|z) does to images before it scores them: the same as `VAE.encode` before it encodes them.

    `is_bounded` is False for a likelihood of all real numbers, which then scores floats beyond [0, 1] too.
    """

    event: Image
    levels: float | None
    is_bounded: bool

    def __call__(self, value: npt.ArrayLike) -> Float32:
        """Images (..., H, W, C), or (..., H, W) where C is 1, as the likelihood knows them; raises InputError."""
        array, shape = np.asarray(value), self.event.shape
        if array.shape[-3:] != shape and shape[2] == 1 and array.shape[-2:] == shape[:2]:
            array = array[..., None]
        if array.shape[-3:] != shape:
            wanted = str(shape)[1:]
            raise InputError(
                f"images should have shape (..., {wanted}, they have {array.shape}: resize or reshape them"
            )
        if not self.is_bounded and array.dtype.kind == "f":
            return array.astype(np.float32, copy=False)
        flat = array.reshape(-1, *shape)
        prepared: Float32 = convert(check(flat, self.event), self.event, self.levels).reshape(array.shape)
        return prepared


def _pixels(array: Array, event: Image) -> Float32:
    threshold = event.threshold
    if array.dtype == np.uint8:
        levels = np.arange(256) / 255  # exactly what dividing the pixels gives
        table = levels if threshold is None else levels > threshold
        pixels: Float32 = table.astype(np.float32)[array]
        return pixels
    if threshold is not None and array.dtype != np.bool_:
        black_or_white = np.empty(array.shape, np.float32)
        return np.greater(array, threshold, out=black_or_white, casting="unsafe")
    return array.astype(np.float32, order="C", copy=False)


def affine(event: Image | Vector) -> tuple[Float32, Float32] | None:
    """shift and scale of the events, arrays that broadcast with them; None where they are 0 and 1."""
    shift, scale = np.asarray(event.shift, np.float32), np.asarray(event.scale, np.float32)
    if not shift.any() and (scale == 1).all():  # () too
        return None
    return (shift if shift.size else np.float32(0)), (scale if scale.size else np.float32(1))  # type: ignore[return-value]


def standardise(x: Float32, event: Image | Vector) -> Float32:
    """(x - shift) / scale, what the encoder reads of prepared events."""
    both = affine(event)
    return x if both is None else (x - both[0]) / both[1]


def _check_images(array: Array, event: Image) -> Array:
    array = _check_shape(array, event)
    if array.dtype == np.uint8:
        if array.max() == 1:
            raise InputError(
                "images are uint8 with 1 as their largest value, of 1 or of 255? Pass bool or float, or scale to 0..255"
            )
    elif array.dtype.kind == "f":
        low, high = array.min(), array.max()
        if not (low >= 0 and high <= 1):  # NaN is in no range
            received = "NaN" if np.isnan(low) else f"values from {low:g} to {high:g}"
            raise InputError(f"images of {array.dtype} should lie in [0, 1], they hold {received}: scale or clean them")
    elif array.dtype != np.bool_:
        raise InputError(
            f"images should be bool, float in [0, 1] or uint8 in 0..255, they are {array.dtype}: convert with .astype"
        )
    return array


def _check_shape(array: Array, event: Image) -> Array:
    height, width, channels = shape = event.shape
    if array.shape[1:] == shape:
        pass
    elif array.shape[1:] == (height, width) and channels == 1:
        array = array[..., None]
    elif array.shape == shape or (array.shape == (height, width) and channels == 1):
        array = array.reshape(1, *shape)
    else:
        wanted = f"(B, {height}, {width}, {channels})" + (f" or (B, {height}, {width})" if channels == 1 else "")
        is_turned = array.shape[1:] == (channels, height, width)
        remedy = "channels come last: use x.transpose(0, 2, 3, 1)" if is_turned else "resize or reshape them"
        raise InputError(f"images should have shape {wanted}, they have {array.shape}: {remedy}")
    if len(array) == 0:
        raise InputError("images should be at least one, there are none")
    return array


def _check_vectors(array: Array, event: Vector) -> Array:
    if array.dtype.kind not in "fiub":
        raise InputError(f"vectors should be real numbers, they are {array.dtype}: convert with .astype")
    if array.shape == event.shape:
        array = array[None]
    if array.ndim != 2 or array.shape[1] != event.size or len(array) == 0:
        raise InputError(f"vectors should have shape (B, {event.size}), B >= 1, they have {array.shape}")
    with np.errstate(over="ignore"):
        finite = np.isfinite(array.astype(np.float32, copy=False)).all(axis=0)
    if not finite.all():
        column = int(np.argmin(finite))
        name = f"{event.names[column]!r} (column {column})" if event.names else f"column {column}"
        raise InputError(f"vectors should be finite in float32, there is a NaN or an infinity in {name}: clean them")
    return array
