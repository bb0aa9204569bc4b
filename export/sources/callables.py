"""Keras models, SavedModels and functions as sources: what they return may be tensors or TFP distributions."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy.typing as npt
import onnx
import tensorflow as tf

from vae_edge.export.convert import convert
from vae_edge.export.sources.members import Members, flatten
from vae_edge.export.sources.models import as_function, input_specs
from vae_edge.export.tracing import TensorSpec
from vae_edge.runtime.errors import InputError

__all__ = ["CallableSource"]

Array = npt.NDArray[Any]


class CallableSource:
    """A Keras 3 or tf_keras model, a SavedModel, or any function of tensors, in inference mode."""

    def __init__(self, model: Any, label: str, owner: Any = None) -> None:
        self.label = label
        self._kept = model, owner  # a SavedModel's functions hold its variables by weak references
        self.inputs: tuple[TensorSpec, ...] | None = input_specs(model)
        self._function: Callable[..., Any] = as_function(model)
        self._names = _output_names(model)
        self.arity = _arity(model)

    def call(self, arrays: Sequence[Array]) -> Members:
        """What the model gives, eagerly."""
        tensors = [tf.constant(array) for array in arrays]
        try:
            result = self._function(*tensors)
        except InputError:
            raise
        except Exception as error:  # the user's own code runs here
            shapes = ", ".join(f"{array.dtype} {array.shape}" for array in arrays)
            raise InputError(
                f"the {self.label} should take {shapes}, it raised {type(error).__name__}: {_short(error)}"
            ) from error
        return self._named(flatten(result)).numpy()

    def convert(self, inputs: Sequence[TensorSpec], picked: Mapping[str, str], opset: int) -> onnx.ModelProto:
        """The model's graph."""

        def members(*tensors: tf.Tensor) -> dict[str, tf.Tensor]:
            return pick(self._function(*tensors))

        def pick(result: Any) -> dict[str, tf.Tensor]:
            return {key: tf.convert_to_tensor(value) for key, value in flatten(result).tensors.items() if key in wanted}

        wanted = set(picked.values())
        pick = tf.autograph.experimental.do_not_convert(pick)  # AutoGraph is for the user's code alone
        return convert(members, inputs, picked, opset)

    def _named(self, members: Members) -> Members:
        if len(self._names) != len(members.tensors) or members.found:
            return members
        return members.with_names(dict(zip(self._names, members.tensors, strict=True)))


def _arity(model: Any) -> int | None:
    """How many tensors a function takes by position, None where it does not tell: `call` of a subclassed model's."""
    function = getattr(model, "call", model)
    function = getattr(function, "python_function", function)
    try:
        parameters = inspect.signature(function).parameters.values()
    except (TypeError, ValueError):
        return None
    if any(each.kind is each.VAR_POSITIONAL for each in parameters):
        return None
    kinds = (inspect.Parameter.POSITIONAL_ONLY, inspect.Parameter.POSITIONAL_OR_KEYWORD)
    return sum(each.kind in kinds and each.name not in ("training", "mask") for each in parameters)


def _output_names(model: Any) -> list[str]:
    """The names of a functional Keras model's outputs, in order; [] where it has none."""
    try:
        names = getattr(model, "output_names", None)
        tensors = getattr(model, "outputs", None)
    except (AttributeError, ValueError):
        return []
    if tensors is not None and names is not None and hasattr(tensors[0], "_keras_history"):
        # Keras 3 calls an output by its tensor; the layer that gives it has the name that its user chose.
        names = [getattr(tensor._keras_history[0], "name", name) for tensor, name in zip(tensors, names, strict=True)]
    return list(names) if names and len(set(names)) == len(names) else []


def _short(error: Exception) -> str:
    return " ".join(str(error).split())[:600] or "no message"
