"""How nodes are put before an input or behind an output, its name kept."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import numpy as np
import numpy.typing as npt
import onnx
from onnx import TensorProto, helper, numpy_helper

from vae_edge.export.passes.walk import nodes, producers
from vae_edge.runtime.errors import InputError

__all__ = ["Editor", "opset", "shape_of", "value_of"]


def opset(model: onnx.ModelProto) -> int:
    """The version of ONNX's own operators that the model uses."""
    version: int = next(entry.version for entry in model.opset_import if entry.domain in ("", "ai.onnx"))
    return version


def value_of(values: Iterable[onnx.ValueInfoProto], name: str) -> onnx.ValueInfoProto:
    """The input or output of that name; raises InputError that lists them."""
    known = {value.name: value for value in values}
    if name not in known:
        raise InputError(f"the graph should have {name!r}, it has {', '.join(known)}")
    return known[name]


def shape_of(value: onnx.ValueInfoProto) -> tuple[int, ...]:
    """The shape without the batch axis; raises InputError where a size is not known."""
    dims = value.type.tensor_type.shape.dim
    shape = tuple(dim.dim_value for dim in dims)[1:]
    if not dims or any(size < 1 for size in shape):
        said = tuple(dim.dim_param or dim.dim_value or "?" for dim in dims)
        raise InputError(f"{value.name!r} should have the batch as its only axis of free size, its shape is {said}")
    return shape


class Editor:
    """A copy of a model whose inputs and outputs get nodes."""

    def __init__(self, model: onnx.ModelProto) -> None:
        self.model = onnx.ModelProto()
        self.model.CopyFrom(model)
        self.graph = self.model.graph
        self._used = {name for node in nodes(self.graph) for name in (*node.input, *node.output)}
        self._used |= {value.name for value in (*self.graph.input, *self.graph.output, *self.graph.initializer)}

    def free(self, name: str) -> str:
        """A name that nothing has yet."""
        while name in self._used:
            name += "_"
        self._used.add(name)
        return name

    def constant(self, values: npt.NDArray[Any] | np.generic, name: str) -> str:
        """A new weight; gives its name."""
        name = self.free(name)
        self.graph.initializer.append(numpy_helper.from_array(np.asarray(values), name))
        return name

    def detach(self, output: str) -> str:
        """Renames the tensor behind `output`, for new nodes to read; one of them has to make `output` again."""
        value_of(self.graph.output, output)
        if output not in producers(self.graph):
            raise InputError(f"output {output!r} is an input or a weight: name the graph's tensors with `rename` first")
        inner = self.free(f"{output}_before")
        for node in nodes(self.graph):
            node.input[:] = [inner if name == output else name for name in node.input]
            node.output[:] = [inner if name == output else name for name in node.output]
        return inner

    def append(self, operator: str, inputs: list[str], outputs: list[str], **attributes: Any) -> None:
        """A new last node."""
        self.graph.node.append(helper.make_node(operator, inputs, outputs, **attributes))

    def detach_input(self, name: str) -> str:
        """Makes all nodes read a new name in place of the input `name`; `prepend` has to make that tensor."""
        value_of(self.graph.input, name)
        inner = self.free(f"{name}_behind")
        for node in nodes(self.graph):
            node.input[:] = [inner if tensor == name else tensor for tensor in node.input]
        if name in {value.name for value in self.graph.output}:
            raise InputError(f"input {name!r} is an output too: name the graph's tensors with `rename` first")
        return inner

    def prepend(self, steps: list[onnx.NodeProto]) -> None:
        """New first nodes, in this order."""
        for place, node in enumerate(steps):
            self.graph.node.insert(place, node)

    def set_shape(self, value: onnx.ValueInfoProto, shape: tuple[int, ...], kind: int = TensorProto.FLOAT) -> None:
        """Declares the value as (batch, *shape)."""
        value.CopyFrom(helper.make_tensor_value_info(value.name, kind, ["batch", *shape]))
