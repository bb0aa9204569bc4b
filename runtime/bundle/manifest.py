"""The manifest: what a bundle holds, said once, in one frozen dataclass of standard types.

`vae_edge.train` drafts the `Training` part, `vae_edge.export` seals the whole, `vae_edge.runtime` reads it. On disk it
is JSON in one canonical form, which carries a digest of its own content; a file in any other form is refused, so that
no flipped bit, cut end or hand edit goes by in silence. The digest guards against damage; it is no signature.
"""

from __future__ import annotations

import dataclasses
import hashlib
import json
import math
import re
import types
import typing
from dataclasses import dataclass
from typing import Any

from vae_edge.runtime.errors import ManifestError

__all__ = [
    "FP32",
    "PRECISIONS",
    "SCHEMA",
    "File",
    "Graph",
    "Image",
    "Manifest",
    "Prior",
    "Tensor",
    "Training",
    "parse",
    "render",
    "seal",
]

SCHEMA = 1
MAX_BYTES = 1 << 18  # the shipped manifests are under 8 KiB
FP32 = "fp32"
PRECISIONS = (FP32, "fp16", "int8")

_SHA256 = re.compile(r"[0-9a-f]{64}")
_FILE_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,63}")


@dataclass(frozen=True)
class File:
    """A file of the bundle: its name (no folder), size in bytes and SHA-256 in hexadecimal."""

    name: str
    bytes: int
    sha256: str


@dataclass(frozen=True)
class Tensor:
    """A graph's input or output; an axis of dynamic size is a string, its name."""

    name: str
    dtype: str
    shape: tuple[int | str, ...]


@dataclass(frozen=True)
class Graph:
    """An ONNX graph, its signature, and what one image costs it in multiply-adds (of MatMul, Gemm and Conv)."""

    file: File
    opset: int
    inputs: tuple[Tensor, ...]
    outputs: tuple[Tensor, ...]
    parameters: int
    multiply_adds: int


@dataclass(frozen=True)
class Image:
    """Images are (height, width, channels), pixels in [0, 1], then 1 where > threshold (None: as they are)."""

    height: int
    width: int
    channels: int
    threshold: float | None


@dataclass(frozen=True)
class Prior:
    """p(z): 'normal' (standard), 'mixture', or 'none' (an autoencoder has no prior).

    A mixture's `file` holds weights (K,), loc (K, L), and lower (K, L (L + 1) / 2): the rows of each lower triangle of
    scale_tril, one after another.
    """

    kind: str
    components: int
    file: File | None


@dataclass(frozen=True)
class Training:
    """How the weights were learned; `command` and `commit` make them again. Drafted by the training run."""

    dataset: str
    dataset_sha256: str
    images: int
    epochs: int
    seed: int
    objective: str
    command: str
    commit: str


@dataclass(frozen=True)
class Manifest:
    """All that a bundle says of itself. `metrics` are test figures (nats per image), `parity` is max |difference|.

    `binarize` says how the images that it learned and was tested on became 0 and 1: 'static', by the image's threshold,
    or 'dynamic', drawn with their grey value. `precision` is what the weights are stored in, of graphs and prior.
    """

    schema: int
    name: str
    producer: str
    versions: dict[str, str]
    image: Image
    latent_size: int
    prior: Prior
    likelihood: str
    binarize: str
    precision: str
    encoder: Graph
    decoder: Graph
    probe: File
    training: Training
    metrics: dict[str, float]
    parity: dict[str, float]
    digest: str

    @property
    def files(self) -> tuple[File, ...]:
        """The files that the manifest vouches for."""
        prior = () if self.prior.file is None else (self.prior.file,)
        return (self.encoder.file, self.decoder.file, self.probe, *prior)

    @property
    def image_shape(self) -> tuple[int, int, int]:
        """(height, width, channels)."""
        return self.image.height, self.image.width, self.image.channels


def seal(manifest: Manifest) -> Manifest:
    """The same manifest with the digest of its own content; raises ManifestError where the content makes no sense."""
    blank = _blank(manifest)
    sealed = dataclasses.replace(manifest, digest=hashlib.sha256(blank).hexdigest())
    _check(sealed, blank)
    return sealed


def render(manifest: Manifest) -> bytes:
    """The canonical bytes of a manifest: JSON, keys sorted, two spaces, ASCII, one newline at the end."""
    try:
        text = json.dumps(dataclasses.asdict(manifest), indent=2, sort_keys=True, allow_nan=False)
    except ValueError as error:
        raise ManifestError(f"a manifest holds finite numbers only: {error}") from error
    return text.encode("ascii") + b"\n"


def parse(data: bytes) -> Manifest:
    """The manifest in `data`, which must be what `render` wrote, to the byte; raises ManifestError where it is not."""
    if len(data) > MAX_BYTES:
        raise ManifestError(f"the manifest has {len(data):,} bytes, at most {MAX_BYTES:,} are read")
    try:
        tree = json.loads(data.decode("ascii"), object_pairs_hook=_object, parse_constant=_refuse_constant)
    except (ValueError, RecursionError) as error:
        raise ManifestError(f"the manifest is not JSON ({error}); export the bundle again") from error
    if not isinstance(tree, dict):
        raise ManifestError(f"the manifest is a JSON {type(tree).__name__}, an object was expected")
    schema = tree.get("schema")
    if type(schema) is int and schema > SCHEMA:
        raise ManifestError(
            f"the manifest has schema {schema}, this release reads up to {SCHEMA}: upgrade vae-edge, or export with it"
        )
    manifest: Manifest = _read(Manifest, tree, "manifest")
    blank = _blank(manifest)
    _check(manifest, blank)
    empty, full = (b'\n  "digest": "%s"' % digest for digest in (b"", manifest.digest.encode()))
    if blank.replace(empty, full, 1) != data:  # what render writes, without rendering it again
        raise ManifestError("the manifest is not in its canonical form (edited by hand?); export the bundle again")
    return manifest


def _blank(manifest: Manifest) -> bytes:
    """The canonical bytes without a digest, which the digest is of."""
    return render(dataclasses.replace(manifest, digest=""))


def _object(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    tree = dict(pairs)
    if len(tree) != len(pairs):
        raise ValueError("a key stands twice in one object")
    return tree


def _refuse_constant(name: str) -> None:
    raise ValueError(f"{name} is not a number that a manifest may hold")


def _read(kind: Any, value: Any, where: str) -> Any:
    """`value`, a JSON tree, as an instance of the annotation `kind`."""
    origin, arguments = typing.get_origin(kind), typing.get_args(kind)
    if dataclasses.is_dataclass(kind):
        if not isinstance(value, dict):
            raise _mismatch(where, "an object", value)
        hints = typing.get_type_hints(kind)
        if missing := hints.keys() - value.keys():
            raise ManifestError(f"{where} lacks {', '.join(sorted(missing))}; export the bundle again")
        if extra := value.keys() - hints.keys():
            raise ManifestError(f"{where} has unknown {', '.join(sorted(extra))!r}; schema {SCHEMA} has no such field")
        return typing.cast(Any, kind)(**{key: _read(hints[key], value[key], f"{where}.{key}") for key in hints})
    if origin is types.UnionType:
        if value is None and types.NoneType in arguments:
            return None
        for option in arguments:
            if _is(option, value) or (dataclasses.is_dataclass(option) and isinstance(value, dict)):
                return _read(option, value, where)
        raise _mismatch(where, " or ".join(option.__name__ for option in arguments), value)
    if origin is tuple:
        if not isinstance(value, list):
            raise _mismatch(where, "a list", value)
        return tuple(_read(arguments[0], item, f"{where}[{index}]") for index, item in enumerate(value))
    if origin is dict:
        if not isinstance(value, dict):
            raise _mismatch(where, "an object", value)
        return {key: _read(arguments[1], item, f"{where}.{key}") for key, item in value.items()}
    if not _is(kind, value):
        raise _mismatch(where, kind.__name__, value)
    return value


def _is(kind: type, value: Any) -> bool:
    return type(value) is kind  # a bool is no int here, and 1 is no float


def _mismatch(where: str, expected: str, value: Any) -> ManifestError:
    return ManifestError(f"{where} should be {expected}, it is {type(value).__name__} {str(value)[:40]!r}")


def _check(manifest: Manifest, blank: bytes) -> None:
    """Holds the values against what a bundle may say; the files themselves are `bundle`'s concern."""
    image, prior = manifest.image, manifest.prior
    sizes = {"image.height": image.height, "image.width": image.width, "image.channels": image.channels}
    sizes |= {"latent_size": manifest.latent_size, "prior.components": prior.components}
    for where, size in sizes.items():
        _expect(0 < size <= 4096, where, "1 to 4096", size)
    _expect(
        image.threshold is None or 0.0 <= image.threshold < 1.0,
        "image.threshold",
        "in [0, 1)",
        image.threshold,
    )
    _expect(manifest.schema == SCHEMA, "schema", f"{SCHEMA}", manifest.schema)
    _expect(manifest.likelihood == "bernoulli", "likelihood", "'bernoulli'", manifest.likelihood)
    _expect(manifest.precision in PRECISIONS, "precision", "'fp32', 'fp16' or 'int8'", manifest.precision)
    _expect(prior.kind in {"normal", "mixture", "none"}, "prior.kind", "'normal', 'mixture' or 'none'", prior.kind)
    _expect(manifest.binarize in {"static", "dynamic"}, "binarize", "'static' or 'dynamic'", manifest.binarize)
    _expect(
        (prior.kind == "mixture") == (prior.file is not None),
        "prior.file",
        "a file for a mixture alone",
        prior.file,
    )
    names = [file.name for file in manifest.files]
    _expect(len(set(names)) == len(names), "files", "different names", names)
    for file in manifest.files:
        _expect(_FILE_NAME.fullmatch(file.name) is not None, "file name", "a plain name, no folder", file.name)
        _expect(
            _SHA256.fullmatch(file.sha256) is not None,
            f"{file.name}: sha256",
            "64 hexadecimal digits",
            file.sha256,
        )
        _expect(file.bytes > 0, f"{file.name}: bytes", "positive", file.bytes)
    shape = (image.height, image.width, image.channels)
    latent = (manifest.latent_size,)
    _expect_signature("encoder", manifest.encoder, {"image": shape}, {"loc": latent, "scale": latent})
    _expect_signature("decoder", manifest.decoder, {"z": latent}, {"logits": shape})
    for figures in (manifest.metrics, manifest.parity):
        _expect(all(math.isfinite(value) for value in figures.values()), "figures", "finite", figures)
    digest = hashlib.sha256(blank).hexdigest()
    _expect(manifest.digest == digest, "digest", "that of the content (damaged?)", manifest.digest)


def _expect_signature(
    name: str, graph: Graph, inputs: dict[str, tuple[int, ...]], outputs: dict[str, tuple[int, ...]]
) -> None:
    for side, tensors, expected in (("inputs", graph.inputs, inputs), ("outputs", graph.outputs, outputs)):
        wanted = tuple(Tensor(key, "float32", ("batch", *shape)) for key, shape in expected.items())
        _expect(tensors == wanted, f"{name}.{side}", f"{wanted}", tensors)


def _expect(holds: bool, where: str, expected: str, value: object) -> None:
    if not holds:
        raise ManifestError(
            f"manifest: {where} should be {expected}, it is {str(value)[:200]!r}; export the bundle again"
        )
