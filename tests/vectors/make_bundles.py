"""Small bundles with what they give, for readers in other languages: python -m tests.vectors.make_bundles (needs onnx).

bundles.json holds the files of each bundle in base64, arguments, and results. Results that come out of a graph agree to
rounding (1e-5); samples and modes are of discrete levels but for the tables and the colours.
"""

from __future__ import annotations

import base64
import dataclasses
import hashlib
import json
import tempfile
from pathlib import Path
from typing import Any

import numpy as np

from tests import bundles
from tests.vectors.arrays import dump, load
from vae_edge.runtime import VAE, bundle
from vae_edge.runtime.bundle import manifest, npz
from vae_edge.runtime.bundle.manifest import File, Spec

HERE = Path(__file__).with_name("bundles.json")
TINY = Path(__file__).parents[1] / "runtime" / "tiny"
SEED, START = 2**63 + 11, 5

F32 = np.float32


def read_files(folder: Path) -> dict[str, bytes]:
    """The bytes of each file of a bundle."""
    return {path.name: path.read_bytes() for path in sorted(folder.iterdir())}


def altered(files: dict[str, bytes] | None = None, folder: Path = TINY, **changes: Any) -> dict[str, bytes]:
    """A bundle, the tiny one, with other files and other fields in its manifest, sealed again."""
    source = bundle.read(folder)
    contents = source.files | (files or {})
    said = dataclasses.replace(source.manifest, **changes)
    if (prior := said.prior.file) is not None:
        data = contents[prior.name]
        file = File(prior.name, len(data), hashlib.sha256(data).hexdigest())
        said = dataclasses.replace(said, prior=dataclasses.replace(said.prior, file=file))
    return contents | {"manifest.json": manifest.render(manifest.seal(said))}


def mixture(precision: str) -> dict[str, bytes]:
    """The tiny bundle with a prior of two components, stored in one of the precisions."""
    loc, lower = np.array([[1, 0, -1], [0, 2, 0]]), np.array([[1, 0.5, 2, -1, 0.25, 1], [0.25, 0, 1, 0.5, 2, 1]])
    arrays: dict[str, Any] = {"weights": np.array([0.25, 0.75], F32)}
    if precision == "int8":
        arrays |= {"loc": (loc * 4).astype(np.int8), "lower": (lower * 4).astype(np.int8)}
        arrays |= {"loc_step": F32([0.25, 0.3, 0.1]), "lower_step": F32([0.25, 0.1, 0.7, 1e-3, 0.25, 0.25])}
    else:
        dtype = np.float16 if precision == "fp16" else F32
        arrays |= {"loc": (loc / 3).astype(dtype), "lower": lower.astype(dtype)}
    prior = Spec("mixture", (3,), constants={"components": 2.0}, file=File("prior.npz", 1, "0" * 64))
    files = {"prior.npz": npz.render(arrays)}
    if precision == "fp32":
        return altered(files, prior=prior)
    probe = npz.parse(read_files(TINY)["probe.npz"], "probe.npz", layout())
    files["probe.npz"] = npz.render(probe | {"tolerance": F32([1e-3, 1e-3, 1e-3])})
    described = File("probe.npz", len(files["probe.npz"]), hashlib.sha256(files["probe.npz"]).hexdigest())
    return altered(files, prior=prior, precision=precision, probe=described)


def labelled(folder: Path) -> dict[str, bytes]:
    """The bundle of labels in `folder` with a prior of two components, weighed by label."""
    share = np.linspace(0.05, 0.95, 10)
    loc, lower = F32([[-2, 0, 1], [2, 1, 0]]), F32([[1, 0, 1, 0, 0, 1], [0.5, 0.25, 1, 0, -0.5, 2]])
    arrays = {"weights": F32(np.stack([share, 1 - share], 1)), "loc": loc, "lower": lower}
    prior = Spec("mixture", (3,), constants={"components": 2.0, "labels": 10.0}, file=File("prior.npz", 1, "0" * 64))
    return altered({"prior.npz": npz.render(arrays)}, folder, prior=prior)


def layout() -> dict[str, tuple[str, tuple[int, ...]]]:
    """The arrays of the tiny bundle's probe."""
    said = bundle.read(TINY).manifest
    tensors = [tensor for graph in (said.encoder, said.decoder) for tensor in (*graph.inputs, *graph.outputs)]
    return {
        tensor.name: ("|u1" if tensor.role == "event" else "<f4", (-1, *map(int, tensor.shape[1:])))
        for tensor in tensors
    }


def made() -> dict[str, dict[str, bytes]]:
    """The files of each bundle."""
    found = {}
    with tempfile.TemporaryDirectory() as folder:
        for kind in (*bundles.KINDS, *bundles.FLOWS):
            found[kind] = read_files(bundles.build(kind).write(Path(folder) / kind))
        found["labelled mixture"] = labelled(Path(folder) / "labels")
        # Another runtime may know no members: the weights' means are the graph's own.
        found["uncertain"] = read_files(bundles.uncertain(Path(folder) / "binary", Path(folder) / "uncertain"))
    found["mixture"] = mixture("fp32")
    found["mixture fp16"] = mixture("fp16")
    found["mixture int8"] = mixture("int8")
    posterior = Spec("deterministic", (3,), {"loc": "loc"})
    found["autoencoder"] = altered(posterior=posterior, prior=Spec("none", (3,)))
    return found


def arguments(vae: VAE) -> dict[str, Any]:
    """Three events, and labels by number or vectors where the model is conditional."""
    dice = np.random.Generator(np.random.Philox(key=3))
    event, condition = vae.manifest.event, vae.manifest.condition
    x = dice.random((3, *vae.event_shape))
    if event.kind == "vector":
        x = x * np.asarray(event.scale) + np.asarray(event.shift)
    given: dict[str, Any] = {"x": dump(x.astype(F32))}
    if condition is not None and condition.is_label:
        given["label"] = [0, condition.size - 1, 1]
    elif condition is not None:
        given["condition"] = dump(dice.standard_normal((3, condition.size)).astype(F32))
    return given


def results(vae: VAE, given: dict[str, Any]) -> dict[str, Any]:
    """What the bundle makes of the arguments."""
    x = load(given["x"])
    both = {key: load(value) if isinstance(value, dict) else value for key, value in given.items() if key != "x"}
    one = {key: value[0] for key, value in both.items()}
    q = vae.encode(x, **both)
    p = vae.decode(q.mean(), **both)
    heads = ("sample", "mean", "mode")
    at: dict[str, Any] = {"seed": SEED, "start": START}
    found = {
        "prepare": vae.prepare(x),
        "posterior mean": q.mean(),
        "posterior stddev": q.stddev(),
        "posterior sample": q.sample(2, **at),
        "log_prob": p.log_prob(vae.prepare(x)),
        "interpolate": vae.interpolate(x[0], x[1], 4, seed=SEED, **one),
    }
    for head in heads:
        found[f"reconstruct {head}"] = vae.reconstruct(x, head=head, latent="sample", **at, **both)
        if vae.manifest.prior.family != "none":
            found[f"generate {head}"] = vae.generate(3, head=head, **at, **both)
    if vae.manifest.prior.family != "none":
        prior = vae.prior_given(**one)
        found["prior sample"] = prior.sample(4, **at)
        found["prior log_prob"] = prior.log_prob(found["prior sample"])
    return {name: dump(value) for name, value in found.items()}


def case(files: dict[str, bytes]) -> dict[str, Any]:
    """A bundle's files, arguments and results."""
    vae = opened(files)
    given = arguments(vae)
    stored = {name: base64.b64encode(data).decode() for name, data in files.items()}
    return {"files": stored, "given": given, "results": results(vae, given)}


def opened(files: dict[str, bytes]) -> VAE:
    """The VAE of a bundle's files."""
    with tempfile.TemporaryDirectory() as folder:
        for name, data in files.items():
            (Path(folder) / name).write_bytes(data)
        return VAE.load(folder, threads=1)


def vectors() -> dict[str, Any]:
    """All of bundles.json."""
    return {"seed": f"{SEED}", "start": START, "bundles": {name: case(files) for name, files in made().items()}}


if __name__ == "__main__":
    HERE.write_text(json.dumps(vectors(), indent=1) + "\n")
