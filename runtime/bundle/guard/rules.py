"""The operators that a graph may use, each with a rule for how large its output can be.

A rule takes upper bounds of its inputs' sizes to upper bounds of its outputs'; it is exact in how many axes there are.
All of them grow with their inputs, so that a bound stays a bound down the graph. Rules raise KeyError, IndexError, ...
where a node does not fit what it reads, and RefusedError on a size that the graph would compute by arithmetic.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass, field

__all__ = ["CONVOLUTIONS", "DOMAINS", "MAX_NUMBERS", "RULES", "Node", "RefusedError", "Tensor", "weights_at"]

MAX_NUMBERS = 16  # in a tensor that can be a shape

Shape = tuple[int, ...]


class RefusedError(Exception):
    """Why a graph is refused, as the end of a sentence."""


class UpTo(int):
    """A number that is this or less, because the batch is; a plain int is exact."""


@dataclass(frozen=True)
class Tensor:
    """What is known of a tensor: its largest shape, and its numbers where they are whole, few and may be sizes."""

    shape: Shape
    numbers: tuple[int, ...] | None = None

    @property
    def sizes(self) -> tuple[int, ...]:
        """The numbers, each exact or UpTo; refused where they are not known."""
        if self.numbers is None:
            raise RefusedError("computes a size in a way that cannot be bounded")
        return self.numbers

    @property
    def exact(self) -> tuple[int, ...]:
        """The numbers; refused where one depends on the batch."""
        if any(isinstance(number, UpTo) for number in self.sizes):
            raise RefusedError("computes a size in a way that cannot be bounded")
        return self.sizes


@dataclass(frozen=True)
class Node:
    """A node: attributes are lists of integers, and a tensor in one is a Tensor."""

    operator: str
    inputs: tuple[str, ...]
    outputs: tuple[str, ...]
    ints: dict[str, tuple[int, ...]] = field(default_factory=dict)
    tensors: dict[str, Tensor] = field(default_factory=dict)

    def int(self, name: str, default: int) -> int:
        """An attribute of one integer."""
        return self.ints.get(name, (default,))[0]


def weights_at(node: Node) -> int:
    """Which input of a convolution or a matrix product holds the weights."""
    return 3 if node.operator.startswith("QLinear") else 1


def _same(node: Node, x: Tensor, *others: Tensor) -> Tensor:
    return Tensor(x.shape)


def _identity(node: Node, x: Tensor) -> Tensor:
    return x


def _cast(node: Node, x: Tensor) -> Tensor:
    whole = node.int("to", 0) in (6, 7) and all(abs(number) < 1 << 31 for number in x.numbers or ())
    return Tensor(x.shape, x.numbers if whole else None)


def _broadcast(node: Node, *inputs: Tensor | None) -> Tensor:
    return Tensor(_together(*(x.shape for x in inputs if x is not None)))


def _together(*shapes: Shape) -> Shape:
    rank = max(map(len, shapes))
    return tuple(map(max, zip(*((1,) * (rank - len(shape)) + shape for shape in shapes), strict=True)))


def _constant(node: Node) -> Tensor:
    if "value" in node.tensors:
        return node.tensors["value"]
    numbers = node.ints.get("value_int") or node.ints["value_ints"]
    return Tensor(() if "value_int" in node.ints else (len(numbers),), numbers)


def _matmul(node: Node, a: Tensor, *others: Tensor) -> Tensor:
    b = others[weights_at(node) - 1]
    rows, (_, columns) = a.shape[-2], b.shape[-2:]  # vectors, which lose an axis, are refused
    return Tensor((*_together(a.shape[:-2], b.shape[:-2]), rows, columns))


def _gemm(node: Node, a: Tensor, b: Tensor, *bias: Tensor) -> Tensor:
    rows, columns = a.shape[node.int("transA", 0)], b.shape[1 - node.int("transB", 0)]
    return Tensor((rows, columns))


def _window(node: Node, size: int, axis: int, axes: int, kernel: int) -> int:
    """Where a window of `kernel` fits along an axis: of a convolution or of a pool."""
    stride = max(1, node.ints.get("strides", (1,) * axes)[axis])
    if "auto_pad" in node.ints:  # SAME: ceil(size / stride); VALID fits fewer
        return -(-size // stride)
    pads = node.ints.get("pads", (0,) * 2 * axes)
    reach = max(1, node.ints.get("dilations", (1,) * axes)[axis]) * (kernel - 1) + 1
    round_up = stride - 1 if node.int("ceil_mode", 0) else 0
    return max(0, (size + pads[axis] + pads[axis + axes] - reach + round_up) // stride + 1)


def _convolution(node: Node, x: Tensor, *others: Tensor) -> Tensor:
    weights, grid = others[weights_at(node) - 1].shape, x.shape[2:]
    kernel = node.ints["kernel_shape"]  # ONNX Runtime holds it against the weights
    sizes = (_window(node, size, axis, len(grid), kernel[axis]) for axis, size in enumerate(grid))
    return Tensor((x.shape[0], weights[0], *sizes))


def _convolution_back(node: Node, x: Tensor, w: Tensor, *bias: Tensor) -> Tensor:
    grid = x.shape[2:]
    axes = len(grid)
    if "output_shape" in node.ints:
        sizes = node.ints["output_shape"][-axes:]
    else:
        strides, dilations = (node.ints.get(key, (1,) * axes) for key in ("strides", "dilations"))
        more, kernel = node.ints.get("output_padding", (0,) * axes), node.ints["kernel_shape"]
        pads = (0,) * 2 * axes if "auto_pad" in node.ints else node.ints.get("pads", (0,) * 2 * axes)
        sizes = tuple(
            # SAME gives grid * stride; without pads the other is VALID's
            max(
                strides[i] * (grid[i] - 1) + more[i] + (kernel[i] - 1) * dilations[i] + 1 - pads[i] - pads[i + axes],
                strides[i] * grid[i] + more[i] if "auto_pad" in node.ints else 0,
            )
            for i in range(axes)
        )
    return Tensor((x.shape[0], w.shape[1] * max(1, node.int("group", 1)), *sizes))


def _pool(node: Node, x: Tensor) -> Tensor:
    grid, kernel = x.shape[2:], node.ints["kernel_shape"]
    return Tensor(
        (*x.shape[:2], *(_window(node, size, axis, len(grid), kernel[axis]) for axis, size in enumerate(grid)))
    )


def _pool_all(node: Node, x: Tensor) -> Tensor:
    return Tensor((*x.shape[:2], *(1 for _ in x.shape[2:])))


def _reduce(node: Node, x: Tensor, axes: Tensor | None = None) -> Tensor:
    if not node.int("keepdims", 1):
        raise RefusedError("reduces axes away, which ONNX Runtime does not do with an empty tensor")
    # 1 along the axes, but some leave an empty tensor as it is
    return Tensor(tuple(max(1, size) for size in x.shape))


def _reshape(node: Node, x: Tensor, shape: Tensor) -> Tensor:
    sizes = list(shape.sizes)
    if not node.int("allowzero", 0):  # then 0 copies the axis, and what is UpTo may be 0
        sizes = [
            x.shape[axis]
            if size == 0
            else UpTo(max(size, *x.shape[axis : axis + 1]))
            if isinstance(size, UpTo)
            else size
            for axis, size in enumerate(sizes)
        ]
    if min(sizes, default=0) < -1 or sizes.count(-1) > 1:
        raise ValueError
    if -1 in sizes:
        # what depends on the batch may be as small as 1; a size that was copied divides its axis exactly
        others = math.prod(1 if isinstance(size, UpTo) else size for size in sizes if size != -1)
        sizes[sizes.index(-1)] = math.prod(x.shape) // max(1, others)
    return Tensor(tuple(map(int, sizes)), x.numbers)


def _flatten(node: Node, x: Tensor) -> Tensor:
    axis = node.int("axis", 1)
    return Tensor((math.prod(x.shape[:axis]), math.prod(x.shape[axis:])))


def _squeeze(node: Node, x: Tensor, axes: Tensor) -> Tensor:
    gone = {range(len(x.shape))[axis] for axis in axes.exact}
    return Tensor(tuple(size for axis, size in enumerate(x.shape) if axis not in gone), x.numbers)


def _unsqueeze(node: Node, x: Tensor, axes: Tensor) -> Tensor:
    rank = len(x.shape) + len(axes.exact)
    new, sizes = {range(rank)[axis] for axis in axes.exact}, iter(x.shape)
    if len(new) != len(axes.exact):
        raise ValueError
    return Tensor(tuple(1 if axis in new else next(sizes) for axis in range(rank)), x.numbers)


def _transpose(node: Node, x: Tensor) -> Tensor:
    order = node.ints.get("perm", tuple(reversed(range(len(x.shape)))))
    if sorted(order) != list(range(len(x.shape))):
        raise ValueError
    return Tensor(tuple(x.shape[axis] for axis in order))


def _concat(node: Node, *inputs: Tensor) -> Tensor:
    axis = range(len(inputs[0].shape))[node.ints["axis"][0]]
    sizes = [max(sizes) for sizes in zip(*(x.shape for x in inputs), strict=True)]
    sizes[axis] = sum(x.shape[axis] for x in inputs)
    numbers = None
    if len(sizes) == 1 and sizes[0] <= MAX_NUMBERS and all(x.numbers is not None for x in inputs):
        numbers = tuple(number for x in inputs for number in x.sizes)
    return Tensor(tuple(sizes), numbers)


def _split(node: Node, x: Tensor, given: Tensor | None = None) -> list[Tensor]:
    axis, parts = range(len(x.shape))[node.int("axis", 0)], len(node.outputs)
    sizes = given.exact if given else (-(-x.shape[axis] // node.int("num_outputs", parts)),) * parts
    return [Tensor((*x.shape[:axis], size, *x.shape[axis + 1 :])) for size in sizes]


def _slice(
    node: Node, x: Tensor, starts: Tensor, ends: Tensor, axes: Tensor | None = None, steps: Tensor | None = None
) -> Tensor:
    sizes = list(x.shape)
    along = axes.exact if axes else tuple(range(len(starts.exact)))
    strides = steps.exact if steps else (1,) * len(along)
    cuts = [slice(*cut) for cut in zip(starts.exact, ends.exact, strides, strict=True)]
    for axis, cut in zip(along, cuts, strict=True):
        # [-5:3] is longer where the axis is shorter, and backwards Python's ends are not ONNX's: there the axis bounds
        if cut.step > 0 and (cut.start >= 0 or cut.stop < 0 or cut.stop >= sizes[axis]):
            sizes[axis] = len(range(sizes[axis])[cut])
    plain = x.numbers is not None and len(x.shape) == len(cuts) == 1 and cuts[0].step > 0
    return Tensor(tuple(sizes), x.numbers[cuts[0]] if x.numbers is not None and plain else None)


def _gather(node: Node, x: Tensor, indices: Tensor) -> Tensor:
    axis = range(len(x.shape))[node.int("axis", 0)]
    numbers = None
    if len(x.shape) == 1 and x.numbers is not None and indices.numbers is not None:
        numbers = tuple(x.numbers[index] for index in indices.exact)
    return Tensor((*x.shape[:axis], *indices.shape, *x.shape[axis + 1 :]), numbers)


def _expand(node: Node, x: Tensor, shape: Tensor) -> Tensor:
    return Tensor(_together(x.shape, tuple(map(int, shape.sizes))))


def _filled(node: Node, shape: Tensor) -> Tensor:
    return Tensor(tuple(map(int, shape.sizes)))


def _pad(node: Node, x: Tensor, pads: Tensor, value: Tensor | None = None, axes: Tensor | None = None) -> Tensor:
    along = axes.exact if axes else range(len(x.shape))
    sizes, amounts = list(x.shape), pads.exact
    for index, axis in enumerate(along):
        sizes[axis] = max(0, sizes[axis] + amounts[index] + amounts[index + len(along)])
    return Tensor(tuple(sizes))


def _shape(node: Node, x: Tensor) -> Tensor:
    sizes = tuple(map(UpTo, x.shape))[node.int("start", 0) : node.int("end", len(x.shape))]
    return Tensor((len(sizes),), sizes)


def _depth_to_space(node: Node, x: Tensor) -> Tensor:
    (batch, channels, *grid), block = x.shape, max(1, node.ints["blocksize"][0])
    return Tensor((batch, -(-channels // block**2), *(size * block for size in grid)))


def _space_to_depth(node: Node, x: Tensor) -> Tensor:
    (batch, channels, *grid), block = x.shape, max(1, node.ints["blocksize"][0])
    return Tensor((batch, channels * block**2, *(-(-size // block) for size in grid)))


def _quantize(node: Node, x: Tensor) -> list[Tensor]:
    return [Tensor(x.shape), Tensor(()), Tensor(())]


def _linear(node: Node, x: Tensor, scale: Tensor, zero_point: Tensor | None = None) -> Tensor:
    """One scale for all of `x`, or one a channel; in blocks is refused."""
    one = scale.shape in ((), (1,))
    if node.int("block_size", 0) or not (one or scale.shape == (x.shape[node.int("axis", 1)],)):
        raise ValueError
    if zero_point is not None and zero_point.shape != scale.shape:
        raise ValueError
    return Tensor(x.shape)


_Rule = Callable[..., "Tensor | list[Tensor]"]


def _rules(rule: _Rule, operators: str) -> dict[str, _Rule]:
    return dict.fromkeys(operators.split(), rule)


_ELEMENTWISE = _rules(
    _broadcast,
    "Abs Add And Ceil Clip Div Elu Equal Erf Exp Floor Gelu Greater GreaterOrEqual HardSigmoid HardSwish LeakyRelu "
    "Less LessOrEqual Log Max Mean Min Mish Mul Neg Not Or PRelu Pow Reciprocal Relu Selu Sigmoid Sign Softplus "
    "Softsign Sqrt Sub Sum Tanh ThresholdedRelu Where",
)
_SAME = _rules(
    _same,
    "BatchNormalization GroupNormalization InstanceNormalization LayerNormalization LogSoftmax Softmax",
)
_REDUCTIONS = _rules(
    _reduce,
    "ReduceL2 ReduceLogSumExp ReduceMax ReduceMean ReduceMin ReduceProd ReduceSum ReduceSumSquare",
)
CONVOLUTIONS = ("Conv", "ConvInteger", "ConvTranspose", "FusedConv", "QLinearConv")
_ONNX: dict[str, _Rule] = {
    **_ELEMENTWISE,
    **_SAME,
    **_REDUCTIONS,
    **_rules(_convolution, "Conv ConvInteger QLinearConv"),
    **_rules(_matmul, "MatMul MatMulInteger QLinearMatMul"),
    **_rules(_linear, "DequantizeLinear QuantizeLinear"),
    **_rules(_pool, "AveragePool MaxPool"),
    "Cast": _cast,
    "Concat": _concat,
    "Constant": _constant,
    "ConstantOfShape": _filled,
    "ConvTranspose": _convolution_back,
    "DepthToSpace": _depth_to_space,
    "DynamicQuantizeLinear": _quantize,
    "Expand": _expand,
    "Flatten": _flatten,
    "Gather": _gather,
    "Gemm": _gemm,
    "GlobalAveragePool": _pool_all,
    "Identity": _identity,
    "Pad": _pad,
    "Reshape": _reshape,
    "Shape": _shape,
    "Slice": _slice,
    "SpaceToDepth": _space_to_depth,
    "Split": _split,
    "Squeeze": _squeeze,
    "Transpose": _transpose,
    "Unsqueeze": _unsqueeze,
}
# What ONNX Runtime's own optimiser and quantiser write.
_MICROSOFT: dict[str, _Rule] = {"FusedConv": _convolution, "FusedGemm": _gemm, "Gelu": _broadcast}
RULES = _ONNX | _MICROSOFT
DOMAINS = {"": _ONNX.keys(), "ai.onnx": _ONNX.keys(), "com.microsoft": _MICROSOFT.keys()}
