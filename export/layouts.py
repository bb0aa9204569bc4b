"""From a model's layout of numbers (flat, channels first, an axis missing) to the bundle's, and back."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from vae_edge.runtime.errors import InputError

__all__ = ["Layout", "find"]

Array = npt.NDArray[np.float32]
Shape = tuple[int, ...]


@dataclass(frozen=True)
class Layout:
    """From `own`, a shape without the batch, to `ours`: seen as `view`, its axes in the `order`, seen as `ours`."""

    own: Shape
    view: Shape
    order: tuple[int, ...]
    ours: Shape

    @property
    def is_identity(self) -> bool:
        """Whether nothing changes."""
        return self.own == self.ours and not self.transposes

    @property
    def transposes(self) -> bool:
        """Whether numbers change places."""
        kept = [axis for axis in self.order if self.view[axis] != 1]
        return kept != sorted(kept)

    def to_ours(self, array: Array) -> Array:
        """An array (B, *own) as (B, *ours)."""
        n = len(array)
        order = (0, *(axis + 1 for axis in self.order))
        return array.reshape(n, *self.view).transpose(order).reshape(n, *self.ours)

    def to_own(self, array: Array) -> Array:
        """An array (B, *ours) as (B, *own)."""
        n = len(array)
        moved = tuple(self.view[axis] for axis in self.order)
        back = (0, *(place + 1 for place in np.argsort(self.order)))
        return array.reshape(n, *moved).transpose(back).reshape(n, *self.own)


def find(own: Shape, full: Shape, what: str, *, channels_first: bool = False, event_axes: int | None = None) -> Layout:
    """How `own` is arranged as `full`, where an axis may be 1 in place of its size: one number for all along it.

    `full` is an event's shape, (H, W, C) or (size,), or that of a parameter: axes behind the first `event_axes` are the
    levels of a categorical. `channels_first` says how to read what is flat. Raises InputError that names `what`.
    """
    count = len(full) if event_axes is None else event_axes
    found = _of_image(own, full[:3], full[3:], channels_first) if count == 3 else _plain(own, full)
    if found is None:
        raise InputError(f"{what} should have the shape (B, {', '.join(map(str, full))}) or be arranged like that, "
                         f"it has (B, {', '.join(map(str, own))})")  # fmt: skip
    return found


def _plain(own: Shape, full: Shape) -> Layout | None:
    if _fits(own, full):
        return Layout(own, own, tuple(range(len(own))), own)
    if math.prod(own) == math.prod(full) and (1 in (len(own), len(full)) or _squeezed(own) == _squeezed(full)):
        return Layout(own, full, tuple(range(len(full))), full)
    if math.prod(own) == 1:
        ones = (1,) * len(full)
        return Layout(own, ones, tuple(range(len(full))), ones)
    return None


def _of_image(own: Shape, image: Shape, tail: Shape, channels_first: bool) -> Layout | None:
    """The arrangements of an image (H, W, C), with the levels of a categorical behind it (`tail`) or without."""
    height, width, channels = image
    full = image + tail
    plain = _plain(own, full) if not (len(own) == 1 and channels > 1 and channels_first) else None
    if plain is not None:
        return plain
    count = math.prod(tail)
    # levels last: (H, W, K), (H * W, K), (H, W, C * K)
    if tail and own in ((height, width, channels * count), (height * width * channels, count)):
        return Layout(own, full, (0, 1, 2, 3), full)
    first = (channels, height, width)
    if not tail and _fits(own, first):
        return Layout(own, own, (1, 2, 0), (own[1], own[2], own[0]))
    if tail and own == (*first, count):
        return Layout(own, own, (1, 2, 0, 3), full)
    if tail and own in ((count, *first), (count * channels, height, width)) and (channels == 1 or len(own) == 4):
        return Layout(own, (count, *first), (2, 3, 1, 0), full)
    if math.prod(own) == math.prod(full) and channels_first:
        return Layout(own, (*first, *tail), (1, 2, 0, *range(3, 3 + len(tail))), full)
    if not tail and own == (channels,):  # a scale of each channel
        return Layout(own, (1, 1, channels), (0, 1, 2), (1, 1, channels))
    return None


def _fits(own: Shape, full: Shape) -> bool:
    return len(own) == len(full) and all(size in (1, most) for size, most in zip(own, full, strict=True))


def _squeezed(shape: Shape) -> Shape:
    return tuple(size for size in shape if size != 1)
