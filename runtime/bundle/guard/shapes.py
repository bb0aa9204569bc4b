"""How large what operators on axes make can be: Reshape, Concat, Slice, Gather, Tile and their like."""

from __future__ import annotations

import math

from vae_edge.runtime.bundle.guard.terms import (
    MAX_NUMBERS,
    Batched,
    Known,
    Node,
    RefusedError,
    Tensor,
    alike,
    equal,
    joined,
    known,
    product,
    whole,
)

__all__ = [
    "broadcast",
    "concat",
    "constant",
    "depth_to_space",
    "expand",
    "filled",
    "flatten",
    "gather",
    "gather_elements",
    "gather_nd",
    "identity",
    "one_hot",
    "pad",
    "ranged",
    "reshape",
    "same",
    "shape_of",
    "size_of",
    "slices",
    "space_to_depth",
    "split",
    "squeeze",
    "tile",
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


def concat(node: Node, *inputs: Tensor) -> Tensor:
    """Concat along one axis."""
    axis = range(len(inputs[0].shape))[node.ints["axis"][0]]
    sizes = [equal(sizes) for sizes in zip(*(x.shape for x in inputs), strict=True)]
    along = [x.shape[axis] for x in inputs]
    sizes[axis] = alike(sum(along), *along)
    numbers = None
    if len(sizes) == 1 and sizes[0] <= MAX_NUMBERS and all(x.numbers is not None for x in inputs):
        numbers = tuple(number for x in inputs for number in x.sizes)
    return Tensor(tuple(sizes), numbers)


def split(node: Node, x: Tensor, given: Tensor | None = None) -> list[Tensor]:
    """Split: sizes as an input, as an attribute in older opsets, or equal parts."""
    axis, parts = range(len(x.shape))[node.int("axis", 0)], len(node.outputs)
    if given is not None and "split" in node.ints:
        raise ValueError
    sizes = given.exact if given is not None else node.ints.get("split")
    if sizes is None:
        count = node.int("num_outputs", parts)
        if count != parts:
            raise ValueError
        part = -(-x.shape[axis] // parts)  # the last may be smaller
        exact = type(x.shape[axis]) is Known and part * parts == x.shape[axis]
        sizes = (Known(part) if exact else part,) * parts
    if len(sizes) != parts or min(sizes) < 0:
        raise ValueError
    ends = [sum(sizes[: index + 1]) for index in range(parts)]
    numbers = x.numbers if len(x.shape) == 1 and whole(sizes) else None
    return [
        Tensor(
            (*x.shape[:axis], size, *x.shape[axis + 1 :]), numbers[end - size : end] if numbers is not None else None
        )
        for size, end in zip(sizes, ends, strict=True)
    ]


def slices(
    node: Node, x: Tensor, starts: Tensor, ends: Tensor, axes: Tensor | None = None, steps: Tensor | None = None
) -> Tensor:
    """Slice; where a cut depends on the batch, what it leaves is bounded by the axis."""
    sizes = list(x.shape)
    along = axes.exact if axes else tuple(range(len(starts.exact)))
    strides = steps.exact if steps else (1,) * len(along)
    cuts = [slice(*map(int, cut)) for cut in zip(starts.exact, ends.exact, strides, strict=True)]
    if len({range(len(sizes))[axis] for axis in along}) != len(along):
        raise ValueError
    for axis, cut in zip(along, cuts, strict=True):
        sizes[axis] = _cut(sizes[axis], cut)
    plain = x.numbers is not None and len(x.shape) == len(cuts) == 1 and cuts[0].step > 0
    return Tensor(tuple(sizes), x.numbers[cuts[0]] if x.numbers is not None and plain else None)


def _cut(size: int, cut: slice) -> int:
    """How much of an axis a slice leaves."""
    if cut.step == 0:
        raise ValueError
    if cut.step > 0:
        if type(size) is Known:
            return Known(len(range(size)[cut]))
        if cut.start == 0 and cut.step == 1 and cut.stop >= size:
            return size
        # [-5:3] is longer where the axis is shorter
        if cut.start >= 0 or cut.stop < 0 or cut.stop >= size:
            return len(range(size)[cut])
        return int(size)
    # backwards Python's ends are not ONNX's: all of it, or the axis bounds
    everything = cut.step == -1 and (cut.start == -1 or cut.start >= size - 1) and cut.stop < -size
    return size if everything else int(size)


def gather(node: Node, x: Tensor, indices: Tensor) -> Tensor:
    """Gather along one axis."""
    axis = range(len(x.shape))[node.int("axis", 0)]
    numbers = None
    if len(x.shape) == 1 and x.numbers is not None and indices.numbers is not None:
        numbers = tuple(x.numbers[index] for index in indices.exact)[: MAX_NUMBERS + 1]
        numbers = numbers if len(numbers) <= MAX_NUMBERS else None
    return Tensor((*x.shape[:axis], *indices.shape, *x.shape[axis + 1 :]), numbers)


def gather_elements(node: Node, x: Tensor, indices: Tensor) -> Tensor:
    """GatherElements: one element for each index."""
    if len(x.shape) != len(indices.shape):
        raise ValueError
    return Tensor(indices.shape)


def gather_nd(node: Node, x: Tensor, indices: Tensor) -> Tensor:
    """GatherND: what lies at each tuple of indices."""
    batch, width = node.int("batch_dims", 0), indices.shape[-1]
    if type(width) is not Known or not 0 <= batch < len(indices.shape) or not 1 <= width <= len(x.shape) - batch:
        raise ValueError
    return Tensor((*indices.shape[:-1], *x.shape[batch + width :]))


def expand(node: Node, x: Tensor, shape: Tensor) -> Tensor:
    """Expand: broadcast to a shape."""
    return Tensor(together(x.shape, _no_negative(shape.sizes)))


def filled(node: Node, shape: Tensor) -> Tensor:
    """ConstantOfShape."""
    return Tensor(_no_negative(shape.sizes))


def _no_negative(sizes: tuple[int, ...]) -> tuple[int, ...]:
    if min(sizes, default=0) < 0:
        raise ValueError
    return sizes


def tile(node: Node, x: Tensor, repeats: Tensor) -> Tensor:
    """Tile: each axis so many times."""
    times = _no_negative(repeats.sizes)
    return Tensor(tuple(product(pair) for pair in zip(x.shape, times, strict=True)))


def one_hot(node: Node, indices: Tensor, depth: Tensor, values: Tensor) -> Tensor:
    """OneHot: one axis more, of the size `depth`."""
    (size,) = _no_negative(depth.sizes)
    rank = len(indices.shape) + 1
    axis = range(rank)[node.int("axis", -1)]
    return Tensor((*indices.shape[:axis], size, *indices.shape[axis:]))


def pad(node: Node, x: Tensor, pads: Tensor, value: Tensor | None = None, axes: Tensor | None = None) -> Tensor:
    """Pad, of any mode; a negative number cuts."""
    along = [range(len(x.shape))[axis] for axis in axes.exact] if axes else list(range(len(x.shape)))
    sizes, amounts = list(x.shape), pads.sizes
    if len(amounts) != 2 * len(along) or len(set(along)) != len(along):
        raise ValueError
    for index, axis in enumerate(along):
        cuts = amounts[index], amounts[index + len(along)]
        both: tuple[int, ...] = (sizes[axis], *cuts)
        if not whole(both) or len({type(size) for size in both if size}) > 1:
            # what is cut off may be less where the batch is smaller
            both = (sizes[axis], *(cut if type(cut) is Known else max(0, cut) for cut in cuts))
        sizes[axis] = alike(max(0, sum(both)), *both)
    return Tensor(tuple(sizes))


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
