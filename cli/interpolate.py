"""`vae-edge interpolate`: the way from one latent to another, as a strip of images."""

from __future__ import annotations

import os
from collections.abc import Iterator
from typing import TYPE_CHECKING, Annotated, Any

import typer

from vae_edge.cli.destination import Destination, Out
from vae_edge.cli.options import Bundle, Columns, Device, DeviceOptions, Head, Scale, Seed, Threads, heads, load

if TYPE_CHECKING:
    import numpy.typing as npt

    from vae_edge.runtime import VAE

__all__ = ["interpolate"]

BATCH = 512

End = "A picture, FILE:INDEX of several images, or seed:S for the first latent of a seed."


def interpolate(
    context: typer.Context,
    a: Annotated[str, typer.Argument(metavar="A", help=End)],
    b: Annotated[str, typer.Argument(metavar="B", help=End)],
    steps: Annotated[
        int, typer.Option("--steps", "-n", min=2, max=100_000, metavar="N", help="How many images, both ends included.")
    ] = 12,
    out: Out = "interpolated.png",
    head: Head = "mean",
    seed: Seed = 0,
    bundle: Bundle = "mnist",
    provider: Device = "auto",
    provider_option: DeviceOptions = [],  # noqa: B006 (Typer reads it, nothing writes it)
    threads: Threads = None,
    columns: Columns = None,
    scale: Scale = None,
) -> None:
    """Write the images on the straight line from A's latent to B's.

    An image's latent is the mean of its posterior; seed:S is the latent of `generate --seed S`'s first image.

    \b
    Examples:
      vae-edge interpolate seed:3 seed:7 --out strip.png
      vae-edge interpolate three.png seven.png --steps 20 --head all --out strip.png
      vae-edge interpolate t10k-images-idx3-ubyte.gz:0 t10k-images-idx3-ubyte.gz:5
    """
    import numpy as np

    destination = Destination.parse(out)
    destination.check()
    vae = load(bundle, provider, provider_option, threads)
    first, last = _latent(vae, a), _latent(vae, b)
    t = np.linspace(0, 1, steps, dtype=np.float32)[:, None]
    z = (1 - t) * first + t * last
    chosen = heads(head)
    rows = {name if len(chosen) > 1 else "images": _decoded(vae, z, name, seed) for name in chosen}
    destination.write(rows, steps, vae.event_shape, columns=columns or steps, scale=scale, what="interpolate")
    console = context.obj
    console.say(f"wrote {destination.path}: {steps:,} images from {a} to {b} (head {head}) on {vae.provider}")
    console.result(
        {
            "out": destination.path,
            "kind": destination.kind,
            "steps": steps,
            "ends": [a, b],
            "heads": chosen,
            "bundle": vae.manifest.name,
            "provider": vae.provider,
        }
    )


def _latent(vae: VAE, name: str) -> npt.NDArray[Any]:
    """The latent (1, L) of one end."""
    kind, _, seed = name.partition(":")
    if kind == "seed" and not os.path.exists(name):  # noqa: PTH110 (an empty path has no Path)
        if not seed.isdecimal():
            raise typer.BadParameter(f"expected seed:S with a whole number S, got {name!r}")
        return vae.prior.sample(1, seed=int(seed))

    from vae_edge.cli.images import read_one

    return vae.encode(read_one(name, vae.event_shape)).mean()


def _decoded(vae: VAE, z: npt.NDArray[Any], head: str, seed: int) -> Iterator[npt.NDArray[Any]]:
    for at in range(0, len(z), BATCH):
        p = vae.decode(z[at : at + BATCH])
        yield p.sample(seed=seed, start=at) if head == "sample" else getattr(p, head)()
