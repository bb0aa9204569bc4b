"""Keras 3 and tf_keras models, SavedModels and other callables as functions of tensors."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from typing import Any

import onnx

from vae_edge.export.convert import DEFAULT_OPSET, convert, translate
from vae_edge.export.tracing import Outputs, TensorSpec, trace
from vae_edge.runtime.errors import InputError

__all__ = ["as_function", "convert_model", "input_specs", "translate_model"]


def convert_model(model: Any, outputs: Outputs, opset: int = DEFAULT_OPSET) -> onnx.ModelProto:
    """A model that says what it takes (see `input_specs`) as an ONNX model; see `convert`."""
    return convert(as_function(model), _specs(model), outputs, opset)


def translate_model(model: Any, outputs: Outputs, opset: int = DEFAULT_OPSET) -> onnx.ModelProto:
    """The same, operator by operator as tf2onnx writes it: to count what the model costs as it was built."""
    return translate(trace(as_function(model), _specs(model), outputs), opset)


def as_function(model: Any) -> Callable[..., Any]:
    """`model` as a function of positional tensors, as `convert` calls it, in inference mode.

    `model` is a Keras 3 or tf_keras model or layer, an object that `tf.saved_model.load` gave (its `serving_default`
    signature, else its `__call__`), a `tf.Module`, or any callable. `training=False` goes along where it is accepted.
    Raises InputError where it cannot be called.
    """
    signatures = getattr(model, "signatures", None)
    if signatures is not None and not _is_keras(model):
        return _of_saved_model(model, signatures)
    if not callable(model):
        raise InputError(f"a model should be a Keras model, a SavedModel or a function, it is a {type(model).__name__}")
    options = {"training": False} if _takes_training(model) else {}
    names = _names_of_inputs(model)
    one_structure = _is_keras(model) and names is not None

    def function(*tensors: Any) -> Any:
        if one_structure and names:  # a dict of inputs
            return model(dict(zip(names, tensors, strict=True)), **options)
        if one_structure and len(tensors) > 1:
            return model(list(tensors), **options)
        return model(*tensors, **options)

    return function


def input_specs(model: Any) -> tuple[TensorSpec, ...] | None:
    """The model's inputs by name, dtype and shape, in the order of `as_function`; None where it declares none.

    A functional or Sequential Keras model declares them, and a SavedModel's signature. A free size is -1.
    """
    signatures = getattr(model, "signatures", None)
    if signatures is not None and not _is_keras(model):
        _, specs = _signature(signatures) if len(signatures) else (None, None)
        if specs is None:
            return None
        return tuple(_spec(name, spec) for name, spec in specs.items())
    try:
        inputs = getattr(model, "inputs", None)
    except (AttributeError, ValueError):  # a Sequential that is not built
        return None
    if not inputs:
        return None
    names = _names_of_inputs(model) or [tensor.name.split(":")[0] for tensor in inputs]
    return tuple(_spec(name, tensor) for name, tensor in zip(names, inputs, strict=True))


def _specs(model: Any) -> tuple[TensorSpec, ...]:
    specs = input_specs(model)
    if specs is None:
        raise InputError(f"a {type(model).__name__} should say what it takes: build it, or name its inputs")
    for spec in specs:
        if -1 in spec.shape:
            raise InputError(f"input {spec.name!r} should have the batch as its only axis of free size, its shape "
                             f"without the batch is {spec.shape}")  # fmt: skip
    return specs


def _spec(name: str, tensor: Any) -> TensorSpec:
    dtype = tensor.dtype if isinstance(tensor.dtype, str) else tensor.dtype.name
    shape = tuple(tensor.shape)
    if not shape:
        raise InputError(f"input {name!r} should have the batch as its first axis, it has no axis")
    return TensorSpec(name, dtype, tuple(-1 if size is None else size for size in shape[1:]))


def _is_keras(model: Any) -> bool:
    """Whether `model` is a model or layer of Keras 3 or tf_keras; both may be loaded in one process."""
    return any(kind.__module__.split(".")[0] in ("keras", "tf_keras") for kind in type(model).__mro__)


def _takes_training(model: Any) -> bool:
    called = getattr(model, "call", None) if _is_keras(model) else model
    try:
        parameters = inspect.signature(called).parameters  # type: ignore[arg-type]
    except (TypeError, ValueError):
        return False
    # A functional Keras model takes it whatever its layers do.
    return "training" in parameters


def _names_of_inputs(model: Any) -> list[str] | None:
    """The keys of a functional model's dict of inputs, as `model.inputs` is ordered: sorted.

    It is [] where it takes a list or a tensor, None where the model is not functional.
    """
    structure = getattr(model, "_inputs_struct", getattr(model, "_nested_inputs", None))
    if structure is None:
        return None
    return sorted(structure) if isinstance(structure, dict) else []


def _of_saved_model(model: Any, signatures: Any) -> Callable[..., Any]:
    if len(signatures):
        signature, specs = _signature(signatures)
        names = list(specs)
        return lambda *tensors: signature(**dict(zip(names, tensors, strict=True)))
    if callable(model):
        return model
    raise InputError("a SavedModel should have the signature 'serving_default' or be callable, it is neither")


def _signature(signatures: Any) -> tuple[Any, dict[str, Any]]:
    if "serving_default" not in signatures and len(signatures) != 1:
        raise InputError(
            f"a SavedModel should have the signature 'serving_default', it has {sorted(signatures)}: hand in one of "
            "its signatures"
        )
    signature = signatures["serving_default"] if "serving_default" in signatures else next(iter(signatures.values()))
    return signature, signature.structured_input_signature[1]
