"""`vae-edge interpolate`: the way from one latent to another, event by event."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, Annotated, Any

import typer

from vae_edge.cli.nouns import counted, plural
from vae_edge.cli.options import Bundle, Columns, Device, DeviceOptions, Head, Scale, Seed, Threads, heads, load
from vae_edge.cli.reading.conditions import Condition, Given, Label, resolve
from vae_edge.cli.reading.treatments import Crop, Grey, Ground, Invert, Resize, White
from vae_edge.cli.reading.treatments import asked as treatment_of
from vae_edge.cli.writing.destination import Destination, Force, Out

if TYPE_CHECKING:
    import numpy.typing as npt

    from vae_edge.pictures.treatment import Treatment
    from vae_edge.runtime import VAE

__all__ = ["interpolate"]

BATCH = 512

End = "A picture, FILE:INDEX of several images or rows, or seed:S for the first latent of a seed."


def interpolate(
    context: typer.Context,
    a: Annotated[str, typer.Argument(metavar="A", help=End)],
    b: Annotated[str, typer.Argument(metavar="B", help=End)],
    steps: Annotated[
        int, typer.Option("--steps", "-n", min=2, max=100_000, metavar="N", help="How many steps, both ends included.")
    ] = 12,
    out: Out = None,
    force: Force = False,
    head: Head = "mean",
    seed: Seed = 0,
    resize: Resize = "",
    crop: Crop = "",
    grey: Grey = False,
    invert: Invert = False,
    ground: Ground = "white",
    white: White = 0.0,
    label: Label = None,
    condition: Condition = None,
    bundle: Bundle = "mnist",
    provider: Device = "auto",
    provider_option: DeviceOptions = [],  # noqa: B006 (Typer reads it, nothing writes it)
    threads: Threads = None,
    columns: Columns = None,
    scale: Scale = None,
) -> None:
    """Write the images on the straight line from A's latent to B's.

    An image's latent is the mean of its posterior; seed:S is the latent of `generate --seed S`'s first image. The rows
    of a table are taken as images are, and go into interpolated.csv. Images are read as `reconstruct` reads them. A
    conditional bundle has one --label all the way.

    \b
    Examples:
      vae-edge interpolate seed:3 seed:7 --out strip.png
      vae-edge interpolate three.png seven.png --steps 20 --head all --out strip.png
      vae-edge interpolate t10k-images-idx3-ubyte.gz:0 t10k-images-idx3-ubyte.gz:5
      vae-edge interpolate photos/:0 photos/:1 --bundle ./my-photos --resize 64 --crop fit --out photos.png
      vae-edge interpolate seed:3 seed:7 --bundle ./my-labels --label 7 --out sevens.png
      vae-edge interpolate rows.csv:0 rows.csv:1 --bundle ./my-table --out between.csv
    """
    import numpy as np

    asked = Destination.asked(out, force=force)
    treatment = treatment_of(resize, crop, grey, invert, ground, white)
    vae = load(bundle, provider, provider_option, threads)
    shape = vae.event_shape
    destination = Destination.choose(asked, "interpolated", shape)
    given = resolve(vae, label, None, condition, n=1)
    console = context.obj
    first, last = (_latent(vae, end, given, treatment, console.say) for end in (a, b))
    t = np.linspace(0, 1, steps, dtype=np.float32)[:, None]
    z = (1 - t) * first + t * last
    chosen = heads(head)
    rows = {name if len(chosen) > 1 else plural(shape): _decoded(vae, z, name, seed, given) for name in chosen}
    names = getattr(vae.manifest.event, "names", ())
    destination.write(rows, steps, shape, names=names, columns=columns or steps, scale=scale, what="interpolate")
    console.say(f"wrote {destination.path}: {counted(steps, shape)} from {a} to {b} (head {head}) on {vae.provider}")
    console.result(
        {
            "out": destination.path,
            "kind": destination.kind,
            "steps": steps,
            "ends": [a, b],
            "heads": chosen,
            "bundle": vae.manifest.name,
            "provider": vae.provider,
            **given.document,
        }
    )


def _latent(vae: VAE, name: str, given: Given, treatment: Treatment, say: Callable[[str], None]) -> npt.NDArray[Any]:
    """The latent (1, L) of one end."""
    kind, _, seed = name.partition(":")
    if kind == "seed" and not os.path.exists(name):  # noqa: PTH110 (an empty path has no Path)
        if not seed.isdecimal():
            raise typer.BadParameter(f"expected seed:S with a whole number S, got {name!r}")
        prior = vae.prior_given(**given.of(0, 1))
        return prior.sample(seed=int(seed)).reshape(1, -1)

    from vae_edge.cli.reading.events import read_one

    return vae.encode(read_one(name, vae, treatment, say), **given.of(0, 1)).mean()


def _decoded(vae: VAE, z: npt.NDArray[Any], head: str, seed: int, given: Given) -> Iterator[npt.NDArray[Any]]:
    for at in range(0, len(z), BATCH):
        p = vae.decode(z[at : at + BATCH], **given.of(0, 1))
        yield p.sample(seed=seed, start=at) if head == "sample" else getattr(p, head)()
