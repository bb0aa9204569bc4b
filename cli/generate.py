"""`vae-edge generate`: new images, decoded from draws of the prior."""

from __future__ import annotations

import time
from typing import Annotated

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
)

__all__ = ["generate"]

MAX_IMAGES = 10**12


def generate(
    context: typer.Context,
    n: Annotated[int, typer.Option("--n", "-n", min=1, max=MAX_IMAGES, metavar="N", help="How many images.")] = 64,
    out: Out = "generated.png",
    head: Head = "mean",
    seed: Seed = 0,
    start: Annotated[
        int,
        typer.Option(min=0, max=MAX_IMAGES, metavar="I", help="Begin with image I of the seed's endless row."),
    ] = 0,
    bundle: Bundle = "mnist",
    provider: Device = "auto",
    provider_option: DeviceOptions = [],  # noqa: B006 (Typer reads it, nothing writes it)
    threads: Threads = None,
    columns: Columns = None,
    scale: Scale = None,
) -> None:
    """Write new images, decoded from draws of the prior.

    Image I of a seed has the same noise for every N, batch, machine and provider; its logits agree to rounding, so that
    a pixel at the edge of its draw can flip. Arrays are float32 (N, H, W, C) with pixels in [0, 1], written as they
    come: memory does not grow with N. With --head all, a sheet shows each z as its sample, its mean and its mode below
    each other; .npz holds three arrays, .npy one of (3, N, H, W, C).

    \b
    Examples:
      vae-edge generate --n 64 --out digits.png
      vae-edge generate --n 8 --head all --seed 3 --out heads.png
      vae-edge generate --n 1000000 --head sample --out digits.npy
      vae-edge generate --n 100 --bundle ./my-bundle --provider cuda --out pictures/
    """
    destination = Destination.parse(out)
    destination.check()
    began = time.perf_counter()
    vae = load(bundle, provider, provider_option, threads)
    chosen = heads(head)
    rows = {name if len(chosen) > 1 else "images": vae.stream(n, head=name, seed=seed, start=start) for name in chosen}
    destination.write(rows, n, vae.event_shape, columns=columns, scale=scale, what="generate")
    seconds = time.perf_counter() - began
    console = context.obj
    console.say(
        f"wrote {destination.path}: {n:,} {'image' if n == 1 else 'images'} (head {head}, seed {seed}) "
        f"from {vae.manifest.name} on {vae.provider}, {seconds:.2f} s"
    )
    console.result(
        {
            "out": destination.path,
            "kind": destination.kind,
            "n": n,
            "heads": chosen,
            "seed": seed,
            "start": start,
            "bundle": vae.manifest.name,
            "provider": vae.provider,
            "seconds": round(seconds, 4),
        }
    )
