"""A case: something to export, how to make it, and what it takes."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from vae_edge.export.tracing import TensorSpec

__all__ = ["Case", "Function", "spec"]

Function = Callable[..., Any]


@dataclass(frozen=True)
class Case:
    """`make` gives a function of tensors, one for each of `inputs`, that returns one tensor or several."""

    group: str
    name: str
    make: Callable[[], Function]
    inputs: tuple[TensorSpec, ...]


def spec(*shape: int, dtype: str = "float32", name: str = "x") -> TensorSpec:
    """An input of that shape without the batch."""
    return TensorSpec(name, dtype, shape)
