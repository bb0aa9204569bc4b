"""No graph makes more than was bounded before it ran (tests/soak/test_bounds.py asks ONNX Runtime itself)."""

from __future__ import annotations

import itertools

import pytest

from vae_edge.runtime import vae as vae_module
from vae_edge.runtime.bundle.guard.rules import RULES, Node, RefusedError, Tensor
from vae_edge.runtime.bundle.guard.size import MAX_BATCH, MAX_TOTAL, check

X = {"x": Tensor((MAX_BATCH, 8, 28, 28)), "z": Tensor((MAX_BATCH, 32))}


def numbers(*values: int) -> Tensor:
    return Tensor((len(values),), values)


def node(operator: str, inputs: str, **ints: tuple[int, ...]) -> Node:
    return Node(operator, tuple(inputs.split()), ("y",), ints)


def chain(operator: str, inputs: str, count: int, **ints: tuple[int, ...]) -> list[Node]:
    """The operator on its own output, again and again."""
    names = ["x", *(f"y{i}" for i in range(count))]
    return [
        Node(operator, tuple(inputs.replace("x", before).split()), (after,), ints)
        for before, after in itertools.pairwise(names)
    ]


BOMBS = {
    "a chain of concatenations": (chain("Concat", "x x", 40, axis=(1,)), {}),
    "along the batch": (chain("Concat", "x x", 40, axis=(0,)), {}),
    "an expansion": ([node("Expand", "x shape")], {"shape": numbers(4096, 1, 8, 28, 28)}),
    "broadcasting": ([node("Add", "a b")], {"a": Tensor((1 << 20, 1)), "b": Tensor((1 << 20,))}),
    "an outer product": ([node("MatMul", "a b")], {"a": Tensor((1 << 20, 1)), "b": Tensor((1, 1 << 20))}),
    "an outer product by Gemm": ([node("Gemm", "a a", transB=(1,))], {"a": Tensor((1 << 20, 1))}),
    "a padding": (chain("Pad", "x pads", 40), {"pads": numbers(0, 0, 0, 0, 0, 0, 1000, 1000)}),
    "a fill": ([node("ConstantOfShape", "shape")], {"shape": numbers(1 << 20, 1 << 20)}),
    "a fill of the batch": (
        [
            Node("Shape", ("z",), ("s",)),
            Node("Concat", ("s", "s", "s"), ("l",), {"axis": (0,)}),
            node("ConstantOfShape", "l"),
        ],
        {},
    ),
    "many gathers of one": ([node("Gather", "x where", axis=(0,))], {"where": Tensor((1 << 20,))}),
    "padded convolutions": (
        chain("Conv", "x w", 100, kernel_shape=(1, 1), pads=(500, 500, 500, 500)),
        {"w": Tensor((8, 8, 1, 1))},
    ),
    "a convolution to many channels": ([node("Conv", "x w", kernel_shape=(1, 1))], {"w": Tensor((1 << 23, 8, 1, 1))}),
    "an unfolded kernel": (
        [node("Conv", "x w", kernel_shape=(1000, 1000), pads=(500,) * 4)],
        {"w": Tensor((1, 8, 1000, 1000))},
    ),
    "transposed convolutions": (
        chain("ConvTranspose", "x w", 9, kernel_shape=(2, 2), strides=(2, 2)),
        {"w": Tensor((8, 8, 2, 2))},
    ),
    "an output shape": ([node("ConvTranspose", "x w", output_shape=(4096, 4096))], {"w": Tensor((8, 8, 1, 1))}),
    "groups": ([node("ConvTranspose", "x w", kernel_shape=(1, 1), group=(4096,))], {"w": Tensor((8, 8, 1, 1))}),
    "dilated pads": ([node("MaxPool", "x", kernel_shape=(1, 1), pads=(4096,) * 4)], {}),
    "a size times zero": ([node("ConstantOfShape", "shape")], {"shape": numbers(1 << 62, 0)}),
    "many large tensors": (
        [Node("Add", ("x", "x"), (f"y{i}",)) for i in range(4000)],
        {},
    ),
    "nine axes": ([node("Unsqueeze", "x axes")], {"axes": numbers(0, 1, 2, 3, 4)}),
    "space to channels": (chain("SpaceToDepth", "x", 9, blocksize=(4096,)), {}),
    "a size by arithmetic": (
        [Node("Shape", ("x",), ("s",)), Node("Mul", ("s", "s"), ("t",)), node("ConstantOfShape", "t")],
        {},
    ),
    "a size from a float": ([Node("Cast", ("f",), ("t",), {"to": (7,)}), node("Expand", "x t")], {"f": Tensor((4,))}),
    "pads of the batch": (
        [Node("Shape", ("x",), ("s",)), Node("Concat", ("s", "s"), ("t",), {"axis": (0,)}), node("Pad", "x t")],
        {},
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
    "steps of another size": ([node("DequantizeLinear", "x s")], {"s": Tensor((9,))}),
    "steps of more axes": ([node("QuantizeLinear", "x s")], {"s": Tensor((1, 8))}),
    "steps in blocks": ([node("QuantizeLinear", "x s", block_size=(4,))], {"s": Tensor(())}),
    "steps along an axis that is not there": ([node("QuantizeLinear", "x s", axis=(4,))], {"s": Tensor((8,))}),
    "zero points of another shape": ([node("QuantizeLinear", "x s o")], {"s": Tensor((8,)), "o": Tensor(())}),
    "no steps": ([node("DequantizeLinear", "x")], {}),
    "an axis twice": ([node("Transpose", "x", perm=(0, 0, 1, 2))], {}),
}


@pytest.mark.parametrize("case", BOMBS)
def test_what_grows_when_it_runs_is_refused_before_it_does(case):
    nodes, more = BOMBS[case]
    with pytest.raises(RefusedError):
        check(nodes, X | more)


@pytest.mark.parametrize("steps", [Tensor(()), Tensor((1,)), Tensor((8,))])
def test_integers_have_one_step_or_one_a_channel(steps):
    for inputs in ("x s", "x s o"):
        for operator in ("QuantizeLinear", "DequantizeLinear"):
            assert check([node(operator, inputs)], X | {"s": steps, "o": steps}) == MAX_BATCH * 8 * 28 * 28


def test_a_run_never_holds_more_images_than_were_reckoned_with():
    assert vae_module.BATCH_SIZE <= MAX_BATCH
    assert MAX_TOTAL // MAX_BATCH >= 80 * 25_000  # the shipped graphs make 25,000 elements an image


def test_every_operator_has_a_rule_that_knows_its_place():
    for operator in RULES:
        with pytest.raises(RefusedError, match=f"{operator} that does not fit"):
            check([node(operator, "nothing")], X)


def test_a_list_of_numbers_does_not_grow():
    with pytest.raises(RefusedError):
        check([*chain("Concat", "x x", 64, axis=(0,)), node("Expand", "x y63")], {"x": numbers(1)})


@pytest.mark.parametrize("operator", ["Conv", "Relu"])
def test_a_node_that_does_not_give_its_first_output_is_refused(operator):
    """Found by fuzzing: a KeyError of Conv's."""
    inputs = ("x", "w") if operator == "Conv" else ("x",)
    with pytest.raises(RefusedError, match=f"has a {operator} that does not fit what it reads"):
        check([Node(operator, inputs, ("",), {})], X | {"w": Tensor((8, 8, 3, 3))})
