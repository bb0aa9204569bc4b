"""What the guard knows of a graph: sizes, tensors and nodes, and how sizes are joined.

A size is an upper bound, unless its class says that it is known. Arithmetic on a `Known` gives a plain int, so that a
rule which forgets to handle it gives a bound, and never a wrong certainty.
"""

from __future__ import annotations

import builtins
import math
from collections.abc import Iterable
from dataclasses import dataclass, field

__all__ = [
    "MAX_NUMBER",
    "MAX_NUMBERS",
    "Batched",
    "Known",
    "Node",
    "RefusedError",
    "Shape",
    "Tensor",
    "alike",
    "equal",
    "joined",
    "known",
    "product",
    "whole",
]

MAX_NUMBERS = 16  # in a tensor that can be a shape
MAX_NUMBER = 1 << 31  # the result of arithmetic on sizes stays below, in int32 too

Shape = tuple[int, ...]


class RefusedError(Exception):
    """Why a graph is refused, as the end of a sentence."""


class Known(int):
    """A number that is exactly this in every run; a plain int is this or less, and never negative."""


class Batched(Known):
    """A number that grows with the batch: exactly a multiple of it, this at the largest batch."""


@dataclass(frozen=True)
class Tensor:
    """What is known of a tensor: its largest shape, and its values where they are few and may be sizes or scales."""

    shape: Shape
    numbers: tuple[int, ...] | None = None
    floats: tuple[float, ...] | None = None
    kind: int = 1  # ONNX's number of its data type, where it comes from the file
    raw: memoryview | None = field(default=None, compare=False, repr=False)  # a float32 weight's bytes in the file

    @property
    def sizes(self) -> tuple[int, ...]:
        """The numbers, known or bounded; raises RefusedError where there are none."""
        if self.numbers is None:
            raise RefusedError("computes a size in a way that cannot be bounded")
        return self.numbers

    @property
    def exact(self) -> tuple[int, ...]:
        """The numbers; raises RefusedError where one is only bounded or depends on the batch."""
        if any(type(number) is not Known for number in self.sizes):
            raise RefusedError("computes a size in a way that cannot be bounded")
        return self.sizes


@dataclass(frozen=True)
class Node:
    """A node: attributes are lists of integers, texts, counts of floats, and a tensor in one is a Tensor."""

    operator: str
    inputs: tuple[str, ...]
    outputs: tuple[str, ...]
    ints: dict[str, tuple[int, ...]] = field(default_factory=dict)
    tensors: dict[str, Tensor] = field(default_factory=dict)
    texts: dict[str, str] = field(default_factory=dict)
    floats: dict[str, builtins.int] = field(default_factory=dict)

    def int(self, name: str, default: int) -> int:
        """An attribute of one integer."""
        return self.ints[name][0] if name in self.ints else default


def known(values: Iterable[int]) -> tuple[int, ...]:
    """The values, as exact numbers."""
    return tuple(map(Known, values))


def whole(sizes: Iterable[int]) -> bool:
    """Whether all are known, of the batch or not: then none of them is 0 unless it says so."""
    return all(isinstance(size, Known) for size in sizes)


def product(sizes: Iterable[int]) -> int:
    """The product; known where all are, and where the batch is in it at most once."""
    sizes = tuple(sizes)
    value, classes = math.prod(sizes), [type(size) for size in sizes]
    if any(kind is int for kind in classes) or classes.count(Batched) > 1:
        return value
    return Batched(value) if Batched in classes else Known(value)


def joined(sizes: Iterable[int]) -> int:
    """The size of an axis that several tensors are broadcast along, where 1 fits all."""
    sizes = tuple(sizes)
    kinds = {type(size) for size in sizes if type(size) is not Known or size != 1}
    largest = max(sizes)
    if not kinds:
        return Known(1)
    return int(largest) if int in kinds or len(kinds) > 1 or 0 in sizes else largest


def equal(sizes: Iterable[int]) -> int:
    """The size of an axis that has to be the same in several tensors."""
    sizes = tuple(sizes)
    return sizes[0] if whole(sizes) and len({(type(size), size) for size in sizes}) == 1 else int(max(sizes))


def alike(value: int, *sizes: int) -> int:
    """`value`, a sum or difference of `sizes`, known where all of them are, and all of the batch or none; 0 is both."""
    kinds = {type(size) for size in sizes if type(size) is not Known or size != 0} or {Known}
    (kind,) = kinds if len(kinds) == 1 else (int,)
    return kind(value)
