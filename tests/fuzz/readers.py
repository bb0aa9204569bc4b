"""Every reader of foreign bytes as a function of bytes alone, and what counts as a finding.

A finding is any exception but a VaeEdgeError, more than 2 seconds of CPU, more than 512 MiB in all, or a broken promise
of what was let through. Needs no atheris: `test_readers.py` puts the seeds, the corpus and random damage through all.
"""

from __future__ import annotations

import atexit
import dataclasses
import hashlib
import json
import resource
import shutil
import tempfile
import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

import models
import mutators
import numpy as np
import seeds

from vae_edge.pictures import files
from vae_edge.runtime import VAE, probe
from vae_edge.runtime.bundle import guard, manifest, npz
from vae_edge.runtime.errors import CheckFailed, VaeEdgeError

MAX_SECONDS = 2.0  # of this thread's CPU: a busy machine is no finding
MAX_BYTES = 384 << 20  # that one input may add to the most that the process has held, which is some 100 MiB
MAX_ELEMENTS = 1 << 24  # that a run may hold: the runtime's limit is 2 GiB, beyond the one above

TINY = Path(__file__).parent.parent / "runtime" / "tiny"
MEMORY = Path("/dev/shm")  # a disk would take most of the time
FOLDER = Path(tempfile.mkdtemp(prefix="fuzz-", dir=MEMORY if MEMORY.is_dir() else None))
atexit.register(shutil.rmtree, FOLDER, ignore_errors=True)  # libFuzzer, which ends otherwise, leaves it
ORIGINALS = {path.name: path.read_bytes() for path in TINY.iterdir()}
SAID = manifest.parse(ORIGINALS["manifest.json"])
SHAPES = {"image": ("|u1", (-1, 6, 4, 1)), "loc": ("<f4", (-1, 3))}


class Finding(Exception):
    """What a reader must not do, though it raises nothing."""


@dataclass(frozen=True)
class Reader:
    """What is tried, where it begins, and how what has a structure is changed and sealed again."""

    read: Callable[[bytes], object]
    seeds: Callable[[], list[bytes]]
    mutate: models.Mutator
    max_bytes: int = 4096


def judge(read: Callable[[bytes], object], data: bytes) -> bool:
    """Whether `data` was let through; raises where what `read` did is a finding."""
    before, held = time.thread_time(), peak()
    try:
        read(data)
        passed = True
    except VaeEdgeError:
        passed = False
    if (seconds := time.thread_time() - before) > MAX_SECONDS:
        raise Finding(f"{seconds:.1f} seconds of CPU")
    if (more := peak() - held) > MAX_BYTES:
        raise Finding(f"{more >> 20} MiB")
    return passed


def peak() -> int:
    """The most bytes that this process has held."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss << 10


def read_manifest(data: bytes) -> None:
    """As it is, and with the digest that it should have: what is let through is canonical, to the byte."""
    with suppress(VaeEdgeError):
        _accept(data)
    try:
        tree = json.loads(data)
    except (ValueError, RecursionError):
        tree = None
    _accept(mutators.seal(tree) if isinstance(tree, dict) else data)


def _accept(data: bytes) -> None:
    said = manifest.parse(data)
    is_ours = json.loads(data)["schema"] == manifest.SCHEMA  # one of an earlier schema is written as one of ours
    if is_ours and (manifest.render(said) != data or manifest.seal(said) != said):
        raise Finding("a manifest that was let through is not the one that is written")


def read_graph(data: bytes) -> None:
    """What is let through holds no subgraph, no function and no word of other files, as ONNX's own parser reads it."""
    guard.check(data, "fuzz", max_elements=MAX_ELEMENTS)
    if (model := models.parse(data)) is None:
        return
    for message in models.messages(model):
        if message.DESCRIPTOR.name == "TensorProto" and (message.external_data or message.data_location):
            raise Finding("external data was let through")
        if message.DESCRIPTOR.name in ("FunctionProto", "SparseTensorProto", "TrainingInfoProto"):
            raise Finding(f"a {message.DESCRIPTOR.name} was let through")
        if message.DESCRIPTOR.name == "AttributeProto" and (message.HasField("g") or message.graphs):
            raise Finding("a subgraph was let through")


def read_bundle(data: bytes) -> None:
    """One file of a bundle is other bytes, sealed again; the first byte says which. What loads is run."""
    names = ("manifest.json", "encoder.onnx", "decoder.onnx", "probe.npz", "prior.npz")
    name, content = names[data[0] % len(names) if data else 0], data[1:]
    folder = FOLDER / "bundle"
    if not folder.exists():
        shutil.copytree(TINY, folder)
    said = SAID
    sealed = manifest.File(name, max(1, len(content)), hashlib.sha256(content).hexdigest())
    if name == "prior.npz":
        said = dataclasses.replace(
            said, prior=manifest.Spec("mixture", (3,), constants={"components": 2.0}, file=sealed)
        )
    elif name == "probe.npz":
        said = dataclasses.replace(said, probe=sealed)
    elif name != "manifest.json":
        part = name.removesuffix(".onnx")
        graph = dataclasses.replace(said.graphs[part], file=sealed)
        with suppress(VaeEdgeError):  # a manifest whose word on the cost is true, so that the graph gets further
            cost = guard.check(content, name, max_elements=MAX_ELEMENTS)
            graph = dataclasses.replace(graph, opset=cost.opset, multiply_adds=cost.multiply_adds)
        said = dataclasses.replace(said, graphs=said.graphs | {part: graph})
    (folder / "manifest.json").write_bytes(manifest.render(manifest.seal(said)))
    (folder / name).write_bytes(content)
    try:
        vae = VAE.load(folder, provider="cpu", threads=1, max_elements=MAX_ELEMENTS)
        with np.errstate(all="ignore"):
            vae.generate(2, head="sample")
            with suppress(CheckFailed):
                probe.check(vae)
    finally:
        for changed in {name, "manifest.json"} & set(ORIGINALS):
            (folder / changed).write_bytes(ORIGINALS[changed])


def read_file(name: str, packed: str = "") -> Callable[[bytes], None]:
    """A file of images, of another name where it begins as gzip does; what is read is what is said of it."""

    def read(data: bytes) -> None:
        path = FOLDER / (packed if packed and data[:2] == b"\x1f\x8b" else name)
        path.write_bytes(data)
        images = files.read_images(path)
        if images.ndim != 4 or images.size == 0 or images.dtype.hasobject:
            raise Finding(f"images of {images.shape} and {images.dtype}")

    return read


READERS: dict[str, Reader] = {
    "manifest": Reader(read_manifest, seeds.manifests, mutators.manifest, 16_384),
    "bundle": Reader(read_bundle, seeds.bundles, mutators.bundle, 8192),
    "graph": Reader(read_graph, seeds.graphs, models.graph),
    "probe": Reader(lambda data: npz.parse(data, "fuzz", SHAPES), seeds.probes, mutators.archive),
    "idx": Reader(read_file("images", "images.gz"), seeds.idx, mutators.packed),
    "npy": Reader(read_file("images.npy"), seeds.npy, mutators.flip),
    "npz": Reader(read_file("images.npz"), seeds.npz, mutators.archive),
    "picture": Reader(read_file("image.png"), seeds.pictures, mutators.picture),
}
