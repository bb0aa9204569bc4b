"""Checks the values of a manifest's fields, also one against another."""

from __future__ import annotations

import math
import re

from vae_edge.runtime.bundle.migration import SCHEMA
from vae_edge.runtime.bundle.schema import Condition, Deviations, File, Graph, Image, Manifest, Scores, Spec, Vector
from vae_edge.runtime.distributions import registry
from vae_edge.runtime.distributions.flow import Flow
from vae_edge.runtime.errors import ManifestError

__all__ = ["FILE_NAME", "FP32", "MAX_SIZE", "PRECISIONS", "SCHEMA", "check"]

MAX_WEIGHTS = 4096  # uncertain ones, each a kernel or a bias
MAX_SIZE = 4096  # of an axis of an image, a vector, a latent or a condition
FP32 = "fp32"
MAX_STATISTICS, MAX_DRAWS = 32, 4096
PRECISIONS = (FP32, "fp16", "int8")
FLOW = {"prior", "prior_inverse"}  # the graphs of a flow
BINARISATIONS = ("none", "static", "dynamic")
TREATMENTS = {"resize", "crop", "grey", "invert", "ground", "white"}

FILE_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,63}")
_SHA256 = re.compile(r"[0-9a-f]{64}")
_TENSOR_NAME = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_.:/-]{0,127}")


def check(manifest: Manifest) -> None:
    """Raises ManifestError where a value is not allowed; `reading` checks the files themselves."""
    _expect(manifest.schema == SCHEMA, "schema", f"{SCHEMA}", manifest.schema)
    _expect(manifest.precision in PRECISIONS, "precision", "'fp32', 'fp16' or 'int8'", manifest.precision)
    _expect_size("latent_size", manifest.latent_size)
    _check_event(manifest.event)
    if manifest.condition is not None:
        _check_condition(manifest.condition)
    wanted = {"encoder", "decoder"} | (FLOW if manifest.prior.family == Flow.family else set())
    _expect(manifest.graphs.keys() == wanted, "graphs", ", ".join(sorted(wanted)), list(manifest.graphs))
    _check_files(manifest.files)
    _check_graph("encoder", manifest.encoder, manifest, "event", manifest.event.shape)
    _check_graph("decoder", manifest.decoder, manifest, "latent", (manifest.latent_size,))
    latent = (manifest.latent_size,)
    flow = [graph for name, graph in manifest.graphs.items() if name in FLOW]
    if flow:
        _check_graph("prior", manifest.graphs["prior"], manifest, "noise", latent)
        _check_graph("prior_inverse", manifest.graphs["prior_inverse"], manifest, "latent", latent)
        _check_flow(manifest)
    _check_names(*manifest.graphs.values())
    _check_spec("posterior", manifest.posterior, latent, manifest.encoder)
    _check_spec("likelihood", manifest.likelihood, manifest.event.shape, manifest.decoder)
    _check_spec("prior", manifest.prior, latent, *flow)
    _check_labels(manifest)
    if manifest.deviations is not None:
        _check_deviations(manifest.deviations, manifest.precision)
    if manifest.training is not None:
        how = manifest.training.binarize
        _expect(how in BINARISATIONS, "training.binarize", "'none', 'static' or 'dynamic'", how)
        done = manifest.training.pictures
        _expect(done.keys() <= TREATMENTS, "training.pictures", f"some of {', '.join(sorted(TREATMENTS))}", [*done])
    if manifest.scores is not None:
        _check_scores(manifest.scores)
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
    wanted: dict[str, tuple[tuple[str, ...], tuple[int, ...]]] = {role: (("float32",), shape)}
    if (condition := manifest.condition) is not None:
        is_index = condition.kind == "index"
        wanted["condition"] = (("int32", "int64"), ()) if is_index else (("float32",), (condition.size,))
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


def _check_flow(manifest: Manifest) -> None:
    """The outputs of a flow come of the graph that makes them, and both graphs read a condition or none does."""
    forward, inverse, named = manifest.graphs["prior"], manifest.graphs["prior_inverse"], manifest.prior.outputs
    tensors = {"sample": forward, "noise": inverse, "log_det": inverse}
    for output, graph in tensors.items():
        shape = () if output == "log_det" else (manifest.latent_size,)
        found = [tensor.shape for tensor in graph.outputs if tensor.name == named.get(output)]
        _expect(found == [("batch", *shape)], f"prior.outputs.{output}", f"an output ('batch', *{shape})", found)
    both = [graph.input("condition") is not None for graph in (forward, inverse)]
    _expect(both[0] == both[1], "prior.inputs", "a condition in both graphs, or in neither", both)


def _check_labels(manifest: Manifest) -> None:
    """A mixture with weights for each label has those of the condition."""
    labels, condition = manifest.prior.constants.get("labels"), manifest.condition
    size = condition.size if condition is not None and condition.is_label else 0
    _expect(labels is None or labels == size, "prior.constants.labels", f"{size}, the labels", labels)


def _check_deviations(deviations: Deviations, precision: str) -> None:
    """Names of weights, each once; only a graph in float32 holds them as they are."""
    names = deviations.weights
    _expect(0 < len(names) <= MAX_WEIGHTS, "deviations.weights", f"1 to {MAX_WEIGHTS} names", len(names))
    _expect(len(set(names)) == len(names) and all(names), "deviations.weights", "different names", names)
    _expect(precision == FP32, "deviations", f"null with precision {precision}", deviations.file.name)


def _check_names(*graphs: Graph) -> None:
    """Probes and parity find a tensor by its name, so that names differ; all graphs may read the same condition."""
    names = [tensor.name for graph in graphs for tensor in (*graph.inputs, *graph.outputs)]
    conditions = {tensor.name for graph in graphs for tensor in graph.inputs if tensor.role == "condition"}
    others = [name for name in names if name not in conditions]
    fits = len(set(others)) == len(others) and len(names) - len(others) <= len(graphs) and "tolerance" not in names
    _expect(fits and len(conditions) <= 1, "tensors", "different names, none 'tolerance'", names)
    for name in names:
        _expect(_TENSOR_NAME.fullmatch(name) is not None, "tensor name", "letters, digits and _.:/-", name)


def _check_spec(name: str, spec: Spec, event_shape: tuple[int, ...], *graphs: Graph) -> None:
    _expect(spec.event_shape == event_shape, f"{name}.event_shape", f"{event_shape}", spec.event_shape)
    shapes = {tensor.name: tensor.shape[1:] for graph in graphs for tensor in graph.outputs}
    if unknown := set(spec.outputs.values()) - shapes.keys():
        raise ManifestError(f"manifest: {name} names {sorted(unknown)}, which its graph does not give")
    given = {parameter: shapes[output] for parameter, output in spec.outputs.items()}
    try:
        registry.check(name, spec.family, event_shape, given, spec.constants, has_file=spec.file is not None)
    except registry.SpecError as error:
        raise ManifestError(f"manifest: {name}: {error}; export the bundle again") from error


def _check_scores(scores: Scores) -> None:
    count = len(scores.statistics)
    fits = 0 < count <= MAX_STATISTICS and len(set(scores.statistics)) == count
    _expect(fits, "scores.statistics", f"1 to {MAX_STATISTICS} different names", scores.statistics)
    _expect(0 < scores.components <= MAX_SIZE, "scores.components", f"1 to {MAX_SIZE}", scores.components)
    _expect(0 < scores.draws <= MAX_DRAWS, "scores.draws", f"1 to {MAX_DRAWS}", scores.draws)
    thresholds = (scores.threshold, scores.threshold_without_label or 0.0)
    _expect(all(map(math.isfinite, thresholds)), "scores.threshold", "finite", thresholds)
    rate = scores.false_positive_rate
    _expect(0 < rate < 1, "scores.false_positive_rate", "above 0 and below 1", rate)
    for name in ("events", "held_out"):
        _expect(getattr(scores, name) > 0, f"scores.{name}", "1 or more", getattr(scores, name))


def _expect_size(where: str, size: int) -> None:
    _expect(0 < size <= MAX_SIZE, where, f"1 to {MAX_SIZE}", size)


def _expect(holds: bool, where: str, expected: str, value: object) -> None:
    if not holds:
        raise ManifestError(
            f"manifest: {where} should be {expected}, it is {str(value)[:200]!r}; export the bundle again"
        )
