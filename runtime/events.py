"""Images as users have them -> images as the encoder takes them: float32 (B, H, W, C)."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

from vae_edge.runtime.bundle.manifest import Image
from vae_edge.runtime.errors import InputError

__all__ = ["check", "convert", "prepare"]


def prepare(images: npt.ArrayLike, image: Image) -> npt.NDArray[np.float32]:
    """Pixels in [0, 1], float32 (B, H, W, C), 1 where > threshold else 0 where the bundle has a threshold.

    `images` is bool, float in [0, 1], or uint8 in 0..255; of shape (B, H, W, C), or (B, H, W) where C is 1, or one
    image. What was prepared may be prepared again: it stays as it is. Raises InputError.
    """
    return convert(check(images, image), image)


def check(images: npt.ArrayLike, image: Image) -> npt.NDArray[Any]:
    """`images` as an array (B, H, W, C) of its own dtype, where `prepare` can use it; raises InputError."""
    try:
        array = np.asarray(images)
    except (ValueError, TypeError) as error:
        raise InputError(f"images should be one array, these are not ({error}): stack images of one size") from error
    array = _check_shape(array, image)
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


def convert(array: npt.NDArray[Any], image: Image) -> npt.NDArray[np.float32]:
    """Checked images as float32 pixels in [0, 1], in C order."""
    threshold = image.threshold
    if array.dtype == np.uint8:
        levels = np.arange(256) / 255  # exactly what dividing the pixels gives
        table = levels if threshold is None else levels > threshold
        pixels: npt.NDArray[np.float32] = table.astype(np.float32)[array]
        return pixels
    if threshold is not None and array.dtype != np.bool_:
        array = array > threshold
    return array.astype(np.float32, order="C", copy=False)


def _check_shape(array: npt.NDArray[Any], image: Image) -> npt.NDArray[Any]:
    height, width, channels = shape = (image.height, image.width, image.channels)
    if array.shape[1:] == shape:
        pass
    elif array.shape[1:] == (height, width) and channels == 1:
        array = array[..., None]
    elif array.shape == shape or (array.shape == (height, width) and channels == 1):
        array = array.reshape(1, *shape)
    else:
        wanted = f"(B, {height}, {width}, {channels})" + (f" or (B, {height}, {width})" if channels == 1 else "")
        raise InputError(f"images should have shape {wanted}, they have {array.shape}: resize or reshape them")
    if len(array) == 0:
        raise InputError("images should be at least one, there are none")
    return array
