"""Images brought to the shape that a model knows, or an error that says what would bring them there."""

from __future__ import annotations

from typing import Any

import numpy.typing as npt

from vae_edge.pictures.sheet import GAP
from vae_edge.runtime.errors import InputError

__all__ = ["fit"]

_SCALES = range(1, 9)  # screen pixels a pixel of a sheet, as --scale has it


def fit(images: npt.NDArray[Any], file: object, image_shape: tuple[int, ...], hint: str = "") -> npt.NDArray[Any]:
    """Images (n, H, W, C) in the model's shape: a grey picture saved as RGB loses its two copies, no more is changed.

    `file` is what a message calls them, `hint` the options that the model's training read its images with. Raises
    InputError.
    """
    height, width, channels = image_shape
    if images.shape == (*image_shape, 1):  # one image (H, W, C), which a reader takes for H images of (W, C)
        images = images.reshape(1, *image_shape)
    if images.shape[1:] == (channels, height, width) != image_shape:
        images = images.transpose(0, 2, 3, 1)  # channels first, where only the VAE's shape tells
    if images.shape[1:] == (height, width, 3) and channels == 1:
        if not (images == images[..., :1]).all():
            raise InputError(f"{file}: colours, but this VAE knows grey images: give {hint or '--grey'}")
        images = images[..., :1]
    if images.shape[1:] != image_shape:
        remedy = "they do not fit"
        if images.shape[1:3] != (height, width):
            size = f"{height}" if height == width else f"{height}x{width}"
            remedy = f"as its training had, give {hint}" if hint else f"give --resize {size} --crop fit"
            if len(images) == 1 and _is_sheet(images.shape[1:3], (height, width)):
                remedy += (
                    "; if this is a contact sheet, write a folder or .npy in its place (--out FOLDER/), and read that"
                )
        raise InputError(f"{file}: images of {_size(images.shape[1:])}, this VAE knows {_size(image_shape)}: {remedy}")
    return images


def _is_sheet(found: tuple[int, ...], image: tuple[int, int]) -> bool:
    """Whether a picture has the size of images beside each other with gaps, scaled: a contact sheet of one row."""
    sizes = tuple(zip(found, image, strict=True))
    return any(
        all(pixels % scale == 0 and (pixels // scale - GAP) % (size + GAP) == 0 for pixels, size in sizes)
        for scale in _SCALES
    )


def _size(shape: tuple[int, ...]) -> str:
    height, width, channels = shape
    return f"{height}x{width} pixels, {channels} {'channel' if channels == 1 else 'channels'}"
