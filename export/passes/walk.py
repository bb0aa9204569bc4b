"""What passes share: a copy to change, who makes and who reads a tensor, the weights."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy.typing as npt
import onnx
from onnx import numpy_helper

__all__ = [
    "attributes",
    "constants",
    "copied",
    "drop_identities",
    "drop_unread",
    "drop_unread_weights",
    "nodes",
    "producers",
    "readers",
]


def copied(model: onnx.ModelProto) -> onnx.ModelProto:
    """A copy of the model, for a pass to change."""
    copy = onnx.ModelProto()
    copy.CopyFrom(model)
    return copy


def nodes(graph: onnx.GraphProto) -> Iterator[onnx.NodeProto]:
    """All nodes, those inside the branches of an If and the body of a Loop included."""
    for node in graph.node:
        yield node
        for attribute in node.attribute:
            for inner in (attribute.g, *attribute.graphs):
                yield from nodes(inner)


def attributes(node: onnx.NodeProto) -> dict[str, Any]:
    """The node's attributes, by name."""
    return {entry.name: onnx.helper.get_attribute_value(entry) for entry in node.attribute}


def producers(graph: onnx.GraphProto) -> dict[str, onnx.NodeProto]:
    """The node that makes each tensor."""
    return {name: node for node in graph.node for name in node.output}


def readers(graph: onnx.GraphProto) -> dict[str, int]:
    """How often each tensor is read, by nodes (inner graphs included) and as an output of the graph."""
    counts: dict[str, int] = {}
    for name in [name for node in nodes(graph) for name in node.input] + [value.name for value in graph.output]:
        counts[name] = counts.get(name, 0) + 1
    return counts


def constants(graph: onnx.GraphProto) -> dict[str, npt.NDArray[Any]]:
    """The graph's weights and the values of its Constant nodes."""
    found = {weight.name: numpy_helper.to_array(weight) for weight in graph.initializer}
    for node in graph.node:
        if node.op_type == "Constant" and node.attribute and node.attribute[0].name == "value":
            found[node.output[0]] = numpy_helper.to_array(node.attribute[0].t)
    return found


def drop_identities(model: onnx.ModelProto) -> onnx.ModelProto:
    """The model without Identity nodes, except where an output is also an input, a weight, or another output."""
    plain = copied(model)
    graph = plain.graph
    made, outputs = producers(graph), {value.name for value in graph.output}
    for node in [node for node in graph.node if node.op_type == "Identity"]:
        old, new = node.output[0], node.input[0]
        if old in outputs:
            if new in outputs or new not in made:
                continue
            # the node before gives the output
            old, new = new, old
            made[new] = made[old]
            place = list(made[old].output).index(old)
            made[old].output[place] = new
        graph.node.remove(node)
        for reader in nodes(graph):
            reader.input[:] = [new if name == old else name for name in reader.input]
    return plain


def drop_unread(graph: onnx.GraphProto) -> None:
    """Removes the nodes and weights that nothing reads."""
    while True:
        read = readers(graph)
        unread = [node for node in graph.node if not any(name in read for name in node.output)]
        if not unread:
            break
        for node in unread:
            graph.node.remove(node)
    drop_unread_weights(graph)


def drop_unread_weights(graph: onnx.GraphProto) -> None:
    """Removes the weights that nothing reads."""
    read = readers(graph)
    kept = [weight for weight in graph.initializer if weight.name in read]
    del graph.initializer[:]
    graph.initializer.extend(kept)
