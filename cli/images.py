"""Images that a verb reads: picture files, folders, IDX files and arrays, as one array in the VAE's own shape."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

from vae_edge.runtime.errors import InputError

if TYPE_CHECKING:
    import numpy.typing as npt

__all__ = ["read", "read_one"]


def read(
    paths: list[str], image_shape: tuple[int, int, int], start: int = 0, limit: int | None = None
) -> npt.NDArray[Any]:
    """Images `start` to `start + limit` of all that lie at `paths`, (n, H, W, C); raises DataError or InputError."""
    import numpy as np

    from vae_edge.train.files import read_images

    parts = [_fit(read_images(path), path, image_shape) for path in paths]
    kinds = {part.dtype.kind for part in parts}
    if len(kinds) > 1:
        raise InputError(f"{', '.join(paths)}: some hold whole numbers and some fractions; give them one at a time")
    images = np.concatenate(parts)
    chosen = images[start:] if limit is None else images[start : start + limit]
    if not len(chosen):
        raise InputError(f"--start {start:,} is behind the last of {len(images):,} images")
    return chosen


def read_one(name: str, image_shape: tuple[int, int, int]) -> npt.NDArray[Any]:
    """The image (1, H, W, C) that `name` means: a file with one, or FILE:INDEX; raises DataError or InputError."""
    path, colon, index = name.rpartition(":")
    if not colon or not index.isdecimal() or Path(name).exists():
        path, index = name, ""
    images = read([path], image_shape)
    if not index and len(images) > 1:
        raise InputError(f"{path} holds {len(images):,} images; say which, from 0: {path}:0")
    place = int(index or 0)
    if place >= len(images):
        raise InputError(f"{path} holds {len(images):,} images, 0 to {len(images) - 1:,}; there is no image {place:,}")
    return images[place : place + 1]


def _fit(images: npt.NDArray[Any], path: str, image_shape: tuple[int, int, int]) -> npt.NDArray[Any]:
    """`images` in the VAE's shape: a grey picture saved as RGB loses its two copies, nothing else is changed."""
    if images.shape == (*image_shape, 1):  # one image (H, W, C), which a reader takes for H images of (W, C)
        images = images.reshape(1, *image_shape)
    if images.shape[1:] != image_shape and images.shape[1:] == (*image_shape[:2], 3) and image_shape[2] == 1:
        if not (images == images[..., :1]).all():
            raise InputError(f"{path}: colours, but this VAE knows grey images; convert it to grey first")
        images = images[..., :1]
    if images.shape[1:] != image_shape:
        raise InputError(
            f"{path}: images of {_size(images.shape[1:])}, this VAE knows {_size(image_shape)}: scale or crop them"
        )
    return images


def _size(shape: tuple[int, ...]) -> str:
    height, width, channels = shape
    return f"{height}x{width} pixels, {channels} {'channel' if channels == 1 else 'channels'}"
