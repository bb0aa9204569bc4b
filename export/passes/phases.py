"""The pass that replaces a strided transposed convolution by plain convolutions, one a phase.

A transposed convolution of stride s makes s * s images, one for each phase (row mod s, column mod s); each is a plain
convolution of the input with the taps that reach it, as many multiply-adds in all. Laying the phases out as one image
again is what costs: so the layer behind, of stride 1 and few outputs, reads them as channels instead, becomes a
transposed convolution of stride s itself, and lays out its own small output.

ONNX Runtime computes a transposed convolution as a matrix product that it then sums up pixel by pixel, on one thread,
and fuses nothing with it. The last two layers of TensorFlow's tutorial decoder take 42 us an image so, and 62 as they
were.
"""

from __future__ import annotations

import itertools
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import onnx
from onnx import helper, numpy_helper

from vae_edge.export.passes.walk import drop_unread_weights

__all__ = ["split_phases"]

# What has no weights and treats each pixel for itself may stand between the two layers.
_POINTWISE = frozenset({"Elu", "LeakyRelu", "Relu", "Selu", "Sigmoid", "Softplus", "Tanh"})
# The layer behind reads (q + s - 1)^2 taps where it read q^2. It may cost this share of the first.
_MOST = 0.5

Array = npt.NDArray[np.float32]


@dataclass(frozen=True)
class _Layer:
    """A transposed convolution over two axes: output o = stride * input + tap - begin."""

    node: onnx.NodeProto
    weights: Array  # (inputs, outputs, height, width)
    bias: list[str]  # its name, if there is one
    strides: tuple[int, int]
    begin: tuple[int, int]

    @property
    def kernel(self) -> tuple[int, int]:
        return self.weights.shape[2], self.weights.shape[3]


def split_phases(model: onnx.ModelProto) -> onnx.ModelProto:
    """The model with each strided ConvTranspose that a layer of few outputs follows as Conv, one a phase."""
    split = onnx.ModelProto()
    split.CopyFrom(model)
    graph = split.graph
    readers: dict[str, list[onnx.NodeProto]] = {}
    for node in graph.node:
        for name in node.input:
            readers.setdefault(name, []).append(node)
    kept = {value.name for value in graph.output}
    for node in list(graph.node):
        first = _layer(node, graph)
        if first is None or first.strides == (1, 1):
            continue
        between, last = [], node
        while last.output[0] not in kept and len(readers.get(last.output[0], [])) == 1:
            (last,) = readers[last.output[0]]
            if last.op_type not in _POINTWISE:
                break
            between.append(last)
        second = _layer(last, graph)
        if second is not None and second.strides == (1, 1) and _is_worth_it(first, second):
            _replace(graph, first, between, second)
    drop_unread_weights(graph)
    return split


def _is_worth_it(first: _Layer, second: _Layer) -> bool:
    taps = [size + stride - 1 for size, stride in zip(second.kernel, first.strides, strict=True)]
    phases = first.strides[0] * first.strides[1]
    return phases * second.weights[..., 0, 0].size * taps[0] * taps[1] <= _MOST * first.weights.size


def _layer(node: onnx.NodeProto, graph: onnx.GraphProto) -> _Layer | None:
    """The node as a transposed convolution whose output is stride times as large as its input, if it is one."""
    if node.op_type not in ("Conv", "ConvTranspose"):
        return None
    said = {entry.name: helper.get_attribute_value(entry) for entry in node.attribute}
    weights = next((numpy_helper.to_array(w) for w in graph.initializer if w.name == node.input[1]), None)
    plain = said.get("auto_pad", b"NOTSET") == b"NOTSET" and said.get("group", 1) == 1 and "output_shape" not in said
    if weights is None or weights.ndim != 4 or not plain or set(said.get("dilations", [1])) != {1}:
        return None
    pads, strides = said.get("pads", [0] * 4), said.get("strides", [1, 1])
    extra = said.get("output_padding", [0, 0])
    if node.op_type == "Conv":
        # y[o] = sum_t w[t] x[o + t - b]: transposed, with the taps in reverse and what they reach beyond as the padding
        if set(strides) != {1}:
            return None
        weights = np.flip(weights.swapaxes(0, 1), (2, 3))
        pads = [size - 1 - pad for size, pad in zip(weights.shape[2:] * 2, pads, strict=True)]
    for axis, size in enumerate(weights.shape[2:]):
        if size < strides[axis] or min(pads) < 0 or size - pads[axis] - pads[axis + 2] + extra[axis] != strides[axis]:
            return None
    return _Layer(node, weights, list(node.input[2:]), (strides[0], strides[1]), (pads[0], pads[1]))


def _replace(graph: onnx.GraphProto, first: _Layer, between: list[onnx.NodeProto], second: _Layer) -> None:
    """Puts a convolution for each phase, one array of all phases, and the second layer over it where the first was."""
    at, made, phases = list(graph.node).index(first.node), [], []
    name = first.node.output[0]
    for phase in itertools.product(*map(range, first.strides)):
        found, tag = _phase(first, phase), f"{name}_phase{phase[0]}{phase[1]}"
        graph.initializer.append(numpy_helper.from_array(found.weights, f"{tag}_weights"))
        inputs = [first.node.input[0], f"{tag}_weights", *first.bias]
        conv = helper.make_node("Conv", inputs, [tag], name=tag, kernel_shape=found.weights.shape[2:], pads=found.pads)
        made.append(conv)
        for depth, node in enumerate(between):
            copy = onnx.NodeProto()
            copy.CopyFrom(node)
            copy.name = f"{tag}_{depth}"
            copy.input[0], copy.output[0] = made[-1].output[0], f"{tag}_{depth}"
            made.append(copy)
        phases.append(made[-1].output[0])
    made.append(helper.make_node("Concat", phases, [f"{name}_phases"], name=f"{name}_phases", axis=1))
    graph.initializer.append(numpy_helper.from_array(_over_phases(second, first.strides), f"{name}_weights"))
    height, width = (size + stride - 1 for size, stride in zip(second.kernel, first.strides, strict=True))
    after = [size - 1 - pad for size, pad in zip(second.kernel, second.begin, strict=True)]
    made.append(
        helper.make_node(
            "ConvTranspose",
            [f"{name}_phases", f"{name}_weights", *second.bias],
            list(second.node.output),
            name=second.node.name,
            kernel_shape=[height, width],
            strides=first.strides,
            pads=[*second.begin, *after],
        )
    )
    for node in (first.node, *between, second.node):
        graph.node.remove(node)
    for offset, node in enumerate(made):
        graph.node.insert(at + offset, node)


@dataclass(frozen=True)
class _Phase:
    weights: Array  # (outputs, inputs, height, width), as Conv has them
    pads: list[int]


def _phase(layer: _Layer, phase: tuple[int, ...]) -> _Phase:
    """The convolution that gives the outputs at stride * i + phase."""
    # o = s i + t - b and o = s j + r: the tap t reads the input at i = j - d, d = (t - b - r) / s
    taps, pads = [], [0] * 4
    for axis, size in enumerate(layer.kernel):
        step, begin = layer.strides[axis], layer.begin[axis]
        reach = {(t - begin - phase[axis]) // step: t for t in range(size) if (t - begin - phase[axis]) % step == 0}
        furthest, nearest = max(0, *reach), min(0, *reach)
        pads[axis], pads[axis + 2] = furthest, -nearest
        taps.append([reach.get(d) for d in range(furthest, nearest - 1, -1)])
    inputs, outputs = layer.weights.shape[:2]
    weights = np.zeros((outputs, inputs, len(taps[0]), len(taps[1])), np.float32)
    for (row, t), (column, u) in itertools.product(enumerate(taps[0]), enumerate(taps[1])):
        if t is not None and u is not None:
            weights[:, :, row, column] = layer.weights[:, :, t, u].T
    return _Phase(weights, pads)


def _over_phases(layer: _Layer, strides: tuple[int, int]) -> Array:
    """The weights of a layer of stride 1 that reads phases as channels: o = s i + (phase + tap) - begin."""
    inputs, outputs, height, width = layer.weights.shape
    shape = (*strides, inputs, outputs, height + strides[0] - 1, width + strides[1] - 1)
    weights = np.zeros(shape, np.float32)
    for row, column in itertools.product(*map(range, strides)):
        weights[row, column, :, :, row : row + height, column : column + width] = layer.weights
    return weights.reshape(-1, *shape[3:])
