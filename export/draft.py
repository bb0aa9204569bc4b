"""A bundle in memory: its files, its manifest, its probe."""

from __future__ import annotations

import dataclasses
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from vae_edge.export import flows, graphs
from vae_edge.export.deviations import Placed, Uncertain
from vae_edge.export.inspection import prepared
from vae_edge.export.parameters import LOSSY
from vae_edge.export.parity import Reference
from vae_edge.export.request import Findings, Request
from vae_edge.export.wiring import Wired
from vae_edge.runtime import VAE, events, members, noise, probe
from vae_edge.runtime.bundle import Bundle, deviations, guard, priors, reading
from vae_edge.runtime.bundle.manifest import FP32, SCHEMA, Deviations, File, Manifest, Spec, Training, render, seal

__all__ = ["MEMBER", "PROBES", "Draft", "draft", "member_of", "open_vae", "with_probe"]

PROBES = 4  # events
MEMBER = 1  # of an ensemble: the one that is compared with the model

Array = npt.NDArray[Any]
Float32 = npt.NDArray[np.float32]


@dataclasses.dataclass(frozen=True)
class Draft:
    """A manifest and the files that it lists."""

    manifest: Manifest
    files: dict[str, bytes]

    def with_file(self, name: str, data: bytes) -> Draft:
        """The same draft with `data` as its probe."""
        manifest = seal(dataclasses.replace(self.manifest, probe=File.of(name, data)))
        return Draft(manifest, self.files | {name: data})

    def write(self, folder: Path) -> None:
        """Writes all files into `folder`."""
        for name, data in (self.files | {reading.MANIFEST: render(self.manifest)}).items():
            (folder / name).write_bytes(data)


def draft(request: Request, found: Findings, *, name: str, producer: str, versions: dict[str, str],
          training: Training | None) -> Draft:  # fmt: skip
    """The bundle of the findings, in fp32, without figures; its probe is still empty."""
    assert found.events is not None
    assert found.posterior is not None
    assert found.likelihood is not None
    assert found.prior is not None
    assert found.encoder is not None
    assert found.decoder is not None
    assert found.graphs is not None
    assert found.latent_size is not None
    files: dict[str, bytes] = {}
    described = {}
    roles = {"encoder": _roles(found.encoder), "decoder": _roles(found.decoder)}
    prior = Spec(found.prior.family, (found.latent_size,))
    if (flow := found.prior.flow) is not None:
        roles |= {name: flow.roles(name) for name in flows.INPUTS}
        prior = dataclasses.replace(prior, outputs={key: output for key, (_, output) in flows.OUTPUTS.items()})
    for part, names in roles.items():
        file = f"{part}.onnx"
        files[file], described[part] = graphs.describe(found.graphs[part], file, names, request.max_elements)
    if found.prior.arrays is not None:
        files["prior.npz"] = priors.render(found.prior.arrays)
        constants = {"components": float(found.prior.components)}
        constants |= {"labels": float(found.prior.labels)} if found.prior.labels else {}
        prior = dataclasses.replace(prior, constants=constants, file=File.of("prior.npz", files["prior.npz"]))
    said = None
    if found.placed is not None:
        assert request.uncertain is not None
        files["weights.npz"] = deviations.render(request.uncertain.scale[found.placed.places])
        said = Deviations(File.of("weights.npz", files["weights.npz"]), found.placed.names)
    files["probe.npz"] = b"\0"
    manifest = Manifest(
        schema=SCHEMA,
        name=name,
        producer=producer,
        versions=versions,
        event=found.events.event,
        condition=found.condition,
        latent_size=found.latent_size,
        graphs=described,
        posterior=found.posterior.spec(),
        likelihood=found.likelihood.spec(),
        prior=prior,
        deviations=said,
        precision=FP32,
        probe=File.of("probe.npz", files["probe.npz"]),
        training=training,
        scores=None,
        metrics={},
        parity={},
        digest="",
    )
    return Draft(seal(manifest), files)


def open_vae(
    made: Draft, folder: Path, max_elements: int = guard.MAX_ELEMENTS_ALIVE, threads: int | None = None
) -> VAE:
    """The draft as the runtime runs it, on the CPU."""
    bundle: Bundle = reading.assemble(folder, made.manifest, made.files, max_elements=max_elements)
    return VAE(bundle, provider="cpu", max_elements=max_elements, threads=threads)


def member_of(vae: VAE, uncertain: Uncertain, placed: Placed) -> Float32:
    """The weights of member MEMBER for the model itself, (P,), in the order of its variables.

    Its noise is the runtime's; means and deviations are the model's own, so that one in the wrong place shows.
    """
    posterior = vae.model.members.posterior
    eps = noise.normals(members.SEED, noise.Purpose.WEIGHT, MEMBER, 1, len(posterior.loc))[0]
    weights: Float32 = placed.back(eps) * uncertain.scale + uncertain.loc
    return weights


def with_probe(made: Draft, vae: VAE, reference: Reference, found: Findings) -> Draft:
    """The draft with its probe: a few examples and latents with what the user's own function makes of them.

    Where the model gives probabilities, the probe holds the graph's own logits: a float32 probability has too few
    digits for its logit.
    """
    assert found.events is not None
    manifest = made.manifest
    x = prepared(found.events, found.likelihood)[:PROBES]
    conditions = None if found.conditions is None else found.conditions[:PROBES]
    read = events.standardise(x, manifest.event)
    arrays: dict[str, Array] = {}
    for graph, main in ((manifest.encoder, x), (manifest.decoder, None)):
        for tensor in graph.inputs:
            if tensor.role == "condition" and conditions is not None:
                arrays[tensor.name] = conditions
            elif main is not None:
                arrays[tensor.name] = main
    given = [
        conditions if graph.input("condition") is not None else None for graph in (manifest.encoder, manifest.decoder)
    ]
    values = reference.encode(read, given[0])
    ours = dict(zip(manifest.posterior.outputs.values(), vae.model.encoder.run(read, given[0]), strict=True))
    arrays |= _canonical(reference, values, ours)
    z = _latents(manifest, arrays)
    arrays[next(tensor.name for tensor in manifest.decoder.inputs if tensor.role == "latent")] = z
    values = reference.decode(z, given[1])
    ours = dict(zip(manifest.likelihood.outputs.values(), vae.model.decoder.run(z, given[1]), strict=True))
    arrays |= _canonical(reference, values, ours)
    if reference.flow is not None:
        arrays |= _flow_arrays(reference.flow, z, conditions)
    return made.with_file(manifest.probe.name, probe.render(arrays, manifest))


def _canonical(reference: Reference, theirs: dict[str, Float32], ours: dict[str, Float32]) -> dict[str, Float32]:
    parameters = reference.parameters
    return {
        name: ours[name] if parameters[name].how in LOSSY else parameters[name].ours(value)
        for name, value in theirs.items()
    }


def _flow_arrays(flow: flows.FlowSource, z: Float32, conditions: Array | None) -> dict[str, Array]:
    """Inputs and outputs of the flow's graphs: noise from -2 to 2, and the decoder's latents."""
    noise = np.linspace(-2, 2, z.size, dtype=np.float32).reshape(z.shape)
    named = {name: output for name, (_, output) in flows.OUTPUTS.items()}
    code_noise, log_det = flow.inverse(z, conditions)
    inputs = {flows.INPUTS["prior"][0]: noise, flows.INPUTS["prior_inverse"][0]: z}
    if flow.condition is not None:
        assert conditions is not None
        inputs[flow.label] = conditions
    outputs = {"sample": flow.sample(noise, conditions), "noise": code_noise, "log_det": log_det}
    return inputs | {named[name]: value for name, value in outputs.items()}


def _latents(manifest: Manifest, arrays: dict[str, Array]) -> Float32:
    """z = loc + scale * eps, eps from -2 to 2."""
    spec = manifest.posterior
    loc = arrays[spec.outputs["loc"]]
    eps = np.linspace(-2, 2, loc.size, dtype=np.float32).reshape(loc.shape)
    if "scale_tril" in spec.outputs:
        return (loc + np.einsum("bij,bj->bi", arrays[spec.outputs["scale_tril"]], eps)).astype(np.float32)
    scale = arrays[spec.outputs["scale"]] if "scale" in spec.outputs else np.float32(spec.constants.get("scale", 1.0))
    return (loc + scale * eps).astype(np.float32)


def _roles(wired: Wired) -> dict[str, str]:
    return {slot.name: slot.role for slot in wired.slots}
