"""The pass that folds batch normalisation, as any Mul and Add by channel, into the layer before it."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import onnx
from onnx import helper, numpy_helper

from vae_edge.export.passes.walk import attributes, constants, copied, drop_unread_weights, producers, readers

__all__ = ["fold_affine"]

Array = npt.NDArray[np.float32]


@dataclass(frozen=True)
class _Affine:
    """What a node does by channel: y = scale * x + shift."""

    scale: Array  # (C,) or (1,)
    shift: Array  # (C,) or (1,)


def fold_affine(model: onnx.ModelProto) -> onnx.ModelProto:
    """The model with each BatchNormalization, Mul or Add of a constant by channel inside the layer that it follows.

    The layer is a Conv, a ConvTranspose, a Gemm, or a MatMul of constant weights, whose output nothing else reads. ONNX
    Runtime folds these into a Conv, but not into a ConvTranspose, where Keras's decoders have them.
    """
    folded = copied(model)
    graph = folded.graph
    fixed, made, read = constants(graph), producers(graph), readers(graph)
    for node in list(graph.node):
        place = _place(node, fixed)
        layer = made.get(node.input[place]) if place is not None else None
        if layer is None or read[layer.output[0]] != 1 or len(layer.input) < 2 or layer.input[1] not in fixed:
            continue
        weights = fixed[layer.input[1]]
        channels = _channels(layer, weights)
        affine = _affine(node, 1 - place if place is not None and node.op_type != "BatchNormalization" else 1, fixed,
                         layer.op_type, weights.ndim)  # fmt: skip
        if (
            channels == 0
            or affine is None
            or any(len(part) not in (1, channels) for part in (affine.scale, affine.shift))
        ):
            continue
        bias = fixed.get(layer.input[2]) if len(layer.input) > 2 and layer.input[2] else np.zeros(channels, np.float32)
        if bias is None or bias.shape != (channels,):
            continue
        if not _fold(layer, weights, bias, affine, graph, fixed):
            continue
        layer.output[0] = node.output[0]
        made[node.output[0]] = layer
        graph.node.remove(node)
    drop_unread_weights(graph)
    return folded


def _place(node: onnx.NodeProto, fixed: dict[str, Array]) -> int | None:
    """Which input of an affine node is the tensor."""
    if node.op_type == "BatchNormalization":
        return 0 if len(node.output) == 1 and all(name in fixed for name in node.input[1:]) else None
    if node.op_type not in ("Add", "Div", "Mul", "Sub"):
        return None
    if node.input[1] in fixed:
        return 0
    return 1 if node.input[0] in fixed and node.op_type in ("Add", "Mul") else None


def _channels(layer: onnx.NodeProto, weights: Array) -> int:
    """How many outputs the layer has; 0 where it is none that can take the factors."""
    said = attributes(layer)
    if layer.op_type == "Conv":
        return int(weights.shape[0])
    if layer.op_type == "ConvTranspose":
        return int(weights.shape[1]) if said.get("group", 1) == 1 else 0
    if layer.op_type == "Gemm" and said.get("alpha", 1.0) == said.get("beta", 1.0) == 1.0:
        return int(weights.shape[0 if said.get("transB", 0) else 1])
    if layer.op_type == "MatMul" and weights.ndim == 2:
        return int(weights.shape[1])
    return 0


def _affine(node: onnx.NodeProto, place: int, fixed: dict[str, Array], layer: str, axes: int) -> _Affine | None:
    one, zero = np.ones(1, np.float32), np.zeros(1, np.float32)
    if node.op_type == "BatchNormalization":
        said = attributes(node)
        if said.get("training_mode", 0) or len(node.input) != 5:
            return None
        gamma, beta, mean, variance = (fixed[name].astype(np.float64) for name in node.input[1:])
        scale = gamma / np.sqrt(variance + said.get("epsilon", 1e-5))
        return _Affine(scale.astype(np.float32), (beta - mean * scale).astype(np.float32))
    values = fixed[node.input[place]]
    if values.dtype != np.float32:
        return None
    along = 1 if layer.startswith("Conv") else -1
    shape = (1,) * (max(axes, values.ndim) - values.ndim) + values.shape
    rank = axes if layer.startswith("Conv") else len(shape)
    if len(shape) > rank or any(size != 1 for axis, size in enumerate(shape) if axis != along % len(shape)):
        return None  # not one number a channel
    flat = values.reshape(-1)
    return {
        "Mul": lambda: _Affine(flat, zero),
        "Div": lambda: _Affine((1 / flat.astype(np.float64)).astype(np.float32), zero),
        "Add": lambda: _Affine(one, flat),
        "Sub": lambda: _Affine(one, -flat),
    }[node.op_type]()


def _fold(
    layer: onnx.NodeProto, weights: Array, bias: Array, affine: _Affine, graph: onnx.GraphProto, fixed: dict[str, Array]
) -> bool:
    """Gives the layer weights and a bias that compute `affine` too."""
    if layer.op_type == "MatMul":
        # A MatMul has no bias to take a shift; the Add behind it stays, and takes a Mul behind that.
        if affine.shift.any():
            return False
        _put(layer, 1, weights * affine.scale, graph, fixed)
        return True
    transposed = bool(attributes(layer).get("transB", 0))
    axis = {"Conv": 0, "ConvTranspose": 1, "Gemm": 0 if transposed else 1}[layer.op_type]
    shape = [1] * weights.ndim
    shape[axis] = -1
    _put(layer, 1, weights * affine.scale.reshape(shape), graph, fixed)
    if affine.shift.any() or len(layer.input) > 2:
        while len(layer.input) < 3:
            layer.input.append("")
        _put(layer, 2, np.asarray(bias * affine.scale + affine.shift, np.float32), graph, fixed)
    return True


def _put(layer: onnx.NodeProto, place: int, values: Array, graph: onnx.GraphProto, fixed: dict[str, Array]) -> None:
    """Makes `values` the layer's input at `place`, as a weight of its own: another layer may share the old one."""
    name = f"{layer.output[0]}_{'weights' if place == 1 else 'bias'}_folded"
    while name in fixed:
        name += "_"
    graph.initializer.append(numpy_helper.from_array(np.ascontiguousarray(values, np.float32), name))
    fixed[name] = values
    layer.input[place] = name


_ = helper
