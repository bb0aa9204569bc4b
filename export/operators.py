"""Handlers for TensorFlow's operators that tf2onnx does not have."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

__all__ = ["handlers"]


def handlers() -> dict[str, tuple[Callable[..., Any], list[Any]]]:
    """tf2onnx's `custom_op_handlers`: TensorFlow's operator -> (handler, its arguments)."""
    return {}
