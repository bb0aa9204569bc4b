"""No graph makes more than was bounded before it ran (tests/soak/test_bounds.py asks ONNX Runtime itself)."""

from __future__ import annotations

import itertools

import pytest

from vae_edge.runtime.bundle.guard import size
from vae_edge.runtime.bundle.guard.rules import RULES
from vae_edge.runtime.bundle.guard.size import MAX_BATCH, Cost, Graph, cost
from vae_edge.runtime.bundle.guard.terms import Node, RefusedError, Tensor, known

X = {"x": (None, 8, 28, 28), "z": (None, 32), "k": (None,)}


def weight(*shape: int) -> Tensor:
    return Tensor(known(shape))


def numbers(*values: int) -> Tensor:
    return Tensor(known((len(values),)), known(values), kind=7)


def check(
    nodes: list[Node], weights: dict[str, Tensor] | None = None, limit: int = size.MAX_ELEMENTS_ALIVE, **inputs
) -> Cost:
    """The cost of a graph of images x and vectors z."""
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


NAN, INFINITY = float("nan"), float("inf")

BOMBS = {
    "a chain of concatenations": (chain("Concat", "x x", 40, axis=(1,)), {}),
    "along the batch": (chain("Concat", "x x", 40, axis=(0,)), {}),
    "an expansion": ([node("Expand", "x shape")], {"shape": numbers(1 << 17, 1, 8, 28, 28)}),
    "broadcasting": ([node("Add", "a b")], {"a": weight(1 << 20, 1), "b": weight(1 << 20)}),
    "an outer product": ([node("MatMul", "a b")], {"a": weight(1 << 20, 1), "b": weight(1, 1 << 20)}),
    "an outer product by Gemm": ([node("Gemm", "a a", transB=(1,))], {"a": weight(1 << 20, 1)}),
    "a padding": (chain("Pad", "x pads", 40), {"pads": numbers(0, 0, 0, 0, 0, 0, 1000, 1000)}),
    "a fill": ([node("ConstantOfShape", "shape")], {"shape": numbers(1 << 20, 1 << 20)}),
    "many gathers of one": ([node("Gather", "x where", axis=(0,))], {"where": weight(1 << 20)}),
    "padded convolutions": (
        chain("Conv", "x w", 100, kernel_shape=(1, 1), pads=(500, 500, 500, 500)),
        {"w": weight(8, 8, 1, 1)},
    ),
    "a convolution to many channels": ([node("Conv", "x w", kernel_shape=(1, 1))], {"w": weight(1 << 23, 8, 1, 1)}),
    "an unfolded kernel": (
        [node("Conv", "x w", kernel_shape=(1000, 1000), pads=(500,) * 4)],
        {"w": weight(1, 8, 1000, 1000)},
    ),
    "transposed convolutions": (
        chain("ConvTranspose", "x w", 9, kernel_shape=(2, 2), strides=(2, 2)),
        {"w": weight(8, 8, 2, 2)},
    ),
    "an output shape": ([node("ConvTranspose", "x w", output_shape=(4096, 4096))], {"w": weight(8, 8, 1, 1)}),
    "groups": ([node("ConvTranspose", "x w", kernel_shape=(1, 1), group=(4096,))], {"w": weight(8, 999, 1, 1)}),
    "dilated pads": ([node("MaxPool", "x", kernel_shape=(1, 1), pads=(4096,) * 4)], {}),
    "a size times zero": ([node("ConstantOfShape", "shape")], {"shape": numbers(1 << 62, 0)}),
    "many large tensors at once": (
        [
            Node("Tile", ("x", "times"), ("t",)),
            *(Node("Add", ("t", "t"), (f"y{i}",)) for i in range(4000)),
            Node("Sum", tuple(f"y{i}" for i in range(4000)), ("y",)),
        ],
        {"times": numbers(1, 1, 5, 5)},
    ),
    "a tiling": ([node("Tile", "x times")], {"times": numbers(1, 1, 4096, 4096)}),
    "tilings": (chain("Tile", "x times", 40), {"times": numbers(1, 2, 1, 1)}),
    "a tiling of another rank": ([node("Tile", "x times")], {"times": numbers(1, 1)}),
    "a tiling of less than nothing": ([node("Tile", "x times")], {"times": numbers(-1, 1, -1, 1)}),
    "a code of many classes": ([node("OneHot", "k depth v")], {"depth": numbers(1 << 30), "v": weight(2)}),
    "a resize to a size": ([Node("Resize", ("x", "", "", "s"), ("y",))], {"s": numbers(1, 8, 1 << 20, 1 << 20)}),
    "a resize by scales": ([Node("Resize", ("x", "", "s"), ("y",))], {"s": scales(1, 1, 60000, 60000)}),
    "resizes": (chain("Resize", "x none s", 20), {"s": scales(1, 1, 2, 2), "none": weight(0)}),
    "a resize by what is no number": ([Node("Resize", ("x", "", "s"), ("y",))], {"s": scales(1, 1, NAN, 1)}),
    "a resize by less than nothing": ([Node("Resize", ("x", "", "s"), ("y",))], {"s": scales(1, 1, -1, 1)}),
    "a resize without end": ([Node("Resize", ("x", "", "s"), ("y",))], {"s": scales(1, 1, INFINITY, 1)}),
    "a resize by both": (
        [Node("Resize", ("x", "", "s", "n"), ("y",))],
        {"s": scales(1, 1, 1, 1), "n": numbers(1, 8, 28, 28)},
    ),
    "a resize of an axis twice": (
        [Node("Resize", ("x", "", "s"), ("y",), {"axes": known((2, 2))})],
        {"s": scales(2, 2)},
    ),
    "a crop": ([resized(coordinate_transformation_mode="tf_crop_and_resize")], {"s": scales(1, 1, 1, 1)}),
    "a cubic resize": ([resized(mode="cubic")], {"s": scales(1, 1, 1, 1)}),
    "a resize of its own aspect": ([resized(keep_aspect_ratio_policy="not_larger")], {"s": scales(1, 1, 1, 1)}),
    "a smoothed resize": (
        [Node("Resize", ("x", "", "s"), ("y",), {"antialias": known((1,))})],
        {"s": scales(1, 1, 1, 1)},
    ),
    "an Einsum of three": ([equation("ab,bc,cd->ad", "z z z")], {}),
    "an Einsum of a diagonal": ([equation("aa->a", "z")], {}),
    "an Einsum of dots": ([equation("...a,...a->...", "z z")], {}),
    "an outer product by Einsum": ([equation("ab,cd->abcd", "a a")], {"a": weight(1 << 10, 1 << 10)}),
    "an Einsum of what may be empty": (
        [Node("Slice", ("z", "o", "p"), ("c",)), equation("ab,ab->a", "c c")],
        {"o": numbers(-1), "p": numbers(1)},
    ),
    "a range": ([node("Range", "a n b")], {"a": scalar(0), "n": scalar(1 << 40), "b": scalar(1)}),
    "a range without end": ([node("Range", "a n a")], {"a": scalar(0), "n": scalar(9)}),
    "a range of what is not known": ([node("Range", "f f f")], {"f": weight()}),
    "a range that is large for few": (
        [Node("Size", ("k",), ("s",)), node("Range", "s n b")],
        {"n": scalar(1 << 30), "b": scalar(1)},
    ),
    "gathers of rows": ([node("GatherND", "x i")], {"i": weight(1 << 20, 1)}),
    "gathers of elements": ([node("GatherElements", "x i")], {"i": weight(1 << 10, 1 << 10, 1 << 5, 1 << 5)}),
    "gathers of more axes than there are": ([node("GatherND", "z i")], {"i": weight(2, 3)}),
    "texts": ([node("Cast", "x", to=(8,))], {}),
    "no groups": ([node("Conv", "x w", group=(0,))], {"w": weight(8, 8, 3, 3)}),
    "no groups backwards": ([node("ConvTranspose", "x w", group=(0,))], {"w": weight(8, 8, 3, 3)}),
    "a division of labels": ([node("Div", "k k")], {}),
    "a division of what was cast": ([Node("Cast", ("x",), ("a",), {"to": known((6,))}), node("Div", "a a")], {}),
    "a division of places": (
        [Node("MaxPool", ("x",), ("a", "b"), {"kernel_shape": known((1, 1))}), node("Div", "b b")],
        {},
    ),
    "a division by -1": ([node("Div", "n n")], {"n": numbers(-1)}),
    "a division by 0": ([node("Div", "n n")], {"n": numbers(0)}),
    "a division by what may be 0": (
        [Node("Shape", ("k",), ("s",)), Node("Min", ("s", "n"), ("m",)), node("Div", "n m")],
        {"n": numbers(3)},
    ),
    "a pool of two axes": ([node("GlobalAveragePool", "z")], {}),
    "a pool of no axes": ([node("MaxPool", "z", kernel_shape=())], {}),
    "axes twice": ([node("ReduceSum", "x axes", axes=(1,))], {"axes": numbers(1)}),
    "axes to squeeze that depend on the batch": ([node("Squeeze", "x")], {}),
    "axes of nothing": ([node("ReduceMax", "x", axes=(7,))], {}),
    "parts twice": ([Node("Split", ("x", "s"), ("y",), {"split": known((8,))})], {"s": numbers(8)}),
    "a step of 0": ([node("Slice", "x a b a n")], {"a": numbers(0), "b": numbers(9), "n": numbers(0)}),
    "a slice of one axis twice": (
        [node("Slice", "x a a b")],
        {"a": numbers(0, 0), "b": numbers(1, -3)},
    ),
    "pads of one axis twice": ([node("Pad", "x p v a")], {"p": numbers(0, 0, 9, 9), "a": numbers(2, 2), "v": weight()}),
    "a vector product": ([node("MatMul", "z v")], {"v": weight(32)}),
    "a Gemm of four axes": ([node("Gemm", "x x")], {}),
    "a window of another rank": ([node("Conv", "x w")], {"w": weight(8, 8, 3)}),
    "pads of another rank": ([node("Conv", "x w", pads=(1, 1))], {"w": weight(8, 8, 3, 3)}),
    "a foreign padding": (
        [Node("Conv", ("x", "w"), ("y",), {}, {}, {"auto_pad": "SAME"})],
        {"w": weight(8, 8, 3, 3)},
    ),
    "nine axes": ([node("Unsqueeze", "x axes")], {"axes": numbers(0, 1, 2, 3, 4)}),
    "space to channels": (chain("SpaceToDepth", "x", 9, blocksize=(4096,)), {}),
    "a size by arithmetic": (
        [
            Node("Shape", ("x",), ("s",)),
            Node("Mul", ("s", "s"), ("t",)),
            Node("Mul", ("t", "t"), ("u",)),
            node("ConstantOfShape", "u"),
        ],
        {},
    ),
    "a size from a float": (
        [Node("Cast", ("f",), ("t",), {"to": known((7,))}), node("Expand", "x t")],
        {"f": weight(4)},
    ),
    "a size that the numbers do not hold": (
        [Node("Mul", ("n", "n"), ("t",)), node("ConstantOfShape", "t")],
        {"n": numbers(1 << 16)},
    ),
    "a name twice": ([Node("Relu", ("x",), ("x",))], {}),
    "a name of nothing": ([node("Relu", "nothing")], {}),
    "two outputs of one": ([Node("Relu", ("x",), ("a", "b"))], {}),
    "an unknown operator": ([node("NonZero", "x")], {}),
    "too many inputs": ([node("Relu", "")], {}),
    "another rank": ([node("Concat", "x z", axis=(0,))], {}),
    "an axis that is not there": ([node("Concat", "x x", axis=(7,))], {}),
    "a block of nothing": ([node("Reshape", "x shape")], {"shape": numbers(-1, -1)}),
    "a negative size": ([node("Reshape", "x shape")], {"shape": numbers(-2, 8)}),
    "steps of another size": ([node("DequantizeLinear", "x s")], {"s": weight(9)}),
    "steps of more axes": ([node("QuantizeLinear", "x s")], {"s": weight(1, 8)}),
    "steps in blocks": ([node("QuantizeLinear", "x s", block_size=(4,))], {"s": weight()}),
    "steps along an axis that is not there": ([node("QuantizeLinear", "x s", axis=(4,))], {"s": weight(8)}),
    "zero points of another shape": ([node("QuantizeLinear", "x s o")], {"s": weight(8), "o": weight()}),
    "no steps": ([node("DequantizeLinear", "x")], {}),
    "an axis twice": ([node("Transpose", "x", perm=(0, 0, 1, 2))], {}),
}


@pytest.mark.parametrize("case", BOMBS)
def test_what_grows_when_it_runs_is_refused_before_it_does(case):
    nodes, weights = BOMBS[case]
    with pytest.raises(RefusedError):
        check(nodes, weights)


@pytest.mark.parametrize("steps", [weight(), weight(1), weight(8)])
def test_integers_have_one_step_or_one_a_channel(steps):
    for inputs in ("x s", "x s o"):
        for operator in ("QuantizeLinear", "DequantizeLinear"):
            assert check([node(operator, inputs)], {"s": steps, "o": steps}).batch == MAX_BATCH


@pytest.mark.parametrize("operator", RULES)
def test_an_operator_that_reads_nothing_is_refused_by_name(operator):
    with pytest.raises(RefusedError, match=f"{operator} that does not fit"):
        check([node(operator, "")])


def test_a_list_of_numbers_does_not_grow():
    with pytest.raises(RefusedError, match="cannot be bounded"):
        check([*chain("Concat", "x x", 10, axis=(0,)), node("Expand", "z y9")], {"x": numbers(1)}, x=())


@pytest.mark.parametrize("operator", ["Conv", "Relu"])
def test_a_node_that_does_not_give_its_first_output_is_refused(operator):
    """Found by fuzzing: a KeyError of Conv's."""
    inputs = ("x", "w") if operator == "Conv" else ("x",)
    with pytest.raises(RefusedError, match=f"has a {operator} that does not fit what it reads"):
        check([Node(operator, inputs, ("",), {})], {"w": weight(8, 8, 3, 3)})
