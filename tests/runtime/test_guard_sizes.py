"""Sizes that are known, that grow with the batch, or that are only bounded: none is taken for more than it is."""

from __future__ import annotations

import pytest

from vae_edge.runtime.bundle.guard import elements, parts, shapes, windows
from vae_edge.runtime.bundle.guard.terms import Batched, Known, Node, Tensor, alike, equal, joined, known, product

K, B = Known, Batched
Described = tuple[type, int] | None


def described(number: int | None) -> Described:
    return None if number is None else (type(number), int(number))


def node(operator: str, **ints: int) -> Node:
    return Node(operator, ("x",), ("y",), {name: known((value,)) for name, value in ints.items()})


@pytest.mark.parametrize(
    ("operator", "values", "expected"),
    [
        ("Add", (K(3), K(-5)), (K, -2)),
        ("Add", (B(256), B(512)), (B, 768)),
        ("Add", (B(256), K(0)), (B, 256)),
        ("Add", (B(256), K(3)), (int, 259)),
        ("Add", (256, K(3)), (int, 259)),
        ("Add", (B(256), K(-2)), None),  # -1 for one event, which Reshape would take for what is left
        ("Sub", (K(3), K(5)), (K, -2)),
        ("Sub", (B(512), B(256)), (B, 256)),
        ("Sub", (B(256), B(256)), (K, 0)),
        ("Sub", (B(256), K(1)), None),
        ("Sub", (256, K(1)), None),
        ("Mul", (K(3), K(-5)), (K, -15)),
        ("Mul", (B(256), K(3)), (B, 768)),
        ("Mul", (B(256), B(256)), (int, 65536)),
        ("Mul", (B(256), B(-256)), None),  # larger where the batch is smaller
        ("Mul", (B(-256), B(-256)), (int, 65536)),
        ("Mul", (256, K(-1)), None),
        ("Mul", (256, K(0)), (int, 0)),
        ("Add", (K(1 << 30), K((1 << 30) - 1)), (K, (1 << 31) - 1)),
        ("Add", (K(1 << 30), K(1 << 30)), None),  # not in int32
        ("Mul", (K(1 << 16), K(1 << 16)), None),  # not in int32
        ("Div", (K(7), K(2)), (K, 3)),
        ("Div", (K(7), K(1)), (K, 7)),
        ("Div", (B(512), B(256)), (K, 2)),
        ("Div", (B(256), K(2)), (int, 128)),  # of three events one is left over
        ("Div", (K(8), B(256)), (int, 8)),
        ("Div", (K(-7), K(2)), None),
        ("Max", (K(3), K(5)), (K, 5)),
        ("Max", (B(256), K(1)), (B, 256)),
        ("Max", (B(256), K(9)), (int, 256)),
        ("Max", (B(-256), K(0)), (B, 0)),
        ("Max", (B(-256), K(-3)), None),
        ("Max", (7, K(9)), (int, 9)),
        ("Max", (0, K(-3)), (int, 0)),
        ("Min", (K(3), K(5)), (K, 3)),
        ("Min", (B(256), K(9)), (int, 9)),
        ("Min", (7, K(-1)), None),
        ("Min", (7, K(0)), (int, 0)),
        ("Min", (B(256), K(-1)), None),
        ("Mul", (B(0), B(-256)), (int, 0)),
    ],
)
def test_arithmetic_on_sizes(operator, values, expected):
    made = elements.arithmetic(node(operator), *(Tensor(known((1,)), (value,)) for value in values))
    assert described(made.numbers[0] if made.numbers is not None else None) == expected


@pytest.mark.parametrize(("value", "kept"), [((1 << 31) - 1, True), (1 << 31, False), (-(1 << 31), False)])
def test_a_cast_keeps_the_numbers_that_int32_holds(value, kept):
    for kind in (6, 7):
        made = elements.cast(node("Cast", to=kind), Tensor(known((1,)), known((value,))))
        assert made.numbers == ((value,) if kept else None)
    assert elements.cast(node("Cast", to=1), Tensor(known((1,)), known((3,)))).numbers is None


@pytest.mark.parametrize(("value", "expected"), [(K(3), (K, -3)), (B(256), (B, -256)), (7, None)])
def test_what_is_negated(value, expected):
    made = elements.arithmetic(node("Neg"), Tensor(known((1,)), (value,)))
    assert described(made.numbers[0] if made.numbers is not None else None) == expected


@pytest.mark.parametrize(
    ("size", "before", "behind", "expected"),
    [
        (K(8), K(-2), K(3), (K, 9)),
        (K(3), K(-2), K(-2), (K, 0)),
        (B(256), K(0), K(0), (B, 256)),
        (B(256), K(1), K(1), (int, 258)),
        (B(256), K(-1), K(0), (int, 255)),
        (B(256), B(-256), K(0), (B, 0)),
        (K(8), B(-256), K(0), (int, 8)),  # 7 are left of one event
        (256, B(-256), K(0), (int, 256)),
        (B(256), B(-256), K(3), (int, 259)),
        (256, K(-1), K(0), (int, 255)),
    ],
)
def test_what_is_padded_or_cut(size, before, behind, expected):
    made = parts.pad(node("Pad"), Tensor((size,)), Tensor(known((2,)), (before, behind)))
    assert described(made.shape[0]) == expected


@pytest.mark.parametrize(
    ("shape", "target", "expected"),
    [
        ((B(256), K(12)), (K(-1), K(6)), (B, 512)),
        ((B(256), K(12)), (B(256), K(-1)), (K, 12)),
        ((B(256), K(12)), (K(0), K(-1)), (K, 12)),
        ((K(4), K(12)), (K(-1), K(6)), (K, 8)),
        ((B(256), B(256)), (K(-1),), (int, 65536)),
        ((B(256), B(256)), (K(-1), B(256)), (B, 256)),
        ((K(4), K(12)), (B(256), K(-1)), (int, 48)),  # all of it, for one event
        ((256, K(12)), (K(-1), K(6)), (int, 512)),
        ((256, K(12)), (256, K(-1)), (int, 3072)),
        ((B(256), K(7)), (K(-1), K(6)), (int, 298)),
    ],
)
def test_the_axis_that_reshape_finds(shape, target, expected):
    made = shapes.reshape(node("Reshape"), Tensor(shape), Tensor(known((len(target),)), target))
    assert described(made.shape[target.index(-1)]) == expected


@pytest.mark.parametrize(
    ("cut", "size", "expected"),
    [
        ((1, 5, 2), K(4), (K, 2)),
        ((0, 1 << 30, 1), B(256), (B, 256)),
        ((0, 256, 1), B(256), (B, 256)),
        ((0, 255, 1), B(256), (int, 255)),
        ((1, 1 << 30, 1), B(256), (int, 255)),
        ((-5, 3, 1), B(256), (int, 256)),  # all three where the batch is three
        ((-1, -(1 << 40), -1), B(256), (B, 256)),
        ((-1, -256, -1), B(256), (int, 256)),
        ((-2, -(1 << 40), -1), B(256), (int, 256)),
    ],
)
def test_what_a_slice_leaves(cut, size, expected):
    starts, ends, steps = (Tensor(known((1,)), known((value,))) for value in cut)
    made = parts.slices(node("Slice"), Tensor((size,)), starts, ends, None, steps)
    assert described(made.shape[0]) == expected


@pytest.mark.parametrize(
    ("rule", "sizes", "expected"),
    [
        (joined, (K(1), B(256)), (B, 256)),
        (joined, (K(1), K(1)), (K, 1)),
        (joined, (1, K(1)), (int, 1)),  # a bound of 1 may be 0
        (joined, (3, K(4)), (int, 4)),
        (joined, (K(1), K(0)), (int, 1)),
        (joined, (B(256), K(4)), (int, 256)),
        (equal, (K(4), K(4)), (K, 4)),
        (equal, (K(256), B(256)), (int, 256)),
        (equal, (4, K(4)), (int, 4)),
        (product, (B(256), K(3)), (B, 768)),
        (product, (B(256), B(2)), (int, 512)),
        (product, (3, K(3)), (int, 9)),
        (product, (), (K, 1)),
    ],
)
def test_how_sizes_are_joined(rule, sizes, expected):
    assert described(rule(sizes)) == expected


def test_a_sum_is_known_where_its_terms_are_of_one_kind():
    assert described(alike(7, K(3), K(4))) == (K, 7)
    assert described(alike(256, K(0), B(256))) == (B, 256)
    assert described(alike(257, K(1), B(256))) == (int, 257)


def test_numbers_are_split_with_their_axis():
    halves = Node("Split", ("x", "s"), ("a", "b", "c"))
    made = parts.split(halves, Tensor(known((4,)), known((2, 3, 5, 7))), Tensor(known((3,)), known((1, 2, 1))))
    assert [part.numbers for part in made] == [(2,), (3, 5), (7,)]
    assert [part.shape for part in made] == [(1,), (2,), (1,)]


def test_a_half_of_the_batch_is_not_a_multiple_of_it():
    halves = Node("Split", ("x",), ("a", "b"), {"axis": known((0,))})
    assert [described(part.shape[0]) for part in parts.split(halves, Tensor((B(256),)))] == [(int, 128)] * 2
    assert [described(part.shape[0]) for part in parts.split(halves, Tensor((K(6),)))] == [(K, 3)] * 2


@pytest.mark.parametrize(("channels", "expected"), [(K(8), (K, 2)), (K(7), (int, 2)), (8, (int, 2)), (K(4), (K, 1))])
def test_channels_that_a_block_does_not_divide_are_bounded(channels, expected):
    made = shapes.depth_to_space(node("DepthToSpace", blocksize=2), Tensor((B(256), channels, K(5), 6)))
    assert list(map(described, made.shape)) == [(B, 256), expected, (K, 10), (int, 12)]


@pytest.mark.parametrize(("size", "expected"), [(K(8), (K, 4)), (K(7), (int, 4)), (8, (int, 4)), (B(256), (int, 128))])
def test_pixels_that_a_block_does_not_divide_are_bounded(size, expected):
    made = shapes.space_to_depth(node("SpaceToDepth", blocksize=2), Tensor((K(1), K(3), K(2), size)))
    assert list(map(described, made.shape)) == [(K, 1), (K, 12), (K, 1), expected]


def test_a_block_of_one_changes_nothing():
    x = Tensor((B(256), K(3), K(5), 7))
    for rule in (shapes.depth_to_space, shapes.space_to_depth):
        assert list(map(described, rule(node("", blocksize=1), x).shape)) == list(map(described, x.shape))


def test_one_number_goes_with_several():
    several, one = Tensor(known((3,)), known((2, 3, 5))), Tensor(known((1,)), known((7,)))
    assert elements.arithmetic(node("Add"), several, one).numbers == (9, 10, 12)
    assert elements.arithmetic(node("Mul"), one, several).numbers == (14, 21, 35)


@pytest.mark.parametrize(
    ("cut", "left"),
    [
        ((1, 3, 1), (3, 5)),
        ((0, 1 << 40, 2), (2, 5)),
        ((-2, 1 << 40, 1), (5, 7)),
        ((-9, -(1 << 40), -1), None),  # ONNX leaves one number of it, Python none: not trusted
    ],
)
def test_numbers_are_sliced_forwards_alone(cut, left):
    sizes = Tensor(known((4,)), known((2, 3, 5, 7)))
    starts, ends, steps = (Tensor(known((1,)), known((value,))) for value in cut)
    assert parts.slices(node("Slice"), sizes, starts, ends, None, steps).numbers == left


@pytest.mark.parametrize(
    ("size", "scale", "expected"),
    [
        (K(7), 3.0, (K, 21)),
        (K(7), 0.5, (K, 3)),
        (B(256), 3.0, (B, 768)),
        (B(256), 0.5, (int, 129)),
        (7, 3.0, (int, 21)),
        (K((1 << 20) + 1), 33.0, (K, 34603040)),  # 34603041 is no float32
        (K(1 << 24), 1.5, (int, 25165848)),
    ],
)
def test_a_resize_by_a_scale_is_what_float32_makes_of_it(size, scale, expected):
    made = windows.resize(node("Resize"), Tensor((size,)), None, Tensor(known((1,)), None, (scale,)))
    assert described(made.shape[0]) == expected


@pytest.mark.parametrize(("limit", "expected"), [(K(5), (K, 5)), (B(256), (B, 256)), (7, (int, 7)), (0, (int, 0))])
def test_a_range_from_0_is_as_long_as_its_limit(limit, expected):
    first, last, step = (Tensor((), (number,)) for number in (K(0), limit, K(1)))
    assert described(shapes.ranged(node("Range"), first, last, step).shape[0]) == expected


def test_a_reduction_knows_its_axes_where_nothing_is_empty():
    kept = elements.reduce(node("ReduceMax", axes=1), Tensor((B(256), K(3), K(4))))
    assert list(map(described, kept.shape)) == [(B, 256), (K, 1), (K, 4)]
    unsure = elements.reduce(node("ReduceMax", axes=1), Tensor((B(256), 0, K(4))))
    assert list(map(described, unsure.shape)) == [(int, 256), (int, 1), (int, 4)]
