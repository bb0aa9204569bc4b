"""How large the tensors of a graph become when it runs, bounded before anything runs.

A chain of Concat(x, x) or an Expand asks for terabytes with a hundred bytes of modest declared sizes. Here each
operator's rule (`graphrules`) is followed down the graph, for a batch as large as the runtime's.
"""

from __future__ import annotations

import math

from vae_edge.runtime.bundle.guard.rules import CONVOLUTIONS, RULES, Node, RefusedError, Tensor, weights_at

__all__ = ["MAX_BATCH", "MAX_TOTAL", "check"]

MAX_BATCH = 256  # images that the runtime puts into one run
MAX_TOTAL = 1 << 29  # elements in all tensors that one run makes: 2 GiB of float32 at MAX_BATCH, 8 MiB an image


def check(nodes: list[Node], known: dict[str, Tensor]) -> int:
    """The elements of all that one run makes, at most; `known` are the inputs and weights. Raises RefusedError."""
    known, total = dict(known), 0
    for node in nodes:
        try:
            inputs = [known[name] if name else None for name in node.inputs]
            while inputs and inputs[-1] is None:
                inputs.pop()
            results = RULES[node.operator](node, *inputs)
            made = dict(zip(node.outputs, [results] if isinstance(results, Tensor) else results, strict=True))
            workspace = _workspace(node, known, made[node.outputs[0] or "?"])  # a node gives its first output
        except (KeyError, IndexError, TypeError, ValueError, AttributeError, ZeroDivisionError) as error:
            raise RefusedError(f"has a {node.operator} that does not fit what it reads") from error
        if known.keys() & made.keys() or len(made) != len(node.outputs):
            raise RefusedError(f"makes {', '.join(node.outputs)!r:.60} twice")
        known |= made
        known.pop("", None)  # an output that nobody reads
        shapes = [tensor.shape for tensor in made.values()]
        total += sum(math.prod(max(1, size) for size in shape) for shape in shapes) + workspace
        if total > MAX_TOTAL or any(len(shape) > 8 for shape in shapes):
            raise RefusedError(
                f"asks {node.operator} for {' and '.join(map(str, map(list, shapes))):.80}, {total:,} elements in all "
                f"so far; at most {MAX_TOTAL:,} are made for {MAX_BATCH} images"
            )
    return total


def _workspace(node: Node, known: dict[str, Tensor], made: Tensor) -> int:
    """What a convolution takes beside its output: the patches of one image unfolded, channels filled up to 16."""
    if node.operator not in CONVOLUTIONS:
        return 0
    kernel = math.prod(known[node.inputs[weights_at(node)]].shape[1:])
    batch, channels, *grid = made.shape
    source = known[node.inputs[0]].shape[2:] if node.operator == "ConvTranspose" else grid
    return kernel * math.prod(source) + batch * (-channels % 16) * math.prod(grid)
