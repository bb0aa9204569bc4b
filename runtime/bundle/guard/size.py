"""What a graph costs to run: memory, multiply-adds, and how many events fit in one run. Nothing runs for it.

A chain of Concat(x, x) or an Expand can ask for terabytes in a file of a hundred bytes. So each operator's rule
(`rules`) is applied down the graph, for as many events as the runtime takes at once, and the tensors that the operators
make are put into buffers (`buffers`).
"""

from __future__ import annotations

import math
from dataclasses import dataclass, field

from vae_edge.runtime.bundle.guard.buffers import Buffers, Order
from vae_edge.runtime.bundle.guard.kinds import FLOAT, WIDE, check_division, kinds_of
from vae_edge.runtime.bundle.guard.products import CONVOLUTIONS, COUNTED, multiply_adds
from vae_edge.runtime.bundle.guard.rules import INSIDE, RULES
from vae_edge.runtime.bundle.guard.terms import Batched, Known, Node, RefusedError, Tensor
from vae_edge.runtime.bundle.guard.windows import weights_at

__all__ = ["MAX_BATCH", "MAX_ELEMENTS_ALIVE", "Cost", "Graph", "Run", "cost", "infer"]

MAX_BATCH = 256  # events that the runtime puts into one run
MAX_ELEMENTS_ALIVE = 1 << 29  # elements that one run may hold at once: 2 GiB of float32

_LANES = 16  # ONNX Runtime pads channels to a multiple of 16 for convolutions and pools
_IN_LANES = {*CONVOLUTIONS, "AveragePool", "GlobalAveragePool", "GlobalMaxPool", "MaxPool"}


@dataclass(frozen=True)
class Cost:
    """What it takes to run a graph.

    `opset` of its operators; `multiply_adds` of one event; `batch`, the largest power of two of events up to MAX_BATCH
    whose run stays within the limit; `elements` of four bytes that this run holds at once at most, weights among them
    (an int64 or a double counts twice).
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
    kinds: dict[str, int] = field(default_factory=dict)  # of the inputs: ONNX's numbers of data types


@dataclass(frozen=True)
class Run:
    """A run of a batch: elements held at once, multiply-adds of one event where they are known, every tensor."""

    elements: int
    multiply_adds: int | None
    tensors: dict[str, Tensor]


class _TooLargeError(RefusedError):
    """A run needs more than the limit."""


def cost(graph: Graph, max_elements: int = MAX_ELEMENTS_ALIVE) -> Cost:
    """The cost of the graph; raises RefusedError where a node has no bound, or one event does not fit."""
    order = Order(((node.inputs, node.outputs) for node in graph.nodes), graph.outputs)
    batch = MAX_BATCH
    try:
        run = infer(graph, order, batch, max_elements)
    except _TooLargeError:
        batch, run = _largest(graph, order, max_elements)
    products = run.multiply_adds
    if products is None:
        products = infer(graph, order, 1, max_elements).multiply_adds or 0
    return Cost(graph.opset, products, batch, run.elements)


def _largest(graph: Graph, order: Order, limit: int) -> tuple[int, Run]:
    """The largest power of two below MAX_BATCH that fits, and its run; raises RefusedError where one event does not."""
    try:
        run = infer(graph, order, 1, limit)
    except _TooLargeError as error:
        raise RefusedError(f"{error} for one event; VAE.load(..., max_elements=...) raises the limit") from None
    low, high = 0, MAX_BATCH.bit_length() - 2
    while low < high:
        middle = (low + high + 1) // 2
        try:
            run, low = infer(graph, order, 1 << middle, limit), middle
        except _TooLargeError:
            high = middle - 1
    return 1 << low, run


def infer(graph: Graph, order: Order, batch: int, limit: int) -> Run:
    """A run of up to `batch` events; raises RefusedError where a node has no bound, or the run passes the limit."""
    known = {name: Tensor(_first(dims, batch)) for name, dims in graph.inputs.items()} | graph.weights
    fixed = {"", *graph.weights}  # what does not depend on an input: made when the session is, and kept
    kinds = {name: graph.kinds.get(name, FLOAT) for name in graph.inputs}
    kinds |= {name: weight.kind for name, weight in graph.weights.items()}
    buffers, inside = Buffers(order), 0
    products: list[int] = []
    # Weights are kept as they are, and once more as ONNX Runtime packs them; inputs are the caller's.
    for name, tensor in known.items():
        size = _wide(math.prod(tensor.shape), kinds[name])
        buffers.keep(2 * size if name in graph.weights else size)
    for index, node in enumerate(graph.nodes):
        operator = node.operator
        try:
            inputs = [known[name] if name else None for name in node.inputs]
            while inputs and inputs[-1] is None:
                inputs.pop()
            kept = [kinds.get(name, 0) for name in node.inputs]
            if operator == "Div":
                check_division(inputs, kept[0])
            results = RULES[operator](node, *inputs)
            made = dict(zip(node.outputs, [results] if isinstance(results, Tensor) else results, strict=True))
            first = made[node.outputs[0] or "?"]  # a node gives its first output
            if operator in COUNTED:
                products.append(multiply_adds(node, inputs, first))
            if operator in INSIDE:
                inside = max(inside, _wide(_inside(node, inputs, first), kept[0]))
            kinds |= zip(node.outputs, kinds_of(node, kept), strict=False)
        except (KeyError, IndexError, TypeError, ValueError, AttributeError, ArithmeticError) as error:
            raise RefusedError(f"has a {operator} that does not fit what it reads") from error
        if known.keys() & made.keys() or len(made) != len(node.outputs):
            raise RefusedError(f"makes {', '.join(node.outputs)!r:.60} twice")
        stays = operator in ("Shape", "Size") or fixed.issuperset(node.inputs)
        for name, tensor in made.items():
            if len(tensor.shape) > 8:
                raise RefusedError(f"asks {operator} for a tensor of more than eight axes")
            size = _wide(_elements(tensor, node), kinds[name])
            if stays:
                fixed.add(name)
                buffers.keep(size)
            else:
                buffers.make(index, name, size)
        known |= made
        known.pop("", None)  # an output that nobody reads
        if buffers.elements + inside > limit:
            shapes = " and ".join(str(list(map(int, tensor.shape))) for tensor in made.values())
            raise _TooLargeError(
                f"asks {operator} for {shapes:.80}, with which {buffers.elements + inside:,} elements are held at "
                f"once, where {limit:,} are allowed,"
            )
    # One event's products are known where all are a multiple of the batch, or do not depend on it
    exact = batch == 1 or all(isinstance(number, Known) for number in products)
    one = sum(number // batch if type(number) is Batched else number for number in products)
    return Run(buffers.elements + inside, one if exact else None, known)


def _first(dims: tuple[int | None, ...], batch: int) -> tuple[int, ...]:
    """The shape of an input: the first axis is the batch, whatever size is written."""
    return tuple(
        (Batched(batch) if size is None else max(batch, size))
        if axis == 0
        else (MAX_BATCH if size is None else Known(size))
        for axis, size in enumerate(dims)
    )


def _elements(tensor: Tensor, node: Node) -> int:
    """How many elements a tensor takes, one at least."""
    shape = tensor.shape
    if len(shape) == 4 and node.operator in _IN_LANES:
        shape = (shape[0], -(-shape[1] // _LANES) * _LANES, *shape[2:])
    return math.prod(shape) or math.prod(size or 1 for size in shape)


def _wide(elements: int, kind: int) -> int:
    """Elements of four bytes: those of eight count twice, and shorter ones are not counted as less."""
    return 2 * elements if kind in WIDE else elements


def _inside(node: Node, inputs: list[Tensor | None], made: Tensor) -> int:
    """What an operator of INSIDE takes beside its inputs and outputs while it runs."""
    tensors = [made, *(x for x in inputs if x is not None)]
    elements = INSIDE[node.operator] * max(math.prod(x.shape) for x in tensors)
    if node.operator not in CONVOLUTIONS:
        return elements
    x, weights = inputs[0], inputs[weights_at(node)]
    if x is None or weights is None:
        raise ValueError
    # the patches of one image unfolded, and input and output once more with the channels in groups
    grid = x.shape[2:] if node.operator == "ConvTranspose" else made.shape[2:]
    return elements + math.prod((*weights.shape[1:], *grid)) + _elements(x, node) + _elements(made, node)
