"""The probe: a few events and the outputs that belong to them, to check a bundle on the machine where it runs.

In fp32 the outputs are those of the model that was exported, and TOLERANCE is allowed. A bundle in fp16 or int8 differs
from its model by more than a useful tolerance: its probe holds the outputs of its own graphs at export, and the
tolerance that export measured for other machines' kernels.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

import numpy as np
import numpy.typing as npt

from vae_edge.runtime import events
from vae_edge.runtime.bundle import npz
from vae_edge.runtime.bundle.manifest import FP32, Graph, Image, Manifest, Tensor
from vae_edge.runtime.errors import CheckFailed, InputError, IntegrityError
from vae_edge.runtime.vae import VAE

__all__ = ["TOLERANCE", "allowed", "check", "compare", "differences", "outputs", "parse", "render"]

TOLERANCE = 1e-4  # of a value v, TOLERANCE * max(1, |v|) is allowed

FLOW_INPUTS = {"prior": "noise", "prior_inverse": "latent"}
ORDER = ("encoder", "decoder", "prior", "prior_inverse")

Array = npt.NDArray[Any]
Arrays = Mapping[str, Array]


def outputs(manifest: Manifest) -> list[str]:
    """The names of the outputs that a distribution reads: the posterior's, the likelihood's, then a flow's."""
    specs = (manifest.posterior, manifest.likelihood, manifest.prior)
    return [name for spec in specs for name in spec.outputs.values()]


def render(arrays: Arrays, manifest: Manifest, tolerance: npt.ArrayLike | None = None) -> bytes:
    """The bytes of a probe: `arrays` holds inputs (P, ...) and their outputs, by the names of the graphs' tensors.

    The event is stored as it was prepared, not standardised. For fp16 and int8, `tolerance` has one number for each
    output of the encoder, then for each of the decoder, and of a flow's `prior` and `prior_inverse`.
    """
    stored = {
        name: np.asarray(arrays[name]).astype(dtype) for name, (dtype, _) in _layout(manifest).items() if name in arrays
    }
    return npz.render(stored | ({} if tolerance is None else {"tolerance": np.asarray(tolerance, np.float32)}))


def parse(vae: VAE) -> dict[str, Array]:
    """The arrays of a bundle's probe, by `render`'s names; raises IntegrityError where they do not fit the bundle."""
    manifest = vae.manifest
    expected = _layout(manifest)
    names = list(expected)
    if manifest.precision != FP32:
        expected["tolerance"] = ("<f4", (len(_all_outputs(manifest)),))
    arrays = npz.parse(vae.bundle[manifest.probe], manifest.probe.name, expected)
    if len({len(arrays[name]) for name in names}) != 1 or len(arrays[names[0]]) == 0:
        raise IntegrityError(f"{manifest.probe.name} should hold as many of each, at least one; export it again")
    return arrays


def allowed(vae: VAE) -> dict[str, float]:
    """How far each output may be from the probe: in fp32 times max(1, |value|), in fp16 and int8 as it is."""
    found = dict.fromkeys(outputs(vae.manifest), TOLERANCE)
    if vae.manifest.precision != FP32:
        every = dict(zip(_all_outputs(vae.manifest), map(float, parse(vae)["tolerance"]), strict=True))
        found = {name: every[name] for name in found}
    return found


def differences(vae: VAE, arrays: Arrays) -> dict[str, float]:
    """The largest difference of each output from a probe's `arrays`; in fp32 it is |difference| / max(1, |value|)."""
    manifest, model = vae.manifest, vae.model
    encoder, decoder = manifest.encoder, manifest.decoder
    event, latent = (_input(graph.input(role)) for graph, role in ((encoder, "event"), (decoder, "latent")))
    given = [None if (each := graph.input("condition")) is None else arrays[each.name] for graph in (encoder, decoder)]
    x = events.standardise(arrays[event.name].astype(np.float32), manifest.event)
    values = dict(zip(manifest.posterior.outputs.values(), model.encoder.run(x, given[0]), strict=True))
    decoded = model.decoder.run(arrays[latent.name], given[1])
    values |= zip(manifest.likelihood.outputs.values(), decoded, strict=True)
    if flow := manifest.prior.outputs:
        noise, code = (_input(manifest.graphs[name].input(role)).name for name, role in FLOW_INPUTS.items())
        named = manifest.graphs["prior"].input("condition")
        rows = None if named is None else arrays[named.name]
        values[flow["sample"]] = model.prior.graphs.forward(arrays[noise], rows)
        values[flow["noise"]], values[flow["log_det"]] = model.prior.graphs.inverse(arrays[code], rows)
    relative = manifest.precision == FP32
    return {name: compare(values[name], arrays[name], relative=relative) for name in outputs(manifest)}


def compare(value: Array, expected: Array, *, relative: bool = True) -> float:
    """max |value - expected|, divided by max(1, |expected|) where `relative`; NaN where one is NaN."""
    with np.errstate(invalid="ignore"):  # what is not finite gives NaN, and fails
        difference = np.abs(value.astype(np.float64) - expected)
        return float((difference / np.maximum(1, np.abs(expected)) if relative else difference).max())


def check(vae: VAE, tolerance: float | None = None) -> dict[str, float]:
    """The `differences` of a bundle's own probe; raises CheckFailed beyond what is `allowed`.

    `tolerance`, where it is given, is allowed for all outputs; InputError where it is not positive.
    """
    if tolerance is not None and not tolerance > 0:
        raise InputError(f"tolerance should be positive, it is {tolerance}")
    limits = allowed(vae) if tolerance is None else dict.fromkeys(outputs(vae.manifest), tolerance)
    found = differences(vae, parse(vae))
    if beyond := [key for key, value in found.items() if not value <= limits[key]]:
        worst = max(beyond, key=lambda key: math.inf if math.isnan(found[key]) else found[key])
        raise CheckFailed(
            f"{vae.manifest.name!r} on {vae.provider}: {worst} differs from what it was at export by "
            f"{found[worst]:.2g}, at most {limits[worst]:.2g} was expected; try provider 'cpu', or export it again"
        )
    return found


def _layout(manifest: Manifest) -> dict[str, tuple[str, tuple[int, ...]]]:
    """Each array of a probe: its dtype, and its shape with -1 for the number of events."""
    thresholded = isinstance(manifest.event, Image) and manifest.event.threshold is not None
    found: dict[str, tuple[str, tuple[int, ...]]] = {}
    for graph in _graphs(manifest):
        for tensor in (*graph.inputs, *graph.outputs):
            dtype = {"float32": "<f4", "int32": "<i4", "int64": "<i8"}[tensor.dtype]
            if tensor.role == "event" and thresholded:
                dtype = "|u1"
            found[tensor.name] = (dtype, (-1, *(int(size) for size in tensor.shape[1:])))
    return found


def _all_outputs(manifest: Manifest) -> list[str]:
    return [tensor.name for graph in _graphs(manifest) for tensor in graph.outputs]


def _graphs(manifest: Manifest) -> list[Graph]:
    """The graphs in the order of a probe's tolerances."""
    return [manifest.graphs[name] for name in ORDER if name in manifest.graphs]


def _input(tensor: Tensor | None) -> Tensor:
    assert tensor is not None  # the manifest has been checked
    return tensor
