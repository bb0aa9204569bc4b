"""`vae-edge export`: a bundle from a run folder."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from contextlib import ExitStack
from pathlib import Path
from typing import Annotated, Any

import typer

from vae_edge.cli.options import one_of
from vae_edge.cli.progress import Progress
from vae_edge.cli.quiet import import_tensorflow

__all__ = ["export"]


def export(
    context: typer.Context,
    run: Annotated[Path, typer.Argument(metavar="RUN", help="The folder that `vae-edge train` wrote.")],
    out: Annotated[Path, typer.Option("--out", "-o", metavar="BUNDLE", help="The bundle's folder.")],
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
            help="Most nats of NLL that fp16 or int8 may cost on 1,000 validation images.",
            show_default="0.5",
        ),
    ] = None,
    force: Annotated[
        bool,
        typer.Option(
            "--force",
            help="Replace a bundle of another run or precision, or a damaged one: the whole folder, with all in it.",
        ),
    ] = False,
    data_dir: Annotated[
        Path | None,
        typer.Option(metavar="FOLDER", help="Where MNIST's four files lie; else $VAE_EDGE_DATA, cache, network."),
    ] = None,
) -> None:
    """Make a bundle of a run: two ONNX graphs, a manifest, a probe and a card.

    Needs the extra `train`. Exits with 3, and writes nothing, where ONNX Runtime's outputs differ from TensorFlow's, or
    where a precision costs more than --max-nats. Ranges of int8 come from training images.

    \b
    Examples:
      vae-edge export runs/mnist --out my-bundle
      vae-edge export runs/mnist --out my-bundle --name digits --opset 17 --force
      vae-edge export runs/mnist --out my-bundle-int8 --precision int8 --max-nats 0.4
    """
    console = context.obj
    if max_nats is not None and precision == "fp32":
        raise typer.BadParameter("fp32 loses none: give --precision fp16 or int8 too", param_hint="--max-nats")
    import_tensorflow(greet=console.debug)
    from vae_edge.export.bundle import export as export_bundle

    given = {"opset": opset, "max_nats": max_nats, "precision": None if precision == "fp32" else precision}
    chosen: dict[str, Any] = {key: value for key, value in given.items() if value is not None}
    with ExitStack() as bar:

        def progress(step: str, draws: int) -> Callable[[int], None]:
            bar.close()  # that of the step before
            console.say(f"export: {step}")
            return bar.enter_context(Progress(step, draws, "draws")).advance

        manifest = export_bundle(run, out, name=name, force=force, data_dir=data_dir, progress=progress, **chosen)
    size = sum(file.bytes for file in manifest.files)
    worst = max(manifest.parity.values(), default=0.0)
    console.say(f"wrote {out}: {manifest.name}, {size:,} bytes; differs from TensorFlow by {worst:.2g} at most")
    if (nats := manifest.metrics.get("nats_lost")) is not None:
        error = manifest.metrics["nats_lost_standard_error"]
        console.say(f"{precision} costs {nats:.3f} +- {error:.3f} nats of NLL on validation images")
    if precision == "fp16":
        console.say("float16 is no faster than float32 on x86: it is for GPUs, and for half the bytes")
    console.result({"out": out, "manifest": dataclasses.asdict(manifest)})
