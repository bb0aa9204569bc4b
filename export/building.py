"""A model's ONNX graph as a bundle holds it: canonical parameters, by name, in the bundle's layout."""

from __future__ import annotations

import onnx

from vae_edge.export import passes, transforms
from vae_edge.export.layouts import Layout
from vae_edge.export.parameters import Reading
from vae_edge.export.wiring import Wired

__all__ = ["build"]


def build(wired: Wired, reading: Reading, opset: int) -> tuple[onnx.ModelProto, list[str], dict[str, str]]:
    """The graph, remarks on how exact it is, and the operator that each of the model's own outputs ends in."""
    plain = {each.tensor: each.key for each in reading.parameters if each.part is None}
    split = _split(reading)
    picked = plain | {name: key for name, (key, _, _) in split.items()}
    model = wired.convert(picked, opset)
    ends = {each.tensor: _last_operator(model, each.tensor) for each in reading.parameters if each.part is None}
    is_plain = not split
    for name, (_, axis, names) in split.items():
        if axis != -1:
            model = transforms.channels_last_output(model, name)
        model = transforms.split_output(model, name, names)
    if split:
        model = transforms.pick(model, {each.tensor: each.tensor for each in reading.parameters})
    remarks = []
    for parameter in reading.parameters:
        if parameter.how == "identity" and parameter.layout.is_identity:
            continue
        is_plain = False
        model = _arranged(model, parameter.tensor, parameter.layout)
        model, remark = transforms.apply(model, parameter.tensor, parameter.how)
        remarks += [remark] if remark else []
    return (model if is_plain else passes.optimise(model)), remarks, ends


def _split(reading: Reading) -> dict[str, tuple[str, int, list[str]]]:
    """The outputs that are to be split: a new name -> the model's key, the axis, and the names of all parts."""
    found: dict[str, tuple[str, int, list[str]]] = {}
    for parameter in reading.parameters:
        if (part := parameter.part) is not None:
            name = f"parts_{parameter.key}_{part.count}"
            names = [f"{name}_{index}" for index in range(part.count)]
            found.setdefault(name, (parameter.key, part.axis, names))[2][part.index] = parameter.tensor
    return found


def _arranged(model: onnx.ModelProto, name: str, layout: Layout) -> onnx.ModelProto:
    if layout.is_identity:
        return model
    if not layout.transposes:
        return transforms.reshape_output(model, name, layout.ours)
    if layout.view != layout.own:
        model = transforms.reshape_output(model, name, layout.view)
    model = transforms.transpose_output(model, name, [0, *(axis + 1 for axis in layout.order)])
    moved = tuple(layout.view[axis] for axis in layout.order)
    return model if moved == layout.ours else transforms.reshape_output(model, name, layout.ours)


def _last_operator(model: onnx.ModelProto, output: str) -> str:
    """The last operator before an output, leaving out those that only move numbers."""
    made = {name: node for node in model.graph.node for name in node.output}
    moves = {"Cast", "Flatten", "Identity", "Reshape", "Squeeze", "Transpose", "Unsqueeze"}
    node: onnx.NodeProto | None = made.get(output)
    while node is not None and node.op_type in moves:
        node = made.get(node.input[0])
    return "" if node is None else str(node.op_type)
