"""What a manifest says of an ONNX graph: its signature, its size, its cost."""

from __future__ import annotations

import math
from collections.abc import Mapping

import onnx

from vae_edge.runtime.bundle import guard
from vae_edge.runtime.bundle.manifest import File, Graph, Tensor

__all__ = ["describe", "multiply_adds"]

_NO_ROLES: Mapping[str, str] = {}


def describe(
    model: onnx.ModelProto,
    file_name: str,
    roles: Mapping[str, str] = _NO_ROLES,
    max_elements: int = guard.MAX_ELEMENTS_ALIVE,
) -> tuple[bytes, Graph]:
    """The model's bytes and what a manifest says of them; `roles` maps an input's name to 'event', 'latent' or
    'condition'.

    Raises UnsafeBundle where the runtime would refuse the graph.
    """
    data = model.SerializeToString(deterministic=True)
    cost = guard.check(data, file_name, max_elements=max_elements)
    floats = [w for w in model.graph.initializer if w.data_type == onnx.TensorProto.FLOAT and w.dims]  # no constants
    graph = Graph(
        file=File.of(file_name, data),
        opset=cost.opset,
        inputs=tuple(_tensor(value, roles.get(value.name, "")) for value in model.graph.input),
        outputs=tuple(_tensor(value, "") for value in model.graph.output),
        parameters=sum(math.prod(w.dims) for w in floats),
        multiply_adds=cost.multiply_adds,
    )
    return data, graph


def multiply_adds(model: onnx.ModelProto) -> int:
    """Multiply-adds of one event in Conv, ConvTranspose, Gemm and MatMul, as the runtime counts them."""
    return guard.check(model.SerializeToString(), "the graph").multiply_adds


def _tensor(value: onnx.ValueInfoProto, role: str) -> Tensor:
    kind = onnx.helper.tensor_dtype_to_np_dtype(value.type.tensor_type.elem_type)
    shape = tuple(dim.dim_param or dim.dim_value for dim in value.type.tensor_type.shape.dim)
    return Tensor(value.name, str(kind), shape, role)
