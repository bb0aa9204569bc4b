"""Operators on elements and reductions: how large they are, and what they make of numbers that may be sizes."""

from __future__ import annotations

import math
from collections.abc import Callable

from vae_edge.runtime.bundle.guard.kinds import INT32, INT64, ITEM_BYTES
from vae_edge.runtime.bundle.guard.shapes import broadcast
from vae_edge.runtime.bundle.guard.terms import (
    MAX_NUMBER,
    MAX_NUMBERS,
    Batched,
    Known,
    Node,
    RefusedError,
    Tensor,
    alike,
    known,
    product,
    whole,
)

__all__ = [
    "arg_reduce",
    "arithmetic",
    "cast",
    "dequantize",
    "dynamic_quantize",
    "layer_norm",
    "reduce",
    "reduce_numbers",
]


def cast(node: Node, x: Tensor) -> Tensor:
    """Cast, between numbers of at most eight bytes."""
    kind = node.int("to", 0)
    if kind not in ITEM_BYTES:
        raise RefusedError(f"casts to data type {kind}, which no VAE needs")
    whole_numbers = kind in (INT32, INT64) and all(abs(number) < MAX_NUMBER for number in x.numbers or ())
    return Tensor(x.shape, x.numbers if whole_numbers else None)


def arithmetic(node: Node, *inputs: Tensor) -> Tensor:
    """Add, Sub, Mul, Div, Max, Min, Neg: on sizes too, as converters compute them."""
    made = broadcast(node, *inputs)
    if len(made.shape) > 1 or any(x.numbers is None for x in inputs):
        return made
    length = max(len(x.sizes) for x in inputs)
    if length > MAX_NUMBERS or any(len(x.sizes) not in (1, length) for x in inputs):
        return made
    columns = zip(*(x.sizes * (length // len(x.sizes)) for x in inputs), strict=True)
    numbers = tuple(_fold(_NUMBERS[node.operator], column) for column in columns)
    return Tensor(made.shape, _kept(numbers))


def _fold(rule: Callable[..., int | None], values: tuple[int, ...]) -> int | None:
    if len(values) == 1:
        return rule(values[0]) if rule is _negated else values[0]
    result: int | None = values[0]
    for value in values[1:]:
        result = None if result is None else rule(result, value)
    return result


def _kept(numbers: tuple[int | None, ...]) -> tuple[int, ...] | None:
    kept = tuple(number for number in numbers if number is not None and abs(number) < MAX_NUMBER)
    return kept if len(kept) == len(numbers) else None


def _bounded(number: int, never_negative: bool) -> int | None:
    """A result: one that is not known has to be a bound of what is never negative, at any batch."""
    return number if isinstance(number, Known) or never_negative else None


def _sum(a: int, b: int) -> int | None:
    return _bounded(alike(a + b, a, b), min(a, b) >= 0)


def _difference(a: int, b: int) -> int | None:
    made = _bounded(alike(a - b, a, b), False)
    return Known(0) if made == 0 else made


def _product(a: int, b: int) -> int | None:
    made = product((a, b))
    return _bounded(made, min(a, b) >= 0 or (whole((a, b)) and made >= 0))


def _quotient(a: int, b: int) -> int | None:
    if not whole((a, b)) or a < 0 or b <= 0:
        return None
    if type(a) is type(b):  # rounded down, as towards 0
        return Known(a // b)
    return a // b if type(a) is Batched else int(a)


def _largest(a: int, b: int) -> int | None:
    if whole((a, b)) and (type(a) is type(b) or 0 in (a, b)):
        return alike(max(a, b), a, b)
    low, high = sorted((a, b))
    if type(high) is Batched and type(low) is Known and low <= 1:  # a multiple of the batch is 1 at least
        return high
    return _bounded(int(high), high >= 0)


def _smallest(a: int, b: int) -> int | None:
    if whole((a, b)) and (type(a) is type(b) or 0 in (a, b)):
        return alike(min(a, b), a, b)
    return _bounded(int(min(a, b)), min(a, b) >= 0)


def _negated(a: int, *none: int) -> int | None:
    return type(a)(-a) if isinstance(a, Known) else None


_NUMBERS: dict[str, Callable[..., int | None]] = {
    "Add": _sum,
    "Div": _quotient,
    "Max": _largest,
    "Min": _smallest,
    "Mul": _product,
    "Neg": _negated,
    "Sub": _difference,
}


def _over(node: Node, x: Tensor, given: Tensor | None) -> set[int] | None:
    """The axes that a reduction is over; None where it leaves all as they are."""
    if given is not None and "axes" in node.ints:
        raise ValueError
    axes = given.exact if given is not None and given.shape != (0,) else node.ints.get("axes", ())
    if not axes and node.int("noop_with_empty_axes", 0):
        return None
    return {range(len(x.shape))[axis] for axis in axes} if axes else set(range(len(x.shape)))


def reduce(node: Node, x: Tensor, given: Tensor | None = None) -> Tensor:
    """A reduction over axes, which an attribute names in older opsets; without names over all."""
    over = _over(node, x, given)
    if over is None:
        return Tensor(x.shape)
    return _reduced(x, over, bool(node.int("keepdims", 1)))


def _reduced(x: Tensor, over: set[int], keep: bool) -> Tensor:
    if not (whole(x.shape) and 0 not in x.shape):  # ONNX Runtime reduces what is empty in other ways
        if not keep:
            raise RefusedError("reduces axes away of what may be empty")
        return Tensor(tuple(max(1, size) for size in map(int, x.shape)))
    if keep:
        return Tensor(tuple(Known(1) if axis in over else size for axis, size in enumerate(x.shape)))
    return Tensor(tuple(size for axis, size in enumerate(x.shape) if axis not in over))


def reduce_numbers(node: Node, x: Tensor, given: Tensor | None = None) -> Tensor:
    """ReduceProd and ReduceSum, of sizes too."""
    made = reduce(node, x, given)
    if x.numbers is None or len(x.shape) != 1 or math.prod(made.shape) != 1 or not x.numbers:
        return made
    number = _fold({"ReduceProd": _product, "ReduceSum": _sum}[node.operator], x.numbers)
    return Tensor(made.shape, _kept((number,)))


def arg_reduce(node: Node, x: Tensor) -> Tensor:
    """ArgMax and ArgMin, along one axis."""
    return _reduced(x, {range(len(x.shape))[node.int("axis", 0)]}, bool(node.int("keepdims", 1)))


def layer_norm(node: Node, x: Tensor, scale: Tensor, bias: Tensor | None = None) -> list[Tensor]:
    """LayerNormalization: the tensor, and where they are asked for the means and inverse deviations."""
    axis = range(len(x.shape))[node.int("axis", -1)]
    small = Tensor(tuple(size if at < axis else Known(1) for at, size in enumerate(x.shape)))
    return [Tensor(x.shape), small, small][: len(node.outputs)]


def dynamic_quantize(node: Node, x: Tensor) -> list[Tensor]:
    """DynamicQuantizeLinear: integers, one scale, one zero point."""
    return [Tensor(x.shape), Tensor(()), Tensor(())]


def dequantize(node: Node, x: Tensor, scale: Tensor, zero_point: Tensor | None = None) -> Tensor:
    """One scale for all of `x`, or one a channel; in blocks is refused."""
    one = scale.shape in ((), known((1,)))
    if node.int("block_size", 0) or not (one or scale.shape == (x.shape[node.int("axis", 1)],)):
        raise ValueError
    if zero_point is not None and zero_point.shape != scale.shape:
        raise ValueError
    return Tensor(x.shape)
