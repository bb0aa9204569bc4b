"""Changes of shape, layout, units and dtype at a graph's inputs and outputs."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence

import numpy as np
import numpy.typing as npt
import onnx
from onnx import TensorProto, helper

from vae_edge.export.passes.walk import drop_unread
from vae_edge.export.transforms.edit import Editor, opset, shape_of, value_of
from vae_edge.runtime.errors import InputError

__all__ = [
    "affine_input",
    "affine_output",
    "cast_input",
    "channels_last_input",
    "channels_last_output",
    "pick",
    "reshape_input",
    "reshape_output",
    "split_output",
    "transpose_input",
    "transpose_output",
]

Numbers = float | npt.NDArray[np.float32]


def pick(model: onnx.ModelProto, outputs: Mapping[str, int | str]) -> onnx.ModelProto:
    """The model with the outputs that are named, new name -> index or old name, without what only others need.

    An output may be picked twice. Raises InputError on an output that there is not.
    """
    edit = Editor(model)
    old = list(edit.graph.output)
    known = {value.name: value for value in old} | dict(enumerate(old))
    if missing := [key for key in outputs.values() if key not in known]:
        raise InputError(f"the graph should have output {missing[0]!r}, it has {', '.join(v.name for v in old)}")
    del edit.graph.output[:]
    inner = {value.name: edit.free(f"{value.name}_made") for value in old}
    for node in edit.graph.node:
        node.output[:] = [inner.get(name, name) for name in node.output]
        node.input[:] = [inner.get(name, name) for name in node.input]
    made = {name for node in edit.graph.node for name in node.output}
    for name, key in outputs.items():
        value = onnx.ValueInfoProto()
        value.CopyFrom(known[key])
        source = inner[value.name] if inner[value.name] in made else value.name  # an output that is an input
        value.name = name
        edit.graph.output.append(value)
        edit.append("Identity", [source], [name])
    drop_unread(edit.graph)
    return edit.model


def split_output(model: onnx.ModelProto, output: str, names: Sequence[str]) -> onnx.ModelProto:
    """The model with `output` (B, ..., n k) as n outputs `names` (B, ..., k), side by side along the last axis.

    NumPy: np.split(y, n, axis=-1). Raises InputError where the axis does not divide.
    """
    edit, parts = Editor(model), len(names)
    value = value_of(edit.graph.output, output)
    shape, kind = shape_of(value), value.type.tensor_type.elem_type
    if not shape or shape[-1] % parts:
        raise InputError(f"output {output!r} should have a last axis of {parts} equal parts, its shape is {shape}")
    inner = edit.detach(output)
    place = list(edit.graph.output).index(value)
    others = {each.name for each in edit.graph.output if each.name != output} | {each.name for each in edit.graph.input}
    if others & set(names) or len(set(names)) != parts:
        raise InputError(f"the parts of {output!r} should have names of their own, they are {list(names)}")
    size = shape[-1] // parts
    if opset(model) < 13:
        edit.append("Split", [inner], list(names), axis=len(shape), split=[size] * parts)
    else:
        sizes = edit.constant(np.full(parts, size, np.int64), f"{output}_sizes")
        edit.append("Split", [inner, sizes], list(names), axis=len(shape))
    rest = [each for index, each in enumerate(edit.graph.output) if index != place]
    values = [helper.make_tensor_value_info(name, kind, ["batch", *shape[:-1], size]) for name in names]
    kept = [*rest[:place], *values, *rest[place:]]
    copies = [onnx.ValueInfoProto.FromString(each.SerializeToString()) for each in kept]
    del edit.graph.output[:]
    edit.graph.output.extend(copies)
    return edit.model


def reshape_output(model: onnx.ModelProto, output: str, shape: tuple[int, ...]) -> onnx.ModelProto:
    """The model whose `output` is (B, *shape): a flat image, or one without its axis of channels.

    NumPy: y.reshape(len(y), *shape). Raises InputError where the sizes are not equal.
    """
    edit = Editor(model)
    value = value_of(edit.graph.output, output)
    _check_sizes(output, shape_of(value), shape)
    inner = edit.detach(output)
    edit.append("Reshape", [inner, edit.constant(_sizes(shape), f"{output}_shape")], [output])
    edit.set_shape(value, shape, value.type.tensor_type.elem_type)
    return edit.model


def reshape_input(model: onnx.ModelProto, name: str, shape: tuple[int, ...]) -> onnx.ModelProto:
    """The model whose input `name` is (B, *shape), and is given to the graph in the shape that it had.

    NumPy: the graph sees x.reshape(len(x), *old). Raises InputError where the sizes are not equal.
    """
    edit = Editor(model)
    value = value_of(edit.graph.input, name)
    old = shape_of(value)
    _check_sizes(name, old, shape)
    inner = edit.detach_input(name)
    edit.prepend([helper.make_node("Reshape", [name, edit.constant(_sizes(old), f"{name}_shape")], [inner])])
    edit.set_shape(value, shape, value.type.tensor_type.elem_type)
    return edit.model


def transpose_output(model: onnx.ModelProto, output: str, order: Sequence[int]) -> onnx.ModelProto:
    """The model whose `output` has its axes in another order, the batch first.

    NumPy: y.transpose(order). Where only axes of size 1 move, it is a Reshape, which costs nothing.
    """
    edit = Editor(model)
    value = value_of(edit.graph.output, output)
    shape = shape_of(value)
    new = _reordered(output, shape, order)
    if _moves_nothing(shape, order):
        return reshape_output(model, output, new)
    inner = edit.detach(output)
    edit.append("Transpose", [inner], [output], perm=list(order))
    edit.set_shape(value, new, value.type.tensor_type.elem_type)
    return edit.model


def transpose_input(model: onnx.ModelProto, name: str, order: Sequence[int]) -> onnx.ModelProto:
    """The model whose input `name` has other axes; `order` is what makes the graph's own order of them.

    NumPy: the graph sees x.transpose(order).
    """
    edit = Editor(model)
    value = value_of(edit.graph.input, name)
    old = shape_of(value)
    _reordered(name, old, order)
    new = tuple(old[order.index(axis) - 1] for axis in range(1, len(order)))
    if _moves_nothing(new, order):
        return reshape_input(model, name, new)
    inner = edit.detach_input(name)
    edit.prepend([helper.make_node("Transpose", [name], [inner], perm=list(order))])
    edit.set_shape(value, new, value.type.tensor_type.elem_type)
    return edit.model


def channels_last_output(model: onnx.ModelProto, output: str) -> onnx.ModelProto:
    """The model whose `output` (B, C, ...) is (B, ..., C). NumPy: np.moveaxis(y, 1, -1)."""
    axes = len(shape_of(value_of(model.graph.output, output))) + 1
    return transpose_output(model, output, [0, *range(2, axes), 1])


def channels_last_input(model: onnx.ModelProto, name: str) -> onnx.ModelProto:
    """The model whose input `name` is (B, ..., C), where the graph takes (B, C, ...).

    NumPy: the graph sees np.moveaxis(x, -1, 1).
    """
    axes = len(shape_of(value_of(model.graph.input, name))) + 1
    return transpose_input(model, name, [0, axes - 1, *range(1, axes - 1)])


def affine_output(model: onnx.ModelProto, output: str, scale: Numbers = 1.0, shift: Numbers = 0.0) -> onnx.ModelProto:
    """The model whose `output` is scale * y + shift; both are numbers or arrays of the output's shape without batch.

    NumPy: scale * y + shift, in float32.
    """
    edit = Editor(model)
    shape = shape_of(value_of(edit.graph.output, output))
    steps = _steps(output, shape, scale, shift)
    if not steps:
        return edit.model
    current = edit.detach(output)
    for place, (operator, values) in enumerate(steps):
        last = place == len(steps) - 1
        result = output if last else edit.free(f"{output}_scaled")
        edit.append(operator, [current, edit.constant(values, f"{output}_{operator.lower()}")], [result])
        current = result
    return edit.model


def affine_input(model: onnx.ModelProto, name: str, scale: Numbers = 1.0, shift: Numbers = 0.0) -> onnx.ModelProto:
    """The model that sees scale * x + shift of its input `name`: 255 * x for pixels that were bytes.

    NumPy: the graph sees scale * x + shift, in float32.
    """
    edit = Editor(model)
    value = value_of(edit.graph.input, name)
    if value.type.tensor_type.elem_type != TensorProto.FLOAT:
        raise InputError(f"input {name!r} should be float32 to be scaled: cast it first")
    steps = _steps(name, shape_of(value), scale, shift)
    if not steps:
        return edit.model
    inner, current, made = edit.detach_input(name), name, []
    for place, (operator, values) in enumerate(steps):
        result = inner if place == len(steps) - 1 else edit.free(f"{name}_scaled")
        constant = edit.constant(values, f"{name}_{operator.lower()}")
        made.append(helper.make_node(operator, [current, constant], [result]))
        current = result
    edit.prepend(made)
    return edit.model


def cast_input(model: onnx.ModelProto, name: str, dtype: str = "float32") -> onnx.ModelProto:
    """The model whose input `name` is of `dtype`, and is given to the graph as what it took.

    Floats become whole numbers by rounding (half to even). NumPy: the graph sees np.rint(x).astype(old).
    """
    edit = Editor(model)
    value = value_of(edit.graph.input, name)
    old, new = value.type.tensor_type.elem_type, helper.np_dtype_to_tensor_dtype(np.dtype(dtype))
    if old == new:
        return edit.model
    inner, current, made = edit.detach_input(name), name, []
    floats = (TensorProto.FLOAT, TensorProto.DOUBLE, TensorProto.FLOAT16)
    if new in floats and old not in floats:
        current = edit.free(f"{name}_rounded")
        made.append(helper.make_node("Round", [name], [current]))
    made.append(helper.make_node("Cast", [current], [inner], to=old))
    edit.prepend(made)
    value.type.tensor_type.elem_type = new
    return edit.model


def _check_sizes(name: str, old: tuple[int, ...], new: tuple[int, ...]) -> None:
    if math.prod(old) != math.prod(new) or min(new, default=1) < 1:
        raise InputError(f"{name!r} should have as many numbers as {new}, its shape is {old}")


def _sizes(shape: tuple[int, ...]) -> npt.NDArray[np.int64]:
    return np.asarray([-1, *shape], np.int64)


def _reordered(name: str, shape: tuple[int, ...], order: Sequence[int]) -> tuple[int, ...]:
    if sorted(order) != list(range(len(shape) + 1)) or order[0] != 0:
        raise InputError(f"the order of the axes of {name!r} should be one of {len(shape) + 1}, 0 first: {list(order)}")
    return tuple(shape[axis - 1] for axis in order[1:])


def _moves_nothing(shape: tuple[int, ...], order: Sequence[int]) -> bool:
    """Whether the axes of more than one element stay in their order."""
    kept = [axis for axis in order[1:] if shape[axis - 1] != 1]
    return kept == sorted(kept)


def _steps(
    name: str, shape: tuple[int, ...], scale: Numbers, shift: Numbers
) -> list[tuple[str, npt.NDArray[np.float32]]]:
    """The nodes Mul and Add, each only where it changes something."""
    steps = []
    for operator, values, neutral in (("Mul", scale, 1.0), ("Add", shift, 0.0)):
        array = np.asarray(values, np.float32)
        fits = array.ndim <= len(shape) and all(
            given in (1, size) for given, size in zip(array.shape[::-1], shape[::-1], strict=False)
        )
        if not fits:
            raise InputError(f"scale and shift of {name!r} should be numbers or of shape {shape}, one is {array.shape}")
        if not (array == neutral).all():
            steps.append((operator, array))
    return steps
