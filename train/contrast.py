"""Images that are learned badly or slowly: nearly black, dark on light, large, grey in three channels."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from vae_edge.pictures.treatment import Treatment

__all__ = ["is_dark_on_light", "remarks"]

DIM = 32  # of 255: a set without a brighter pixel was stored in other units
LARGE = 128 * 128  # pixels of an image, beyond which a network of convolutions is no matter of minutes
LIGHT = 192  # what paper is, and more
GROUND, FRAME = 0.5, 0.7  # the least share of all pixels, and of the outermost, that are as light as paper


def remarks(images: npt.NDArray[np.uint8], name: str, treatment: Treatment) -> list[str]:
    """A line for each problem of the images (n, H, W, C) uint8 that an option solves."""
    lines = []
    low, high = int(images.min()), int(images.max())
    if low == high:
        ground = f"; transparent parts lie on {treatment.ground}: --ground chooses it" if low in (0, 255) else ""
        return [f"{name}: all pixels are {low}, there is nothing to learn: look at what is read{ground}"]
    if high < DIM:
        lines.append(f"{name} is nearly black, its brightest pixel {high} of 255: --white {high} makes that white")
    height, width = images.shape[1:3]
    if height * width > LARGE:
        lines.append(
            f"{name} has images of {height}x{width} pixels, which take long and much memory: --resize 64 --crop fit "
            "makes them small"
        )
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
    is_light = (images >= LIGHT).mean() >= GROUND and (frame >= LIGHT).mean() >= FRAME
    return bool(is_light and (images < LIGHT / 2).any())
