"""A bundle in another precision: made of its float32 graphs, and measured against them in nats."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import onnx

from vae_edge.export import quantize
from vae_edge.export.draft import Draft, open_vae
from vae_edge.runtime import VAE, events, probe
from vae_edge.runtime.bundle import guard, priors
from vae_edge.runtime.bundle.manifest import File, Graph, Manifest, seal
from vae_edge.runtime.distributions import registry
from vae_edge.runtime.errors import CheckFailed, InputError
from vae_edge.runtime.evaluation import likelihood
from vae_edge.runtime.session import onnxruntime
from vae_edge.runtime.vae import BATCH_SIZE

__all__ = ["CALIBRATION", "IMAGES", "MAX_NATS", "SAMPLES", "about", "lost", "make"]

CALIBRATION = 1024  # training events; 512 cost as little
IMAGES, SAMPLES = 1000, 100  # validation events, and draws of z for each
MAX_NATS = 0.5
KEPT = ("prior", "prior_inverse")  # a flow stays in float32: of half precision, its inverse would undo it no more

Array = npt.NDArray[Any]
Events = tuple[Array, Array | None]  # prepared, and the condition of each
Run = Callable[[Array, Array | None], list[Array]]


def make(whole: VAE, draft: Draft, folder: Path, precision: str, calibration: Events, test: Events) -> Draft:
    """The draft of `whole` in 'fp16' or 'int8'; `calibration` and `test` are prepared events with their conditions.

    The ranges of int8 come from the first CALIBRATION calibration events; those of the decoder from a draw of each
    event's posterior, and as many draws of the prior. The probe holds the new bundle's own outputs; how far another
    machine may differ from them is measured on the test events. Raises InputError for a conditional model in int8.
    """
    said, files = draft.manifest, dict(draft.files)
    if precision == "int8" and said.condition is not None:
        raise InputError("int8 is for models without a condition: export fp32 or fp16")
    inputs = _inputs(whole, calibration[0][:CALIBRATION]) if precision == "int8" else {}
    changed: dict[str, Graph] = {}
    for name, graph in said.graphs.items():
        if name in KEPT:
            changed[name] = graph
            continue
        model = onnx.load_model_from_string(files[graph.file.name])
        small = quantize.int8(model, inputs[name], name) if inputs else quantize.float16(model)
        data = small.SerializeToString(deterministic=True)
        files[graph.file.name] = data
        cost = guard.check(data, graph.file.name).multiply_adds
        changed[name] = dataclasses.replace(graph, file=File.of(graph.file.name, data), multiply_adds=cost)
    prior = said.prior
    if prior.file is not None:
        files[prior.file.name] = priors.render(quantize.prior(_arrays(whole), precision))
        prior = dataclasses.replace(prior, file=File.of(prior.file.name, files[prior.file.name]))
    made = Draft(seal(dataclasses.replace(said, precision=precision, prior=prior, graphs=changed)), files)
    vae = open_vae(made, folder)
    # Kernels that add in another order round some number to another integer, which moves logits by up to 1. What is
    # computed operator by operator, in floats, says how much. A GPU may round float16 as often as this CPU does not.
    others = _runs(whole) if precision == "fp16" else _plain(vae)
    arrays = probe.parse(whole)
    event, latent = (_main(graph) for graph in (said.encoder, said.decoder))
    conditions = [arrays[each.name] if (each := graph.input("condition")) else None
                  for graph in (said.encoder, said.decoder)]  # fmt: skip
    x = events.standardise(arrays[event].astype(np.float32), said.event)
    ours = zip(_names(said.encoder), vae.model.encoder.run(x, conditions[0]), strict=True)
    ours_decoded = zip(_names(said.decoder), vae.model.decoder.run(arrays[latent], conditions[1]), strict=True)
    arrays = arrays | dict(ours) | dict(ours_decoded)
    spread = _spread(vae, *others, test)
    for name in KEPT:
        for output in _names(said.graphs[name]) if name in said.graphs else ():
            spread.append(probe.TOLERANCE * max(1.0, float(np.abs(arrays[output]).max())))
    return made.with_file(said.probe.name, probe.render(arrays, made.manifest, spread))


def lost(
    whole: VAE,
    small: VAE,
    prepared: Array,
    max_nats: float = MAX_NATS,
    progress: Callable[[int], None] = lambda done: None,
    conditions: Array | None = None,
) -> tuple[float, float]:
    """How many nats of NLL the precision of `small` costs, a mean over prepared events, and its standard error.

    By importance weighting (Burda et al. 2016), both with the same noise; of an autoencoder, which has no likelihood,
    -log p(x|z) instead. `progress` is told of 2 n SAMPLES draws. Raises CheckFailed beyond `max_nats`.
    """
    difference = _nats(small, prepared, progress, conditions) - _nats(whole, prepared, progress, conditions)
    mean, error = float(difference.mean()), float(difference.std()) / math.sqrt(max(1, len(difference) - 1))
    if not mean <= max_nats:
        raise CheckFailed(
            f"{small.manifest.precision} costs {mean:.3f} +- {error:.3f} nats of {len(prepared):,} validation events, "
            f"at most {max_nats:g} is allowed; the bundle is not written: allow it by --max-nats, or export fp32"
        )
    return mean, error


def _nats(
    vae: VAE, prepared: Array, progress: Callable[[int], None], conditions: Array | None
) -> npt.NDArray[np.float64]:
    if not likelihood.has_bound(vae.manifest) or vae.manifest.prior.family == registry.NO_PRIOR:
        z = vae.model.encode(prepared, conditions).mean()
        return -vae.model.decode(z, conditions).log_prob(prepared)
    said = vae.manifest.condition
    given: dict[str, Any] = {}
    if said is not None and conditions is not None:
        labels = conditions.argmax(axis=1) if said.kind == "one_hot" else conditions
        given = {"label": labels} if said.is_label else {"condition": conditions}
    return likelihood.nll(vae, prepared, SAMPLES, seed=0, progress=progress, **given)


def _inputs(whole: VAE, prepared: Array) -> dict[str, Array]:
    """What each graph is calibrated on."""
    q = whole.model.encode(prepared, None)
    x = events.standardise(prepared, whole.manifest.event)
    if whole.manifest.prior.family == registry.NO_PRIOR:
        return {"encoder": x, "decoder": q.mean()}
    z = np.concatenate([q.sample(seed=0), whole.prior.sample(len(prepared), seed=0)])
    return {"encoder": x, "decoder": z.astype(np.float32)}


def _arrays(whole: VAE) -> dict[str, Array]:
    """A mixture prior's, as a float32 bundle stores them."""
    prior = whole.model.prior.mixture
    return priors.arrays(prior.weights, prior.loc, prior.scale_tril)


def _main(graph: Graph) -> str:
    return next(tensor.name for tensor in graph.inputs if tensor.role != "condition")


def _names(graph: Graph) -> list[str]:
    return [tensor.name for tensor in graph.outputs]


def _runs(vae: VAE) -> tuple[Run, Run]:
    return vae.model.encoder.run, vae.model.decoder.run


def _plain(vae: VAE) -> tuple[Run, Run]:
    """The graphs as they are written, nothing fused: ONNX Runtime then computes in floats between integers."""
    ort, said = onnxruntime(), vae.manifest
    options = ort.SessionOptions()
    options.graph_optimization_level = ort.GraphOptimizationLevel.ORT_DISABLE_ALL

    def run(graph: Graph) -> Run:
        session = ort.InferenceSession(vae.bundle[graph.file], options, providers=["CPUExecutionProvider"])
        return lambda x, condition: session.run(_names(graph), {_main(graph): x})

    return run(said.encoder), run(said.decoder)


def _spread(vae: VAE, encoder: Run, decoder: Run, test: Events) -> list[float]:
    """max |difference| of each output from what the other two make of the events; at least TOLERANCE."""
    manifest, (prepared, conditions) = vae.manifest, test
    names = [*_names(manifest.encoder), *_names(manifest.decoder)]
    worst = dict.fromkeys(names, probe.TOLERANCE)
    for at in range(0, len(prepared), BATCH_SIZE):
        part = prepared[at : at + BATCH_SIZE]
        given = None if conditions is None else conditions[at : at + BATCH_SIZE]
        z = vae.model.encode(part, given).sample(seed=0, start=at)
        x = events.standardise(part, manifest.event)
        ours = (*vae.model.encoder.run(x, given), *vae.model.decoder.run(z, given))
        for name, value, other in zip(names, ours, (*encoder(x, given), *decoder(z, given)), strict=True):
            worst[name] = max(worst[name], float(np.abs(value - other).max()))
    return list(worst.values())


def about(manifest: Manifest) -> str:
    """What the card and the command line say of a precision: what it suits, and what it does not."""
    return {
        "fp32": "",
        "fp16": "float16 halves the bytes, and is meant for GPUs. On x86 it is no faster than fp32 (1.00 to 1.03 of "
        "the time, with the network of mnist): ONNX Runtime computes in float32 there all the same.",
        "int8": "int8 is meant for CPUs: weights are 8-bit integers with a step for each channel, activations 8-bit "
        f"integers whose ranges come from up to {CALIBRATION:,} training events (static QDQ); z, what the graphs give, "
        "and the arithmetic of the decoder's first and last layers stay in float32. A graph of separable blocks stores "
        "its weights in int8 and computes in float32 throughout, which is faster there. A GPU gains nothing by it.",
    }[manifest.precision]
