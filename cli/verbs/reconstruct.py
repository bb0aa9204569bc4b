"""`vae-edge reconstruct` and `encode`: events through the encoder, and back."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from vae_edge.cli.nouns import counted
from vae_edge.cli.options import (
    Bundle,
    Columns,
    Device,
    DeviceOptions,
    Head,
    Member,
    Scale,
    Seed,
    Threads,
    heads,
    load,
    one_of,
)
from vae_edge.cli.reading.conditions import Condition, Given, Label, Labels, resolve
from vae_edge.cli.reading.events import LabelColumn
from vae_edge.cli.reading.treatments import Crop, Grey, Ground, Invert, Resize, White
from vae_edge.cli.reading.treatments import asked as treatment_of
from vae_edge.cli.rows.cluster import Ray, run_job
from vae_edge.cli.rows.destination import Dtype, Format, ImageColumn, Resume, RowsPerShard, RowsTo
from vae_edge.cli.writing.destination import STDOUT, Destination, Force, Out

if TYPE_CHECKING:
    import numpy.typing as npt

    from vae_edge.runtime import VAE

__all__ = ["encode", "reconstruct"]

BATCH = 512

Images = Annotated[
    list[str],
    typer.Argument(
        metavar="IMAGES...",
        help="Picture files, folders of them, IDX files (.gz too), .npy or .npz arrays; of a table .csv, .npy or .npz; "
        "of both Parquet, and folders of it. "
        "-: one of these on stdin.",
    ),
]
Start = Annotated[int, typer.Option(min=0, metavar="I", help="Begin with image or row I.")]
Limit = Annotated[
    int | None, typer.Option(min=1, metavar="N", help="Take N images or rows at most.", show_default="all")
]


def reconstruct(
    context: typer.Context,
    images: Images,
    out: Out = None,
    format: Format = None,
    rows_per_shard: RowsPerShard = None,
    dtype: Dtype = None,
    force: Force = False,
    resume: Resume = False,
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
    resize: Resize = "",
    crop: Crop = "",
    grey: Grey = False,
    invert: Invert = False,
    ground: Ground = "white",
    white: White = 0.0,
    start: Start = 0,
    limit: Limit = None,
    label: Label = None,
    labels: Labels = None,
    label_column: LabelColumn = "",
    column: ImageColumn = "",
    condition: Condition = None,
    member: Member = None,
    bundle: Bundle = "mnist",
    provider: Device = "auto",
    provider_option: DeviceOptions = [],  # noqa: B006 (Typer reads it, nothing writes it)
    threads: Threads = None,
    columns: Columns = None,
    scale: Scale = None,
    ray: Ray = None,
) -> None:
    """Write images above their reconstructions.

    The originals are shown as the encoder sees them: black or white where the bundle has a threshold. With --head all,
    a sheet shows the original, the sample, the mean and the mode below each other. --out is reconstructed.png where it
    is left out; of a table it is reconstructed.csv, with two lines a row of the table. A table's columns are matched by
    name.

    Images are read as they are, upright and without transparency, unless options ask for more: what the bundle's
    training did to its images is told. The pictures of a folder keep their names, FILE:INDEX is the name of an image in
    a file of several; an .npz holds them as `names`.

    With --format, FOLDER/ holds shards of rows with an index, and FILE.parquet one file of them: `id`, `name` and the
    reconstruction, of any number of images: folders, Parquet and .npy are then read a piece at a time. With --ray the
    workers of a cluster write such rows as Parquet into FOLDER/, where they are not in order.

    A conditional bundle takes the labels that come with the data (a folder's subfolders, the labels file beside an IDX
    file, an array (n,) in an .npz, --label-column of a .csv), those of --labels, or --label: one for all, or one each.

    \b
    Examples:
      vae-edge reconstruct three.png seven.png --out pairs.png
      vae-edge reconstruct t10k-images-idx3-ubyte.gz --limit 16 --head all --out heads.png
      vae-edge reconstruct scans/ --resize 28 --crop fit --grey --invert --out reconstructed/
      vae-edge reconstruct parquet/ --format parquet --out back/
      vae-edge reconstruct images.npy --latent sample --seed 1 --out reconstructed.npz
      vae-edge reconstruct three.png seven.png --bundle ./my-labels --label 3,7 --out pairs.png
      vae-edge reconstruct three.png --bundle ./my-ensemble --member 3 --out third.png
      vae-edge reconstruct rows.csv --bundle ./my-table --head mean --out back.csv
      vae-edge reconstruct parquet/ --head sample --out back/ --ray local
    """
    from vae_edge.cli.reading.events import read

    if ray:
        how = {"head": head, "latent": latent, "seed": seed}
        treatment = treatment_of(resize, crop, grey, invert, ground, white)
        run_job(ray, context, "reconstruct", treatment, how)
        return
    rows_to = RowsTo.asked(out, format, rows_per_shard, dtype, force=force, resume=resume)
    if resume and not rows_to:
        raise typer.BadParameter("is for shards: give --format, and --out FOLDER/", param_hint="--resume")
    asked = None if rows_to else Destination.asked(out, force=force)
    treatment = treatment_of(resize, crop, grey, invert, ground, white)
    vae = load(bundle, provider, provider_option, threads)
    console = context.obj
    shape = vae.event_shape
    if member is not None:
        _ = vae.model.members  # a bundle without members says so before anything is read
    if rows_to:
        from vae_edge.cli.rows.inputs import Stream
        from vae_edge.cli.rows.jobs import Reconstruct

        stream = Stream(vae, images, start, limit, treatment, column, label_column, console.say)
        given = _of_options(vae, label, labels, condition, stream.count)
        job = Reconstruct(vae, stream, given, heads(head), latent, seed, rows_to.pixels(shape), member)
        ensemble = {} if member is None else {"member": member}
        rows_to.finish(console, job, "reconstruct", heads=heads(head), latent=latent, seed=seed, **ensemble)
        return
    destination = Destination.choose(asked, "reconstructed", shape)
    found = read(images, vae, start, limit, label_column, treatment, console.say, column)
    given = resolve(vae, label, labels, condition, n=len(found), found=found.labels)
    originals = vae.prepare(found.values)
    rows = {"original": _chunks(originals)} | {
        name: _reconstructions(vae, originals, name, latent, seed, given, member) for name in heads(head)
    }
    names = getattr(vae.manifest.event, "names", ())
    destination.write(
        rows, len(originals), shape,
        names=names, columns=columns, scale=scale, what="reconstruct", stems=found.stems(), sources=found.names,
    )  # fmt: skip
    count = counted(len(originals), shape)
    console.say(f"wrote {destination.path}: {count} and their reconstructions (head {head}) on {vae.provider}")
    console.result(
        {
            "out": destination.path,
            "kind": destination.kind,
            "n": len(originals),
            "names": found.names,
            "treatment": treatment.options,
            "heads": heads(head),
            "latent": latent,
            "seed": seed,
            "bundle": vae.manifest.name,
            "provider": vae.provider,
            **({} if member is None else {"member": member}),
            **given.document,
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
            metavar="FILE|FOLDER/",
            help="FILE.parquet, FILE.npz or FILE.json; -: stdout, as JSON. FOLDER/ with --format.",
            show_default="stdout",
        ),
    ] = None,
    format: Format = None,
    rows_per_shard: RowsPerShard = None,
    force: Force = False,
    resume: Resume = False,
    resize: Resize = "",
    crop: Crop = "",
    grey: Grey = False,
    invert: Invert = False,
    ground: Ground = "white",
    white: White = 0.0,
    start: Start = 0,
    limit: Limit = None,
    label: Label = None,
    labels: Labels = None,
    label_column: LabelColumn = "",
    column: ImageColumn = "",
    condition: Condition = None,
    bundle: Bundle = "mnist",
    provider: Device = "auto",
    provider_option: DeviceOptions = [],  # noqa: B006 (Typer reads it, nothing writes it)
    threads: Threads = None,
    ray: Ray = None,
) -> None:
    """Write the parameters of the posterior q(z|x) of each image or row, under their names.

    A normal has loc and scale, (N, latent size) each; a normal of full covariance loc and scale_tril, (N, L, L), the
    lower triangular T of N(loc, T T'); an autoencoder loc alone. `names` holds the events' names, in the same order.
    Labels are given as to `reconstruct`, and images are read as it reads them.

    FILE.parquet, and the shards of FOLDER/ with --format, hold a row each: `id`, `name` and the parameters. Folders,
    Parquet and .npy are then read a piece at a time, so that memory does not grow with N; --resume makes the shards
    that are missing. With --ray the workers of a cluster write such rows into FOLDER/, where they are not in order.

    \b
    Examples:
      vae-edge encode t10k-images-idx3-ubyte.gz --out posteriors.npz
      vae-edge encode three.png
      vae-edge encode - < three.png
      vae-edge encode parquet/ --out codes.parquet
      vae-edge encode my-pictures/ --out codes/ --format parquet
      vae-edge encode photos/ --bundle ./my-photos --resize 64 --crop fit --out posteriors.npz
      vae-edge encode seven.png --bundle ./my-labels --label 7
      vae-edge encode rows.csv --bundle ./my-table --out posteriors.npz
      vae-edge encode my-pictures/ --out codes/ --ray local
    """
    import json

    import numpy as np

    from vae_edge.cli.progress import Progress
    from vae_edge.cli.reading.events import read
    from vae_edge.runtime import atomic
    from vae_edge.runtime.bundle import npz

    if ray:
        treatment = treatment_of(resize, crop, grey, invert, ground, white)
        run_job(ray, context, "encode", treatment)
        return
    rows_to = RowsTo.asked(out, format, rows_per_shard, force=force, resume=resume)
    treatment = treatment_of(resize, crop, grey, invert, ground, white)
    if rows_to:
        from vae_edge.cli.rows.inputs import Stream
        from vae_edge.cli.rows.jobs import Encode

        vae = load(bundle, provider, provider_option, threads)
        stream = Stream(vae, images, start, limit, treatment, column, label_column, context.obj.say)
        given = _of_options(vae, label, labels, condition, stream.count)
        if rows_to.kind == "tar":
            raise typer.BadParameter("a tar is for pictures: write Parquet or .npz", param_hint="--format")
        rows_to.finish(context.obj, Encode(vae, stream, given), "encode")
        return
    if resume or force:
        flag = "--resume" if resume else "--force"
        raise typer.BadParameter("is for shards: give --format, and --out FOLDER/", param_hint=flag)
    out = None if out == STDOUT else out
    suffix = Path(out).suffix.lower() if out else ".json"
    if suffix not in {".npz", ".json"}:
        raise typer.BadParameter(f"expected FILE.parquet, FILE.npz or FILE.json, got {out!r}", param_hint="--out")
    if out:
        Destination(Path(out), "arrays").check()
    vae = load(bundle, provider, provider_option, threads)
    console = context.obj
    found = read(images, vae, start, limit, label_column, treatment, console.say, column)
    n = len(found)
    given = resolve(vae, label, labels, condition, n=n, found=found.labels)
    parts: dict[str, list[npt.NDArray[Any]]] = {}
    with Progress("encode", n) as progress:
        for at in range(0, n, BATCH):
            values = found.values[at : at + BATCH]
            q = vae.encode(values, **given.of(at, len(values)))
            for name in q.parameters:
                parts.setdefault(name, []).append(getattr(q, name))
            progress.advance(len(values))
    arrays = {name: np.concatenate(each) for name, each in parts.items()}
    report: dict[str, Any] = {
        "bundle": vae.manifest.name,
        "n": n,
        "latent_size": vae.latent_size,
        "posterior": vae.manifest.posterior.family,
        "provider": vae.provider,
        "treatment": treatment.options,
        "names": found.names,
    }
    document = report | {name: _decimals(array) for name, array in arrays.items()} if suffix == ".json" else report
    if out is None:
        console.result(document, "" if console.json else json.dumps(document))
        return
    if suffix == ".json":
        atomic.write_bytes(Path(out), json.dumps(document).encode() + b"\n")
    else:
        atomic.write_bytes(Path(out), npz.render(arrays | {"names": np.array(found.names)}))
    shapes = ", ".join(f"{name} {array.shape}" for name, array in arrays.items())
    console.say(f"wrote {out}: {shapes} of {counted(n, vae.event_shape)}, on {vae.provider}")
    console.result(report | {"out": out})


def _of_options(vae: VAE, label: str | None, labels: str | None, condition: str | None, n: int) -> Given:
    """What options give beside the events; nothing where the events bring labels themselves."""
    wanted = vae.manifest.condition
    if label is labels is condition is None and wanted is not None and wanted.is_label:
        return Given()
    return resolve(vae, label, labels, condition, n=n)


def _chunks(events: npt.NDArray[Any]) -> Iterator[npt.NDArray[Any]]:
    return (events[at : at + BATCH] for at in range(0, len(events), BATCH))


def _reconstructions(
    vae: VAE, originals: npt.NDArray[Any], head: str, latent: str, seed: int, given: Given, member: int | None
) -> Iterator[npt.NDArray[Any]]:
    for at in range(0, len(originals), BATCH):
        x = originals[at : at + BATCH]
        arguments = given.of(at, len(x))
        yield vae.reconstruct(x, head=head, latent=latent, seed=seed, start=at, member=member, **arguments)


def _decimals(array: npt.NDArray[Any]) -> list[Any]:
    """The array as lists: through str, the shortest decimals that give the same float32, not the 17 of its float64."""
    if array.ndim > 1:
        return [_decimals(each) for each in array]
    return [float(str(value)) for value in array]
