"""`vae-edge export`: a bundle from a run folder."""

from __future__ import annotations

import dataclasses
from pathlib import Path
from typing import Annotated, Any

import typer

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
        typer.Option(min=1, max=64, metavar="V", help="ONNX operator set.", show_default="one that all know"),
    ] = None,
    force: Annotated[bool, typer.Option("--force", help="Replace a bundle of another run.")] = False,
    data_dir: Annotated[
        Path | None,
        typer.Option(metavar="FOLDER", help="Where MNIST's four files lie; else $VAE_EDGE_DATA, cache, network."),
    ] = None,
) -> None:
    """Make a bundle of a run: two ONNX graphs, a manifest, a probe and a card.

    Needs the extra `train`. Exits with 3, and writes nothing, where ONNX Runtime's outputs differ from TensorFlow's.

    \b
    Examples:
      vae-edge export runs/mnist --out my-bundle
      vae-edge export runs/mnist --out my-bundle --name digits --opset 17 --force
    """
    console = context.obj
    import_tensorflow(greet=console.debug)
    from vae_edge.export.bundle import export as export_bundle

    chosen: dict[str, Any] = {} if opset is None else {"opset": opset}
    manifest = export_bundle(
        run,
        out,
        name=name,
        force=force,
        data_dir=data_dir,
        progress=lambda step: console.say(f"export: {step}"),
        **chosen,
    )
    size = sum(file.bytes for file in manifest.files)
    worst = max(manifest.parity.values(), default=0.0)
    console.say(f"wrote {out}: {manifest.name}, {size:,} bytes; differs from TensorFlow by {worst:.2g} at most")
    console.result({"out": out, "manifest": dataclasses.asdict(manifest)})
