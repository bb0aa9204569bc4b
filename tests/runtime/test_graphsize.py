"""No graph makes more than was bounded before it ran (tests/soak/test_bounds.py asks ONNX Runtime itself)."""

from __future__ import annotations

import pytest

from tests.graphs import chain, check, equation, node, numbers, resized, scalar, scales, weight
from vae_edge.runtime.bundle.guard.size import MAX_BATCH
from vae_edge.runtime.bundle.guard.terms import Node, RefusedError, known

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
    "a code of many classes": ([node("OneHot", "k depth v")], {"depth": numbers(1 << 30), "v": weight(2)}),
    "a resize to a size": ([Node("Resize", ("x", "", "", "s"), ("y",))], {"s": numbers(1, 8, 1 << 20, 1 << 20)}),
    "a resize by scales": ([Node("Resize", ("x", "", "s"), ("y",))], {"s": scales(1, 1, 60000, 60000)}),
    "resizes": (chain("Resize", "x none s", 20), {"s": scales(1, 1, 2, 2), "none": weight(0)}),
    "an outer product by Einsum": ([equation("ab,cd->abcd", "a a")], {"a": weight(1 << 10, 1 << 10)}),
    "a range": ([node("Range", "a n b")], {"a": scalar(0), "n": scalar(1 << 40), "b": scalar(1)}),
    "gathers of rows": ([node("GatherND", "x i")], {"i": weight(1 << 20, 1)}),
    "gathers of elements": ([node("GatherElements", "x i")], {"i": weight(1 << 10, 1 << 10, 1 << 5, 1 << 5)}),
    "space to channels": (chain("SpaceToDepth", "x", 9, blocksize=(4096,)), {}),
}

# What is refused for a reason of its own.
UNBOUNDED = "computes a size in a way that cannot be bounded"
DIVIDES = "divides integers by what may be 0"
RESIZE = "has a Resize whose size or memory cannot be bounded"
REFUSED = {
    "a crop": ([resized(coordinate_transformation_mode="tf_crop_and_resize")], {"s": scales(1, 1, 1, 1)}, RESIZE),
    "a cubic resize": (
        [resized(mode="cubic")],
        {"s": scales(1, 1, 1, 1)},
        "has a Resize that is neither nearest nor linear",
    ),
    "a resize of its own aspect": ([resized(keep_aspect_ratio_policy="not_larger")], {"s": scales(1, 1, 1, 1)}, RESIZE),
    "a smoothed resize": (
        [Node("Resize", ("x", "", "s"), ("y",), {"antialias": known((1,))})],
        {"s": scales(1, 1, 1, 1)},
        RESIZE,
    ),
    "an Einsum of three": ([equation("ab,bc,cd->ad", "z z z")], {}, "has an Einsum of more than two tensors"),
    "an Einsum of a diagonal": ([equation("aa->a", "z")], {}, "has an Einsum that is not simple"),
    "an Einsum of dots": ([equation("...a,...a->...", "z z")], {}, "has an Einsum that is not simple"),
    "an Einsum of what may be empty": (
        [Node("Slice", ("z", "o", "p"), ("c",)), equation("ab,ab->a", "c c")],
        {"o": numbers(-1), "p": numbers(1)},
        "has an Einsum of what may be empty",
    ),
    "a range of what is not known": ([node("Range", "f f f")], {"f": weight()}, UNBOUNDED),
    "a range that is large for few": (
        [Node("Size", ("k",), ("s",)), node("Range", "s n b")],
        {"n": scalar(1 << 30), "b": scalar(1)},
        "has a Range that cannot be bounded",
    ),
    "texts": ([node("Cast", "x", to=(8,))], {}, "casts to data type 8, which no VAE needs"),
    "a division of labels": ([node("Div", "k k")], {}, DIVIDES),
    "a division of what was cast": (
        [Node("Cast", ("x",), ("a",), {"to": known((6,))}), node("Div", "a a")],
        {},
        DIVIDES,
    ),
    "a division of places": (
        [Node("MaxPool", ("x",), ("a", "b"), {"kernel_shape": known((1, 1))}), node("Div", "b b")],
        {},
        DIVIDES,
    ),
    "a division by -1": ([node("Div", "n n")], {"n": numbers(-1)}, DIVIDES),
    "a division by 0": ([node("Div", "n n")], {"n": numbers(0)}, DIVIDES),
    "a division by what may be 0": (
        [Node("Shape", ("k",), ("s",)), Node("Min", ("s", "n"), ("m",)), node("Div", "n m")],
        {"n": numbers(3)},
        DIVIDES,
    ),
    "nine axes": (
        [node("Unsqueeze", "x axes")],
        {"axes": numbers(0, 1, 2, 3, 4)},
        "asks Unsqueeze for a tensor of more than eight axes",
    ),
    "a size by arithmetic": (
        [
            Node("Shape", ("x",), ("s",)),
            Node("Mul", ("s", "s"), ("t",)),
            Node("Mul", ("t", "t"), ("u",)),
            node("ConstantOfShape", "u"),
        ],
        {},
        UNBOUNDED,
    ),
    "a size from a float": (
        [Node("Cast", ("f",), ("t",), {"to": known((7,))}), node("Expand", "x t")],
        {"f": weight(4)},
        UNBOUNDED,
    ),
    "a size that the numbers do not hold": (
        [Node("Mul", ("n", "n"), ("t",)), node("ConstantOfShape", "t")],
        {"n": numbers(1 << 16)},
        UNBOUNDED,
    ),
    "a name twice": ([Node("Relu", ("x",), ("x",))], {}, "makes 'x' twice"),
}


@pytest.mark.parametrize("case", BOMBS)
def test_what_grows_when_it_runs_is_refused_before_it_does(case):
    nodes, weights = BOMBS[case]
    with pytest.raises(RefusedError, match=r"asks \w+ for .* elements are held at once, .* for one event"):
        check(nodes, weights)


@pytest.mark.parametrize("case", REFUSED)
def test_what_has_no_bound_is_refused_with_its_reason(case):
    nodes, weights, reason = REFUSED[case]
    with pytest.raises(RefusedError, match=reason):
        check(nodes, weights)


def test_what_is_cut_to_nothing_counts_as_one_of_it():
    def elements(end):
        return check([node("Slice", "x s e a")], {"s": numbers(0), "e": numbers(end), "a": numbers(1)}).elements

    assert elements(0) == elements(1) < elements(2)


@pytest.mark.parametrize("divisor", [1, 3])
def test_integers_are_divided_by_what_is_at_least_one(divisor):
    assert check([node("Div", "n d")], {"n": numbers(7), "d": numbers(divisor)}).batch == MAX_BATCH


@pytest.mark.parametrize("steps", [weight(), weight(1), weight(8)])
def test_integers_have_one_step_or_one_a_channel(steps):
    for inputs in ("x s", "x s o"):
        for operator in ("QuantizeLinear", "DequantizeLinear"):
            assert check([node(operator, inputs)], {"s": steps, "o": steps}).batch == MAX_BATCH


def test_a_list_of_numbers_does_not_grow():
    with pytest.raises(RefusedError, match="cannot be bounded"):
        check([*chain("Concat", "x x", 10, axis=(0,)), node("Expand", "z y9")], {"x": numbers(1)}, x=())


@pytest.mark.parametrize("operator", ["Conv", "Relu"])
def test_a_node_that_does_not_give_its_first_output_is_refused(operator):
    """Found by fuzzing: a KeyError of Conv's."""
    inputs = ("x", "w") if operator == "Conv" else ("x",)
    with pytest.raises(RefusedError, match=f"has a {operator} that does not fit what it reads"):
        check([Node(operator, inputs, ("",), {})], {"w": weight(8, 8, 3, 3)})
