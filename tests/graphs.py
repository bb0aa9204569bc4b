"""Graphs for the guard, written as nodes: of images x (8, 28, 28), series r (8, 28), vectors z (32,) and labels k."""

from __future__ import annotations

import itertools

from vae_edge.runtime.bundle.guard import size
from vae_edge.runtime.bundle.guard.size import Cost, Graph, cost
from vae_edge.runtime.bundle.guard.terms import Node, Tensor, known

X = {"x": (None, 8, 28, 28), "r": (None, 8, 28), "z": (None, 32), "k": (None,)}


def weight(*shape: int) -> Tensor:
    return Tensor(known(shape))


def numbers(*values: int) -> Tensor:
    return Tensor(known((len(values),)), known(values), kind=7)


def check(
    nodes: list[Node], weights: dict[str, Tensor] | None = None, limit: int = size.MAX_ELEMENTS_ALIVE, **inputs
) -> Cost:
    """The cost of a graph of images x, series r, vectors z and labels k."""
    return cost(Graph(17, nodes, X | inputs, weights or {}, {nodes[-1].outputs[0]}, {"k": 7}), limit)


def scalar(value: int) -> Tensor:
    return Tensor((), known((value,)), kind=7)


def node(operator: str, inputs: str, **ints: tuple[int, ...]) -> Node:
    return Node(operator, tuple(inputs.split()), ("y",), {name: known(values) for name, values in ints.items()})


def chain(operator: str, inputs: str, count: int, **ints: tuple[int, ...]) -> list[Node]:
    """The operator on its own output, again and again."""
    names = ["x", *(f"y{i}" for i in range(count))]
    return [
        Node(operator, tuple(inputs.replace("x", before).split()), (after,), {key: known(ints[key]) for key in ints})
        for before, after in itertools.pairwise(names)
    ]


def scales(*values: float) -> Tensor:
    return Tensor(known((len(values),)), None, values)


def resized(**texts: str) -> Node:
    return Node("Resize", ("x", "", "s"), ("y",), {}, {}, texts)


def equation(text: str, inputs: str) -> Node:
    return Node("Einsum", tuple(inputs.split()), ("y",), {}, {}, {"equation": text})
