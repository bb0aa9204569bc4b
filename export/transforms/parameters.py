"""How a model's own parameter becomes the canonical one: exp of a log-scale, logits of probabilities.

A Sigmoid at the end is cut off, not inverted: log(p / (1 - p)) of a float32 p is wrong by 0.24 at a logit of 16.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import onnx

from vae_edge.export.passes.walk import attributes, drop_unread, producers
from vae_edge.export.transforms.edit import Editor, shape_of, value_of
from vae_edge.runtime.errors import InputError

__all__ = ["PARAMETERS", "Parameter", "apply"]

Array = npt.NDArray[np.floating]
# Below this a float32 probability is 0 for a logarithm; 1 - 6e-8 is the largest below 1.
_TINY = float(np.finfo(np.float32).tiny)
_ALMOST_ONE = float(np.nextafter(np.float32(1), np.float32(0)))
_PLAIN = {"exp": "Exp", "softplus": "Softplus", "sqrt": "Sqrt"}  # operators that are the function
# Operators that only move numbers: an activation before one of them may as well come after it.
_MOVES = frozenset({"Cast", "Flatten", "Identity", "Reshape", "Squeeze", "Transpose", "Unsqueeze"})


@dataclass(frozen=True)
class Parameter:
    """The conversion of a model's own parameter to the one that a bundle holds, in NumPy, and its inverse.

    Parity compares `inverse` of the graph's output with what the model gives: it is exact where the way there is not.
    """

    forward: Callable[[Array], Array]
    inverse: Callable[[Array], Array]
    meaning: str


def _softmax(x: Array) -> Array:
    grown = np.exp(x - x.max(-1, keepdims=True))
    return grown / grown.sum(-1, keepdims=True)


def _logit(p: Array) -> Array:
    p = np.clip(p, _TINY, _ALMOST_ONE)
    return np.log(p) - np.log1p(-p)


PARAMETERS: dict[str, Parameter] = {
    "identity": Parameter(lambda x: x, lambda y: y, "as it is"),
    "exp": Parameter(np.exp, np.log, "exp(x): of a log-scale"),
    "exp_half": Parameter(lambda x: np.exp(x / 2), lambda y: 2 * np.log(y), "exp(x / 2): of a log-variance"),
    "softplus": Parameter(
        lambda x: np.logaddexp(x, 0), lambda y: y + np.log(-np.expm1(-y)), "log(1 + exp(x)): of an unconstrained scale"
    ),
    "sqrt": Parameter(np.sqrt, np.square, "sqrt(x): of a variance"),
    "logit": Parameter(_logit, lambda y: 1 / (1 + np.exp(-y)), "log(p / (1 - p)): of probabilities"),
    "log": Parameter(
        lambda p: np.log(np.maximum(p, _TINY)), _softmax, "log(p): of probabilities that sum to 1 along the last axis"
    ),
}


def apply(model: onnx.ModelProto, output: str, how: str) -> tuple[onnx.ModelProto, str]:
    """The model whose `output` is the parameter `how` (a key of PARAMETERS) of what it was, and a remark or ''.

    'logit' cuts the Sigmoid at the graph's end, 'log' the Softmax; where there is none, the remark says what was
    calculated instead, and how exact that is. Raises InputError on an unknown key.
    """
    if how not in PARAMETERS:
        raise InputError(f"the parameter should be one of {', '.join(PARAMETERS)}, it is {how!r:.60}")
    if how == "identity":
        return Editor(model).model, ""
    if how in ("logit", "log"):
        activation = {"logit": "Sigmoid", "log": "Softmax"}[how]
        cut = _cut(model, output, activation)
        if cut is not None:
            return cut, ""
    edit = Editor(model)
    inner = edit.detach(output)
    if how in _PLAIN:
        edit.append(_PLAIN[how], [inner], [output])
    else:
        {"exp_half": _exp_half, "logit": _inverse_sigmoid, "log": _log}[how](edit, inner, output)
    remarks = {
        "logit": f"no Sigmoid was found at the end of {output!r}: its logits are log(p) - log(1 - p), exact to 0.01 up "
        "to 11, and to 1 up to 16; a model that gives logits is more exact",
        "log": f"no Softmax was found at the end of {output!r}: its logits are log(p), at least {np.log(_TINY):.0f}",
    }
    return edit.model, remarks.get(how, "")


def _exp_half(edit: Editor, inner: str, output: str) -> None:
    half = edit.free(f"{output}_half")
    edit.append("Mul", [inner, edit.constant(np.float32(0.5), f"{output}_factor")], [half])
    edit.append("Exp", [half], [output])


def _inverse_sigmoid(edit: Editor, inner: str, output: str) -> None:
    clipped, log, rest, log_rest = (edit.free(f"{output}_{part}") for part in ("clipped", "log", "rest", "log_rest"))
    bounds = [edit.constant(np.float32(bound), f"{output}_bound") for bound in (_TINY, _ALMOST_ONE)]
    edit.append("Clip", [inner, *bounds], [clipped])
    edit.append("Log", [clipped], [log])
    edit.append("Sub", [edit.constant(np.float32(1), f"{output}_one"), clipped], [rest])  # exact from 1/2 on
    edit.append("Log", [rest], [log_rest])
    edit.append("Sub", [log, log_rest], [output])


def _log(edit: Editor, inner: str, output: str) -> None:
    clipped = edit.free(f"{output}_clipped")
    edit.append("Max", [inner, edit.constant(np.float32(_TINY), f"{output}_bound")], [clipped])
    edit.append("Log", [clipped], [output])


def _cut(model: onnx.ModelProto, output: str, activation: str) -> onnx.ModelProto | None:
    """The model without the `activation` at the end of `output`, if there is one; other readers keep theirs."""
    edit = Editor(model)
    value = value_of(edit.graph.output, output)
    made, chain = producers(edit.graph), []
    node = made.get(output)
    while node is not None and node.op_type in _MOVES:
        if node.op_type == "Cast" and attributes(node)["to"] != onnx.TensorProto.FLOAT:
            return None
        chain.append(node)
        node = made.get(node.input[0])
    if node is None or node.op_type != activation:
        return None
    if activation == "Softmax" and not _is_along_last(node, chain, model, len(shape_of(value)) + 1):
        return None
    source = node.input[0]
    edit.detach(output)
    # The chain once more, from what the activation read: another output may need the old one.
    for place, step in enumerate(reversed(chain or [node])):
        copy = onnx.NodeProto()
        copy.CopyFrom(step)
        if not chain:
            copy.op_type, copy.name = "Identity", ""
            del copy.attribute[:]
        copy.input[0] = source
        source = output if place == max(len(chain), 1) - 1 else edit.free(f"{output}_{place}")
        copy.output[0] = source
        edit.graph.node.append(copy)
    drop_unread(edit.graph)
    return edit.model


def _is_along_last(softmax: onnx.NodeProto, chain: list[onnx.NodeProto], model: onnx.ModelProto, axes: int) -> bool:
    """Whether the Softmax's axis is the last of the output, behind the nodes of `chain`."""
    inferred = onnx.shape_inference.infer_shapes(model).graph
    values = (*inferred.input, *inferred.output, *inferred.value_info)
    shapes = {value.name: [dim.dim_value for dim in value.type.tensor_type.shape.dim] for value in values}
    rank = len(shapes.get(softmax.output[0], [0] * axes))
    axis = attributes(softmax).get("axis", -1) % rank
    for node in reversed(chain):
        before, after = shapes.get(node.input[0]), shapes.get(node.output[0])
        if node.op_type == "Transpose":
            axis = list(attributes(node).get("perm", range(rank - 1, -1, -1))).index(axis)
        elif node.op_type not in ("Cast", "Identity"):
            if not before or not after or axis != rank - 1 or before[-1] != after[-1] or not before[-1]:
                return False
            rank, axis = len(after), len(after) - 1
    return axis == rank - 1
