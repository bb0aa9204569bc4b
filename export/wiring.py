"""Which of a model's inputs takes the event, the latent or the condition, and in which shape and dtype."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
import onnx

from vae_edge.export import layouts, transforms
from vae_edge.export.layouts import Layout
from vae_edge.export.sources.base import Source
from vae_edge.export.sources.members import Members
from vae_edge.export.tracing import TensorSpec
from vae_edge.runtime.bundle.manifest import Condition
from vae_edge.runtime.errors import InputError

__all__ = ["BATCH", "Slot", "Wired", "wire"]

Array = npt.NDArray[Any]

BATCH = 256  # events of a call of the user's own function


@dataclass(frozen=True)
class Slot:
    """One input: its name and dtype in the bundle, and the model's own name, dtype and shape."""

    name: str
    dtype: str
    own: TensorSpec
    layout: Layout
    role: str

    def to_own(self, array: Array) -> Array:
        """An array of the bundle's layout in the model's own layout and dtype."""
        moved = self.layout.to_own(array)
        kind = np.dtype(self.own.dtype)
        return (np.rint(moved) if kind.kind in "iu" else moved).astype(kind)


@dataclass(frozen=True)
class Wired:
    """A model whose inputs are known, in its own order."""

    source: Source
    slots: tuple[Slot, ...]

    @property
    def condition(self) -> Slot | None:
        """The input for the condition, or None."""
        return next((slot for slot in self.slots if slot.role == "condition"), None)

    @property
    def main(self) -> Slot:
        """The input for the event or the latent."""
        return next(slot for slot in self.slots if slot.role != "condition")

    def call(self, main: Array, condition: Array | None) -> Members:
        """What the user's own function gives for a batch, at most BATCH; `main` as the bundle's graph reads it."""
        given = {slot.role: main for slot in self.slots}
        if condition is not None:
            given["condition"] = condition
        return self.source.call([slot.to_own(given[slot.role]) for slot in self.slots])

    def convert(self, picked: Mapping[str, str], opset: int) -> onnx.ModelProto:
        """The graph, its inputs those of the bundle, its outputs as the model has them."""
        specs = [TensorSpec(slot.name, slot.own.dtype, slot.own.shape) for slot in self.slots]
        model = self.source.convert(specs, picked, opset)
        for slot in self.slots:
            model = _rearranged(model, slot)
        return model


def _rearranged(model: onnx.ModelProto, slot: Slot) -> onnx.ModelProto:
    """The model whose input has the shape and the dtype of the bundle."""
    layout, dtype = slot.layout, slot.dtype
    if layout.own != layout.view:
        model = transforms.reshape_input(model, slot.name, layout.view)
    if layout.transposes:
        back = np.argsort(layout.order)
        model = transforms.transpose_input(model, slot.name, [0, *(int(axis) + 1 for axis in back)])
    moved = tuple(layout.view[axis] for axis in layout.order) if layout.transposes else layout.view
    if moved != layout.ours:
        model = transforms.reshape_input(model, slot.name, layout.ours)
    return transforms.cast_input(model, slot.name, dtype)


def wire(source: Source, role: str, shape: tuple[int, ...], own_shape: tuple[int, ...], condition: Condition | None, *,
         name: str, channels_first: bool = False) -> Wired:  # fmt: skip
    """Finds which input of `source` takes the event or latent (`role`) of `shape`, and which the condition.

    A model that does not say what it takes is given `own_shape`. Raises InputError where nothing fits.
    """
    inputs = source.inputs
    if inputs is None:
        takes = condition is not None and source.arity != 1
        main = _slot(TensorSpec(name, "float32", own_shape), role, name, shape, channels_first, source.label)
        return Wired(source, (main, _condition_slot(None, condition)) if takes and condition else (main,))
    if len(inputs) == 1:
        main = _slot(_filled(inputs[0], own_shape), role, name, shape, channels_first, source.label)
        return Wired(source, (main,))
    if condition is None or len(inputs) > 2:
        listed = ", ".join(f"{spec.name} {spec.shape}" for spec in inputs)
        size = inputs[-1].shape[0] if len(inputs[-1].shape) == 1 else "n"
        raise InputError(
            f"the {source.label} takes {len(inputs)} inputs ({listed}), an unconditional model takes one: say "
            f"condition=OneHot({size}), Index(n) or Vector({size})"
        )
    problems = []
    for order in ((0, 1), (1, 0)):
        try:
            main = _slot(_filled(inputs[order[0]], own_shape), role, name, shape, channels_first, source.label)
            both = (main, _condition_slot(inputs[order[1]], condition))
            return Wired(source, both if order == (0, 1) else both[::-1])
        except InputError as error:
            problems.append(str(error))
    raise InputError(problems[0])


def _filled(spec: TensorSpec, own_shape: tuple[int, ...]) -> TensorSpec:
    """The input with the examples' sizes in place of its free ones (-1)."""
    if -1 in spec.shape:
        sizes = own_shape if len(own_shape) == len(spec.shape) else (0,) * len(spec.shape)
        shape = tuple(given if size == -1 else size for size, given in zip(spec.shape, sizes, strict=True))
        return TensorSpec(spec.name, spec.dtype, shape)
    return spec


def _slot(own: TensorSpec, role: str, name: str, shape: tuple[int, ...], channels_first: bool, label: str) -> Slot:
    layout = layouts.find(own.shape, shape, f"input {own.name!r} of the {label}", channels_first=channels_first)
    if layout.ours != shape:
        raise InputError(f"input {own.name!r} of the {label} should take (B, {', '.join(map(str, shape))}), it takes "
                         f"(B, {', '.join(map(str, own.shape))})")  # fmt: skip
    return Slot(name, "float32", own, layout, role)


def _condition_slot(own: TensorSpec | None, condition: Condition) -> Slot:
    name = "label" if condition.is_label else "condition"
    if condition.kind == "index":
        own = own or TensorSpec(name, "int32", ())
        dtype = own.dtype if own.dtype in ("int32", "int64") else "int64"
        if own.shape not in ((), (1,)):
            raise InputError(f"input {own.name!r} should take one whole number an event, it takes (B, {own.shape})")
        return Slot(name, dtype, own, Layout(own.shape, own.shape, tuple(range(len(own.shape))), ()), "condition")
    own = own or TensorSpec(name, "float32", (condition.size,))
    layout = layouts.find(own.shape, (condition.size,), f"input {own.name!r}, the condition,")
    if layout.ours != (condition.size,):
        raise InputError(f"input {own.name!r} should take {condition.size} numbers an event, it takes (B, {own.shape})")
    return Slot(name, "float32", own, layout, "condition")
