"""A TFP distribution object as a family of ours and its parameters; TFP itself is never imported here.

The families say where their parameters stand (`Distribution.tfp`). Parameters are read, never moments: these bring
operators that ONNX has no counterpart for.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from vae_edge.runtime.distributions import registry
from vae_edge.runtime.distributions.base import Distribution
from vae_edge.runtime.errors import InputError

__all__ = ["Reading", "class_name", "is_distribution", "read", "unwrapped"]


@dataclass(frozen=True)
class Reading:
    """A distribution's class, its family ('' where there is none), and its parameters as tensors."""

    kind: str
    family: str
    parameters: dict[str, Any] = field(default_factory=dict)
    settings: dict[str, float] = field(default_factory=dict)


def is_distribution(value: Any) -> bool:
    """Whether `value` is a distribution of TFP, or a tensor that a DistributionLambda made of one."""
    return hasattr(value, "log_prob") and hasattr(value, "event_shape_tensor")


def unwrapped(distribution: Any) -> Any:
    """The distribution inside of all `tfd.Independent`: which axes are the event's is known from elsewhere.

    What a layer of TFP gives is a tensor too, and holds the distribution itself.
    """
    while True:
        if (held := vars(distribution).get("tensor_distribution")) is not None:
            distribution = held
        elif "Independent" in _classes(distribution):
            distribution = distribution.distribution
        else:
            return distribution


def class_name(distribution: Any) -> str:
    """The object's TFP class, without the mixed-in class that makes it a tensor too."""
    return _classes(distribution)[0]


def read(distribution: Any) -> Reading:
    """The family and the parameters of a distribution object."""
    distribution = unwrapped(distribution)
    name = class_name(distribution)
    for kind in registry.FAMILIES.values():
        for pattern, places in kind.tfp.items():
            if _matches(distribution, pattern) and _holds(distribution, places):
                return _read_as(kind, distribution, name, places)
    return Reading(name, "")


def _read_as(kind: type[Distribution], distribution: Any, name: str, places: Any) -> Reading:
    parameters: dict[str, Any] = {}
    settings: dict[str, float] = {}
    for key, place in places.items():
        if key in kind.settings:
            path, _, more = place.partition(" + ")
            if (number := _constant(_at(distribution, path))) is None:
                raise InputError(f"the {key} of a tfd.{name} should be a constant, they depend on the input")
            settings[key] = float(number) + float(more or 0)
        elif key in kind.parameters:
            value = _at(distribution, place)
            if value is None:  # a Bernoulli of probs has no logits
                key, value = next(_spelled(kind, key, distribution, place))
            parameters[key] = value
    return Reading(name, kind.family, _with_batch(kind, parameters), settings)


def _spelled(kind: type[Distribution], parameter: str, distribution: Any, place: str) -> Iterator[tuple[str, Any]]:
    for spelling, (meant, _) in kind.spellings.items():
        if meant == parameter:
            other = re.sub(rf"\b{parameter}\b", spelling, place)
            value = _at(distribution, other)
            if value is not None:
                yield spelling, value


def _with_batch(kind: type[Distribution], parameters: dict[str, Any]) -> dict[str, Any]:
    """The parameters, those without a batch axis (a fixed scale) with axes of size 1 in front."""
    shapes = {
        name: len(shape) for name, shape in kind.parameter_shapes((2,), dict.fromkeys(kind.settings, 2.0)).items()
    }
    first = next(iter(kind.parameters))
    meant = {name: kind.spellings.get(name, (name,))[0] for name in parameters}
    axes = max(len(value.shape) + shapes[first] - shapes[meant[name]] for name, value in parameters.items())
    spread = {}
    for name, value in parameters.items():
        missing = axes + shapes[meant[name]] - shapes[first] - len(value.shape)
        if missing and len(value.shape):
            value = value[(None,) * missing]
        spread[name] = value
    return spread


def _classes(value: Any) -> list[str]:
    """The names of the TFP classes that the object is of, its own first."""
    names = [kind.__name__ for kind in type(value).__mro__ if kind.__module__.split(".")[0] == "tensorflow_probability"]
    return [name for name in names if not name.startswith("_")] or [type(value).__name__]


def _matches(distribution: Any, pattern: str) -> bool:
    """'A(B)' is an A whose `.distribution` is a B. A subclass counts: of MultivariateNormalDiag, not its base."""
    outer, _, inner = pattern.partition("(")
    if outer not in _classes(distribution):
        return False
    return not inner or _matches(unwrapped(distribution.distribution), inner.removesuffix(")"))


def _holds(distribution: Any, places: Any) -> bool:
    """Whether the object has the required values, as {'low': '= 0'}."""
    for key, place in places.items():
        if place.startswith("= "):
            value = _at(distribution, key)
            constant = _constant(value)
            if constant is None or not np.allclose(constant, float(place[2:])):
                return False
    return True


def _constant(value: Any) -> Any:
    if value is None:
        return None
    try:
        return np.asarray(value, np.float64)
    except (TypeError, ValueError, NotImplementedError):  # a tensor of a graph that is being traced
        import tensorflow as tf

        static = tf.get_static_value(value)
        return None if static is None else np.asarray(static, np.float64)


def _at(value: Any, place: str) -> Any:
    """The value of an expression on the object: 'scale.diag_part()', 'a.b / c.d'."""
    if " / " in place:
        upper, lower = place.split(" / ")
        return _at(value, upper) / _at(value, lower)
    for step in place.split("."):
        value = getattr(value, step.removesuffix("()"))
        value = value() if step.endswith("()") else value
    return value
