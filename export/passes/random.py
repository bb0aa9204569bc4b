"""The check that a graph computes the same each time."""

from __future__ import annotations

import onnx

from vae_edge.export.passes.walk import nodes, producers
from vae_edge.runtime.errors import InputError

__all__ = ["random_outputs", "refuse_random"]

_RANDOM = frozenset(
    {"Bernoulli", "Multinomial", "RandomNormal", "RandomNormalLike", "RandomUniform", "RandomUniformLike"}
)


def random_outputs(model: onnx.ModelProto) -> dict[str, onnx.NodeProto]:
    """The outputs that depend on random numbers, each with a node that draws them."""
    made = producers(model.graph)
    found = {}
    for value in model.graph.output:
        waiting, seen = [value.name], set()
        while waiting:
            node = made.get(waiting.pop())
            if node is None or id(node) in seen:
                continue
            seen.add(id(node))
            inner = [each for entry in node.attribute for graph in (entry.g, *entry.graphs) for each in nodes(graph)]
            for each in (node, *inner):
                if each.op_type in _RANDOM:
                    found[value.name] = each
                waiting += each.input
    return found


def refuse_random(model: onnx.ModelProto) -> None:
    """Raises InputError where an output depends on random numbers."""
    for output, node in random_outputs(model).items():
        raise InputError(
            f"output {output!r} should follow from the inputs, but {node.name or 'a node'} draws random numbers for it "
            f"({node.op_type}): name the outputs that give the distribution's parameters, and leave the sample out"
        )
