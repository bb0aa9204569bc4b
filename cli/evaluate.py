"""`vae-edge evaluate`: how likely a bundle finds images it has not learned from, in nats per image."""

from __future__ import annotations

import math
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from vae_edge.cli.options import Device, DeviceOptions, Seed, Threads, load, one_of
from vae_edge.cli.progress import Progress

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt

    from vae_edge.runtime import VAE

__all__ = ["evaluate"]


def evaluate(
    context: typer.Context,
    bundle: Annotated[
        str, typer.Argument(metavar="[BUNDLE]", help="A bundle's folder, or the name of one that is built in.")
    ] = "mnist",
    data: Annotated[
        str | None,
        typer.Option(
            metavar="mnist|digits|PATH",
            help="The images: a data set, or a path (IDX folder, .npz, folder of pictures).",
            show_default="what it was trained on",
        ),
    ] = None,
    split: Annotated[
        str,
        typer.Option(
            metavar="train|validation|test|all",
            callback=one_of("train", "validation", "test", "all"),
            help="Which part of the data set.",
        ),
    ] = "test",
    samples: Annotated[
        int,
        typer.Option("--samples", "-k", min=0, metavar="K", help="Samples of z an image for the NLL; 0 leaves it out."),
    ] = 100,
    limit: Annotated[
        int | None, typer.Option(min=1, metavar="N", help="The first N images only.", show_default="all")
    ] = None,
    seed: Seed = 0,
    data_dir: Annotated[
        Path | None,
        typer.Option(metavar="FOLDER", help="Where MNIST's four files lie; else $VAE_EDGE_DATA, cache, network."),
    ] = None,
    provider: Device = "auto",
    provider_option: DeviceOptions = [],  # noqa: B006 (Typer reads it, nothing writes it)
    threads: Threads = None,
) -> None:
    """Measure a bundle on images: the ELBO with its two terms, and the negative log-likelihood.

    ELBO = E_q[log p(x|z)] - KL(q || p) by one z an image; NLL by the importance-weighted bound with K of them (Burda et
    al. 2016), which falls towards -log p(x) as K grows: the field reports K = 5000. The +- is a standard error.

    \b
    Examples:
      vae-edge evaluate
      vae-edge evaluate ./my-bundle --samples 5000 --limit 1000 --json
      vae-edge evaluate ./my-bundle --data my-pictures/ --split all
    """
    vae = load(bundle, provider, provider_option, threads)
    from vae_edge.train.data import load as load_data

    source = data or vae.manifest.training.dataset
    dataset = load_data(source, split, data_dir)  # type: ignore[arg-type]  # one_of has checked the split
    images = dataset.images[:limit]
    figures = _figures(vae, images, samples, seed)
    console = context.obj
    lines = [
        f"{vae.manifest.name} on {len(images):,} images of {dataset.name} ({split}), {vae.provider}; nats per image"
    ]
    label = {"nll": f"nll (K = {samples})"}
    lines += [f"  {label.get(name, name):16}{mean:12.3f} +- {error:.3f}" for name, (mean, error) in figures.items()]
    console.result(
        {
            "bundle": vae.manifest.name,
            "data": dataset.name,
            "data_sha256": dataset.sha256,
            "split": split,
            "n": len(images),
            "samples": samples,
            "seed": seed,
            "provider": vae.provider,
            "unit": "nats per image",
        }
        | {name: {"mean": mean, "standard_error": error} for name, (mean, error) in figures.items()},
        "\n".join(lines),
    )


def _figures(vae: VAE, images: npt.NDArray[np.uint8], samples: int, seed: int) -> dict[str, tuple[float, float]]:
    """Figure -> (mean over the images, its standard error)."""

    from vae_edge.runtime import likelihood

    n = len(images)
    reconstruction, kl = likelihood.elbo(vae, images, seed=seed)
    figures = {"elbo": reconstruction - kl, "reconstruction": reconstruction, "kl": kl}
    if samples:
        with Progress("evaluate", n * samples, "samples") as progress:
            figures["nll"] = likelihood.nll(vae, images, samples, seed=seed, progress=progress.advance)
    return {
        name: (float(values.mean()), float(values.std(ddof=1)) / math.sqrt(n) if n > 1 else math.nan)
        for name, values in figures.items()
    }
