"""`vae-edge export`: a bundle of a training run, or of anyone's model."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from contextlib import ExitStack
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from vae_edge.cli.options import one_of
from vae_edge.cli.progress import Progress
from vae_edge.cli.quiet import import_tensorflow
from vae_edge.cli.reading import models

if TYPE_CHECKING:
    from vae_edge.cli.output import Console

__all__ = ["export"]

_OF_EXPORT = ("force", "max_nats", "metrics", "name", "precision", "training")  # what a dry run has no use for


def export(
    context: typer.Context,
    source: Annotated[
        str | None,
        typer.Argument(metavar="[RUN|MODULE.py:FUNCTION]", help="A run's folder, or a function that gives a model."),
    ] = None,
    out: Annotated[
        Path | None, typer.Option("--out", "-o", metavar="BUNDLE", help="The bundle's folder.", show_default=False)
    ] = None,
    encoder: Annotated[
        Path | None, typer.Option(metavar="FILE", help="A .keras, .h5 or .onnx file, or a SavedModel's folder.")
    ] = None,
    decoder: Annotated[Path | None, typer.Option(metavar="FILE", help="The decoder, likewise.")] = None,
    examples: Annotated[
        Path | None, typer.Option(metavar="FILE", help="Some events that the model knows, as .npy; 64 are enough.")
    ] = None,
    condition_examples: Annotated[
        Path | None, typer.Option(metavar="FILE", help="The label of each example, as .npy.")
    ] = None,
    posterior: Annotated[
        str | None,
        typer.Option(
            metavar="P,P", help="What the encoder's outputs are, in their order: mean,log_var or loc=z_mean,..."
        ),
    ] = None,
    likelihood: Annotated[
        str | None,
        typer.Option(metavar="FAMILY:P,P", help="What the decoder's are: bernoulli:probs, normal:loc,scale=0.2, ..."),
    ] = None,
    prior: Annotated[
        str | None,
        typer.Option(metavar="normal|none", callback=one_of("normal", "none"), help="p(z).", show_default="normal"),
    ] = None,
    event: Annotated[
        str | None,
        typer.Option(metavar="HxWxC", help="The image's size, where the examples do not show it; or a vector's."),
    ] = None,
    threshold: Annotated[
        float | None, typer.Option(min=0, max=1, metavar="T", help="Pixels above it are 1, others 0 (with --event).")
    ] = None,
    labels: Annotated[
        str | None, typer.Option(metavar="N|A,B,C", help="A conditional model's labels: how many, or their names.")
    ] = None,
    label_index: Annotated[
        bool, typer.Option("--label-index", help="The model takes a label as a whole number, not one-hot.")
    ] = False,
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Print what was inferred and what would be refused; write nothing.")
    ] = False,
    name: Annotated[
        str | None, typer.Option(metavar="NAME", help="The bundle's name.", show_default="that of its folder")
    ] = None,
    opset: Annotated[
        int | None,
        typer.Option(min=13, max=18, metavar="V", help="ONNX operator set, 13 to 18.", show_default="17"),
    ] = None,
    precision: Annotated[
        str,
        typer.Option(
            metavar="fp32|fp16|int8",
            callback=one_of("fp32", "fp16", "int8"),
            help="What weights are stored in. int8: for CPUs, a third of the bytes; fp16: for GPUs, no faster on x86.",
        ),
    ] = "fp32",
    max_nats: Annotated[
        float | None,
        typer.Option(
            min=0,
            metavar="N",
            help="Most nats of NLL that fp16 or int8 may cost on 1,000 validation events.",
            show_default="0.5",
        ),
    ] = None,
    force: Annotated[
        bool,
        typer.Option(
            "--force",
            help="Replace a bundle of another model or precision, or a damaged one: the whole folder, with all in it.",
        ),
    ] = False,
    data: Annotated[
        str | None,
        typer.Option(
            metavar="SET|PATH",
            help="Where a run's data lies now, if it was moved.",
            show_default="where train found it",
        ),
    ] = None,
    data_dir: Annotated[
        Path | None,
        typer.Option(metavar="FOLDER", help="Where a run's mnist or fashion-mnist lies now; else as train found it."),
    ] = None,
) -> None:
    """Make a bundle of a run, or of your own model: two ONNX graphs, a manifest, a probe and a card.

    Needs the extra `train`. Exits with 3, and writes nothing, where ONNX Runtime's outputs differ from the model's own,
    or where a precision costs more than --max-nats. What cannot be read off a model has to be said; where something is
    missing the message shows what.

    \b
    Examples:
      vae-edge export runs/mnist --out my-bundle
      vae-edge export runs/mnist --out my-bundle-int8 --precision int8 --max-nats 0.4
      vae-edge export my_vae.py:build --out my-vae        # build() returns export()'s arguments
      vae-edge export --encoder enc.keras --decoder dec.keras --examples x.npy \\
          --posterior mean,log_var --likelihood bernoulli:probs --out my-keras-vae
      vae-edge export --encoder enc.onnx --decoder dec.onnx --examples x.npy \\
          --posterior loc=mu,log_var=logvar --likelihood normal:loc,scale=0.1 --dry-run
    """
    console = context.obj
    if max_nats is not None and precision == "fp32":
        raise typer.BadParameter("fp32 loses none: give --precision fp16 or int8 too", param_hint="--max-nats")
    if out is None and not dry_run:
        raise typer.BadParameter("expected the bundle's folder", param_hint="--out")
    folder = Path() if out is None else out
    files = {"--encoder": encoder, "--decoder": decoder, "--examples": examples}
    said = {"--posterior": posterior, "--likelihood": likelihood, "--prior": prior, "--event": event,
            "--labels": labels, "--condition-examples": condition_examples}  # fmt: skip
    given = {"name": name, "opset": opset, "max_nats": max_nats, "force": force or None}
    chosen: dict[str, Any] = {key: value for key, value in given.items() if value is not None}
    chosen |= {"precision": precision} if precision != "fp32" else {}
    module = models.splits(source) if source else None
    if source is not None:
        if stray := [option for option, value in (files | said).items() if value is not None]:
            raise typer.BadParameter(f"belongs to a model in files, not to {source}", param_hint=stray[0])
    elif data is not None:
        raise typer.BadParameter("is of a run of ours; a model in files has --examples", param_hint="--data")
    elif missing := [option for option, value in files.items() if value is None]:
        raise typer.BadParameter(
            "expected RUN, MODULE.py:FUNCTION, or --encoder, --decoder and --examples", param_hint=missing[0]
        )
    if source is not None and module is None:
        if dry_run:
            raise typer.BadParameter("a run of ours needs nothing said: it is for other models", param_hint="--dry-run")
        run = Path(source)
        import_tensorflow(greet=console.debug)
        from vae_edge.export.sources.run import export as export_run

        _write(
            console,
            lambda progress: export_run(run, folder, data=data, data_dir=data_dir, progress=progress, **chosen),
            folder,
        )
        return
    arguments: dict[str, Any] = models.posterior_and_likelihood(posterior, likelihood) | {
        "prior": prior,
        "event": models.event(event, threshold),
        "condition": models.condition(labels, label_index),
    }
    import_tensorflow(greet=console.debug)
    if module is not None:
        arguments = models.built(*module)
    else:
        arrays = {"examples": examples, "conditions": condition_examples}
        arguments |= {key: models.array(path) for key, path in arrays.items() if path is not None}
        arguments |= {"encoder": str(encoder), "decoder": str(decoder)}
        arguments = {key: value for key, value in arguments.items() if value is not None}
    arguments |= chosen
    from vae_edge.export import api

    if dry_run:
        _plan(console, api.plan(**{key: value for key, value in arguments.items() if key not in _OF_EXPORT}))
    else:
        _write(console, lambda progress: api.export(folder, progress=progress, **arguments), folder)


def _plan(console: Console, plan: Any) -> None:
    console.result(dataclasses.asdict(plan), str(plan))
    if plan.problems:
        raise typer.Exit(1)


def _write(console: Console, make: Callable[[Any], Any], out: Path) -> None:
    with ExitStack() as bar:

        def progress(step: str, draws: int) -> Callable[[int], None]:
            bar.close()  # that of the step before
            console.say(f"export: {step}")
            return bar.enter_context(Progress(step, draws, "draws")).advance

        manifest = make(progress)
    size = sum(file.bytes for file in manifest.files)
    worst = max(manifest.parity.values(), default=0.0)
    console.say(f"wrote {out}: {manifest.name}, {size:,} bytes; differs from the model by {worst:.2g} at most")
    if (nats := manifest.metrics.get("nats_lost")) is not None:
        error = manifest.metrics["nats_lost_standard_error"]
        console.say(f"{manifest.precision} costs {nats:.3f} +- {error:.3f} nats of NLL on validation events")
    if manifest.precision == "fp16":
        console.say("float16 is no faster than float32 on x86: it is for GPUs, and for half the bytes")
    console.result({"out": out, "manifest": dataclasses.asdict(manifest)})
