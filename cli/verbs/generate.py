"""`vae-edge generate`: new events, decoded from draws of the prior."""

from __future__ import annotations

import time
from collections.abc import Iterator
from typing import TYPE_CHECKING, Annotated, Any

import typer

from vae_edge.cli.nouns import counted, plural
from vae_edge.cli.options import (
    Bundle,
    Columns,
    Device,
    DeviceOptions,
    Head,
    Members,
    Scale,
    Seed,
    Temperature,
    Threads,
    heads,
    load,
)
from vae_edge.cli.reading.conditions import Condition, Given, Label, Labels, resolve
from vae_edge.cli.rows import cluster
from vae_edge.cli.rows.cluster import Ray
from vae_edge.cli.rows.destination import Dtype, Format, RowsPerShard, RowsTo
from vae_edge.cli.writing.destination import Destination, Force, Out
from vae_edge.cli.writing.folder import Pieces

if TYPE_CHECKING:
    import numpy.typing as npt

    from vae_edge.cli.output import Console
    from vae_edge.runtime import VAE

__all__ = ["generate"]

MAX_IMAGES = 10**12


def generate(
    context: typer.Context,
    n: Annotated[
        int, typer.Option("--n", "-n", min=1, max=MAX_IMAGES, metavar="N", help="How many images, or rows of a table.")
    ] = 64,
    out: Out = None,
    format: Format = None,
    rows_per_shard: RowsPerShard = None,
    dtype: Dtype = None,
    force: Force = False,
    resume: Annotated[
        bool, typer.Option("--resume", help="Make the pictures or shards that are missing in FOLDER/, no others.")
    ] = False,
    head: Head = "mean",
    seed: Seed = 0,
    start: Annotated[
        int,
        typer.Option(min=0, max=MAX_IMAGES, metavar="I", help="Begin with image I of the seed's endless row."),
    ] = 0,
    label: Label = None,
    labels: Labels = None,
    condition: Condition = None,
    members: Members = None,
    temperature: Temperature = 1.0,
    bundle: Bundle = "mnist",
    provider: Device = "auto",
    provider_option: DeviceOptions = [],  # noqa: B006 (Typer reads it, nothing writes it)
    threads: Threads = None,
    columns: Columns = None,
    scale: Scale = None,
    ray: Ray = None,
) -> None:
    """Write new images, or rows of a table, decoded from draws of the prior.

    Image I of a seed has the same noise for every N, batch, machine and provider; its logits agree to rounding, so that
    a pixel at the edge of its draw can flip. Arrays are float32 (N, H, W, C) with pixels in [0, 1], or (N, columns) in
    the table's own units, written as they come: memory does not grow with N. With --head all, a sheet shows each z as
    its sample, its mean and its mode below each other; .npz holds three arrays, .npy one of (3, N, ...), .csv three
    lines an event. --out is generated.png where it is left out, of a table generated.csv. The pictures of a folder are
    named by I; one that holds files is refused without --force or --resume.

    With --format, FOLDER/ holds shards of rows, each whole or absent, with the index _index.json: its draw's number
    `id`, and the image or the table's columns. --resume goes on after an interruption, and makes no row twice.
    FILE.parquet and FILE.tar hold the same rows in one file.

    With --ray, the workers of a cluster write such rows as Parquet into FOLDER/, where they are not in order.

    A conditional bundle is told what to make by --label: several are taken in turn, `all` stands for each one that
    there is.

    --temperature below 1 draws closer to the middle of what the prior has learned: fewer images that look like nothing,
    at the price of less variety. At 1 they are draws of the model itself.

    A bundle with uncertain weights is an ensemble of decoders: with --members M they take turns.

    \b
    Examples:
      vae-edge generate --n 64 --out digits.png
      vae-edge generate --n 8 --head all --seed 3 --out heads.png
      vae-edge generate --n 1000000 --head sample --out digits.npy
      vae-edge generate --n 100 --head sample --out pictures/
      vae-edge generate --n 200 --head sample --out pictures/ --resume
      vae-edge generate --n 10000000 --head sample --out shards/ --format parquet
      vae-edge generate --n 10000000 --head sample --out shards/ --format parquet --resume
      vae-edge generate --head sample --temperature 0.85 --out typical.png
      vae-edge generate --bundle ./my-labels --label 7 --out sevens.png
      vae-edge generate --bundle ./my-labels --label all --n 100 --out each.png
      vae-edge generate --bundle ./my-ensemble --members 16 --out ensemble.png
      vae-edge generate --bundle ./my-table --head sample --n 1000 --out rows.csv
      vae-edge generate --n 1000000 --head sample --out rows/ --ray local
    """
    if ray:
        _generate_on(ray, context, n, head, seed, start, label, labels, condition, temperature, bundle, resume)
        return
    rows_to = RowsTo.asked(out, format, rows_per_shard, dtype, force=force, resume=resume)
    asked = None if rows_to else Destination.asked(out, force=force, resume=resume)
    began = time.perf_counter()
    vae = load(bundle, provider, provider_option, threads)
    shape = vae.event_shape
    if members is not None:
        _ = vae.model.members  # a bundle without members says so before anything is written
    if rows_to:
        given = resolve(vae, label, labels, condition)
        _generate_rows(context.obj, rows_to, vae, n, heads(head), seed, start, given, members, temperature)
        return
    destination = Destination.choose(asked, "generated", shape)
    given = resolve(vae, label, labels, condition)
    if columns is None and 1 < len(given.rows) <= 32:
        columns = len(given.rows)  # a label a column
    chosen = heads(head)
    vae.model.prior.expect()  # an autoencoder has none, which is said before anything is written
    pieces = Pieces((range(start, start + n),))
    if destination.kind == "folder":
        destination.folder.begin(_record(vae, chosen, seed, given, members, temperature))
        suffixes = tuple(f"-{name}.png" for name in chosen) if len(chosen) > 1 else (".png",)
        pieces = destination.folder.missing(pieces.ranges[0], suffixes)
    count = len(pieces)
    several = len(chosen) > 1
    rows = {
        name if several else plural(shape): _stream(vae, name, seed, pieces, given, members, temperature)
        for name in chosen
    }
    names = getattr(vae.manifest.event, "names", ())
    if count:
        destination.write(
            rows, count, shape, names=names, columns=columns, scale=scale, what="generate", stems=pieces.stems()
        )
    seconds = time.perf_counter() - began
    console = context.obj
    console.say(
        f"wrote {destination.path}: {_told(count, n, shape)} (head {head}, seed {seed}) "
        f"from {vae.manifest.name} on {vae.provider}, {seconds:.2f} s"
    )
    console.result(
        {
            "out": destination.path,
            "kind": destination.kind,
            "n": n,
            "written": count,
            "heads": chosen,
            "seed": seed,
            "start": start,
            "bundle": vae.manifest.name,
            "provider": vae.provider,
            "seconds": round(seconds, 4),
            **({} if members is None else {"members": members}),
            "temperature": temperature,
            **given.document,
        }
    )


def _generate_on(
    ray: str,
    context: typer.Context,
    n: int,
    head: str,
    seed: int,
    start: int,
    label: str | None,
    labels: str | None,
    condition: str | None,
    temperature: float,
    bundle: str,
    resume: bool,
) -> None:
    from vae_edge import cluster as jobs

    out = cluster.check(context, "n", "head", "seed", "start", "temperature")
    vae = load(bundle, "auto", [], 1)
    given = cluster.given_of(vae, label, labels, condition)
    done = jobs.generate(
        vae.bundle, n=n, out=out, head=head, seed=seed, start=start, temperature=temperature, resume=resume,
        address=ray, **given,
    )  # fmt: skip
    cluster.tell(context.obj, vae, "generate", done)


def _generate_rows(
    console: Console,
    to: RowsTo,
    vae: VAE,
    n: int,
    chosen: tuple[str, ...],
    seed: int,
    start: int,
    given: Given,
    members: int | None,
    temperature: float,
) -> None:
    from vae_edge.cli.rows.jobs import Generate, recorded

    began = time.perf_counter()
    vae.model.prior.expect()  # an autoencoder has none, which is said before anything is written
    job = Generate(vae, chosen, seed, start, given, to.pixels(vae.event_shape), members, temperature)
    options = {"seed": seed, "start": start, **_recorded_options(members, temperature)}
    record = recorded(vae, verb="generate", heads=chosen, **options, **given.record)
    written = to.write("generate", job.columns, n, record, job.batches)
    to.tell(console, vae, n, written, time.perf_counter() - began, job.columns, record | given.document)


def _record(vae: VAE, chosen: tuple[str, ...], seed: int, given: Given, members: int | None,
            temperature: float) -> dict[str, Any]:  # fmt: skip
    """What a draw's picture depends on, beside its index."""
    record = {"bundle": vae.manifest.name, "digest": vae.manifest.digest, "heads": list(chosen), "seed": seed}
    return record | _recorded_options(members, temperature) | given.record


def _recorded_options(members: int | None, temperature: float) -> dict[str, Any]:
    """`members` and `temperature`, each only where it is not the default.

    So a job that was begun by a version without these options has the same record, and goes on.
    """
    record: dict[str, Any] = {} if members is None else {"members": members}
    return record | ({} if temperature == 1 else {"temperature": temperature})


def _told(written: int, n: int, shape: tuple[int, ...]) -> str:
    return counted(n, shape) if written == n else f"{written:,} of {counted(n, shape)}, the others were there"


def _stream(vae: VAE, head: str, seed: int, pieces: Pieces, given: Given,
            members: int | None, temperature: float) -> Iterator[npt.NDArray[Any]]:  # fmt: skip
    """The events of `VAE.stream`, piece by piece, each with its own label; memory does not grow with their number."""
    options: dict[str, Any] = {"head": head, "seed": seed, "members": members, "temperature": temperature}
    for piece in pieces.ranges:
        if len(given.rows) <= 1:
            yield from vae.stream(len(piece), start=piece.start, **options, **given.of(0, 1))
            continue
        from vae_edge.runtime.model import BATCH_SIZE

        for at in range(piece.start, piece.stop, BATCH_SIZE):
            size = min(BATCH_SIZE, piece.stop - at)
            yield vae.generate(size, start=at, **options, **given.of(at, size))
