"""Plain names throughout a graph, and the same bytes for the same graph."""

from __future__ import annotations

from collections.abc import Sequence

import onnx

from vae_edge.export.passes.walk import copied
from vae_edge.runtime.errors import InputError

__all__ = ["rename"]


def rename(model: onnx.ModelProto, inputs: Sequence[str], outputs: Sequence[str]) -> onnx.ModelProto:
    """The model with its inputs and outputs called `inputs` and `outputs`, and short names for all else.

    The converter's names carry TensorFlow's scopes and say ':0' behind each tensor. The batch axis, the first of each
    input and output, is called 'batch'. Weights are stored in the order in which they are read. Raises InputError where
    the result is not valid ONNX.
    """
    renamed = copied(model)
    graph = renamed.graph
    _give_outputs_nodes(graph)
    _order_weights(graph)
    names = dict(zip((value.name for value in graph.input), inputs, strict=True))
    names |= dict(zip((value.name for value in graph.output), outputs, strict=True))
    _Names(set(names.values())).apply(graph, names)
    for value in (*graph.input, *graph.output):
        value.type.tensor_type.shape.dim[0].Clear()
        value.type.tensor_type.shape.dim[0].dim_param = "batch"
        value.doc_string = ""
    del renamed.metadata_props[:]
    graph.name, graph.doc_string, renamed.doc_string = "vae", "", ""
    try:
        onnx.checker.check_model(renamed, full_check=True)
    except (onnx.checker.ValidationError, onnx.shape_inference.InferenceError) as error:
        raise InputError(f"the graph should be valid ONNX, it is not: {str(error).strip()[:600]}") from error
    return renamed


def _give_outputs_nodes(graph: onnx.GraphProto) -> None:
    """Makes each output the result of a node of its own, where it is an input, a weight, or another output too."""
    made = {name for node in graph.node for name in node.output}
    taken: set[str] = set()
    for index, value in enumerate(graph.output):
        if value.name in made and value.name not in taken:
            taken.add(value.name)
            continue
        name = f"{value.name}__output_{index}"
        graph.node.append(onnx.helper.make_node("Identity", [value.name], [name]))
        value.name = name


def _order_weights(graph: onnx.GraphProto) -> None:
    # The converter orders the weights differently in each process.
    places: dict[str, int] = {}
    for tensor in (tensor for node in graph.node for tensor in node.input):
        places.setdefault(tensor, len(places))
    weights = sorted(graph.initializer, key=lambda weight: places.get(weight.name, len(places)))
    del graph.initializer[:]
    graph.initializer.extend(weights)


class _Names:
    """Gives out names that are used nowhere else in the model, inner graphs included."""

    def __init__(self, taken: set[str]) -> None:
        self._taken = taken
        self._nodes = self._weights = 0

    def apply(self, graph: onnx.GraphProto, known: dict[str, str]) -> None:
        """Renames all tensors of `graph`; `known` maps those that have a name already, of the graphs around it too."""
        for weight in graph.initializer:
            if weight.name not in known:
                known[weight.name] = self._free(f"w{self._weights}")
                self._weights += 1
        for value in (*graph.input, *graph.initializer):
            value.name = known.setdefault(value.name, value.name)
        for node in graph.node:
            node.name, node.doc_string = f"{node.op_type}_{self._nodes}", ""
            for place, tensor in enumerate(node.output):
                if tensor and tensor not in known:
                    known[tensor] = self._free(f"t{self._nodes}" + (f"_{place}" if place else ""))
            self._nodes += 1
            node.input[:] = [known.get(tensor, tensor) for tensor in node.input]
            node.output[:] = [known.get(tensor, tensor) for tensor in node.output]
            for inner in (graph for entry in node.attribute for graph in (entry.g, *entry.graphs) if graph.node):
                self._apply_inside(inner, known)
        for value in graph.output:
            value.name = known.get(value.name, value.name)
        del graph.value_info[:]

    def _apply_inside(self, inner: onnx.GraphProto, known: dict[str, str]) -> None:
        own = dict(known)
        for index, value in enumerate(inner.input):
            own[value.name] = self._free(f"t{self._nodes}_in{index}")
        for weight in inner.initializer:
            own.pop(weight.name, None)
        for tensor in (tensor for node in inner.node for tensor in node.output):
            own.pop(tensor, None)
        self.apply(inner, own)

    def _free(self, name: str) -> str:
        while name in self._taken:
            name += "_"
        self._taken.add(name)
        return name
