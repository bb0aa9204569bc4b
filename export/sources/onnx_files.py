"""ONNX files, of any framework, as models that the rest of the exporter takes."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import onnx
from google.protobuf.message import DecodeError
from onnx import TensorProto, helper, numpy_helper

from vae_edge.export import passes
from vae_edge.runtime.errors import InputError
from vae_edge.runtime.session import onnxruntime

__all__ = ["OPSETS", "load_onnx"]

OPSETS = range(11, 22)  # what the tests read; ONNX Runtime 1.20 and later run all of them
_DOMAINS = ("", "ai.onnx", "com.microsoft")
_TOLERANCE = 1e-4

Arrays = dict[str, npt.NDArray[Any]]


def load_onnx(path: str | Path) -> onnx.ModelProto:
    """The model in the file at `path`: float32, the batch axis dynamic and called 'batch', all other sizes known.

    Weights in files beside it are read too. The opset stays what it is, and inputs and outputs keep their names. A
    fixed batch becomes dynamic if a trial run shows that the graph still computes the same, row by row. Raises
    InputError where the file is not ONNX, is of another opset or with operators of other domains, or an axis has no
    known size.
    """
    path = Path(path)
    model = _read(path)
    _check(path, model)
    weights = {weight.name for weight in model.graph.initializer}
    inputs = [value for value in model.graph.input if value.name not in weights]  # before IR 4 weights were inputs
    del model.graph.input[:]
    model.graph.input.extend(inputs)
    del model.graph.value_info[:], model.training_info[:]
    fixed = _fixed_batch(path, model)
    single = passes.to_float32(model)
    free = _with_free_batch(single, fixed)
    shapes = _try(path, single, free, fixed)
    for value in free.graph.output:
        kind = value.type.tensor_type.elem_type
        value.CopyFrom(helper.make_tensor_value_info(value.name, kind, ["batch", *shapes[value.name]]))
    return passes.rename(free, [value.name for value in free.graph.input], [value.name for value in free.graph.output])


def _read(path: Path) -> onnx.ModelProto:
    try:
        return onnx.load(path)
    except OSError as error:
        raise InputError(f"{path}: cannot be read ({error.strerror or error})") from error
    except (DecodeError, onnx.checker.ValidationError, ValueError) as error:
        raise InputError(f"{path}: should be an ONNX model with its files of weights beside it: {error}") from error


def _check(path: Path, model: onnx.ModelProto) -> None:
    versions = {entry.domain: entry.version for entry in model.opset_import}
    version = versions.get("", versions.get("ai.onnx", 0))
    if version not in OPSETS or not model.graph.output:
        raise InputError(f"{path}: should be an ONNX model of opset {OPSETS[0]} to {OPSETS[-1]}, it is of {version}: "
                         "export it again, or see onnx.version_converter")  # fmt: skip
    if model.functions:
        raise InputError(f"{path}: should hold operators alone, it has functions ({model.functions[0].name}): put them "
                         "into the graph by onnx.inliner.inline_local_functions")  # fmt: skip
    if model.graph.sparse_initializer:
        raise InputError(f"{path}: should hold dense weights, it has sparse ones: export it without them")
    for node in passes.nodes(model.graph):
        if node.domain not in _DOMAINS:
            raise InputError(f"{path}: should hold ONNX's operators, it has {node.domain}.{node.op_type} (node "
                             f"{node.name!r}), which ONNX Runtime lacks")  # fmt: skip


def _fixed_batch(path: Path, model: onnx.ModelProto) -> int | None:
    """The size of the batch axis, None where it is free; raises InputError where another axis is, or there is none."""
    sizes = set()
    for value in model.graph.input:
        dims = value.type.tensor_type.shape.dim
        shape = tuple(dim.dim_value or dim.dim_param or "?" for dim in dims)
        if not dims or not all(isinstance(size, int) for size in shape[1:]):
            raise InputError(
                f"{path}: input {value.name!r} should have the batch as its only axis of free size, its shape is "
                f"{shape}: export it again with the sizes of your events"
            )
        sizes.add(dims[0].dim_value or None)
    if len(sizes) > 1:
        raise InputError(f"{path}: all inputs should have the same batch axis, they have {sorted(map(str, sizes))}")
    return sizes.pop() if sizes else None


def _with_free_batch(model: onnx.ModelProto, fixed: int | None) -> onnx.ModelProto:
    free = onnx.ModelProto()
    free.CopyFrom(model)
    for value in free.graph.input:
        value.type.tensor_type.shape.dim[0].Clear()
        value.type.tensor_type.shape.dim[0].dim_param = "batch"
    for value in free.graph.output:
        value.type.tensor_type.ClearField("shape")
    if fixed is not None:
        _free_reshapes(free.graph, fixed)
    return free


def _free_reshapes(graph: onnx.GraphProto, fixed: int) -> None:
    """Takes the batch's size out of the constant shapes of Reshape."""
    known = {weight.name: numpy_helper.to_array(weight) for weight in graph.initializer}
    for node in graph.node:
        if node.op_type == "Constant" and node.attribute[0].name == "value":
            known[node.output[0]] = numpy_helper.to_array(node.attribute[0].t)
    for index, node in enumerate(graph.node):
        shape = known.get(node.input[1]) if node.op_type == "Reshape" else None
        if shape is not None and shape.size and shape[0] == fixed:
            name = f"{node.input[1]}__free_{index}"
            first = 0 if -1 in shape else -1  # 0 copies the axis
            graph.initializer.append(numpy_helper.from_array(np.asarray([first, *shape[1:]], np.int64), name))
            node.input[1] = name


def _try(path: Path, model: onnx.ModelProto, free: onnx.ModelProto, fixed: int | None) -> dict[str, tuple[int, ...]]:
    """The outputs' shapes without the batch, after a trial in which `free` computes what `model` does."""
    names = [value.name for value in model.graph.output]
    random = passes.random_outputs(model)
    part, several = fixed or 2, 2 * (fixed or 2)
    rows = {value.name: _rows(value, several) for value in model.graph.input}
    run, run_free = _session(path, model), _session(path, free)
    whole = _run(path, run_free, names, rows, fixed)
    parts = [_run(path, run, names, {name: values[at : at + part] for name, values in rows.items()}, None)
             for at in range(0, several, part)]  # fmt: skip
    for name in names:
        first, last = parts[0][name].shape, whole[name].shape
        if first[:1] != (part,) or last != (several, *first[1:]):
            raise InputError(
                f"{path}: output {name!r} should have the batch as its first axis, of {part} and {several} rows it has "
                f"shape {first} and {last}"
            )
        expected = np.concatenate([found[name] for found in parts])
        same = np.allclose(whole[name], expected, rtol=_TOLERANCE, atol=_TOLERANCE, equal_nan=True)
        if name not in random and not same:
            raise InputError(
                f"{path}: output {name!r} should depend on its own row alone, it is another in a batch of {several} "
                f"than of {part}: export the model in inference mode, with a free batch axis"
            )
    return {name: whole[name].shape[1:] for name in names}


def _rows(value: onnx.ValueInfoProto, count: int) -> npt.NDArray[Any]:
    dtype = helper.tensor_dtype_to_np_dtype(value.type.tensor_type.elem_type)
    shape = (count, *(dim.dim_value for dim in value.type.tensor_type.shape.dim[1:]))
    if value.type.tensor_type.elem_type == TensorProto.FLOAT:
        return np.random.default_rng(0).normal(size=shape).astype(dtype)
    return np.zeros(shape, dtype)  # an index


def _session(path: Path, model: onnx.ModelProto) -> Any:
    ort = onnxruntime()
    options = ort.SessionOptions()
    options.log_severity_level = 4
    try:
        return ort.InferenceSession(model.SerializeToString(), options, providers=["CPUExecutionProvider"])
    except Exception as error:  # ONNX Runtime's own classes have no common base
        raise InputError(f"{path}: ONNX Runtime does not run it: {' '.join(str(error).split())[:400]}") from error


def _run(path: Path, session: Any, names: Sequence[str], rows: Arrays, fixed: int | None) -> Arrays:
    try:
        return dict(zip(names, session.run(list(names), rows), strict=True))
    except Exception as error:
        said = " ".join(str(error).split())[:300]
        if fixed is None:
            raise InputError(f"{path}: ONNX Runtime does not run it: {said}") from error
        raise InputError(
            f"{path}: should have a free batch axis, it has one of {fixed} that is part of the graph: export it again "
            f"with a dynamic axis 0 ({said})"
        ) from error
