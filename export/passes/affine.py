"""The pass that folds batch normalisation, as any Mul and Add by channel, into the layer before it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
import onnx
from onnx import numpy_helper

from vae_edge.export.passes.walk import attributes, constants, copied, drop_unread_weights, producers, readers

__all__ = ["fold_affine"]

Array = npt.NDArray[Any]


def fold_affine(model: onnx.ModelProto) -> onnx.ModelProto:
    """The model with each BatchNormalization, Mul or Add of a constant by channel inside the layer that it follows.

    The layer is a Conv, a ConvTranspose, a Gemm, or (Mul alone) a MatMul, whose weights are constants and whose output
    nothing else reads. ONNX Runtime folds these into a Conv, but not into a ConvTranspose, where Keras's decoders have
    them.
    """
    folded = copied(model)
    graph = folded.graph
    fixed, made, read = constants(graph), producers(graph), readers(graph)
    for node in list(graph.node):
        affine = _affine(node, fixed)
        producer = made.get(affine.tensor) if affine else None
        if affine is None or producer is None or read[producer.output[0]] != 1:
            continue
        layer = _layer(producer, fixed)
        if layer is None or not _fits(affine, layer):
            continue
        _put(layer, affine, graph, fixed)
        producer.output[0] = node.output[0]
        made[node.output[0]] = producer
        graph.node.remove(node)
    drop_unread_weights(graph)
    return folded


@dataclass(frozen=True)
class _Affine:
    """y = scale * tensor + shift; both are numbers, or one a channel in an array that broadcasts (`axes` its shape)."""

    tensor: str
    scale: Array
    shift: Array
    axes: tuple[int, ...] | None  # None: by channel, as a BatchNormalization


def _affine(node: onnx.NodeProto, fixed: dict[str, Array]) -> _Affine | None:
    if node.op_type == "BatchNormalization":
        said = attributes(node)
        if said.get("training_mode", 0) or len(node.output) != 1 or any(name not in fixed for name in node.input[1:]):
            return None
        gamma, beta, mean, variance = (fixed[name].astype(np.float64) for name in node.input[1:])
        scale = gamma / np.sqrt(variance + said.get("epsilon", 1e-5))
        return _Affine(node.input[0], scale, beta - mean * scale, None)
    if node.op_type not in ("Add", "Div", "Mul", "Sub"):
        return None
    place = 1 if node.input[1] in fixed else 0
    values = fixed.get(node.input[place])
    if values is None or values.dtype != np.float32 or (place == 0 and node.op_type in ("Div", "Sub")):
        return None
    flat, one, zero = values.astype(np.float64).reshape(-1), np.ones(1), np.zeros(1)
    with np.errstate(divide="ignore"):
        scale, shift = {"Add": (one, flat), "Sub": (one, -flat), "Mul": (flat, zero), "Div": (1 / flat, zero)}[
            node.op_type
        ]
    return _Affine(node.input[1 - place], scale, shift, values.shape)


@dataclass(frozen=True)
class _Layer:
    """A node of constant weights: its outputs lie on axis `axis` of the weights, and on `channel` of its output."""

    node: onnx.NodeProto
    weights: Array
    bias: Array
    axis: int
    rank: int  # of its output, where the weights tell
    channel: int  # counted from the end of its output's axes


def _layer(node: onnx.NodeProto, fixed: dict[str, Array]) -> _Layer | None:
    weights = fixed.get(node.input[1]) if len(node.input) > 1 else None
    if weights is None or weights.dtype != np.float32:
        return None
    said = attributes(node)
    if node.op_type == "Conv":
        axis, channel = 0, 1 - weights.ndim
    elif node.op_type == "ConvTranspose" and said.get("group", 1) == 1:
        axis, channel = 1, 1 - weights.ndim
    elif node.op_type == "Gemm" and said.get("alpha", 1.0) == said.get("beta", 1.0) == 1.0:
        axis, channel = 0 if said.get("transB", 0) else 1, -1
    elif node.op_type == "MatMul" and weights.ndim == 2:
        axis, channel = 1, -1
    else:
        return None
    has_bias = len(node.input) > 2 and node.input[2] != ""
    bias = fixed.get(node.input[2]) if has_bias else np.zeros(weights.shape[axis], np.float32)
    if bias is None or bias.shape != (weights.shape[axis],):
        return None
    return _Layer(node, weights, bias, axis, weights.ndim, channel)


def _fits(affine: _Affine, layer: _Layer) -> bool:
    """Whether the constants are finite, one for all or one a channel of the layer, and add no axis."""
    if layer.node.op_type == "MatMul" and affine.shift.any():
        return False  # it has no bias
    if not all(np.isfinite(part).all() and part.size in (1, layer.bias.size) for part in (affine.scale, affine.shift)):
        return False
    if affine.axes is None:
        return True
    if len(affine.axes) > layer.rank:
        return False
    others = [size for place, size in enumerate(affine.axes) if place - len(affine.axes) != layer.channel]
    return all(size == 1 for size in others)


def _put(layer: _Layer, affine: _Affine, graph: onnx.GraphProto, fixed: dict[str, Array]) -> None:
    """Gives the layer weights and a bias of its own; another layer may share the old ones."""
    scale = affine.scale.reshape([-1 if axis == layer.axis else 1 for axis in range(layer.weights.ndim)])
    changed = {1: layer.weights * scale}
    bias = layer.bias * affine.scale + affine.shift
    if bias.any() or len(layer.node.input) > 2:
        changed[2] = bias
    for place, values in changed.items():
        name = f"{layer.node.output[0]}_folded_{place}"
        while name in fixed:
            name += "_"
        fixed[name] = np.ascontiguousarray(values, np.float32)
        graph.initializer.append(numpy_helper.from_array(fixed[name], name))
        while len(layer.node.input) <= place:
            layer.node.input.append("")
        layer.node.input[place] = name
