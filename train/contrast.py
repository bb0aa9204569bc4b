"""What images look like that will be learned badly: nearly black, dark on light, one grey picture in three channels."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from vae_edge.pictures.treatment import Treatment

__all__ = ["is_dark_on_light", "remarks"]

DIM = 32  # of 255: a set without a brighter pixel was stored in other units
LIGHT = 192  # what paper is, and more
FRAME = 0.9  # the share of an image's outermost pixels that are as light as its ground


def remarks(images: npt.NDArray[np.uint8], name: str, treatment: Treatment) -> list[str]:
    """A line for each thing about images (n, H, W, C) uint8 that an option mends."""
    lines = []
    low, high = int(images.min()), int(images.max())
    if low == high:
        return [f"{name}: all pixels are {low}, there is nothing to learn: look at what is read"]
    if high < DIM:
        lines.append(f"{name} is nearly black, its brightest pixel {high} of 255: --white {high} makes that white")
    alike = images.shape[-1] == 3 and bool((images[..., :1] == images).all())
    if alike:
        lines.append(f"{name} is grey in three channels that are alike: --grey learns one of them")
    if (images.shape[-1] == 1 or alike) and is_dark_on_light(images[..., 0]):
        remedy = "leave --invert out" if treatment.invert else "--invert makes it so"
        lines.append(f"{name} is dark on light, light on dark is learned better: {remedy}")
    return lines


def is_dark_on_light(images: npt.NDArray[np.uint8]) -> bool:
    """Whether grey images (n, H, W) show something dark on a light ground: nearly all of their frame is light."""
    frame = np.concatenate([part.ravel() for part in (images[:, 0], images[:, -1], images[:, :, 0], images[:, :, -1])])
    return bool((frame >= LIGHT).mean() >= FRAME and (images < LIGHT / 2).any())
