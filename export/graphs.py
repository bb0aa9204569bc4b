"""What a manifest says of an ONNX graph: its signature, its size, its cost."""

from __future__ import annotations

import hashlib
import math

import onnx

from vae_edge.runtime.bundle.manifest import File, Graph, Tensor

__all__ = ["describe", "multiply_adds"]


def describe(model: onnx.ModelProto, file_name: str) -> tuple[bytes, Graph]:
    """The model's bytes and what a manifest says of them."""
    data = model.SerializeToString(deterministic=True)
    file = File(file_name, len(data), hashlib.sha256(data).hexdigest())
    floats = [w for w in model.graph.initializer if w.data_type == onnx.TensorProto.FLOAT and w.dims]  # no constants
    graph = Graph(
        file=file,
        opset=next(entry.version for entry in model.opset_import if entry.domain == ""),
        inputs=tuple(_tensor(value) for value in model.graph.input),
        outputs=tuple(_tensor(value) for value in model.graph.output),
        parameters=sum(math.prod(w.dims) for w in floats),
        multiply_adds=multiply_adds(model),
    )
    return data, graph


def multiply_adds(model: onnx.ModelProto) -> int:
    """Multiply-adds of one image in Conv, ConvTranspose, Gemm and MatMul; biases and activations are not counted."""
    single = onnx.ModelProto()
    single.CopyFrom(model)
    for value in (*single.graph.input, *single.graph.output):
        value.type.tensor_type.shape.dim[0].dim_value = 1
    inferred = onnx.shape_inference.infer_shapes(single, strict_mode=True, data_prop=True).graph
    shapes = {
        value.name: [dim.dim_value for dim in value.type.tensor_type.shape.dim]
        for value in (*inferred.input, *inferred.output, *inferred.value_info)
    }
    shapes |= {weight.name: list(weight.dims) for weight in inferred.initializer}
    total = 0
    for node in inferred.node:
        if node.op_type in {"Conv", "ConvTranspose"}:
            # Each output (Conv) or input (ConvTranspose) element meets one kernel: weights (M, C/group, h, w).
            element = node.output[0] if node.op_type == "Conv" else node.input[0]
            total += math.prod(shapes[element]) * math.prod(shapes[node.input[1]][1:])
        elif node.op_type in {"MatMul", "Gemm"}:
            transposed = any(entry.name == "transA" and entry.i for entry in node.attribute)
            total += math.prod(shapes[node.output[0]]) * shapes[node.input[0]][0 if transposed else -1]
    return total


def _tensor(value: onnx.ValueInfoProto) -> Tensor:
    kind = onnx.helper.tensor_dtype_to_np_dtype(value.type.tensor_type.elem_type)
    shape = tuple(dim.dim_param or dim.dim_value for dim in value.type.tensor_type.shape.dim)
    return Tensor(value.name, str(kind), shape)
