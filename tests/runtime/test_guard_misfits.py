"""A node that does not fit what it reads is refused; the same node without the fault is let through."""

from __future__ import annotations

import pytest

from tests.graphs import check, node, numbers, resized, scalar, scales, weight
from vae_edge.runtime.bundle.guard.rules import INSIDE, RULES
from vae_edge.runtime.bundle.guard.size import MAX_BATCH
from vae_edge.runtime.bundle.guard.terms import Node, RefusedError, known

NAN, INFINITY = float("nan"), float("inf")

# What does not fit, and beside it what does: the same graph but for the fault.
MISFITS = {
    "a tiling of another rank": (
        ([node("Tile", "x times")], {"times": numbers(1, 1)}),
        ([node("Tile", "x times")], {"times": numbers(1, 1, 1, 1)}),
    ),
    "a tiling of less than nothing": (
        ([node("Tile", "x times")], {"times": numbers(-1, 1, -1, 1)}),
        ([node("Tile", "x times")], {"times": numbers(1, 1, 0, 1)}),
    ),
    "a resize by what is no number": (
        ([resized()], {"s": scales(1, 1, NAN, 1)}),
        ([resized()], {"s": scales(1, 1, 0.5, 1)}),
    ),
    "a resize by less than nothing": (
        ([resized()], {"s": scales(1, 1, -1, 1)}),
        ([resized()], {"s": scales(1, 1, 1e-6, 1)}),
    ),
    "a resize by nothing": (([resized()], {"s": scales(1, 1, 0, 1)}), ([resized()], {"s": scales(1, 1, 1, 1)})),
    "a resize without end": (
        ([resized()], {"s": scales(1, 1, INFINITY, 1)}),
        ([resized()], {"s": scales(1, 1, 3, 1)}),
    ),
    "a resize by more than there is": (
        ([Node("Resize", ("k", "", "s"), ("y",))], {"s": scales(65537)}),
        ([Node("Resize", ("k", "", "s"), ("y",))], {"s": scales(65536)}),
    ),
    "a resize to less than nothing": (
        ([Node("Resize", ("x", "", "", "n"), ("y",))], {"n": numbers(1, 8, -1, 28)}),
        ([Node("Resize", ("x", "", "", "n"), ("y",))], {"n": numbers(1, 8, 0, 28)}),
    ),
    "a resize by both": (
        ([Node("Resize", ("x", "", "s", "n"), ("y",))], {"s": scales(1, 1, 1, 1), "n": numbers(1, 8, 28, 28)}),
        ([Node("Resize", ("x", "", "s", "n"), ("y",))], {"s": weight(0), "n": numbers(1, 8, 28, 28)}),
    ),
    "a resize of an axis twice": (
        ([Node("Resize", ("x", "", "s"), ("y",), {"axes": known((2, 2))})], {"s": scales(2, 2)}),
        ([Node("Resize", ("x", "", "s"), ("y",), {"axes": known((2, 3))})], {"s": scales(2, 2)}),
    ),
    "a range without end": (
        ([node("Range", "a n a")], {"a": scalar(0), "n": scalar(9)}),
        ([node("Range", "a n n")], {"a": scalar(0), "n": scalar(9)}),
    ),
    "gathers of more axes than there are": (
        ([node("GatherND", "z i")], {"i": weight(2, 3)}),
        ([node("GatherND", "z i")], {"i": weight(2, 2)}),
    ),
    "gathers of more axes than a batch leaves": (
        ([node("GatherND", "x i", batch_dims=(1,))], {"i": weight(2, 4)}),
        ([node("GatherND", "x i", batch_dims=(1,))], {"i": weight(2, 3)}),
    ),
    "gathers of no axes": (
        ([node("GatherND", "x i")], {"i": weight(2, 0)}),
        ([node("GatherND", "x i")], {"i": weight(2, 1)}),
    ),
    "gathers of elements of another rank": (
        ([node("GatherElements", "z i")], {"i": weight(2)}),
        ([node("GatherElements", "z i")], {"i": weight(2, 2)}),
    ),
    "no groups": (
        ([node("Conv", "x w", group=(0,))], {"w": weight(8, 8, 3, 3)}),
        ([node("Conv", "x w", group=(1,))], {"w": weight(8, 8, 3, 3)}),
    ),
    "no groups backwards": (
        ([node("ConvTranspose", "x w", group=(0,))], {"w": weight(8, 8, 3, 3)}),
        ([node("ConvTranspose", "x w", group=(1,))], {"w": weight(8, 8, 3, 3)}),
    ),
    "a pool of two axes": (([node("GlobalAveragePool", "z")], {}), ([node("GlobalAveragePool", "r")], {})),
    "a pool of no axes": (
        ([node("MaxPool", "z", kernel_shape=())], {}),
        ([node("MaxPool", "r", kernel_shape=(2,))], {}),
    ),
    "axes twice": (
        ([node("ReduceSum", "x axes", axes=(1,))], {"axes": numbers(1)}),
        ([node("ReduceSum", "x axes")], {"axes": numbers(1)}),
    ),
    "axes to squeeze that depend on the batch": (
        ([node("Squeeze", "x")], {}),
        ([node("Squeeze", "x axes")], {"axes": numbers(0)}),
    ),
    "axes of nothing": (([node("ReduceMax", "x", axes=(4,))], {}), ([node("ReduceMax", "x", axes=(3,))], {})),
    "axes made twice": (
        ([node("Unsqueeze", "x axes")], {"axes": numbers(1, 1)}),
        ([node("Unsqueeze", "x axes")], {"axes": numbers(1, 2)}),
    ),
    "axes made nowhere": (([node("Unsqueeze", "x")], {}), ([node("Unsqueeze", "x", axes=(4,))], {})),
    "axes to make by both": (
        ([node("Unsqueeze", "x axes", axes=(1,))], {"axes": numbers(1)}),
        ([node("Unsqueeze", "x axes")], {"axes": numbers(1)}),
    ),
    "parts twice": (
        ([Node("Split", ("x", "s"), ("y",), {"split": known((8,)), "axis": known((1,))})], {"s": numbers(8)}),
        ([Node("Split", ("x", "s"), ("y",), {"axis": known((1,))})], {"s": numbers(8)}),
    ),
    "parts of another number": (
        ([Node("Split", ("x",), ("y", "u"), {"num_outputs": known((3,)), "axis": known((1,))})], {}),
        ([Node("Split", ("x",), ("y", "u"), {"num_outputs": known((2,)), "axis": known((1,))})], {}),
    ),
    "parts of less than nothing": (
        ([Node("Split", ("x", "s"), ("y", "u"), {"axis": known((1,))})], {"s": numbers(9, -1)}),
        ([Node("Split", ("x", "s"), ("y", "u"), {"axis": known((1,))})], {"s": numbers(8, 0)}),
    ),
    "a step of 0": (
        ([node("Slice", "x a b a n")], {"a": numbers(0), "b": numbers(9), "n": numbers(0)}),
        ([node("Slice", "x a b a n")], {"a": numbers(0), "b": numbers(9), "n": numbers(1)}),
    ),
    "a slice of one axis twice": (
        ([node("Slice", "x a a b")], {"a": numbers(0, 0), "b": numbers(1, -3)}),
        ([node("Slice", "x a a b")], {"a": numbers(0, 0), "b": numbers(1, -2)}),
    ),
    "pads of one axis twice": (
        ([node("Pad", "x p v a")], {"p": numbers(0, 0, 9, 9), "a": numbers(2, 2), "v": weight()}),
        ([node("Pad", "x p v a")], {"p": numbers(0, 0, 9, 9), "a": numbers(2, 3), "v": weight()}),
    ),
    "pads of another number": (
        ([node("Pad", "x p")], {"p": numbers(0, 0, 9, 9)}),
        ([node("Pad", "x p")], {"p": numbers(0, 0, 9, 9, 0, 0, 0, 0)}),
    ),
    "a vector product": (
        ([node("MatMul", "z v")], {"v": weight(32)}),
        ([node("MatMul", "z v")], {"v": weight(32, 1)}),
    ),
    "a Gemm of four axes": (([node("Gemm", "x x")], {}), ([node("Gemm", "z z", transB=(1,))], {})),
    "a window of another rank": (
        ([node("Conv", "x w")], {"w": weight(8, 8, 3)}),
        ([node("Conv", "r w")], {"w": weight(8, 8, 3)}),
    ),
    "pads of another rank": (
        ([node("Conv", "x w", pads=(1, 1))], {"w": weight(8, 8, 3, 3)}),
        ([node("Conv", "r w", pads=(1, 1))], {"w": weight(8, 8, 3)}),
    ),
    "more pads than there are ends": (
        ([node("Conv", "r w", pads=(1, 1, 1))], {"w": weight(8, 8, 3)}),
        ([node("Conv", "r w", pads=(1, 1))], {"w": weight(8, 8, 3)}),
    ),
    "more pads than there are ends, backwards": (
        ([node("ConvTranspose", "r w", pads=(1, 1, 1))], {"w": weight(8, 8, 3)}),
        ([node("ConvTranspose", "r w", pads=(1, 1))], {"w": weight(8, 8, 3)}),
    ),
    "pads of less than nothing": (
        ([node("Conv", "r w", strides=(-1,))], {"w": weight(8, 8, 3)}),
        ([node("Conv", "r w", strides=(1,))], {"w": weight(8, 8, 3)}),
    ),
    "an output of another rank": (
        ([node("ConvTranspose", "r w", output_shape=(9, 9))], {"w": weight(8, 8, 3)}),
        ([node("ConvTranspose", "r w", output_shape=(9,))], {"w": weight(8, 8, 3)}),
    ),
    "an output of less than nothing": (
        ([node("ConvTranspose", "r w", output_shape=(-1,))], {"w": weight(8, 8, 3)}),
        ([node("ConvTranspose", "r w", output_shape=(0,))], {"w": weight(8, 8, 3)}),
    ),
    "an output of all its axes but one": (
        ([node("ConvTranspose", "r w", output_shape=(1, 9, 9, 9))], {"w": weight(8, 8, 3)}),
        ([node("ConvTranspose", "r w", output_shape=(1, 8, 9))], {"w": weight(8, 8, 3)}),
    ),
    "a foreign padding": (
        ([Node("Conv", ("x", "w"), ("y",), {}, {}, {"auto_pad": "SAME"})], {"w": weight(8, 8, 3, 3)}),
        ([Node("Conv", ("x", "w"), ("y",), {}, {}, {"auto_pad": "SAME_UPPER"})], {"w": weight(8, 8, 3, 3)}),
    ),
    "a name of nothing": (([node("Relu", "nothing")], {}), ([node("Relu", "x")], {})),
    "two outputs of one": (([Node("Relu", ("x",), ("y", "b"))], {}), ([Node("Relu", ("x",), ("y",))], {})),
    "an unknown operator": (([node("NonZero", "x")], {}), ([node("Abs", "x")], {})),
    "another rank": (([node("Concat", "x z", axis=(0,))], {}), ([node("Concat", "x x", axis=(0,))], {})),
    "an axis that is not there": (([node("Concat", "x x", axis=(4,))], {}), ([node("Concat", "x x", axis=(3,))], {})),
    "a block of nothing": (
        ([node("Reshape", "x shape")], {"shape": numbers(-1, -1)}),
        ([node("Reshape", "x shape")], {"shape": numbers(-1, 1)}),
    ),
    "a negative size": (
        ([node("Reshape", "x shape")], {"shape": numbers(-2, 8)}),
        ([node("Reshape", "x shape")], {"shape": numbers(-1, 8)}),
    ),
    "a negative fill": (
        ([node("ConstantOfShape", "shape")], {"shape": numbers(-1)}),
        ([node("ConstantOfShape", "shape")], {"shape": numbers(0)}),
    ),
    "steps of another size": (
        ([node("DequantizeLinear", "x s")], {"s": weight(9)}),
        ([node("DequantizeLinear", "x s")], {"s": weight(8)}),
    ),
    "steps of more axes": (
        ([node("QuantizeLinear", "x s")], {"s": weight(1, 8)}),
        ([node("QuantizeLinear", "x s")], {"s": weight(8)}),
    ),
    "steps in blocks": (
        ([node("QuantizeLinear", "x s", block_size=(4,))], {"s": weight()}),
        ([node("QuantizeLinear", "x s", block_size=(0,))], {"s": weight()}),
    ),
    "steps along an axis that is not there": (
        ([node("QuantizeLinear", "x s", axis=(4,))], {"s": weight(28)}),
        ([node("QuantizeLinear", "x s", axis=(3,))], {"s": weight(28)}),
    ),
    "zero points of another shape": (
        ([node("QuantizeLinear", "x s o")], {"s": weight(8), "o": weight()}),
        ([node("QuantizeLinear", "x s o")], {"s": weight(8), "o": weight(8)}),
    ),
    "no steps": (
        ([node("DequantizeLinear", "x")], {}),
        ([node("DequantizeLinear", "x s")], {"s": weight()}),
    ),
    "an axis twice": (
        ([node("Transpose", "x", perm=(0, 0, 1, 2))], {}),
        ([node("Transpose", "x", perm=(0, 3, 1, 2))], {}),
    ),
    "three outputs of a pool": (
        ([Node("MaxPool", ("r",), ("y", "u", "v"), {"kernel_shape": known((2,))})], {}),
        ([Node("MaxPool", ("r",), ("y", "u"), {"kernel_shape": known((2,))})], {}),
    ),
}


# What operators need beside an image x: their inputs, integers and texts.
NEEDS: dict[str, tuple[str, dict[str, tuple[int, ...]], dict[str, str]]] = {
    "Add": ("x x", {}, {}),
    "AveragePool": ("x", {"kernel_shape": (2, 2)}, {}),
    "Cast": ("x", {"to": (7,)}, {}),
    "Concat": ("x x", {"axis": (1,)}, {}),
    "ConstantOfShape": ("n", {}, {}),
    "Conv": ("x w", {}, {}),
    "ConvInteger": ("x w", {}, {}),
    "ConvTranspose": ("x w", {}, {}),
    "DepthToSpace": ("x", {"blocksize": (2,)}, {}),
    "DequantizeLinear": ("x s", {}, {}),
    "Div": ("x x", {}, {}),
    "Einsum": ("x x", {}, {"equation": "abcd,abcd->ab"}),
    "Expand": ("x n", {}, {}),
    "FusedConv": ("x w", {}, {}),
    "FusedGemm": ("z m", {}, {}),
    "Gather": ("x k", {}, {}),
    "GatherElements": ("x x", {}, {}),
    "GatherND": ("x w", {}, {}),
    "Gemm": ("z m", {}, {}),
    "LayerNormalization": ("x s", {}, {}),
    "MatMul": ("z m", {}, {}),
    "MatMulInteger": ("z m", {}, {}),
    "MaxPool": ("x", {"kernel_shape": (2, 2)}, {}),
    "OneHot": ("k i m", {}, {}),
    "Pad": ("x p", {}, {}),
    "QLinearConv": ("x s s w s s s s", {}, {}),
    "QLinearMatMul": ("z s s m s s s s", {}, {}),
    "QuantizeLinear": ("x s", {}, {}),
    "Range": ("o i e", {}, {}),
    "Reshape": ("x n", {}, {}),
    "Resize": ("x none none n", {}, {}),
    "Slice": ("x o i", {}, {}),
    "SpaceToDepth": ("x", {"blocksize": (2,)}, {}),
    "Squeeze": ("x o", {}, {}),
    "Tile": ("x t", {}, {}),
    "Unsqueeze": ("x o", {}, {}),
}
WEIGHTS = {
    "w": weight(8, 8, 1, 1),
    "m": weight(32, 32),
    "s": weight(),
    "none": weight(0),
    "n": numbers(1, 8, 28, 28),
    "t": numbers(1, 1, 1, 2),
    "p": numbers(0, 0, 1, 1, 0, 0, 1, 1),
    "o": numbers(0),
    "i": numbers(5),
    "e": numbers(1),
}


@pytest.mark.parametrize("operator", sorted(RULES.keys() - {"Constant"}))
def test_each_operator_is_let_through_with_what_it_needs_and_refused_without(operator):
    inputs, ints, texts = NEEDS.get(operator, ("x", {}, {}))
    integers = {name: known(values) for name, values in ints.items()}
    outputs = ("y", "step", "zero") if operator == "DynamicQuantizeLinear" else ("y",)
    assert check([Node(operator, tuple(inputs.split()), outputs, integers, {}, texts)], WEIGHTS).batch == MAX_BATCH
    reason = "more than two" if operator == "Einsum" else f"^has a {operator} that does not fit what it reads$"
    with pytest.raises(RefusedError, match=reason):
        check([Node(operator, (), outputs, integers, {}, texts)], WEIGHTS)


# Operator -> how many tensors of its largest one's size ONNX Runtime holds beside while it runs. Measured: no network
# of tests/soak/test_memory.py takes more memory than it is counted with.
INSIDE_MEASURED = {"Celu": 3, "Conv": 0, "ConvInteger": 2, "ConvTranspose": 0, "Einsum": 3, "FusedConv": 0, "Gelu": 3,
                   "GroupNormalization": 4, "HardSwish": 3, "LogSoftmax": 2, "LpNormalization": 2,
                   "MeanVarianceNormalization": 4, "Mish": 3,
                   "QLinearConv": 3, "QLinearMatMul": 1, "ReduceLogSumExp": 1, "Softmax": 2}  # fmt: skip


@pytest.mark.parametrize("operator", sorted(INSIDE.keys() | INSIDE_MEASURED.keys()))
def test_what_an_operator_takes_while_it_runs_is_counted(operator, monkeypatch):
    inputs, ints, texts = NEEDS.get(operator, ("x", {}, {}))
    integers = {name: known(values) for name, values in ints.items()}
    nodes = [Node(operator, tuple(inputs.split()), ("y",), integers, {}, texts)]
    counted = check(nodes, WEIGHTS).elements
    monkeypatch.setitem(INSIDE, operator, 0)
    largest = MAX_BATCH * (32 if inputs.startswith("z") else 8 * 28 * 28)
    assert counted - check(nodes, WEIGHTS).elements == INSIDE_MEASURED[operator] * largest


@pytest.mark.parametrize("case", MISFITS)
def test_what_does_not_fit_is_refused_and_what_fits_beside_it_is_let_through(case):
    (nodes, weights), fitting = MISFITS[case]
    with pytest.raises(RefusedError, match=f"^has a {nodes[-1].operator} that does not fit what it reads$"):
        check(nodes, weights)
    assert check(*fitting).batch > 0
