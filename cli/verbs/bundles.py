"""`vae-edge verify` and `info`: whether a bundle is what it says, and what it says."""

from __future__ import annotations

import dataclasses
from typing import TYPE_CHECKING, Annotated

import typer

from vae_edge.cli.nouns import number
from vae_edge.cli.options import Device, DeviceOptions, Threads, load

if TYPE_CHECKING:
    from vae_edge.runtime import Manifest
    from vae_edge.runtime.bundle.manifest import Graph, Spec, Tensor

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
    """Check a bundle: hashes, graph signatures, and that the outputs are what they were at export.

    The probe in the bundle holds a few events, and what the exported model gave for them; of a bundle in fp16 or int8
    it holds what its own graphs gave. A difference is relative to max(1, |value|) in fp32. Needs no TensorFlow. Exits
    with 3 where an output differs, with 1 where the bundle is damaged or cannot be used.

    \b
    Examples:
      vae-edge verify
      vae-edge verify ./my-bundle --provider cuda
    """
    vae = load(bundle, provider, provider_option, threads)
    from vae_edge.runtime import probe
    from vae_edge.runtime.bundle.manifest import FP32

    differences = probe.check(vae, tolerance)
    allowed = probe.allowed(vae) if tolerance is None else dict.fromkeys(differences, tolerance)
    manifest = vae.manifest
    relative = " of max(1, |value|)" if manifest.precision == FP32 else ""
    lines = [f"{manifest.name} is whole and works on {vae.provider}"]
    lines += [f"  sha256     {file.name}: {file.bytes:,} bytes" for file in manifest.files]
    lines += [f"  signature  {name}: {_signature(graph)}" for name, graph in _graphs(manifest)]
    lines += [
        f"  probe      {name}: differs from what it was at export by {value:.2g} at most, {allowed[name]:.2g} allowed"
        f"{relative}"
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
    """Show what a bundle says of itself: events, labels, distributions, graphs, training, figures. Runs nothing.

    \b
    Examples:
      vae-edge info
      vae-edge info ./my-bundle --json
    """
    from vae_edge.runtime import bundle as bundles

    manifest = bundles.read(bundle).manifest
    context.obj.result(dataclasses.asdict(manifest), "\n".join(_describe(manifest)))


def _describe(manifest: Manifest) -> list[str]:
    rows = [
        ("bundle", f"{manifest.name} (schema {manifest.schema}, {_producer(manifest)})"),
        _event(manifest),
        ("latent", f"{manifest.latent_size}, prior: {_prior(manifest)}"),
        ("condition", _condition(manifest)),
        ("posterior", _family(manifest.posterior)),
        ("likelihood", _family(manifest.likelihood)),
        ("precision", manifest.precision),
    ]
    for name, graph in _graphs(manifest):
        rows += [
            (
                name,
                f"{graph.file.name}, {graph.file.bytes:,} bytes, opset {graph.opset}, {graph.parameters:,} parameters, "
                f"{graph.multiply_adds:,} multiply-adds {_an(manifest)}",
            ),
            ("", _signature(graph)),
        ]
    rows += _weights(manifest)
    rows += _training(manifest)
    rows += [(f"metric {name}", number(value)) for name, value in manifest.metrics.items()]
    rows += [(f"parity {name}", f"{value:.2g}") for name, value in manifest.parity.items()]
    rows += [("versions", ", ".join(f"{name} {version}" for name, version in manifest.versions.items()) or "-")]
    rows += [("digest", manifest.digest)]
    width = max(len(name) for name, _ in rows)
    return [f"{name:{width}}  {value}" for name, value in rows]


def _graphs(manifest: Manifest) -> list[tuple[str, Graph]]:
    """The graphs in the order in which an event passes through them."""
    return [(name, manifest.graphs[name]) for name in ("encoder", "decoder")]


def _weights(manifest: Manifest) -> list[tuple[str, str]]:
    """How uncertain the decoder's weights are, where they are."""
    if (said := manifest.deviations) is None:
        return []
    text = (
        f"uncertain: {said.file.name}, {said.file.bytes:,} bytes, has the standard deviations of the decoder's "
        f"{len(said.weights):,} kernels and biases; members 0, 1, ... are draws of them"
    )
    return [("weights", text)]


def _an(manifest: Manifest) -> str:
    return "a row" if len(manifest.event_shape) == 1 else "an image"


def _producer(manifest: Manifest) -> str:
    """What made the bundle; release 0.1 wrote a bare commit where others have their version."""
    name, _, made_by = manifest.producer.partition(" ")
    bare = name == "vae-edge" and len(made_by) >= 40 and " " not in made_by
    return f"vae-edge {manifest.versions.get('vae-edge', '0.1')}, commit {made_by}" if bare else manifest.producer


def _event(manifest: Manifest) -> tuple[str, str]:
    from vae_edge.runtime.bundle.manifest import Vector

    event = manifest.event
    if isinstance(event, Vector):
        names = f": {_few(event.names)}" if event.names else ", without names"
        scaled = ", each standardised for the encoder" if event.scale or event.shift else ""
        return "table", f"{event.size} columns{names}{scaled}"
    pixel = "in [0, 1]" if event.threshold is None else f"1 where > {event.threshold:g}, else 0"
    scaled = f", read as (pixel - {event.shift:g}) / {event.scale:g}" if (event.shift, event.scale) != (0, 1) else ""
    return "images", f"{event.height} x {event.width} x {event.channels}, pixels {pixel}{scaled}"


def _condition(manifest: Manifest) -> str:
    condition = manifest.condition
    if condition is None:
        return "none"
    if condition.is_label:
        return f"a label, one of {condition.size}: {_few(condition.names)}"
    return f"{condition.size} numbers" + (f": {_few(condition.names)}" if condition.names else "")


def _prior(manifest: Manifest) -> str:
    prior = manifest.prior
    labels = ", weights for each label" if "labels" in prior.constants else ""
    follows = ", which follows the condition" if manifest.prior_follows_condition else ""
    return {
        "normal": "standard normal",
        "mixture": f"mixture of {prior.constants.get('components', 0):.0f} normals{labels}",
        "flow": f"normalizing flow{follows}",
        "none": "none (an autoencoder: it reconstructs, and has nothing to generate from)",
    }[prior.family]


def _family(spec: Spec) -> str:
    """The family, the graph's output behind each parameter where it has another name, and the constants."""
    said = [
        parameter if parameter == output else f"{parameter} = {output}" for parameter, output in spec.outputs.items()
    ]
    said += [f"{name} = {value:g}" for name, value in spec.constants.items()]
    return f"{spec.family} ({', '.join(said)})"


def _signature(graph: Graph) -> str:
    """The inputs with what each takes, and the outputs."""
    inputs = (f"{tensor.name} ({tensor.role} {_shape(tensor)})" for tensor in graph.inputs)
    outputs = (f"{tensor.name} {_shape(tensor)}" for tensor in graph.outputs)
    return f"{', '.join(inputs)} -> {', '.join(outputs)}"


def _shape(tensor: Tensor) -> str:
    kind = "" if tensor.dtype == "float32" else f"{tensor.dtype} "
    return f"{kind}[{', '.join(map(str, tensor.shape))}]"


def _training(manifest: Manifest) -> list[tuple[str, str]]:
    training = manifest.training
    if training is None:
        return [("training", "not by vae-edge: nothing is recorded of it")]
    binarised = "" if training.binarize == "none" else f", made black and white ({training.binarize})"
    events = "rows" if len(manifest.event_shape) == 1 else "images"
    epochs = "epoch" if training.epochs == 1 else "epochs"
    return [
        (
            "trained on",
            f"{training.dataset}, {training.images:,} {events}{binarised}, {training.epochs} {epochs}, "
            f"seed {training.seed}",
        ),
        ("objective", training.objective),
        ("command", training.command or "-"),
        ("commit", training.commit or "-"),
    ]


def _few(names: tuple[str, ...]) -> str:
    more = f" and {len(names) - 20:,} more" if len(names) > 20 else ""
    return ", ".join(names[:20]) + more
