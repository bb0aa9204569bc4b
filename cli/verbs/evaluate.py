"""`vae-edge evaluate`: how likely bundles find events they have not learned from, and how real theirs look."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from vae_edge.cli.nouns import counted, singular
from vae_edge.cli.options import MAX_SEED, Device, DeviceOptions, Threads, keyed, load, one_of
from vae_edge.cli.progress import Progress
from vae_edge.cli.reading import dataset as datasets
from vae_edge.cli.reading.conditions import Condition, Given, Label
from vae_edge.cli.reading.dataset import Reader
from vae_edge.cli.reading.events import LabelColumn
from vae_edge.cli.reading.treatments import Crop, Grey, Ground, Invert, Resize, White
from vae_edge.cli.reading.treatments import asked as treatment_of
from vae_edge.cli.reports import figures as tables
from vae_edge.runtime.errors import BundleError, InputError
from vae_edge.runtime.evaluation.metrics import ERROR, FLOOR, MODE, NLL_SAMPLES

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt

    from vae_edge.runtime import VAE
    from vae_edge.runtime.evaluation.figures import Figure, Judge
    from vae_edge.train.data import Dataset

__all__ = ["evaluate"]

DIGITS = ("mnist", "digits")  # the data sets whose images the classifier of digits can judge


def evaluate(
    context: typer.Context,
    bundles: Annotated[
        list[str],
        typer.Argument(metavar="[BUNDLE]...", help="Folders of bundles, or names of those that are built in."),
    ] = ["mnist"],  # noqa: B006 (Typer reads it, nothing writes it)
    data: Annotated[
        str | None,
        typer.Option(
            metavar="mnist|fashion-mnist|digits|PATH",
            help="A data set, or a path: IDX folder, .npz, folder of pictures, or a table (.csv, .npy).",
            show_default="what it was trained on, where that has a name",
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
            help="Of black-and-white bundles. static: 1 where pixel > 0.5; dynamic: one draw of each grey pixel.",
            show_default="as it was trained",
        ),
    ] = None,
    samples: Annotated[
        int,
        typer.Option("--samples", "-k", min=0, metavar="K", help="Samples of z an event for the NLL; 0 leaves it out."),
    ] = 100,
    generated: Annotated[
        int,
        typer.Option(min=0, metavar="N", help="Generated digits to hold against as many real ones; 0 leaves it out."),
    ] = 10_000,
    limit: Annotated[
        int | None, typer.Option(min=1, metavar="N", help="The first N images or rows only.", show_default="all")
    ] = None,
    seed: Annotated[
        int,
        typer.Option(
            min=0, max=MAX_SEED, metavar="S", help="Of all draws: z, generated digits, pixels under --binarize dynamic."
        ),
    ] = 0,
    resize: Resize = "",
    crop: Crop = "",
    grey: Grey = False,
    invert: Invert = False,
    ground: Ground = "white",
    white: White = 0.0,
    label: Label = None,
    label_column: LabelColumn = "",
    condition: Condition = None,
    data_dir: Annotated[
        Path | None,
        typer.Option(
            metavar="FOLDER",
            help="Where the four files of mnist or fashion-mnist lie; else $VAE_EDGE_DATA, cache, network.",
        ),
    ] = None,
    write: Annotated[
        bool, typer.Option("--write", help="Put the figures into the bundle's manifest and card, and seal it again.")
    ] = False,
    provider: Device = "auto",
    provider_option: DeviceOptions = [],  # noqa: B006 (Typer reads it, nothing writes it)
    threads: Threads = None,
) -> None:
    """Measure bundles on data: likelihood, reconstruction, how real their samples look, and what they cost.

    ELBO = E_q[log p(x|z)] - KL(q || p) by one z an event; NLL by the importance-weighted bound with K of them (Burda et
    al. 2016), which falls towards -log p(x) as K grows: the field reports K = 5000. The +- is a standard error. Both
    are in nats; where pixels have levels, also in bits a dimension. Reconstructions come from z = the posterior's mean.
    Samples of black-and-white 28x28 digits (mnist, digits) are held against real ones in a digit classifier's features:
    Frechet distance, precision and recall, density and coverage (5 neighbours), by the heads sample and mode, and
    beside each what other real images get.

    Images are read as the bundle's training has read them, unless --resize, --crop, --grey, --invert, --ground or
    --white say how. A conditional bundle is given the labels of the data, or one --label for all. A bundle that
    vae-edge has not trained needs --data.

    \b
    Examples:
      vae-edge evaluate
      vae-edge evaluate ./my-bundle --samples 5000 --limit 1000 --json
      vae-edge evaluate ./my-bundle --data my-pictures/ --split all
      vae-edge evaluate ./my-labels --data mnist
      vae-edge evaluate ./my-table --data rows.csv --split all
      vae-edge evaluate mnist-tiny mnist mnist-large
    """
    vaes = [load(name, provider, provider_option, threads) for name in bundles]
    source = data or datasets.recorded_name(vaes)
    from vae_edge.runtime.evaluation import figures

    how = datasets.binarisation(vaes, binarize)
    treatment = treatment_of(resize, crop, grey, invert, ground, white)
    reader = Reader(source, how, seed, data_dir, label_column, datasets.treatment(vaes, treatment), context.obj.say)
    whole = reader.read(split) if data else reader.recorded(vaes, split)
    if write:
        _check_writable(vaes, whole, split, limit, how, generated)
    dataset = dataclasses.replace(
        whole, events=whole.events[:limit], labels=None if whole.labels is None else whole.labels[:limit]
    )
    events = [datasets.events(vae, dataset) for vae in vaes]
    given = datasets.conditions(vaes, dataset, label, condition)
    device = {"provider": vaes[0].provider, "provider_options": keyed(provider_option), "threads": threads}
    judge, note = _judge(vaes, dataset, generated, reader, split, device)
    count = judge.n if judge else 0
    notes = [note] if note else []
    measured = []
    for vae, values, condition_of in zip(vaes, events, given, strict=True):
        measured.append(_measure(vae, values, condition_of, samples, seed, judge))
        notes += _absent(vae, judge)
    costs = figures.costs(vaes)
    event = singular(vaes[0].event_shape)
    who = vaes[0].manifest.name if len(vaes) == 1 else f"{len(vaes)} bundles"
    where = f"{counted(len(dataset), vaes[0].event_shape)} of {dataset.name} ({split}), {vaes[0].provider}"
    if len(vaes) == 1:
        table = tables.single(measured[0], costs[0], samples, count, event)
    else:
        table = tables.several([vae.manifest.name for vae in vaes], measured, costs, samples, count, event)
    lines = [f"{who} on {where}; nats per {event}", *table]
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
        "unit": f"nats per {event}",
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


def _judge(
    vaes: list[VAE], dataset: Dataset, generated: int, reader: Reader, split: str, device: dict[str, Any]
) -> tuple[Judge | None, str]:
    """What judges samples, or None and why not; `reader` gives another split, the classifier runs on `device`."""
    if not generated or dataset.is_table:
        return None, ""
    from vae_edge.runtime.evaluation.classifier import Classifier
    from vae_edge.runtime.evaluation.figures import Judge
    from vae_edge.runtime.evaluation.quality import NEIGHBOURS

    shape = dataset.images.shape[1:]
    classifier = Classifier.load(**device)
    if shape != classifier.image_shape:
        size = "x".join(map(str, shape))
        return None, f"no figures of samples: the classifier knows digits of 28x28x1, these images are {size}"
    if dataset.published not in DIGITS:
        return None, "no figures of samples: the classifier knows digits, these images are neither mnist nor digits"
    if not any(_is_judged(vae) for vae in vaes):
        return None, "no figures of samples: the classifier knows digits in black and white"
    real, other = dataset.images, None  # of all images, no others are left to say what real ones get
    if split != "all":
        other = reader.read("test" if split == "train" else "train").images
    n = min(generated, len(real), generated if other is None else len(other))
    if n <= NEIGHBOURS:
        return None, f"no figures of samples: they take more than {NEIGHBOURS} images"
    with Progress("real images", n if other is None else 2 * n) as progress:
        return Judge(classifier, real, other, n, progress=progress.advance), ""


def _is_judged(vae: VAE) -> bool:
    """Whether a bundle generates images of black and white."""
    return getattr(vae.manifest.event, "threshold", None) is not None and vae.manifest.prior.family != "none"


def _absent(vae: VAE, judge: Judge | None) -> list[str]:
    """Why some figures of a bundle are not there."""
    from vae_edge.runtime.evaluation.likelihood import has_bound

    name, notes = vae.manifest.name, []
    if vae.manifest.prior.family == "none":
        notes.append(f"{name} is an autoencoder: it has neither likelihood nor samples")
    elif not has_bound(vae.manifest):
        notes.append(f"{name} encodes to points: it has no likelihood")
    if judge is not None and vae.manifest.prior.family != "none" and not _is_judged(vae):
        notes.append(f"{name} has no figures of samples: the classifier knows digits in black and white")
    return notes


@dataclass(frozen=True)
class Labelled:
    """A VAE that is given the labels of the data in turn, so that its samples have their classes."""

    vae: VAE
    given: Given

    def stream(self, n: int, *, head: str, seed: int) -> Iterator[npt.NDArray[np.float32]]:
        """n new images in batches (b, H, W, C)."""
        return self.vae.stream(n, head=head, seed=seed, **self.given.of(0, n))


def _measure(
    vae: VAE, events: npt.NDArray[Any], given: Given, samples: int, seed: int, judge: Judge | None
) -> dict[str, Figure]:
    from vae_edge.runtime.evaluation import figures

    n = len(events)
    arguments = given.of(0, n)
    with Progress("likelihood", n * (1 + samples), "samples") as progress:
        found = figures.likelihoods(vae, events, samples, **arguments, seed=seed, progress=progress.advance)
    with Progress("reconstruction", n) as progress:
        found |= figures.reconstructions(vae, events, **arguments, progress=progress.advance)
    if judge is not None and _is_judged(vae):
        with Progress("samples", 2 * judge.n) as progress:
            found |= judge.judge(Labelled(vae, given), seed=seed, progress=progress.advance)
    return found


def _metrics(found: dict[str, Figure], samples: int, generated: int) -> dict[str, float]:
    """The figures as a manifest holds them."""
    metrics = {name: float(figure.value) for name, figure in found.items()}
    metrics |= {name + MODE: figure.mode for name, figure in found.items() if figure.mode is not None}
    metrics |= {name + FLOOR: figure.floor for name, figure in found.items() if figure.floor is not None}
    for name in ("elbo", "nll"):
        if name in found and (error := found[name].standard_error) is not None:
            metrics[name + ERROR] = error
    metrics |= {NLL_SAMPLES: float(samples)} if "nll" in found else {}
    return metrics | ({"generated_samples": float(generated)} if "frechet" in found else {})
