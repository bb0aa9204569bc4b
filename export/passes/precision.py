"""The pass that makes a graph compute in float32."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import numpy as np
import numpy.typing as npt
import onnx
from onnx import TensorProto, numpy_helper

from vae_edge.export.passes.walk import copied, drop_identities, nodes

__all__ = ["to_float32"]

_OTHERS = {TensorProto.DOUBLE, TensorProto.FLOAT16, TensorProto.BFLOAT16}
_LIMITS = np.finfo(np.float32)


def to_float32(model: onnx.ModelProto) -> onnx.ModelProto:
    """The model with all that is float64, float16 or bfloat16 in float32: inputs, outputs, weights, casts.

    ONNX Runtime has no float64 convolutions, and on a CPU few float16 operators. A number that float32 cannot hold
    becomes the nearest that is neither 0 nor infinite, so that a tiny constant under a logarithm stays positive.
    """
    single = copied(model)
    types = {value.name: value.type.tensor_type.elem_type for value in
             onnx.shape_inference.infer_shapes(single).graph.value_info}  # fmt: skip
    types |= {value.name: value.type.tensor_type.elem_type for value in single.graph.input}
    if not _OTHERS & ({weight.data_type for weight in single.graph.initializer} | set(types.values())):
        return single
    for node in single.graph.node:
        to = next((entry.i for entry in node.attribute if entry.name == "to"), 0)
        if node.op_type == "Cast" and {types.get(node.input[0]), to} <= _OTHERS | {TensorProto.FLOAT}:
            node.op_type = "Identity"
            del node.attribute[:]
    _change(single.graph)
    return drop_identities(single)


def _change(graph: onnx.GraphProto) -> None:
    for value in (*graph.input, *graph.output, *graph.value_info):
        if value.type.tensor_type.elem_type in _OTHERS:
            value.type.tensor_type.elem_type = TensorProto.FLOAT
    _change_tensors(graph.initializer)
    for node in nodes(graph):
        for entry in node.attribute:
            if entry.name in ("to", "dtype") and entry.i in _OTHERS:
                entry.i = TensorProto.FLOAT
            _change_tensors([*([entry.t] if entry.HasField("t") else []), *entry.tensors])
            for inner in (entry.g, *entry.graphs):
                if inner.node:
                    _change(inner)


def _change_tensors(tensors: Iterable[onnx.TensorProto]) -> None:
    for tensor in tensors:
        if tensor.data_type in _OTHERS:
            tensor.CopyFrom(numpy_helper.from_array(_nearest(numpy_helper.to_array(tensor)), tensor.name))


def _nearest(values: npt.NDArray[Any]) -> npt.NDArray[np.float32]:
    exact = values.astype(np.float64)
    with np.errstate(over="ignore", under="ignore"):
        single = exact.astype(np.float32)
    single = np.where(np.isfinite(exact), np.clip(single, _LIMITS.min, _LIMITS.max), single)
    vanished = (single == 0) & (exact != 0)
    return np.where(vanished, np.copysign(_LIMITS.tiny, exact), single).astype(np.float32)
