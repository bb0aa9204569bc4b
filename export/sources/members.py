"""What a model returns, flat: tensors by key, and the distributions whose parameters they are."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
import numpy.typing as npt

from vae_edge.export.sources import tfp
from vae_edge.runtime.errors import InputError

__all__ = ["Found", "Members", "flatten"]


@dataclass(frozen=True)
class Found:
    """A TFP distribution among what a model returns: the keys of its parameters, and its settings.

    `family` is '' where no bundle can hold it. A parameter stands by the name under which it was read, as 'probs'.
    """

    key: str
    kind: str
    family: str
    parameters: dict[str, str] = field(default_factory=dict)
    settings: dict[str, float] = field(default_factory=dict)


@dataclass(frozen=True)
class Members:
    """Tensors by key: '0', '1' of a tuple, the keys of a dict, 'a.b' of nested ones, '1.loc' of a distribution.

    `names` are other names of members, those of a Keras model's outputs. `is_dict` says that indices mean nothing.
    """

    tensors: dict[str, Any]
    found: tuple[Found, ...] = ()
    names: Mapping[str, str] = field(default_factory=dict)
    is_dict: bool = False

    def key(self, value: int | str) -> str:
        """The key of an output by its index or name; raises InputError that lists what there is."""
        keys = list(self.tensors)
        if isinstance(value, int):
            if self.is_dict and len(keys) > 1:
                raise InputError(
                    f"an output of a dict should be named, as {keys[0]!r}, not counted ({value}): a dict's order is "
                    "not kept in a graph"
                )
            if 0 <= value < len(keys):
                return keys[value]
        elif value in self.tensors:
            return value
        elif value in self.names:
            return self.names[value]
        raise InputError(f"there is no output {value!r}: the model gives {self.described()}")

    def with_names(self, names: Mapping[str, str]) -> Members:
        """The same, with other names of its members."""
        return replace(self, names=dict(names))

    def described(self) -> str:
        """The keys and shapes, for messages."""
        other = {key: name for name, key in self.names.items()}
        listed = [
            f"{repr(other[key]) if key in other else key} (B, {', '.join(map(str, np.shape(tensor)[1:]))})"
            for key, tensor in self.tensors.items()
        ]
        return ", ".join(listed)

    def numpy(self) -> Members:
        """The same with NumPy arrays, float32."""
        return replace(self, tensors={key: _array(key, tensor) for key, tensor in self.tensors.items()})


def _array(key: str, tensor: Any) -> npt.NDArray[np.float32]:
    array = np.asarray(tensor)
    if array.dtype.kind not in "fiub" and array.dtype.name != "bfloat16":
        raise InputError(f"output {key!r} should hold real numbers, it is {array.dtype}")
    return array.astype(np.float32)


def flatten(result: Any) -> Members:
    """What a function returned, flat. Raises InputError on what is neither a tensor nor a distribution."""
    tensors: dict[str, Any] = {}
    found: list[Found] = []
    _walk(result, "", tensors, found)
    if not tensors and not found:
        raise InputError("the model should return tensors or distributions, it returns nothing")
    return Members(tensors, tuple(found), is_dict=isinstance(result, Mapping))


def _walk(value: Any, key: str, tensors: dict[str, Any], found: list[Found]) -> None:
    if tfp.is_distribution(value):
        reading = tfp.read(value)
        keys = {name: f"{key}.{name}" if key else name for name in reading.parameters}
        tensors.update({keys[name]: tensor for name, tensor in reading.parameters.items()})
        found.append(Found(key, reading.kind, reading.family, keys, reading.settings))
    elif isinstance(value, Mapping):
        for name, inner in value.items():
            _walk(inner, f"{key}.{name}" if key else str(name), tensors, found)
    elif isinstance(value, (list, tuple)):
        for index, inner in enumerate(value):
            _walk(inner, f"{key}.{index}" if key else str(index), tensors, found)
    elif hasattr(value, "shape") and hasattr(value, "dtype"):
        tensors[key or "0"] = value
    elif value is not None:
        raise InputError(
            f"output {key or '0'!r} should be a tensor or a TFP distribution, it is a {type(value).__name__}"
        )
