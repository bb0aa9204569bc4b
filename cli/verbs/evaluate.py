"""`vae-edge evaluate`: how likely bundles find events they have not learned from, and how real theirs look."""

from __future__ import annotations

import dataclasses
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from vae_edge.cli.nouns import counted, singular
from vae_edge.cli.options import MAX_MEMBERS, MAX_SEED, Device, DeviceOptions, Temperature, Threads, keyed, load, one_of
from vae_edge.cli.reading import dataset as datasets
from vae_edge.cli.reading.conditions import Condition, Label, resolve
from vae_edge.cli.reading.dataset import Reader
from vae_edge.cli.reading.events import LabelColumn
from vae_edge.cli.reading.treatments import Crop, Grey, Ground, Invert, Resize, White
from vae_edge.cli.reading.treatments import asked as treatment_of
from vae_edge.cli.reports import figures as tables
from vae_edge.cli.reports import measuring
from vae_edge.cli.writing import metrics

if TYPE_CHECKING:
    from vae_edge.cli.output import Console
    from vae_edge.runtime import VAE
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
    validation: Annotated[
        str | None,
        typer.Option(
            metavar="auto|shuffled|last",
            callback=one_of("auto", "shuffled", "last"),
            help="Which twelfth of the training data validates, where the data has a test split of its own: a fixed "
            "shuffle's, or the last in order; as in train.",
            show_default="as it was trained",
        ),
    ] = None,
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
    members: Annotated[
        int,
        typer.Option(
            min=0, max=MAX_MEMBERS, metavar="M", help="Also the NLL of the mean over M members, of uncertain weights."
        ),
    ] = 0,
    generated: Annotated[
        int,
        typer.Option(min=0, metavar="N", help="Generated digits to hold against as many real ones; 0 leaves it out."),
    ] = 10_000,
    temperature: Temperature = 1.0,
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
    against: Annotated[
        str | None,
        typer.Option(
            metavar="SET|PATH",
            help="Only measure how well scores tell this other data from the bundle's own.",
            show_default=False,
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
    beside each what other real images get. --temperature is that of `generate`; likelihoods do not depend on it.

    --against takes scores (see `score`) of both sets, without labels, and prints for each statistic, and for the value
    of a bundle with a fit, AUROC and the share of own events that are as strange as 95 % of the others, with bootstrap
    intervals.

    Images are read as the bundle's training has read them, unless --resize, --crop, --grey, --invert, --ground or
    --white say how. A conditional bundle is given the labels of the data, or one --label for all. A bundle that
    vae-edge has not trained needs --data.

    \b
    Examples:
      vae-edge evaluate
      vae-edge evaluate ./my-bundle --samples 5000 --limit 1000 --json
      vae-edge evaluate ./my-bundle --data my-pictures/ --split all
      vae-edge evaluate ./my-labels --data mnist
      vae-edge evaluate mnist --samples 0 --temperature 0.85
      vae-edge evaluate ./my-table --data rows.csv --split all
      vae-edge evaluate mnist-tiny mnist mnist-large
      vae-edge evaluate mnist --against fashion-mnist
      vae-edge evaluate ./my-ensemble --data digits --members 16
    """
    vaes = [load(name, provider, provider_option, threads) for name in bundles]
    if members and not any(vae.has_members for vae in vaes):
        vaes[0].model.members  # noqa: B018 - raises
    source = data or datasets.recorded_name(vaes)
    from vae_edge.runtime.evaluation import figures

    how = datasets.binarisation(vaes, binarize)
    treatment = treatment_of(resize, crop, grey, invert, ground, white)
    reader = Reader(
        source,
        how,
        seed,
        data_dir,
        label_column,
        datasets.treatment(vaes, treatment),
        datasets.validation(vaes, validation),
        context.obj.say,
    )
    whole = reader.read(split) if data else reader.recorded(vaes, split)
    if write:
        metrics.check_writable(vaes, whole, split, limit, how, generated, temperature)
    dataset = dataclasses.replace(
        whole, events=whole.events[:limit], labels=None if whole.labels is None else whole.labels[:limit]
    )
    events = [datasets.events(vae, dataset) for vae in vaes]
    if against is not None:
        other = dataclasses.replace(reader, source=against).read(split)
        other = dataclasses.replace(other, events=other.events[:limit])
        _against(context.obj, vaes, dataset, events, other, split, condition, seed)
        return
    given = datasets.conditions(vaes, dataset, label, condition)
    device = {"provider": vaes[0].provider, "provider_options": keyed(provider_option), "threads": threads}
    judge, note = measuring.judge(vaes, dataset, generated, reader, split, device)
    count = judge.n if judge else 0
    notes = [note] if note else []
    measured = []
    for vae, values, condition_of in zip(vaes, events, given, strict=True):
        measured.append(measuring.measure(vae, values, condition_of, samples, seed, judge, members, temperature))
        notes += measuring.absent(vae, judge)
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
            notes += metrics.write(vaes, measured, samples, count, members)
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
        "members": members,
        "generated": count,
        "temperature": temperature,
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


def _against(
    console: Console,
    vaes: list[VAE],
    dataset: Dataset,
    events: list[Any],
    other: Dataset,
    split: str,
    condition: str | None,
    seed: int,
) -> None:
    """Prints how well scores tell another data set from the bundles' own, of which the events of each are given."""
    from vae_edge.cli.reports import against

    measured, lines = [], list[str]()
    for vae, ordinary in zip(vaes, events, strict=True):
        strange = datasets.events(vae, other)
        given = resolve(vae, None, None, condition, n=1).of(0, 1) if condition is not None else {}
        found = against.measure(vae, ordinary, strange, given, seed)
        lines += against.table(found, vae.manifest.name, dataset.name, other.name)
        measured.append({"bundle": vae.manifest.name, **against.document(found)})
    shared = {"data": dataset.name, "against": other.name, "split": split, "n": [len(dataset), len(other)]}
    each = measured[0] if len(measured) == 1 else {"bundles": measured}
    console.result(shared | {"seed": seed} | each, "\n".join(lines))
