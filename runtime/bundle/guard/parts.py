"""How large what operators take from axes, or put beside them, can be: Concat, Slice, Gather, Pad and their like."""

from __future__ import annotations

from vae_edge.runtime.bundle.guard.shapes import no_negative
from vae_edge.runtime.bundle.guard.terms import MAX_NUMBERS, Known, Node, Tensor, alike, equal, product, whole

__all__ = ["concat", "gather", "gather_elements", "gather_nd", "one_hot", "pad", "slices", "split", "tile"]


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


def tile(node: Node, x: Tensor, repeats: Tensor) -> Tensor:
    """Tile: each axis so many times."""
    times = no_negative(repeats.sizes)
    return Tensor(tuple(product(pair) for pair in zip(x.shape, times, strict=True)))


def one_hot(node: Node, indices: Tensor, depth: Tensor, values: Tensor) -> Tensor:
    """OneHot: one axis more, of the size `depth`."""
    (size,) = no_negative(depth.sizes)
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
