"""`vae-edge reconstruct` and `encode`: images through the encoder, and back."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from vae_edge.cli.destination import Destination, Out
from vae_edge.cli.options import (
    Bundle,
    Columns,
    Device,
    DeviceOptions,
    Head,
    Scale,
    Seed,
    Threads,
    heads,
    load,
    one_of,
)

if TYPE_CHECKING:
    import numpy.typing as npt

    from vae_edge.runtime import VAE

__all__ = ["encode", "reconstruct"]

BATCH = 512

Images = Annotated[
    list[str],
    typer.Argument(
        metavar="IMAGES...", help="Picture files, folders of them, IDX files (.gz too), .npy or .npz arrays."
    ),
]
Start = Annotated[int, typer.Option(min=0, metavar="I", help="Leave out the images before image I.")]
Limit = Annotated[int | None, typer.Option(min=1, metavar="N", help="Take N images at most.", show_default="all")]


def reconstruct(
    context: typer.Context,
    images: Images,
    out: Out = "reconstructed.png",
    head: Head = "mode",
    latent: Annotated[
        str,
        typer.Option(
            metavar="mean|sample",
            callback=one_of("mean", "sample"),
            help="Decode the posterior's mean, or one draw of it.",
        ),
    ] = "mean",
    seed: Seed = 0,
    start: Start = 0,
    limit: Limit = None,
    bundle: Bundle = "mnist",
    provider: Device = "auto",
    provider_option: DeviceOptions = [],  # noqa: B006 (Typer reads it, nothing writes it)
    threads: Threads = None,
    columns: Columns = None,
    scale: Scale = None,
) -> None:
    """Write images above their reconstructions.

    The originals are shown as the encoder sees them: black or white where the bundle has a threshold. With --head all,
    a sheet shows the original, the sample, the mean and the mode below each other.

    \b
    Examples:
      vae-edge reconstruct three.png seven.png --out pairs.png
      vae-edge reconstruct t10k-images-idx3-ubyte.gz --limit 16 --head all --out heads.png
      vae-edge reconstruct images.npy --latent sample --seed 1 --out reconstructed.npz
    """
    from vae_edge.cli.images import read
    from vae_edge.runtime.events import prepare

    destination = Destination.parse(out)
    destination.check()
    vae = load(bundle, provider, provider_option, threads)
    originals = prepare(read(images, vae.event_shape, start, limit), vae.manifest.image)
    rows = {"original": _chunks(originals)} | {
        name: _reconstructions(vae, originals, name, latent, seed) for name in heads(head)
    }
    destination.write(rows, len(originals), vae.event_shape, columns=columns, scale=scale, what="reconstruct")
    console = context.obj
    count = f"{len(originals):,} {'image' if len(originals) == 1 else 'images'}"
    console.say(f"wrote {destination.path}: {count} above their reconstructions (head {head}) on {vae.provider}")
    console.result(
        {
            "out": destination.path,
            "kind": destination.kind,
            "n": len(originals),
            "heads": heads(head),
            "latent": latent,
            "seed": seed,
            "bundle": vae.manifest.name,
            "provider": vae.provider,
        }
    )


def encode(
    context: typer.Context,
    images: Images,
    out: Annotated[
        str | None,
        typer.Option(
            "--out",
            "-o",
            metavar="FILE",
            help="FILE.npz or FILE.json; stdout, as JSON, where it is left out.",
        ),
    ] = None,
    start: Start = 0,
    limit: Limit = None,
    bundle: Bundle = "mnist",
    provider: Device = "auto",
    provider_option: DeviceOptions = [],  # noqa: B006 (Typer reads it, nothing writes it)
    threads: Threads = None,
) -> None:
    """Write the posterior q(z|x) = N(loc, scale^2) of each image: loc and scale, (N, latent size) each.

    \b
    Examples:
      vae-edge encode t10k-images-idx3-ubyte.gz --out posteriors.npz
      vae-edge encode three.png
    """
    import json

    import numpy as np

    from vae_edge.cli.images import read
    from vae_edge.cli.progress import Progress
    from vae_edge.runtime import atomic

    suffix = Path(out).suffix.lower() if out else ".json"
    if suffix not in {".npz", ".json"}:
        raise typer.BadParameter(f"expected FILE.npz or FILE.json, got {out!r}", param_hint="--out")
    if out:
        Destination(Path(out), "arrays").check()
    vae = load(bundle, provider, provider_option, threads)
    pixels = read(images, vae.event_shape, start, limit)
    n = len(pixels)
    loc, scale = np.empty((2, n, vae.latent_size), np.float32)
    with Progress("encode", n) as progress:
        for at in range(0, n, BATCH):
            q = vae.encode(pixels[at : at + BATCH])
            loc[at : at + BATCH], scale[at : at + BATCH] = q.loc, q.scale
            progress.advance(len(q.loc))
    console = context.obj
    report: dict[str, Any] = {
        "bundle": vae.manifest.name,
        "n": n,
        "latent_size": vae.latent_size,
        "provider": vae.provider,
    }
    # Through str: the shortest decimals that give the same float32, not the 17 digits of its float64.
    document = report | {"loc": _decimals(loc), "scale": _decimals(scale)} if suffix == ".json" else report
    if out is None:
        console.result(document, "" if console.json else json.dumps(document))
        return
    if suffix == ".json":
        atomic.write_bytes(Path(out), json.dumps(document).encode() + b"\n")
    else:
        with atomic.replacing(Path(out)) as file:
            np.savez(file, loc=loc, scale=scale)
    console.say(f"wrote {out}: loc and scale of {n:,} images, ({n:,}, {vae.latent_size}) each, on {vae.provider}")
    console.result(report | {"out": out})


def _chunks(images: npt.NDArray[Any]) -> Iterator[npt.NDArray[Any]]:
    return (images[at : at + BATCH] for at in range(0, len(images), BATCH))


def _reconstructions(
    vae: VAE, images: npt.NDArray[Any], head: str, latent: str, seed: int
) -> Iterator[npt.NDArray[Any]]:
    for at in range(0, len(images), BATCH):
        yield vae.reconstruct(images[at : at + BATCH], head=head, latent=latent, seed=seed, start=at)


def _decimals(array: npt.NDArray[Any]) -> list[list[float]]:
    return [[float(str(value)) for value in row] for row in array]
