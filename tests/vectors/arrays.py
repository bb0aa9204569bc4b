"""Arrays in JSON: {"dims", "f4" or "f8"}, the bytes of the numbers, little-endian, in base64: exact, and short."""

from __future__ import annotations

import base64
from typing import Any

import numpy as np
import numpy.typing as npt

__all__ = ["dump", "load"]

Array = npt.NDArray[Any]


def dump(values: npt.ArrayLike) -> dict[str, Any]:
    """An array of float32 or float64 as JSON."""
    array = np.asarray(values)
    kind = array.dtype.newbyteorder("<")
    return {"dims": list(array.shape), kind.str[1:]: base64.b64encode(array.astype(kind).tobytes()).decode()}


def load(tree: dict[str, Any]) -> Array:
    """The array of `dump`."""
    (kind,) = tree.keys() - {"dims"}
    return np.frombuffer(base64.b64decode(tree[kind]), f"<{kind}").reshape(tree["dims"])
