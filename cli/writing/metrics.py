"""The figures of `evaluate --write`: whether they may go into a bundle's manifest, and how they stand there."""

from __future__ import annotations

from typing import TYPE_CHECKING

import typer

from vae_edge.cli.reading import dataset as datasets
from vae_edge.runtime.errors import BundleError, InputError
from vae_edge.runtime.evaluation.metrics import ERROR, FLOOR, MEMBERS, MODE, NLL_SAMPLES

if TYPE_CHECKING:
    from vae_edge.runtime import VAE
    from vae_edge.runtime.evaluation.figures import Figure
    from vae_edge.train.data import Dataset

__all__ = ["check_writable", "write"]


def check_writable(vaes: list[VAE], dataset: Dataset, split: str, limit: int | None, how: str, generated: int,
                   temperature: float) -> None:  # fmt: skip
    """A manifest's metrics are those of the model itself, on the whole test split of the bundle's own data set."""
    if temperature != 1:
        raise InputError("--write is for draws of the model itself: leave --temperature out")
    if split != "test" or limit is not None:
        raise InputError("--write is for figures of the whole test split: leave --split and --limit out")
    from vae_edge.runtime.evaluation.figures import SAMPLES

    if 0 < generated < SAMPLES <= len(dataset):  # fewer give a larger Frechet distance for the same images
        raise typer.BadParameter(
            f"expected {SAMPLES:,} or more beside --write, or 0 for no figures of samples, got {generated}",
            param_hint="--generated",
        )
    for vae in vaes:
        training = vae.manifest.training
        if training is None:  # nothing says what its own data set is: the user does, by --data
            continue
        if how != datasets.NONE and training.binarize != how:
            raise BundleError(
                f"--write: {vae.manifest.name!r} has learned from images binarized {training.binarize}, "
                f"these are {how}; leave --binarize or --write out"
            )
        if training.dataset_sha256 != dataset.sha256:
            raise BundleError(
                f"--write: {vae.manifest.name!r} was trained on {training.dataset}, "
                f"not on this {dataset.name}; leave --write out, or name its own data set by --data"
            )


def write(
    vaes: list[VAE], measured: list[dict[str, Figure]], samples: int, generated: int, members: int = 0
) -> list[str]:
    """Puts the figures into the bundles, and says where they stand now."""
    from vae_edge.export import figures

    for vae, found in zip(vaes, measured, strict=True):
        figures.write(vae.bundle.folder, _metrics(found, samples, generated, members), vae.manifest.digest)
    return [f"the figures stand in {vae.bundle.folder}" for vae in vaes]


def _metrics(found: dict[str, Figure], samples: int, generated: int, members: int) -> dict[str, float]:
    """The figures as a manifest holds them."""
    metrics = {name: float(figure.value) for name, figure in found.items()}
    metrics |= {name + MODE: figure.mode for name, figure in found.items() if figure.mode is not None}
    metrics |= {name + FLOOR: figure.floor for name, figure in found.items() if figure.floor is not None}
    for name in ("elbo", "nll", "members_nll"):
        if name in found and (error := found[name].standard_error) is not None:
            metrics[name + ERROR] = error
    metrics |= {NLL_SAMPLES: float(samples)} if "nll" in found else {}
    metrics |= {MEMBERS: float(members)} if "members_nll" in found else {}
    return metrics | ({"generated_samples": float(generated)} if "frechet" in found else {})
