"""`vae-edge explore`: a page to play with a bundle's latent space."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from vae_edge.runtime.errors import InputError, OutputError

if TYPE_CHECKING:
    from vae_edge.runtime.bundle import Bundle

__all__ = ["explore"]


def explore(
    context: typer.Context,
    bundle: Annotated[
        str, typer.Argument(metavar="[BUNDLE]", help="A bundle's folder, or the name of one that is built in.")
    ] = "mnist",
    out: Annotated[Path, typer.Option("--out", "-o", metavar="FILE.html", help="The page.")] = Path("explore.html"),
    onnxruntime_web: Annotated[
        Path | None,
        typer.Option(
            "--onnxruntime-web",
            metavar="FOLDER",
            help="The npm package onnxruntime-web, for graphs that the page's own kernels cannot run; adds 5 MB.",
            show_default=False,
        ),
    ] = None,
    force: Annotated[
        bool, typer.Option("--force", help="Replace a file that is there, though it is no explorer's page.")
    ] = False,
) -> None:
    """Write one HTML file to explore a bundle of images in a browser: draw and see the code, move the code and see.

    The page holds the bundle and all that runs it. It opens from the disk, without a server or a network, and sends
    nothing anywhere. Its new images are those of `vae-edge generate`. Graphs with operators that its own kernels lack
    are run by onnxruntime-web, which the page then carries: give the folder where npm installed it.

    \b
    Examples:
      vae-edge explore
      vae-edge explore ./my-bundle --out my-bundle.html
      npm install onnxruntime-web
      vae-edge explore ./my-bundle --onnxruntime-web node_modules/onnxruntime-web
    """
    if out.suffix.lower() not in (".html", ".htm"):
        raise typer.BadParameter(f"expected FILE.html, got {str(out)!r}", param_hint="--out")
    from vae_edge.cli.explorer import onnxruntime, operators, page
    from vae_edge.runtime import atomic
    from vae_edge.runtime import bundle as bundles

    found = bundles.read(bundle)
    name = found.manifest.name
    _check(found, out, force)
    missing = operators.missing(found)
    if missing and onnxruntime_web is None:
        raise InputError(
            f"{name} has operators that the page's own kernels lack ({', '.join(missing)}): {onnxruntime.INSTALL}, "
            "then give --onnxruntime-web node_modules/onnxruntime-web; the page grows by about 5 MB"
        )
    runtime = None if onnxruntime_web is None else onnxruntime.read(onnxruntime_web)
    data = page.render(found, runtime)
    atomic.write_bytes(out, data)
    beside = "" if runtime is None else f", onnxruntime-web {runtime.version} among them"
    console = context.obj
    console.say(f"wrote {out}: {name} to explore, {len(data):,} bytes{beside}; open it in a browser")
    console.result(
        {
            "out": out,
            "bundle": name,
            "digest": found.manifest.digest,
            "bytes": len(data),
            "operators_without_kernel": missing,
            "onnxruntime_web": None if runtime is None else runtime.version,
        }
    )


def _check(bundle: Bundle, out: Path, force: bool) -> None:
    """Raises InputError where the bundle has no images to show, OutputError where `out` is another file."""
    from vae_edge.cli.explorer import page

    shape = bundle.manifest.event_shape
    if len(shape) != 3 or shape[2] not in (1, 3, 4):
        what = f"rows of {shape[0]} columns" if len(shape) == 1 else f"images of {shape[2]} channels"
        raise InputError(
            f"{bundle.manifest.name} makes {what}: the explorer shows images of 1, 3 or 4 channels; vae-edge generate "
            "writes others as .npy"
        )
    try:
        with out.open("rb") as file:
            is_page = page.is_page(file.read(4096))
    except FileNotFoundError:
        return
    except OSError as error:
        raise OutputError(f"{out}: {error.strerror}; choose another --out") from error
    if not (is_page or force):
        raise OutputError(f"{out} is there, and no explorer's page: choose another --out, or --force to replace it")
