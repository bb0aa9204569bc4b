"""What users should know of the images that they hand in, beside how the bundle's training read its own."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from vae_edge.cli.nouns import plural

if TYPE_CHECKING:
    import numpy.typing as npt

    from vae_edge.pictures.treatment import Treatment
    from vae_edge.runtime import VAE

__all__ = ["tell"]

_LIGHT_ON_DARK = ("mnist", "digits", "fashion-mnist")  # data sets of which this is known


def tell(
    vae: VAE, values: npt.NDArray[Any], treatment: Treatment, missing: Treatment, say: Callable[[str], None]
) -> None:
    """Tells `say` where images (n, H, W, C) were treated otherwise than the bundle's, or are not of its kind.

    `missing` is what the bundle's training did to its images and `treatment` does not do.
    """
    name = vae.manifest.name
    if lacking := replace(missing, resize=None).flags:  # images of the right size need no scaling
        say(f"{name} was trained on images read with {lacking}: give that here too, if these are like those")
    elif not treatment.invert and _is_inverted(vae, values):
        say(f"{plural(vae.event_shape)} are dark on light, {name} learned light on dark: --invert makes them so")
    elif _are_halved(vae, values):
        say(f"{plural(vae.event_shape)} are grey, {name} knows black and white: what is above a half becomes white")


def _is_inverted(vae: VAE, values: npt.NDArray[Any]) -> bool:
    """Whether images are ink on paper, and the bundle's are known to be light on dark."""
    from vae_edge.train.contrast import is_dark_on_light

    training = vae.manifest.training
    if training is None or training.dataset not in _LIGHT_ON_DARK or values.shape[-1] != 1:
        return False
    scale = 1 if values.dtype == "uint8" else 255
    return is_dark_on_light(values[..., 0] * scale)


def _are_halved(vae: VAE, values: npt.NDArray[Any]) -> bool:
    """Whether grey images lose their shades to a bundle of black and white."""
    from vae_edge.train.choice import is_black_and_white

    if vae.manifest.event.threshold is None or values.dtype != "uint8":  # type: ignore[union-attr]
        return False
    return not is_black_and_white(values)
