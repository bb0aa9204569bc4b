"""`vae-edge score`: how unlike a bundle's training data events are; and the fit that says what is unusual."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, ExitStack, nullcontext
from pathlib import Path
from typing import IO, TYPE_CHECKING, Annotated, Any

import typer

from vae_edge.cli.nouns import counted
from vae_edge.cli.options import (
    MAX_MEMBERS,
    Bundle,
    Columns,
    Device,
    DeviceOptions,
    Scale,
    Seed,
    Threads,
    load,
)
from vae_edge.cli.reading.conditions import Condition, Given, Label, Labels, resolve
from vae_edge.cli.reading.events import LabelColumn
from vae_edge.cli.reading.treatments import Crop, Grey, Ground, Invert, Resize, White
from vae_edge.cli.reading.treatments import asked as treatment_of
from vae_edge.cli.rows.cluster import Ray, run_job
from vae_edge.cli.rows.destination import Format, ImageColumn, Resume, RowsPerShard, RowsTo
from vae_edge.cli.writing.destination import STDOUT, Destination, Force

if TYPE_CHECKING:
    from vae_edge.cli.output import Console
    from vae_edge.cli.rows.inputs import Stream
    from vae_edge.pictures.treatment import Treatment
    from vae_edge.runtime import VAE

__all__ = ["score"]

KINDS = (".csv", ".json", ".png")


def score(
    context: typer.Context,
    images: Annotated[
        list[str] | None,
        typer.Argument(
            metavar="[IMAGES]...",
            help="Picture files, folders of them, IDX files (.gz too), .npy or .npz arrays; of a table .csv, .npy or "
            ".npz; of both Parquet. -: one of these on stdin.",
        ),
    ] = None,
    out: Annotated[
        list[str] | None,
        typer.Option(
            "--out",
            "-o",
            metavar="FILE|FOLDER/",
            help="FILE.csv or FILE.json: a line an event. FILE.png: the most unusual images, with the places where "
            "they do not fit. May be given again. -: the .csv on stdout. FILE.parquet: rows; FOLDER/ with --format.",
            show_default="stdout",
        ),
    ] = None,
    format: Format = None,
    rows_per_shard: RowsPerShard = None,
    force: Force = False,
    resume: Resume = False,
    show: Annotated[int, typer.Option(min=1, metavar="N", help="Images in FILE.png: the N most unusual.")] = 32,
    draws: Annotated[
        int | None,
        typer.Option(min=1, max=4096, metavar="K", help="Draws of z an event.", show_default="the fit's, or 16"),
    ] = None,
    members: Annotated[
        int | None,
        typer.Option(
            min=1,
            max=MAX_MEMBERS,
            metavar="M",
            help="Of uncertain weights: also what each of M members finds open, and what they disagree of.",
            show_default="none",
        ),
    ] = None,
    seed: Seed = 0,
    fit: Annotated[
        bool,
        typer.Option(
            "--fit",
            help="Fit what is usual to the training split of --data, take the threshold from its validation split, and "
            "seal both into the bundle. Needs the extra `train`.",
        ),
    ] = False,
    data: Annotated[
        str | None,
        typer.Option(
            metavar="SET|PATH",
            help="With --fit: the data, as of `evaluate`.",
            show_default="what it was trained on, where that has a name",
        ),
    ] = None,
    data_dir: Annotated[
        Path | None, typer.Option(metavar="FOLDER", help="With --fit: where the files of mnist or fashion-mnist lie.")
    ] = None,
    rate: Annotated[
        float | None,
        typer.Option(
            min=0,
            max=1,
            metavar="R",
            help="With --fit: the share of events like the training data that may be called unusual.",
            show_default="0.01",
        ),
    ] = None,
    resize: Resize = "",
    crop: Crop = "",
    grey: Grey = False,
    invert: Invert = False,
    ground: Ground = "white",
    white: White = 0.0,
    start: Annotated[int, typer.Option(min=0, metavar="I", help="Begin with image or row I.")] = 0,
    limit: Annotated[
        int | None, typer.Option(min=1, metavar="N", help="Take N images or rows at most.", show_default="all")
    ] = None,
    label: Label = None,
    labels: Labels = None,
    label_column: LabelColumn = "",
    column: ImageColumn = "",
    condition: Condition = None,
    bundle: Bundle = "mnist",
    provider: Device = "auto",
    provider_option: DeviceOptions = [],  # noqa: B006 (Typer reads it, nothing writes it)
    threads: Threads = None,
    columns: Columns = None,
    scale: Scale = None,
    ray: Ray = None,
) -> None:
    """Say how unlike the training data each image or row is, and where it does not fit.

    Written are the name, the value and whether it is unusual (where the bundle has a fit), and the statistics that the
    value is made of; of a table also the surprise of each column, and the odd one. Folders and Parquet are read a piece
    at a time. FILE.parquet, and the shards of FOLDER/ with --format, hold a row an event, of which --resume makes those
    that are missing. A conditional bundle scores each event under the label that comes with it, or under that of
    --label; where there is none, under the one that makes it likeliest. With --ray the workers of a cluster write such
    rows as Parquet into FOLDER/, where they are not in order. With --members the picture also has where each
    member finds pixels open, and where they disagree, and the statistics have the sums of both.

    \b
    Examples:
      vae-edge score three.png seven.png
      vae-edge score photos/ --bundle ./my-photos --resize 64 --crop fit --out scores.csv --out unusual.png
      vae-edge score t10k-images-idx3-ubyte.gz --limit 1000 --out scores.json
      vae-edge score parquet/ --out scores/ --format parquet
      vae-edge score parquet/ --out scores/ --ray local
      vae-edge score rows.csv --bundle ./my-table --out scores.csv
      vae-edge score three.png seven.png --bundle ./my-ensemble --members 16 --out scores.json --out open.png
      vae-edge score --fit --bundle ./my-bundle --data digits --rate 0.05
    """
    treatment = treatment_of(resize, crop, grey, invert, ground, white)
    if ray:
        run_job(ray, context, "score", treatment, {"draws": draws, "seed": seed})
        return
    if fit:
        if images or out:
            raise typer.BadParameter("fits to --data: leave IMAGES and --out out", param_hint="--fit")
        vae = load(bundle, provider, provider_option, threads)
        _fit(context.obj, vae, data, data_dir, rate, draws, label_column, treatment)
        return
    if stray := [name for name, value in (("--data", data), ("--data-dir", data_dir), ("--rate", rate)) if value]:
        raise typer.BadParameter("belongs to --fit", param_hint=stray[0])
    if not images:
        raise typer.BadParameter("expected images or rows, or --fit", param_hint="IMAGES")
    rows_to = _rows_to(out or [], format, rows_per_shard, force, resume)
    places = {} if rows_to else _places(out or [])
    vae = load(bundle, provider, provider_option, threads)
    if ".png" in places and len(vae.event_shape) == 1:
        raise typer.BadParameter("a table makes no picture: FILE.csv has each column's surprise", param_hint="--out")
    if members is not None:
        _ = vae.model.members  # a bundle without members says so before anything is read
    console = context.obj
    from vae_edge.cli.rows.inputs import Stream

    stream = Stream(vae, images, start, limit, treatment, column, label_column, console.say)
    given = None
    if label is not None or labels is not None or condition is not None:
        given = resolve(vae, label, labels, condition, n=stream.count)
    options: dict[str, Any] = {"draws": draws, "seed": seed, **({} if members is None else {"members": members})}
    if rows_to:
        from vae_edge.cli.rows.jobs import Scores

        rows_to.finish(console, Scores(vae, stream, given or Given(), options), "score", **options)
        return
    run = _Run(vae, stream, given, options, show if ".png" in places else 0)
    _write(console, run, places, columns, scale)


class _Run:
    """Scores a stream batch by batch, and counts what it sees."""

    def __init__(self, vae: VAE, stream: Stream, given: Given | None, options: dict[str, Any], show: int) -> None:
        from vae_edge.cli.reports.scores import Gallery

        self.vae, self.stream = vae, stream
        self._given = given
        self._options = options
        self.unusual, self.is_judged, self.lacking = 0, False, ""
        self.gallery = Gallery(show) if show else None
        names = getattr(vae.manifest.event, "names", ())
        is_table = len(vae.event_shape) == 1
        self._columns = names or tuple(f"x{place}" for place in range(vae.event_shape[0] if is_table else 0))

    def batches(self) -> Iterator[list[dict[str, Any]]]:
        """What is written of each event, a batch at a time."""
        from vae_edge.cli.progress import Progress
        from vae_edge.cli.reports.scores import rows_of

        count = self.stream.count
        with Progress("score", count) as progress:
            for at, found in self.stream.batches(range(count)):
                score = self.vae.score(found.events, **self._options, **self._of(at, found))
                if score.combined is None:
                    self.lacking = score.lacking
                else:
                    self.unusual, self.is_judged = self.unusual + int(score.is_unusual.sum()), True
                if self.gallery is not None:
                    given = {"label": score.labels} if score.labels is not None else self._of(at, found)
                    again = self.vae.reconstruct(found.events, head="mean", **given)
                    self.gallery.add(score, self.vae.prepare(found.events), again, at)
                yield rows_of(score, found.names, self._columns, self.vae.labels)
                progress.advance(len(score))
        self.stream.end()

    def _of(self, at: int, found: Any) -> dict[str, Any]:
        n = len(found.names)
        if self._given is not None:
            return self._given.of(at, n)
        if self.vae.labels and found.labels is not None:
            return resolve(self.vae, None, None, None, n=n, found=found.labels).of(0, n)
        return {}

    @property
    def head(self) -> dict[str, Any]:
        """What is known of the scores before the first of them."""
        manifest = self.vae.manifest
        scores = manifest.scores
        return {
            "bundle": manifest.name,
            "n": self.stream.count,
            "threshold": None if scores is None else scores.threshold,
            "false_positive_rate": None if scores is None else scores.false_positive_rate,
            **self._options,
            "provider": self.vae.provider,
            "treatment": self.stream.treatment.options,
        }

    @property
    def line(self) -> str:
        """The outcome in one line."""
        what = counted(self.stream.count, self.vae.event_shape)
        if not self.is_judged:
            return f"scored {what}: {self.lacking}"
        return f"{self.unusual:,} of {what} {'is' if self.unusual == 1 else 'are'} unusual"


def _write(console: Console, run: _Run, places: dict[str, str], columns: int | None, scale: int | None) -> None:
    from vae_edge.cli.reports.scores import csv_lines, json_lines

    batches, kept = run.batches(), list[dict[str, Any]]()
    text = next((kind for kind in places if kind != ".png"), "" if places or console.json else ".csv")
    if not text:
        for rows in batches:
            kept += [] if places else rows  # the document on stdout holds them
    else:
        with _file(places.get(text, STDOUT)) as file:
            lines = csv_lines(batches) if text == ".csv" else json_lines(batches, run.head)
            file.writelines(lines)
    if run.gallery is not None:
        from vae_edge.pictures.sheet import grid, save

        save(places[".png"], grid(run.gallery.rows(), columns=columns, scale=scale))
    console.say("; ".join([*(f"wrote {path}" for path in places.values() if path != STDOUT), run.line]))
    document = run.head | {"unusual": run.unusual if run.is_judged else None, "out": list(places.values())}
    console.result(document | ({} if places else {"events": kept}))


def _fit(
    console: Console,
    vae: VAE,
    data: str | None,
    data_dir: Path | None,
    rate: float | None,
    draws: int | None,
    label_column: str,
    treatment: Treatment,
) -> None:
    import dataclasses

    from vae_edge.cli.progress import Progress
    from vae_edge.cli.quiet import import_tensorflow
    from vae_edge.cli.reading import dataset as datasets

    import_tensorflow(greet=console.debug)  # which the exporter's modules load
    from vae_edge.export import scoring

    asked = datasets.treatment([vae], treatment)
    rule = datasets.validation([vae], None)
    source = data or datasets.recorded_name([vae])
    reader = datasets.Reader(source, datasets.NONE, 0, data_dir, label_column, asked, rule, console.say)
    samples = []
    for split in ("train", "validation"):
        dataset = reader.read(split) if data else reader.recorded([vae], split)
        (given,) = datasets.conditions([vae], dataset, None, None)
        samples.append(scoring.Sample(datasets.events(vae, dataset), given.of(0, len(dataset))))
    options = {"rate": rate, "draws": draws, "data": Path(source).name if data else None}
    command = "".join(f" --{name} {value}" for name, value in options.items() if value is not None)
    chosen: dict[str, Any] = {name: value for name, value in (("rate", rate), ("draws", draws)) if value is not None}
    with ExitStack() as bar:

        def progress(step: str, count: int) -> Callable[[int], None]:
            return bar.enter_context(Progress(step, count)).advance

        fitted = scoring.fit(
            vae,
            *samples,
            dataset=dataset.name,
            dataset_sha256=dataset.sha256,
            command=f"vae-edge score --fit --bundle {vae.manifest.name}{command}",
            progress=progress,
            **chosen,
        )
    manifest = scoring.write(vae.bundle.folder, fitted, vae.manifest.digest)
    said = fitted.scores
    console.say(
        f"the fit stands in {vae.bundle.folder}: of {said.events:,} training events, with threshold "
        f"{said.threshold:.4g}, which {said.false_positive_rate:.2%} of {said.held_out:,} others exceed"
    )
    console.result({"out": vae.bundle.folder, "scores": dataclasses.asdict(said), "digest": manifest.digest})


def _rows_to(
    out: list[str], format: str | None, rows_per_shard: int | None, force: bool, resume: bool
) -> RowsTo | None:
    """Where rows go; None where `--out` names no Parquet and no shards. Raises BadParameter."""
    found = [RowsTo.asked(path, format, rows_per_shard, force=force, resume=resume) for path in (out or (None,))]
    if len(found) > 1 and any(found):
        raise typer.BadParameter("rows go to one place: give --out once", param_hint="--out")
    (to, *_) = found
    if to is None and (resume or force):
        flag = "--resume" if resume else "--force"
        raise typer.BadParameter("is for shards: give --format, and --out FOLDER/", param_hint=flag)
    if to is not None and to.kind == "tar":
        raise typer.BadParameter("a tar is for pictures: write Parquet or .npz", param_hint="--format")
    return to


def _places(out: list[str]) -> dict[str, str]:
    """Where what goes: the kind of file -> its path; raises BadParameter, or OutputError where it cannot be written."""
    places: dict[str, str] = {}
    for path in out:
        kind = ".csv" if path == STDOUT else Path(path).suffix.lower()
        if kind not in KINDS:
            raise typer.BadParameter(f"expected FILE.csv, FILE.json or FILE.png, got {path!r}", param_hint="--out")
        if kind in places or {kind, *places} >= {".csv", ".json"}:
            raise typer.BadParameter("expected one of FILE.csv and FILE.json, and one FILE.png", param_hint="--out")
        places[kind] = path
        if path != STDOUT:
            Destination(Path(path), "sheet" if kind == ".png" else "arrays").check()
    return places


def _file(path: str) -> AbstractContextManager[IO[bytes]]:
    """Where the lines go: stdout, or a file that is whole or absent."""
    import sys

    from vae_edge.runtime import atomic

    return nullcontext(sys.stdout.buffer) if path == STDOUT else atomic.replacing(Path(path))
