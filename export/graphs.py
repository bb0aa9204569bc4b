"""Keras networks as ONNX graphs, with their signature and their cost."""

from __future__ import annotations

import hashlib
import logging
import math
from collections.abc import Sequence

import keras
import onnx
import tensorflow as tf
import tf2onnx

from vae_edge.export import passes
from vae_edge.export.phases import split_phases
from vae_edge.runtime.bundle.manifest import File, Graph, Tensor
from vae_edge.runtime.errors import InputError

__all__ = ["DEFAULT_OPSET", "OPSETS", "convert", "describe", "multiply_adds", "tidy", "translate"]

OPSETS = range(13, 19)  # what tf2onnx 1.17 writes and every test compares with TensorFlow
DEFAULT_OPSET = 17  # ONNX Runtime 1.12 (2022) and later read it


def convert(network: keras.Model, outputs: Sequence[str], opset: int = DEFAULT_OPSET) -> onnx.ModelProto:
    """The network as an ONNX model that is quick to run, float32, its batch axis dynamic, its outputs named `outputs`.

    The networks' raw outputs are exported, never a distribution's mean or stddev: TFP emits BroadcastArgs for these,
    which tf2onnx does not have. Raises InputError on an opset that tf2onnx does not write.
    """
    model = translate(network, outputs, opset)
    return tidy(split_phases(passes.fuse_clip(model)), model.graph.input[0].name, outputs)


def translate(network: keras.Model, outputs: Sequence[str], opset: int = DEFAULT_OPSET) -> onnx.ModelProto:
    """The network as tf2onnx writes it, operator by operator; otherwise as `convert` gives it."""
    if opset not in OPSETS:
        raise InputError(f"opset should be one of {OPSETS.start} to {OPSETS.stop - 1}, it is {opset}")
    (tensor,) = network.inputs
    name = tensor.name.split(":")[0]
    signature = [tf.TensorSpec((None, *tensor.shape[1:]), tf.float32, name=name)]

    def named(x: tf.Tensor) -> dict[str, tf.Tensor]:
        results = network(x, training=False)
        return dict(zip(outputs, results if isinstance(results, (list, tuple)) else [results], strict=True))

    logging.getLogger("tf2onnx").setLevel(logging.ERROR)
    model, _ = tf2onnx.convert.from_function(tf.function(named, input_signature=signature), signature, opset=opset)
    return tidy(model, name, outputs)


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


def tidy(model: onnx.ModelProto, name: str, outputs: Sequence[str]) -> onnx.ModelProto:
    """The model, changed, with plain names throughout: its input becomes `name`, its outputs `outputs`.

    The converter's carry TensorFlow's scopes, and say ':0' behind each tensor; the quantiser's say what was done.
    """
    graph = model.graph
    # As they are read: the converter's order of the weights is another in each process.
    places: dict[str, int] = {}
    for tensor in (tensor for node in graph.node for tensor in node.input):
        places.setdefault(tensor, len(places))
    weights = sorted(graph.initializer, key=lambda weight: places.get(weight.name, len(places)))
    del graph.initializer[:]
    graph.initializer.extend(weights)
    renamed = {graph.input[0].name: name} | {
        value.name: want for value, want in zip(graph.output, outputs, strict=True)
    }
    for index, node in enumerate(graph.node):
        node.name = f"{node.op_type}_{index}"
        for tensor in node.output:
            renamed.setdefault(tensor, f"t{index}")
    for index, weight in enumerate(graph.initializer):
        renamed.setdefault(weight.name, f"w{index}")
    for node in graph.node:
        node.input[:] = [renamed.get(tensor, tensor) for tensor in node.input]
        node.output[:] = [renamed.get(tensor, tensor) for tensor in node.output]
    for value in (*graph.input, *graph.output, *graph.initializer):
        value.name = renamed[value.name]
    for value in (*graph.input, *graph.output):
        value.type.tensor_type.shape.dim[0].Clear()
        value.type.tensor_type.shape.dim[0].dim_param = "batch"
    del graph.value_info[:], model.metadata_props[:]
    graph.name, graph.doc_string, model.doc_string = "vae", "", ""
    onnx.checker.check_model(model, full_check=True)
    return model


def _tensor(value: onnx.ValueInfoProto) -> Tensor:
    kind = onnx.helper.tensor_dtype_to_np_dtype(value.type.tensor_type.elem_type)
    shape = tuple(dim.dim_param or dim.dim_value for dim in value.type.tensor_type.shape.dim)
    return Tensor(value.name, str(kind), shape)
