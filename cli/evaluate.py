"""`vae-edge evaluate`: how likely bundles find images they have not learned from, and how real theirs look."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from vae_edge.cli import figures as tables
from vae_edge.cli.options import MAX_SEED, Device, DeviceOptions, Threads, keyed, load, one_of
from vae_edge.cli.progress import Progress
from vae_edge.runtime.errors import BundleError, DataError, InputError

if TYPE_CHECKING:
    from vae_edge.runtime import VAE
    from vae_edge.runtime.evaluation.figures import Figure, Judge
    from vae_edge.train.data import Dataset

__all__ = ["evaluate"]


def evaluate(
    context: typer.Context,
    bundles: Annotated[
        list[str],
        typer.Argument(metavar="[BUNDLE]...", help="Folders of bundles, or names of those that are built in."),
    ] = ["mnist"],  # noqa: B006 (Typer reads it, nothing writes it)
    data: Annotated[
        str | None,
        typer.Option(
            metavar="mnist|digits|PATH",
            help="The images: a data set, or a path (IDX folder, .npz, folder of pictures).",
            show_default="mnist or digits, where it was trained on that",
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
    binarize: Annotated[
        str | None,
        typer.Option(
            metavar="static|dynamic",
            callback=one_of("static", "dynamic"),
            help="static: 1 where pixel > 0.5; dynamic: one draw of each grey pixel, by the seed.",
            show_default="as it was trained",
        ),
    ] = None,
    samples: Annotated[
        int,
        typer.Option("--samples", "-k", min=0, metavar="K", help="Samples of z an image for the NLL; 0 leaves it out."),
    ] = 100,
    generated: Annotated[
        int,
        typer.Option(min=0, metavar="N", help="Generated digits to hold against as many real ones; 0 leaves it out."),
    ] = 10_000,
    limit: Annotated[
        int | None, typer.Option(min=1, metavar="N", help="The first N images only.", show_default="all")
    ] = None,
    seed: Annotated[
        int,
        typer.Option(
            min=0, max=MAX_SEED, metavar="S", help="Of all draws: z, generated digits, pixels under --binarize dynamic."
        ),
    ] = 0,
    data_dir: Annotated[
        Path | None,
        typer.Option(metavar="FOLDER", help="Where MNIST's four files lie; else $VAE_EDGE_DATA, cache, network."),
    ] = None,
    write: Annotated[
        bool, typer.Option("--write", help="Put the figures into the bundle's manifest and card, and seal it again.")
    ] = False,
    provider: Device = "auto",
    provider_option: DeviceOptions = [],  # noqa: B006 (Typer reads it, nothing writes it)
    threads: Threads = None,
) -> None:
    """Measure bundles on images: likelihood, reconstruction, how real their samples look, and what they cost.

    ELBO = E_q[log p(x|z)] - KL(q || p) by one z an image; NLL by the importance-weighted bound with K of them (Burda et
    al. 2016), which falls towards -log p(x) as K grows: the field reports K = 5000. The +- is a standard error.
    Reconstructions come from z = the posterior's mean. Samples of 28x28 digits are held against real ones in a digit
    classifier's features: Frechet distance, precision and recall, density and coverage (5 neighbours), by the heads
    sample and mode, and beside each what other real images get.

    \b
    Examples:
      vae-edge evaluate
      vae-edge evaluate ./my-bundle --samples 5000 --limit 1000 --json
      vae-edge evaluate ./my-bundle --data my-pictures/ --split all
      vae-edge evaluate mnist-tiny mnist mnist-large
    """
    vaes = [load(name, provider, provider_option, threads) for name in bundles]
    source = data or _agreed("--data", *(vae.manifest.training.dataset for vae in vaes))
    from vae_edge.runtime.evaluation import figures

    how = binarize or _agreed("--binarize", *(vae.manifest.binarize for vae in vaes))
    read = partial(_images, source, data_dir=data_dir, how=how, seed=seed)
    whole = read(split) if data else _recorded(vaes, read, split)
    if write:
        _check_writable(vaes, whole, split, limit, how, generated)
    dataset = dataclasses.replace(whole, images=whole.images[:limit])
    device = {"provider": vaes[0].provider, "provider_options": keyed(provider_option), "threads": threads}
    judge, note = _judge(dataset, generated, read, split, device)
    count = judge.n if judge else 0
    notes = [note] if note else []
    measured = []
    for vae in vaes:
        measured.append(_measure(vae, dataset, samples, seed, judge))
        if vae.manifest.prior.kind == "none":
            notes.append(f"{vae.manifest.name} is an autoencoder: it has neither likelihood nor samples")
    costs = figures.costs(vaes)
    who = vaes[0].manifest.name if len(vaes) == 1 else f"{len(vaes)} bundles"
    where = f"{len(dataset):,} images of {dataset.name} ({split}), {vaes[0].provider}"
    if len(vaes) == 1:
        table = tables.single(measured[0], costs[0], samples, count)
    else:
        table = tables.several([vae.manifest.name for vae in vaes], measured, costs, samples, count)
    lines = [f"{who} on {where}; nats per image", *table]
    if write:
        try:
            notes += _write(vaes, measured, samples, count)
        except Exception:
            context.obj.say("\n".join(lines))  # what took minutes to measure is not lost with the bundle's place
            raise
    shared: dict[str, Any] = {
        "data": dataset.name,
        "data_sha256": dataset.sha256,
        "split": split,
        "binarize": how,
        "n": len(dataset),
        "samples": samples,
        "generated": count,
        "seed": seed,
        "provider": vaes[0].provider,
        "unit": "nats per image",
        "notes": notes,
    }
    each = [
        {"bundle": vae.manifest.name, **tables.document(found), "cost": dataclasses.asdict(cost)}
        for vae, found, cost in zip(vaes, measured, costs, strict=True)
    ]
    context.obj.result(shared | (each[0] if len(each) == 1 else {"bundles": each}), "\n".join([*lines, *notes]))


def _write(vaes: list[VAE], measured: list[dict[str, Figure]], samples: int, generated: int) -> list[str]:
    """Puts the figures into the bundles, and says where they stand now."""
    from vae_edge.export import figures

    for vae, found in zip(vaes, measured, strict=True):
        figures.write(vae.bundle.folder, _metrics(found, samples, generated), vae.manifest.digest)
    return [f"the figures stand in {vae.bundle.folder}" for vae in vaes]


def _agreed(option: str, *said: str) -> str:
    """What all bundles say of their training images, where they say the same."""
    if len(set(said)) > 1:
        different = ", ".join(sorted(set(said)))
        raise InputError(f"these bundles were trained on {different}: say with {option} on what to compare them")
    return said[0]


def _images(source: str, split: str, data_dir: Path | None, how: str, seed: int) -> Dataset:
    """A split of the data set, its grey pixels drawn as black or white where they are to be."""
    from vae_edge.train import data

    dataset = data.load(source, split, data_dir)  # type: ignore[arg-type]  # one_of has checked the split
    if how == "static":
        return dataset
    drawn = data.binarise(dataset.images, "dynamic", seed=seed) * 255
    return dataclasses.replace(dataset, events=drawn.astype("uint8"))


def _recorded(vaes: list[VAE], read: Callable[[str], Dataset], split: str) -> Dataset:
    """What the name of the bundles' data set leads to, where that is what they were trained on; raises DataError.

    A path is recorded by its last part alone, which may be `mnist` or lead nowhere.
    """
    try:
        dataset = read(split)
    except DataError as error:
        name, said = vaes[0].manifest.training.dataset, vaes[0].manifest.name
        raise DataError(f"{said!r} was trained on {name!r}: name its data by --data ({error})") from error
    for vae in vaes:
        if vae.manifest.training.dataset_sha256 != dataset.sha256:
            raise DataError(
                f"{vae.manifest.name!r} was trained on another {dataset.name!r} than the one "
                "that is found by that name: name its data by --data"
            )
    return dataset


def _check_writable(vaes: list[VAE], dataset: Dataset, split: str, limit: int | None, how: str, generated: int) -> None:
    """A manifest's metrics are those of the whole test split of the bundle's own data set."""
    if split != "test" or limit is not None:
        raise InputError("--write is for figures of the whole test split: leave --split and --limit out")
    from vae_edge.runtime.evaluation.figures import SAMPLES

    if 0 < generated < SAMPLES <= len(dataset):  # fewer give a larger Frechet distance for the same images
        raise typer.BadParameter(
            f"expected {SAMPLES:,} or more beside --write, or 0 for no figures of samples, got {generated}",
            param_hint="--generated",
        )
    for vae in vaes:
        if vae.manifest.binarize != how:
            raise BundleError(
                f"--write: {vae.manifest.name!r} has learned from images binarized {vae.manifest.binarize}, "
                f"these are {how}; leave --binarize or --write out"
            )
        if vae.manifest.training.dataset_sha256 != dataset.sha256:
            raise BundleError(
                f"--write: {vae.manifest.name!r} was trained on {vae.manifest.training.dataset}, "
                f"not on this {dataset.name}; leave --write out, or name its own data set by --data"
            )


def _judge(
    dataset: Dataset, generated: int, others: Callable[[str], Dataset], split: str, device: dict[str, Any]
) -> tuple[Judge | None, str]:
    """What judges samples, or None and why not; `others` gives another split, the classifier runs on `device`."""
    if not generated:
        return None, ""
    from vae_edge.runtime.evaluation.classifier import Classifier
    from vae_edge.runtime.evaluation.figures import Judge
    from vae_edge.runtime.evaluation.quality import NEIGHBOURS

    shape = dataset.images.shape[1:]
    classifier = Classifier.load(**device)
    if shape != classifier.image_shape:
        size = "x".join(map(str, shape))
        return None, f"no figures of samples: the classifier knows digits of 28x28x1, these images are {size}"
    real, other = dataset.images, None  # of all images, no others are left to say what real ones get
    if split != "all":
        other = others("test" if split == "train" else "train").images
    n = min(generated, len(real), generated if other is None else len(other))
    if n <= NEIGHBOURS:
        return None, f"no figures of samples: they take more than {NEIGHBOURS} images"
    with Progress("real images", n if other is None else 2 * n) as progress:
        return Judge(classifier, real, other, n, progress=progress.advance), ""


def _measure(vae: VAE, dataset: Dataset, samples: int, seed: int, judge: Judge | None) -> dict[str, Figure]:
    from vae_edge.runtime.evaluation import figures

    with Progress("likelihood", len(dataset) * (1 + samples), "samples") as progress:
        found = figures.likelihoods(vae, dataset.images, samples, seed=seed, progress=progress.advance)
    with Progress("reconstruction", len(dataset)) as progress:
        found |= figures.reconstructions(vae, dataset.images, progress=progress.advance)
    if judge is not None and vae.manifest.prior.kind != "none":
        with Progress("samples", 2 * judge.n) as progress:
            found |= judge.judge(vae, seed=seed, progress=progress.advance)
    return found


def _metrics(found: dict[str, Figure], samples: int, generated: int) -> dict[str, float]:
    """The figures as a manifest holds them."""
    metrics = {name: float(figure.value) for name, figure in found.items()}
    metrics |= {f"{name}_mode": figure.mode for name, figure in found.items() if figure.mode is not None}
    metrics |= {f"{name}_floor": figure.floor for name, figure in found.items() if figure.floor is not None}
    for name in ("elbo", "nll"):
        if name in found and (error := found[name].standard_error) is not None:
            metrics[f"{name}_standard_error"] = error
    metrics |= {"nll_samples": float(samples)} if "nll" in found else {}
    return metrics | ({"generated_samples": float(generated)} if "frechet" in found else {})
