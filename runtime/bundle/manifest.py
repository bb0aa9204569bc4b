"""The manifest: what a bundle holds, in one frozen dataclass of standard types.

`vae_edge.train` drafts the `Training` part, `vae_edge.export` seals the whole, `vae_edge.runtime` reads it. On disk it
is JSON. Its digest is the SHA-256 of the file's own bytes with the digest's value left out: a flipped bit, a cut end or
an edit by hand is noticed, and a reader in another language need not write numbers as Python does. The digest guards
against damage; it is no signature. `docs/bundle-format.md` specifies all of it.
"""

from __future__ import annotations

import dataclasses
import hashlib
import json
import math
import re
import types
import typing
from dataclasses import dataclass, field
from typing import Any

from vae_edge.runtime.bundle import migration
from vae_edge.runtime.distributions import registry
from vae_edge.runtime.errors import ManifestError

__all__ = [
    "FILE_NAME",
    "FP32",
    "MAX_BYTES",
    "MAX_SIZE",
    "PRECISIONS",
    "SCHEMA",
    "Condition",
    "File",
    "Graph",
    "Image",
    "Manifest",
    "Spec",
    "Tensor",
    "Training",
    "Vector",
    "parse",
    "read_as",
    "render",
    "seal",
]

SCHEMA = 2
MAX_BYTES = 1 << 20  # 4,096 columns with a name, a shift and a scale each take 600 KB
MAX_SIZE = 4096  # of an axis of an image, a vector, a latent or a condition
FP32 = "fp32"
PRECISIONS = (FP32, "fp16", "int8")
BINARISATIONS = ("none", "static", "dynamic")
DTYPES = ("float32", "int32", "int64")
ROLES = ("event", "latent", "condition")  # of a graph's inputs

_SHA256 = re.compile(r"[0-9a-f]{64}")
FILE_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,63}")
_TENSOR_NAME = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_.:/-]{0,127}")
_DIGEST_LINE = re.compile(rb'(?<=\n  "digest": ")[0-9a-f]{64}(?=")')


@dataclass(frozen=True)
class File:
    """A file of the bundle: its name (no folder), size in bytes and SHA-256 in hexadecimal."""

    name: str
    bytes: int
    sha256: str


@dataclass(frozen=True)
class Tensor:
    """A graph's input or output. The first axis is the batch; an axis of dynamic size is a string, its name.

    `role` says what an input takes: 'event', 'latent' or 'condition'. An output's is ''.
    """

    name: str
    dtype: str
    shape: tuple[int | str, ...]
    role: str = ""


@dataclass(frozen=True)
class Graph:
    """An ONNX graph and its signature; `multiply_adds` is the cost of one event (MatMul, Gemm and convolutions)."""

    file: File
    opset: int
    inputs: tuple[Tensor, ...]
    outputs: tuple[Tensor, ...]
    parameters: int
    multiply_adds: int

    def input(self, role: str) -> Tensor | None:
        """The input of that role, or None."""
        return next((tensor for tensor in self.inputs if tensor.role == role), None)


@dataclass(frozen=True)
class Image:
    """An event (height, width, channels) of pixels in [0, 1].

    With a threshold the pixels are made 0 and 1: 1 where > threshold. The encoder reads (pixel - shift) / scale, and a
    likelihood with a location and a scale speaks of the same numbers: the runtime turns it back into pixels.
    """

    height: int
    width: int
    channels: int
    threshold: float | None
    shift: float = 0.0
    scale: float = 1.0
    kind: str = "image"

    @property
    def shape(self) -> tuple[int, int, int]:
        """(height, width, channels)."""
        return self.height, self.width, self.channels


@dataclass(frozen=True)
class Vector:
    """An event of `size` numbers in their own units, a row of a table; `names` are its columns', or ().

    The encoder reads (x - shift) / scale, column by column; () stands for 0 and 1.
    """

    size: int
    names: tuple[str, ...] = ()
    shift: tuple[float, ...] = ()
    scale: tuple[float, ...] = ()
    kind: str = "vector"

    @property
    def shape(self) -> tuple[int]:
        """(size,)."""
        return (self.size,)


@dataclass(frozen=True)
class Condition:
    """What a conditional model is given beside x or z.

    `kind` is 'one_hot' (a label as a float32 vector with a single 1), 'index' (a label as a whole number), or 'vector'
    (`size` real numbers). `names` are the labels' names, one each, or those of the vector's numbers, or ().
    """

    kind: str
    size: int
    names: tuple[str, ...] = ()

    @property
    def is_label(self) -> bool:
        """Whether the condition is one of `size` labels."""
        return self.kind != "vector"


@dataclass(frozen=True)
class Spec:
    """A distribution: its family (see `vae_edge.runtime.distributions.registry`) and where its parameters come from.

    `outputs` maps a parameter to the graph's output that gives it; `constants` holds what is the same for every event:
    a fixed scale, the number of levels, the number of a mixture's components. `file` holds a prior's arrays.
    """

    family: str
    event_shape: tuple[int, ...]
    outputs: dict[str, str] = field(default_factory=dict)
    constants: dict[str, float] = field(default_factory=dict)
    file: File | None = None


@dataclass(frozen=True)
class Training:
    """How the weights were learned; `command` and `commit` make them again. Drafted by the training run.

    `binarize` says how the images became 0 and 1: 'static', by the image's threshold, 'dynamic', drawn with their grey
    value, or 'none'.
    """

    dataset: str
    dataset_sha256: str
    images: int
    epochs: int
    seed: int
    objective: str
    command: str
    commit: str
    binarize: str = "static"


@dataclass(frozen=True)
class Manifest:
    """All that a bundle says of itself.

    `graphs` holds 'encoder' and 'decoder'. `metrics` are test figures (nats per event), `parity` the largest difference
    from the model that was exported, by output. `precision` is what the weights are stored in, of graphs and prior.
    """

    schema: int
    name: str
    producer: str
    versions: dict[str, str]
    event: Image | Vector
    condition: Condition | None
    latent_size: int
    graphs: dict[str, Graph]
    posterior: Spec
    likelihood: Spec
    prior: Spec
    precision: str
    probe: File
    training: Training | None
    metrics: dict[str, float]
    parity: dict[str, float]
    digest: str

    @property
    def encoder(self) -> Graph:
        """The graph of q(z|x)."""
        return self.graphs["encoder"]

    @property
    def decoder(self) -> Graph:
        """The graph of p(x|z)."""
        return self.graphs["decoder"]

    @property
    def event_shape(self) -> tuple[int, ...]:
        """(height, width, channels) of an image, (size,) of a vector."""
        return self.event.shape

    @property
    def files(self) -> tuple[File, ...]:
        """The files that the manifest vouches for."""
        prior = () if self.prior.file is None else (self.prior.file,)
        return (*(graph.file for graph in self.graphs.values()), self.probe, *prior)


def seal(manifest: Manifest) -> Manifest:
    """The same manifest, of this schema, with its digest; raises ManifestError where the content makes no sense."""
    blank = dataclasses.replace(manifest, schema=SCHEMA, digest="")
    _check(blank)
    return dataclasses.replace(blank, digest=hashlib.sha256(_render(blank)).hexdigest())


def render(manifest: Manifest) -> bytes:
    """The bytes of a sealed manifest: JSON, keys sorted, two spaces, ASCII, one newline at the end."""
    return _render(manifest)


def parse(data: bytes) -> Manifest:
    """The manifest in `data`, of this schema or an earlier one; raises ManifestError where it is damaged or malformed.

    A manifest of an earlier schema keeps its digest.
    """
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
    if schema == SCHEMA:
        _check_digest(data, tree)
    else:
        tree = migration.migrate(data, tree)
    manifest: Manifest = read_as(Manifest, tree, "manifest")
    _check(manifest)
    return manifest


def _render(manifest: Manifest) -> bytes:
    try:
        text = json.dumps(dataclasses.asdict(manifest), indent=2, sort_keys=True, allow_nan=False)
    except ValueError as error:
        raise ManifestError(f"a manifest holds finite numbers only: {error}") from error
    return text.encode("ascii") + b"\n"


def _check_digest(data: bytes, tree: dict[str, Any]) -> None:
    """The digest stands on a line of its own, and is the SHA-256 of all bytes but its own 64."""
    parts = _DIGEST_LINE.split(data)
    if len(parts) != 2 or tree.get("digest") not in (match.decode() for match in _DIGEST_LINE.findall(data)):
        raise ManifestError('the manifest should have one line `  "digest": "..."` of 64 hexadecimal digits')
    if hashlib.sha256(parts[0] + parts[1]).hexdigest() != tree["digest"]:
        raise ManifestError("the manifest's digest is not that of its bytes (damaged or edited?); export it again")


def _object(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    tree = dict(pairs)
    if len(tree) != len(pairs):
        raise ValueError("a key stands twice in one object")
    return tree


def _refuse_constant(name: str) -> None:
    raise ValueError(f"{name} is not a number that a manifest may hold")


def read_as(kind: Any, value: Any, where: str) -> Any:
    """`value`, a JSON tree, as an instance of the annotation `kind`; raises ManifestError that names the place."""
    origin, arguments = typing.get_origin(kind), typing.get_args(kind)
    if dataclasses.is_dataclass(kind):
        return _read_object(kind, value, where)
    if origin is types.UnionType:
        if value is None and types.NoneType in arguments:
            return None
        for option in arguments:
            if _is(option, value) or (dataclasses.is_dataclass(option) and _is_tagged(option, value)):
                return read_as(option, value, where)
        raise _mismatch(where, " or ".join(option.__name__ for option in arguments), value)
    if origin is tuple:
        if not isinstance(value, list):
            raise _mismatch(where, "a list", value)
        return tuple(read_as(arguments[0], item, f"{where}[{index}]") for index, item in enumerate(value))
    if origin is dict:
        if not isinstance(value, dict):
            raise _mismatch(where, "an object", value)
        return {key: read_as(arguments[1], item, f"{where}.{key}") for key, item in value.items()}
    if not _is(kind, value):
        raise _mismatch(where, kind.__name__, value)
    return value


def _read_object(kind: Any, value: Any, where: str) -> Any:
    if not isinstance(value, dict):
        raise _mismatch(where, "an object", value)
    hints = typing.get_type_hints(kind)
    if missing := hints.keys() - value.keys():
        raise ManifestError(f"{where} lacks {', '.join(sorted(missing))}; export the bundle again")
    if extra := value.keys() - hints.keys():
        raise ManifestError(f"{where} has unknown {', '.join(sorted(extra))!r:.60}; schema {SCHEMA} has no such field")
    return typing.cast(Any, kind)(**{key: read_as(hints[key], value[key], f"{where}.{key}") for key in hints})


def _is(kind: type, value: Any) -> bool:
    return type(value) is kind  # a bool is no int here, and 1 is no float


def _is_tagged(option: Any, value: Any) -> bool:
    """Whether an object is of this dataclass: by its `kind`, where the dataclass has a fixed one."""
    fixed = next((spec.default for spec in dataclasses.fields(option) if spec.name == "kind"), dataclasses.MISSING)
    return isinstance(value, dict) and (fixed is dataclasses.MISSING or value.get("kind") == fixed)


def _mismatch(where: str, expected: str, value: Any) -> ManifestError:
    return ManifestError(f"{where} should be {expected}, it is {type(value).__name__} {str(value)[:40]!r}")


def _check(manifest: Manifest) -> None:
    """Holds the values against what a bundle may say; the files themselves are `reading`'s concern."""
    _expect(manifest.schema == SCHEMA, "schema", f"{SCHEMA}", manifest.schema)
    _expect(manifest.precision in PRECISIONS, "precision", "'fp32', 'fp16' or 'int8'", manifest.precision)
    _expect_size("latent_size", manifest.latent_size)
    _check_event(manifest.event)
    if manifest.condition is not None:
        _check_condition(manifest.condition)
    _expect(manifest.graphs.keys() == {"encoder", "decoder"}, "graphs", "encoder and decoder", list(manifest.graphs))
    _check_files(manifest.files)
    _check_graph("encoder", manifest.encoder, manifest, "event", manifest.event.shape)
    _check_graph("decoder", manifest.decoder, manifest, "latent", (manifest.latent_size,))
    _check_names(manifest.encoder, manifest.decoder)
    latent = (manifest.latent_size,)
    _check_spec("posterior", manifest.posterior, latent, manifest.encoder)
    _check_spec("likelihood", manifest.likelihood, manifest.event.shape, manifest.decoder)
    _check_spec("prior", manifest.prior, latent, None)
    if manifest.training is not None:
        how = manifest.training.binarize
        _expect(how in BINARISATIONS, "training.binarize", "'none', 'static' or 'dynamic'", how)
    for figures in (manifest.metrics, manifest.parity):
        _expect(all(math.isfinite(value) for value in figures.values()), "figures", "finite", figures)


def _check_event(event: Image | Vector) -> None:
    if isinstance(event, Vector):
        _expect_size("event.size", event.size)
        for name in ("names", "shift", "scale"):
            count = len(getattr(event, name))
            _expect(count in (0, event.size), f"event.{name}", f"none or {event.size}", count)
        _expect(len(set(event.names)) == len(event.names), "event.names", "different names", event.names)
        shifts, scales = event.shift, event.scale
    else:
        for name in ("height", "width", "channels"):
            _expect_size(f"event.{name}", getattr(event, name))
        threshold = event.threshold
        _expect(threshold is None or 0.0 <= threshold < 1.0, "event.threshold", "in [0, 1)", threshold)
        shifts, scales = (event.shift,), (event.scale,)
    _expect(all(map(math.isfinite, shifts)), "event.shift", "finite", shifts)
    _expect(all(math.isfinite(scale) and scale > 0 for scale in scales), "event.scale", "finite and > 0", scales)


def _check_condition(condition: Condition) -> None:
    kinds = ("one_hot", "index", "vector")
    _expect(condition.kind in kinds, "condition.kind", "'one_hot', 'index' or 'vector'", condition.kind)
    _expect_size("condition.size", condition.size)
    count = len(condition.names)
    wanted = (condition.size,) if condition.is_label else (0, condition.size)
    _expect(count in wanted, "condition.names", f"{condition.size} names", count)
    _expect(len(set(condition.names)) == count, "condition.names", "different names", condition.names)


def _check_files(files: tuple[File, ...]) -> None:
    names = [file.name for file in files]
    _expect(len(set(names)) == len(names), "files", "different names", names)
    for file in files:
        _expect(FILE_NAME.fullmatch(file.name) is not None, "file name", "a plain name, no folder", file.name)
        digits = _SHA256.fullmatch(file.sha256)
        _expect(digits is not None, f"{file.name}: sha256", "64 hexadecimal digits", file.sha256)
        _expect(file.bytes > 0, f"{file.name}: bytes", "positive", file.bytes)


def _check_graph(name: str, graph: Graph, manifest: Manifest, role: str, shape: tuple[int, ...]) -> None:
    """The inputs: one of `role` and `shape`, and at most one condition. The outputs: float32, the batch first."""
    _expect(graph.multiply_adds >= 0, f"{name}.multiply_adds", "0 or more", graph.multiply_adds)
    _expect(graph.parameters >= 0, f"{name}.parameters", "0 or more", graph.parameters)
    wanted = {role: (("float32",), shape)}
    if (condition := manifest.condition) is not None:
        dtypes, tail = (("int32", "int64"), ()) if condition.kind == "index" else (("float32",), (condition.size,))
        wanted["condition"] = (dtypes, tail)
    roles = [tensor.role for tensor in graph.inputs]
    allowed = [[role], [role, "condition"]] if "condition" in wanted else [[role]]
    _expect(sorted(roles, reverse=True) in [sorted(each, reverse=True) for each in allowed], f"{name}.inputs",
            " and at most one ".join(wanted), roles)  # fmt: skip
    for tensor in graph.inputs:
        dtypes, tail = wanted[tensor.role]
        fits = tensor.dtype in dtypes and tensor.shape == ("batch", *tail)
        _expect(fits, f"{name}.{tensor.name}", f"{dtypes[0]} ('batch', *{tail})", tensor)
    for tensor in graph.outputs:
        sizes = tensor.shape[1:]
        fits = tensor.shape[:1] == ("batch",) and all(type(size) is int and size > 0 for size in sizes)
        _expect(tensor.dtype == "float32" and not tensor.role and fits, f"{name}.{tensor.name}", "float32", tensor)


def _check_names(*graphs: Graph) -> None:
    """A tensor is known by its name alone, in a probe and in parity; a condition may be read by both graphs."""
    names = [tensor.name for graph in graphs for tensor in (*graph.inputs, *graph.outputs)]
    conditions = {tensor.name for graph in graphs for tensor in graph.inputs if tensor.role == "condition"}
    others = [name for name in names if name not in conditions]
    fits = len(set(others)) == len(others) and len(names) - len(others) <= 2 and "tolerance" not in names
    _expect(fits and len(conditions) <= 1, "tensors", "different names, none 'tolerance'", names)
    for name in names:
        _expect(_TENSOR_NAME.fullmatch(name) is not None, "tensor name", "letters, digits and _.:/-", name)


def _check_spec(name: str, spec: Spec, event_shape: tuple[int, ...], graph: Graph | None) -> None:
    _expect(spec.event_shape == event_shape, f"{name}.event_shape", f"{event_shape}", spec.event_shape)
    shapes = {} if graph is None else {tensor.name: tensor.shape[1:] for tensor in graph.outputs}
    if unknown := set(spec.outputs.values()) - shapes.keys():
        raise ManifestError(f"manifest: {name} names {sorted(unknown)}, which its graph does not give")
    given = {parameter: shapes[output] for parameter, output in spec.outputs.items()}
    try:
        registry.check(name, spec.family, event_shape, given, spec.constants, has_file=spec.file is not None)
    except registry.SpecError as error:
        raise ManifestError(f"manifest: {name}: {error}; export the bundle again") from error


def _expect_size(where: str, size: int) -> None:
    _expect(0 < size <= MAX_SIZE, where, f"1 to {MAX_SIZE}", size)


def _expect(holds: bool, where: str, expected: str, value: object) -> None:
    if not holds:
        raise ManifestError(
            f"manifest: {where} should be {expected}, it is {str(value)[:200]!r}; export the bundle again"
        )
