"""A bundle in another precision: made of its float32 graphs, and measured against them in nats."""

from __future__ import annotations

import dataclasses
import hashlib
import math
from collections.abc import Callable

import numpy as np
import numpy.typing as npt
import onnx

from vae_edge.export import quantize
from vae_edge.runtime import VAE, probe
from vae_edge.runtime.bundle import Bundle, npz
from vae_edge.runtime.bundle.manifest import File, Graph, Manifest, seal
from vae_edge.runtime.distributions import Mixture
from vae_edge.runtime.errors import CheckFailed
from vae_edge.runtime.evaluation import likelihood
from vae_edge.runtime.session import onnxruntime
from vae_edge.runtime.vae import BATCH_SIZE

__all__ = ["CALIBRATION", "IMAGES", "MAX_NATS", "SAMPLES", "about", "lost", "make"]

CALIBRATION = 1024  # training images; 512 cost as little
IMAGES, SAMPLES = 1000, 100  # validation images, and draws of z for each
MAX_NATS = 0.5

Array = npt.NDArray[np.float32]
Run = Callable[[Array], list[Array]]


def make(whole: VAE, precision: str, training: Array, test: Array) -> Bundle:
    """The bundle of `whole` in 'fp16' or 'int8'; `training` and `test` are images (n, H, W, C).

    Ranges of int8 are what the training images give, the first CALIBRATION of them: the decoder's by a draw of each
    one's posterior, and as many of the prior. The probe holds the bundle's own outputs; what may differ from them on
    another machine is measured on the test images.
    """
    said = whole.manifest
    draft = Bundle(whole.bundle.folder, said, dict(whole.bundle.files))
    inputs = _inputs(whole, training[:CALIBRATION]) if precision == "int8" else {}
    changed: dict[str, Graph] = {}
    for name, graph in (("encoder", said.encoder), ("decoder", said.decoder)):
        model = onnx.load_model_from_string(draft[graph.file])
        small = quantize.int8(model, inputs[name], name) if inputs else quantize.float16(model)
        data = small.SerializeToString(deterministic=True)
        changed[name] = dataclasses.replace(graph, file=_put(draft, graph.file.name, data))
    prior = said.prior
    if prior.file is not None:
        stored = quantize.prior(_arrays(whole), precision)
        prior = dataclasses.replace(prior, file=_put(draft, prior.file.name, npz.render(stored)))
    encoder, decoder = changed["encoder"], changed["decoder"]
    said = seal(dataclasses.replace(said, precision=precision, prior=prior, encoder=encoder, decoder=decoder))
    vae = VAE(dataclasses.replace(draft, manifest=said), provider="cpu")
    # Kernels that add in another order round some number to another integer, which moves logits by up to 1. What is
    # computed operator by operator, in floats, says how much. A GPU may round float16 as often as this CPU does not.
    others = (whole._encoder.run, whole._decoder.run) if precision == "fp16" else _plain(vae)
    asked = probe.parse(whole)
    q, p = vae.encode(asked["image"].astype(np.float32)), vae.decode(asked["z"])
    tolerance = _spread(vae, *others, test)
    data = probe.render(asked["image"], q.loc, q.scale, asked["z"], p.logits, tolerance)
    said = seal(dataclasses.replace(said, probe=_put(draft, said.probe.name, data)))
    return dataclasses.replace(draft, manifest=said)


def lost(
    whole: VAE,
    small: VAE,
    images: Array,
    max_nats: float = MAX_NATS,
    progress: Callable[[int], None] = lambda done: None,
) -> tuple[float, float]:
    """How many nats of NLL the precision of `small` costs, a mean over `images` (n, H, W, C), and its standard error.

    By importance weighting (Burda et al. 2016), both with the same noise; of an autoencoder, which has no likelihood,
    -log p(x|z) instead. `progress` is told of 2 n SAMPLES draws. Raises CheckFailed beyond `max_nats`.
    """
    difference = _nats(small, images, progress) - _nats(whole, images, progress)
    mean, error = float(difference.mean()), float(difference.std()) / math.sqrt(max(1, len(difference) - 1))
    if not mean <= max_nats:
        raise CheckFailed(
            f"{small.manifest.precision} costs {mean:.3f} +- {error:.3f} nats of {len(images):,} validation images, at "
            f"most {max_nats:g} is allowed; the bundle is not written: allow it by --max-nats, or export fp32"
        )
    return mean, error


def _nats(vae: VAE, images: Array, progress: Callable[[int], None]) -> npt.NDArray[np.float64]:
    if vae.manifest.prior.kind == "none":
        return -vae.decode(vae.encode(images).loc).log_prob(images)
    return likelihood.nll(vae, images, SAMPLES, seed=0, progress=progress)


def _inputs(whole: VAE, images: Array) -> dict[str, Array]:
    """What each graph is calibrated on."""
    q = whole.encode(images)
    if whole.manifest.prior.kind == "none":
        return {"encoder": images, "decoder": q.loc}
    z = np.concatenate([q.sample(seed=0), whole.prior.sample(len(images), seed=0)])
    return {"encoder": images, "decoder": z.astype(np.float32)}


def _arrays(whole: VAE) -> dict[str, Array]:
    """A mixture prior's, as a float32 bundle stores them."""
    prior = whole.prior
    assert isinstance(prior, Mixture)
    rows, columns = np.tril_indices(whole.latent_size)
    return {
        "weights": prior.weights.astype(np.float32),
        "loc": prior.loc,
        "lower": prior.scale_tril[:, rows, columns],
    }


def _put(bundle: Bundle, name: str, data: bytes) -> File:
    bundle.files[name] = data
    return File(name, len(data), hashlib.sha256(data).hexdigest())


def _plain(vae: VAE) -> tuple[Run, Run]:
    """The graphs as they are written, nothing fused: ONNX Runtime then computes in floats between integers."""
    ort, said = onnxruntime(), vae.manifest
    options = ort.SessionOptions()
    options.graph_optimization_level = ort.GraphOptimizationLevel.ORT_DISABLE_ALL

    def run(graph: Graph) -> Run:
        session = ort.InferenceSession(vae.bundle[graph.file], options, providers=["CPUExecutionProvider"])
        return lambda x: session.run([output.name for output in graph.outputs], {graph.inputs[0].name: x})

    return run(said.encoder), run(said.decoder)


def _spread(vae: VAE, encoder: Run, decoder: Run, images: Array) -> list[float]:
    """max |difference| of loc, scale and logits from what the other two make of the images; at least TOLERANCE."""
    worst = dict.fromkeys(probe.OUTPUTS, probe.TOLERANCE)
    for at in range(0, len(images), BATCH_SIZE):
        x = images[at : at + BATCH_SIZE]
        q = vae.encode(x)
        z = q.sample(seed=0, start=at)
        found = zip(probe.OUTPUTS, (q.loc, q.scale, vae.decode(z).logits), (*encoder(x), *decoder(z)), strict=True)
        for name, ours, theirs in found:
            worst[name] = max(worst[name], float(np.abs(ours - theirs).max()))
    return list(worst.values())


def about(manifest: Manifest) -> str:
    """What a card and the command line say of a precision: what it is for, and what it is not."""
    return {
        "fp32": "",
        "fp16": "float16 halves the bytes, and is meant for GPUs. On x86 it is no faster than fp32 (1.00 to 1.03 of "
        "the time, with the network of mnist): ONNX Runtime computes in float32 there all the same.",
        "int8": "int8 is meant for CPUs: weights are 8-bit integers with a step for each channel, activations 8-bit "
        f"integers whose ranges come from {CALIBRATION:,} training images (static QDQ); z, what the graphs give, and "
        "the arithmetic of the decoder's first and last layers stay in float32. A graph of separable blocks stores its "
        "weights in int8 and computes in float32 throughout, which is faster there. A GPU gains nothing by it.",
    }[manifest.precision]
