"""How images are read: `--resize`, `--crop`, `--grey`, `--invert`, `--ground`, `--white`; and how a bundle's were."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from vae_edge.runtime.errors import InputError

if TYPE_CHECKING:
    from vae_edge.pictures.treatment import Treatment
    from vae_edge.runtime import VAE

__all__ = ["Crop", "Grey", "Ground", "Invert", "Resize", "White", "asked", "missing", "trained"]

Resize = Annotated[
    str, typer.Option(metavar="N|HxW", help="Scale images to N x N pixels, or to HxW: height before width.")
]
Crop = Annotated[
    str,
    typer.Option(
        metavar="fit|N|HxW",
        help="Before that, cut N x N or HxW pixels out of the centre; fit: the largest part with the proportions of "
        "--resize, a square without it.",
    ),
]
Grey = Annotated[bool, typer.Option("--grey", help="Make colour images grey.")]
Invert = Annotated[bool, typer.Option("--invert", help="Make dark light: for ink on paper.")]
Ground = Annotated[
    str, typer.Option(metavar="white|black|#RRGGBB", help="The colour behind transparent parts of pictures.")
]
White = Annotated[
    float,
    typer.Option(
        metavar="N", help="The number that means white, as 4095 of 12-bit images in 16 bits.", show_default="highest"
    ),
]


def asked(resize: str, crop: str, grey: bool, invert: bool, ground: str, white: float) -> Treatment:
    """The treatment that the options ask for; raises BadParameter."""
    from vae_edge.pictures.treatment import Treatment

    try:
        return Treatment.parse(resize, crop, grey, invert, ground, white)
    except InputError as error:
        raise typer.BadParameter(str(error)) from error


def trained(vae: VAE) -> Treatment:
    """How the images were read that a bundle was trained on; plain where it does not say how it was trained."""
    from vae_edge.pictures.treatment import PLAIN, Treatment

    training = vae.manifest.training
    return PLAIN if training is None else Treatment.recorded(training.pictures)


def missing(vae: VAE, given: Treatment) -> Treatment:
    """What a bundle's training did to images that `given` does not do, or does otherwise."""
    from vae_edge.pictures.treatment import Treatment

    ours = given.options
    return Treatment.parse(**{name: value for name, value in trained(vae).options.items() if ours.get(name) != value})
