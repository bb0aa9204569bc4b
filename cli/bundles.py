"""`vae-edge verify` and `info`: whether a bundle is what it says, and what it says."""

from __future__ import annotations

import dataclasses
from typing import TYPE_CHECKING, Annotated

import typer

from vae_edge.cli.options import Device, DeviceOptions, Threads, load

if TYPE_CHECKING:
    from vae_edge.runtime import Manifest

__all__ = ["info", "verify"]

Which = Annotated[
    str, typer.Argument(metavar="[BUNDLE]", help="A bundle's folder, or the name of one that is built in.")
]


def verify(
    context: typer.Context,
    bundle: Which = "mnist",
    tolerance: Annotated[
        float | None,
        typer.Option(
            min=0,
            metavar="T",
            help="Largest |difference| that passes.",
            show_default="1e-4; of fp16 and int8 what export measured",
        ),
    ] = None,
    provider: Device = "auto",
    provider_option: DeviceOptions = [],  # noqa: B006 (Typer reads it, nothing writes it)
    threads: Threads = None,
) -> None:
    """Check a bundle: hashes, graph signatures, and the outputs that TensorFlow gave for the images stored in it.

    A bundle in fp16 or int8 is held against what its own graphs gave when it was exported. Needs no TensorFlow. Exits
    with 3 where an output differs, with 1 where the bundle is damaged or cannot be used.

    \b
    Examples:
      vae-edge verify
      vae-edge verify ./my-bundle --provider cuda
    """
    vae = load(bundle, provider, provider_option, threads)
    from vae_edge.runtime import probe

    differences = probe.check(vae, tolerance)
    allowed = probe.allowed(vae) if tolerance is None else dict.fromkeys(probe.OUTPUTS, tolerance)
    manifest = vae.manifest
    lines = [f"{manifest.name} is whole and works on {vae.provider}"]
    lines += [f"  sha256     {file.name}: {file.bytes:,} bytes" for file in manifest.files]
    lines += [
        f"  signature  {name}: {', '.join(t.name for t in graph.inputs)} -> {', '.join(t.name for t in graph.outputs)}"
        for name, graph in (("encoder", manifest.encoder), ("decoder", manifest.decoder))
    ]
    lines += [
        f"  probe      {name}: differs by {value:.2g} at most, {allowed[name]:.2g} allowed"
        for name, value in differences.items()
    ]
    context.obj.result(
        {
            "bundle": manifest.name,
            "ok": True,
            "files": [file.name for file in manifest.files],
            "differences": differences,
            "tolerance": allowed,
            "provider": vae.provider,
        },
        "\n".join(lines),
    )


def info(context: typer.Context, bundle: Which = "mnist") -> None:
    """Show what a bundle says of itself: shapes, sizes, training, figures. Runs nothing, needs no ONNX Runtime.

    \b
    Examples:
      vae-edge info
      vae-edge info ./my-bundle --json
    """
    from vae_edge.runtime import bundle as bundles

    manifest = bundles.read(bundle).manifest
    context.obj.result(dataclasses.asdict(manifest), "\n".join(_describe(manifest)))


def _describe(manifest: Manifest) -> list[str]:
    image, training = manifest.image, manifest.training
    pixel = "in [0, 1]" if image.threshold is None else f"1 where > {image.threshold:g}, else 0"
    prior = {
        "normal": "standard normal",
        "mixture": f"mixture of {manifest.prior.components} normals",
        "none": "none (an autoencoder: it reconstructs, and has nothing to generate from)",
    }[manifest.prior.kind]
    rows = [
        ("bundle", f"{manifest.name} (schema {manifest.schema}, {manifest.producer})"),
        ("images", f"{image.height} x {image.width} x {image.channels}, pixels {pixel}"),
        ("latent", f"{manifest.latent_size}, prior: {prior}"),
        ("likelihood", f"{manifest.likelihood}, images binarized {manifest.binarize}"),
        ("precision", manifest.precision),
    ]
    rows += [
        (
            name,
            f"{graph.file.name}, {graph.file.bytes:,} bytes, opset {graph.opset}, {graph.parameters:,} parameters, "
            f"{graph.multiply_adds:,} multiply-adds an image",
        )
        for name, graph in (("encoder", manifest.encoder), ("decoder", manifest.decoder))
    ]
    rows += [
        (
            "trained on",
            f"{training.dataset}, {training.images:,} images, {training.epochs} epochs, seed {training.seed}",
        ),
        ("objective", training.objective),
        ("command", training.command or "-"),
        ("commit", training.commit or "-"),
    ]
    rows += [(f"metric {name}", f"{value:.4g}") for name, value in manifest.metrics.items()]
    rows += [(f"parity {name}", f"{value:.2g}") for name, value in manifest.parity.items()]
    rows += [("versions", ", ".join(f"{name} {version}" for name, version in manifest.versions.items()) or "-")]
    rows += [("digest", manifest.digest)]
    width = max(len(name) for name, _ in rows)
    return [f"{name:{width}}  {value}" for name, value in rows]
