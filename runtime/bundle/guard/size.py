"""What a graph costs to run: memory, multiply-adds, and how many events fit in one run. Nothing runs for it.

A chain of Concat(x, x) or an Expand asks for terabytes with a hundred bytes of modest sizes. Here each operator's rule
(`rules`) is followed down the graph, for as many events as the runtime takes at once, and the tensors that it makes are
put into buffers (`buffers`).
"""

from __future__ import annotations

import math
from dataclasses import dataclass

from vae_edge.runtime.bundle.guard.buffers import Buffers, Order
from vae_edge.runtime.bundle.guard.products import CONVOLUTIONS, multiply_adds
from vae_edge.runtime.bundle.guard.rules import INSIDE, RULES
from vae_edge.runtime.bundle.guard.terms import Batched, Known, Node, RefusedError, Tensor
from vae_edge.runtime.bundle.guard.windows import weights_at

__all__ = ["MAX_BATCH", "MAX_ELEMENTS_ALIVE", "Cost", "Graph", "cost", "infer"]

MAX_BATCH = 256  # events that the runtime puts into one run
MAX_ELEMENTS_ALIVE = 1 << 29  # elements that one run may hold at once: 2 GiB of float32

_LANES = 16  # ONNX Runtime fills channels up to 16 where it convolves


@dataclass(frozen=True)
class Cost:
    """What it takes to run a graph.

    `opset` of its operators; `multiply_adds` of one event; `batch`, the largest power of two of events up to MAX_BATCH
    whose run stays within the limit; `elements` that this run holds at once at most, weights among them.
    """

    opset: int
    multiply_adds: int
    batch: int
    elements: int


@dataclass(frozen=True)
class Graph:
    """A graph as it was read; an input's size is None where the file leaves it open, as it should for the batch."""

    opset: int
    nodes: list[Node]
    inputs: dict[str, tuple[int | None, ...]]
    weights: dict[str, Tensor]
    outputs: set[str]


class _TooLargeError(RefusedError):
    """A run needs more than the limit."""


def cost(graph: Graph, max_elements: int = MAX_ELEMENTS_ALIVE) -> Cost:
    """The cost of the graph; raises RefusedError where a node has no bound, or one event does not fit."""
    order = Order(((node.inputs, node.outputs) for node in graph.nodes), graph.outputs)
    try:
        elements, products, _ = infer(graph, order, 1, max_elements)
    except _TooLargeError as error:
        raise RefusedError(
            f"{error} are needed for one event; VAE.load(..., max_elements=...) raises the limit"
        ) from None
    most = MAX_BATCH.bit_length() - 1
    low, high = 0, most
    while low < high:  # the largest exponent that fits; mostly the first that is tried
        middle = most if high == most else (low + high + 1) // 2
        try:
            elements, _, _ = infer(graph, order, 1 << middle, max_elements)
        except _TooLargeError:
            high = middle - 1
        else:
            low = middle
    return Cost(graph.opset, products, 1 << low, elements)


def infer(graph: Graph, order: Order, batch: int, limit: int) -> tuple[int, int, dict[str, Tensor]]:
    """(elements held at once, multiply-adds, every tensor) of a run of up to `batch` events."""
    known = {name: Tensor(_first(dims, batch)) for name, dims in graph.inputs.items()} | graph.weights
    fixed = {"", *graph.weights}  # what does not depend on an input: made when the session is, and kept
    buffers, inside, products = Buffers(order), 0, 0
    # Weights are kept as they are, and once more as ONNX Runtime packs them; inputs are the caller's.
    buffers.keep(2 * sum(math.prod(weight.shape) for weight in graph.weights.values()))
    buffers.keep(sum(math.prod(known[name].shape) for name in graph.inputs if name not in graph.weights))
    for index, node in enumerate(graph.nodes):
        try:
            inputs = [known[name] if name else None for name in node.inputs]
            while inputs and inputs[-1] is None:
                inputs.pop()
            results = RULES[node.operator](node, *inputs)
            made = dict(zip(node.outputs, [results] if isinstance(results, Tensor) else results, strict=True))
            first = made[node.outputs[0] or "?"]  # a node gives its first output
            products += multiply_adds(node, inputs, first)
            inside = max(inside, _inside(node, inputs, first))
        except (KeyError, IndexError, TypeError, ValueError, AttributeError, ZeroDivisionError, OverflowError) as error:
            raise RefusedError(f"has a {node.operator} that does not fit what it reads") from error
        if known.keys() & made.keys() or len(made) != len(node.outputs):
            raise RefusedError(f"makes {', '.join(node.outputs)!r:.60} twice")
        stays = node.operator == "Shape" or fixed.issuperset(node.inputs)
        for name, tensor in made.items():
            size = _elements(tensor, node)
            if stays:
                fixed.add(name)
                buffers.keep(size)
            else:
                buffers.make(index, name, size)
        known |= made
        known.pop("", None)  # an output that nobody reads
        shapes = [tensor.shape for tensor in made.values()]
        if any(len(shape) > 8 for shape in shapes):
            raise RefusedError(f"asks {node.operator} for a tensor of more than eight axes")
        if buffers.elements + inside > limit:
            raise _TooLargeError(
                f"asks {node.operator} for {' and '.join(map(str, map(list, shapes))):.80}, "
                f"{buffers.elements + inside:,} elements at once, where {limit:,} are allowed: they"
            )
    return buffers.elements + inside, products, known


def _first(dims: tuple[int | None, ...], batch: int) -> tuple[int, ...]:
    """The shape of an input: the first axis is the batch, whatever size is written."""
    return tuple(
        (Batched(batch) if size is None else max(batch, size))
        if axis == 0
        else (MAX_BATCH if size is None else Known(size))
        for axis, size in enumerate(dims)
    )


def _elements(tensor: Tensor, node: Node) -> int:
    shape = tensor.shape
    if len(shape) == 4 and node.operator in _IN_LANES:
        shape = (shape[0], -(-shape[1] // _LANES) * _LANES, *shape[2:])
    return math.prod(max(1, size) for size in shape)


# Operators that ONNX Runtime runs with the channels in groups of up to 16, which it fills.
_IN_LANES = {*CONVOLUTIONS, "AveragePool", "GlobalAveragePool", "GlobalMaxPool", "MaxPool"}


def _inside(node: Node, inputs: list[Tensor | None], made: Tensor) -> int:
    """What an operator takes beside its inputs and outputs while it runs."""
    if node.operator not in CONVOLUTIONS:
        times = INSIDE.get(node.operator, 0)
        return times and times * max(math.prod(x.shape) for x in (made, *inputs) if x is not None)
    x, weights = inputs[0], inputs[weights_at(node)]
    if x is None or weights is None:
        raise ValueError
    grid = x.shape[2:] if node.operator == "ConvTranspose" else made.shape[2:]
    # the patches of one image unfolded, and input and output once more with the channels in groups
    patches = math.prod(weights.shape[1:]) * math.prod(grid)
    layouts = _elements(x, node) + _elements(made, node)
    return patches + layouts + INSIDE.get(node.operator, 0) * max(math.prod(x.shape), math.prod(made.shape))
