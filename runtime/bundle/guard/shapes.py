"""How large what operators on whole axes make can be: Reshape, Transpose, Expand, Shape and their like."""

from __future__ import annotations

import math

from vae_edge.runtime.bundle.guard.terms import (
    MAX_NUMBERS,
    Batched,
    Known,
    Node,
    RefusedError,
    Tensor,
    joined,
    known,
    product,
    whole,
)

__all__ = [
    "broadcast",
    "constant",
    "depth_to_space",
    "expand",
    "filled",
    "flatten",
    "identity",
    "no_negative",
    "ranged",
    "reshape",
    "same",
    "shape_of",
    "size_of",
    "space_to_depth",
    "squeeze",
    "together",
    "transpose",
    "unsqueeze",
]


def same(node: Node, x: Tensor, *others: Tensor) -> Tensor:
    """One output of the shape of the first input."""
    return Tensor(x.shape)


def identity(node: Node, x: Tensor) -> Tensor:
    """The input."""
    return x


def broadcast(node: Node, *inputs: Tensor | None) -> Tensor:
    """What operators on elements give of all their inputs."""
    return Tensor(together(*(x.shape for x in inputs if x is not None)))


def together(*shapes: tuple[int, ...]) -> tuple[int, ...]:
    """The shape that all broadcast to."""
    if len(shapes) == 1:
        return shapes[0]
    rank = max(map(len, shapes))
    one = Known(1)
    padded = ((one,) * (rank - len(shape)) + shape for shape in shapes)
    return tuple(joined(sizes) for sizes in zip(*padded, strict=True))


def constant(node: Node) -> Tensor:
    """A tensor in an attribute, or one or several numbers."""
    (title,) = (*node.tensors, *node.ints, *node.floats)
    if title == "value":
        return node.tensors[title]
    if title in ("value_float", "value_floats"):
        return Tensor(known((node.floats[title],)) if title == "value_floats" else ())
    numbers = {"value_int": node.ints.get("value_int"), "value_ints": node.ints.get("value_ints")}[title]
    return Tensor(known((len(numbers or ()),)) if title == "value_ints" else (), numbers)


def _axes(node: Node, given: Tensor | None) -> tuple[int, ...] | None:
    """Axes: an input, or an attribute in older opsets; None where there are none."""
    if given is not None and "axes" in node.ints:
        raise ValueError
    return given.exact if given is not None else node.ints.get("axes")


def reshape(node: Node, x: Tensor, shape: Tensor) -> Tensor:
    """Reshape: 0 copies an axis, -1 takes what is left."""
    sizes = list(shape.sizes)
    if not node.int("allowzero", 0):  # then 0 copies the axis, and what is bounded may be 0
        sizes = [
            x.shape[axis]
            if size == 0
            else size
            if isinstance(size, Known)
            else max(size, *map(int, x.shape[axis : axis + 1]))
            for axis, size in enumerate(sizes)
        ]
    if min(sizes, default=0) < -1 or sizes.count(-1) > 1:
        raise ValueError
    if -1 in sizes:
        at = sizes.index(-1)
        rest = sizes[:at] + sizes[at + 1 :]
        sizes[at] = _left(x.shape, tuple(rest))
    return Tensor(tuple(sizes), x.numbers)


def _left(shape: tuple[int, ...], others: tuple[int, ...]) -> int:
    """The size of the one axis that Reshape finds by itself."""
    total = math.prod(shape)
    batches = [sum(type(size) is Batched for size in sizes) for sizes in (shape, others)]
    divisor = math.prod(others)
    if whole(shape) and whole(others) and divisor and total % divisor == 0:
        extra = batches[0] - batches[1]
        if extra in (0, 1):
            return Batched(total // divisor) if extra else Known(total // divisor)
    # what is bounded or depends on the batch may be as small as 1
    return total // max(1, math.prod(size for size in others if type(size) is Known))


def flatten(node: Node, x: Tensor) -> Tensor:
    """Flatten to two axes."""
    axis = node.int("axis", 1)
    return Tensor((product(x.shape[:axis]), product(x.shape[axis:])))


def squeeze(node: Node, x: Tensor, given: Tensor | None = None) -> Tensor:
    """Squeeze of named axes; without names the number of axes could depend on the batch."""
    axes = _axes(node, given)
    if axes is None:
        raise ValueError
    gone = {range(len(x.shape))[axis] for axis in axes}
    return Tensor(tuple(size for axis, size in enumerate(x.shape) if axis not in gone), x.numbers)


def unsqueeze(node: Node, x: Tensor, given: Tensor | None = None) -> Tensor:
    """Unsqueeze: axes of 1."""
    axes = _axes(node, given)
    if axes is None:
        raise ValueError
    rank = len(x.shape) + len(axes)
    new, sizes = {range(rank)[axis] for axis in axes}, iter(x.shape)
    if len(new) != len(axes):
        raise ValueError
    return Tensor(tuple(Known(1) if axis in new else next(sizes) for axis in range(rank)), x.numbers)


def transpose(node: Node, x: Tensor) -> Tensor:
    """Transpose."""
    order = node.ints.get("perm", tuple(reversed(range(len(x.shape)))))
    if sorted(order) != list(range(len(x.shape))):
        raise ValueError
    return Tensor(tuple(x.shape[axis] for axis in order))


def expand(node: Node, x: Tensor, shape: Tensor) -> Tensor:
    """Expand: broadcast to a shape."""
    return Tensor(together(x.shape, no_negative(shape.sizes)))


def filled(node: Node, shape: Tensor) -> Tensor:
    """ConstantOfShape."""
    return Tensor(no_negative(shape.sizes))


def no_negative(sizes: tuple[int, ...]) -> tuple[int, ...]:
    """The sizes, none of them negative."""
    if min(sizes, default=0) < 0:
        raise ValueError
    return sizes


def shape_of(node: Node, x: Tensor) -> Tensor:
    """Shape, or a part of it."""
    sizes = x.shape[node.int("start", 0) : node.int("end", len(x.shape))]
    return Tensor(known((len(sizes),)), sizes)


def size_of(node: Node, x: Tensor) -> Tensor:
    """Size: how many elements there are."""
    return Tensor((), (product(x.shape),))


def ranged(node: Node, start: Tensor, limit: Tensor, delta: Tensor) -> Tensor:
    """Range, of integers: from `start` to `limit`, or from 0 in steps of 1 to what may depend on the batch."""
    (first,), (last,), (step,) = start.sizes, limit.sizes, delta.sizes
    if all(type(number) is Known for number in (first, last, step)):
        numbers = range(first, last, step)
        return Tensor(known((len(numbers),)), known(numbers) if len(numbers) <= MAX_NUMBERS else None)
    if type(first) is type(step) is Known and first == 0 and step == 1 and last >= 0:
        return Tensor((last,))
    raise RefusedError("has a Range that cannot be bounded")


def depth_to_space(node: Node, x: Tensor) -> Tensor:
    """DepthToSpace: a block of channels becomes a block of pixels."""
    (batch, channels, *grid), block = x.shape, Known(max(1, node.ints["blocksize"][0]))
    fewer = -(-channels // block**2)
    exact = type(channels) is Known and fewer * block**2 == channels
    return Tensor((batch, Known(fewer) if exact else fewer, *(product((size, block)) for size in grid)))


def space_to_depth(node: Node, x: Tensor) -> Tensor:
    """SpaceToDepth: a block of pixels becomes a block of channels."""
    (batch, channels, *grid), block = x.shape, Known(max(1, node.ints["blocksize"][0]))
    smaller = (
        Known(size // block) if type(size) is Known and size % block == 0 else -(-size // block) for size in grid
    )
    return Tensor((batch, product((channels, Known(block**2))), *smaller))
