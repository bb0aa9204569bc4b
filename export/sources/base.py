"""What every source is: a model that can be called with arrays, and written as an ONNX graph."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Protocol

import numpy.typing as npt
import onnx

from vae_edge.export.sources.members import Members
from vae_edge.export.tracing import TensorSpec

__all__ = ["Source"]

Array = npt.NDArray[Any]


class Source(Protocol):
    """An encoder or a decoder as its user has it."""

    @property
    def label(self) -> str:
        """What it is, for messages: "Keras model 'encoder'"."""

    @property
    def inputs(self) -> tuple[TensorSpec, ...] | None:
        """The inputs that it declares, or None; a free size is -1."""

    @property
    def arity(self) -> int | None:
        """How many tensors it takes; None where it does not declare that."""

    def call(self, arrays: Sequence[Array]) -> Members:
        """What the model itself gives for a batch, as arrays in float32; raises InputError where it fails."""

    def convert(self, inputs: Sequence[TensorSpec], picked: Mapping[str, str], opset: int) -> onnx.ModelProto:
        """The ONNX graph of the outputs picked, new name -> key of a member; see `convert.convert`."""
