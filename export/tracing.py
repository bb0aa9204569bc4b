"""A TensorFlow function as a frozen graph: what its wanted outputs need, and nothing else.

The function is traced once, its variables become constants, and what no wanted output depends on is cut away: a sampled
z beside a mean, the state of a random generator, assertions.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, TypeAlias

import numpy as np
import numpy.typing as npt
import tensorflow as tf
from tf2onnx import tf_loader

from vae_edge.export.freezing import PREFIX, GraphDef, ancestors, prune, refuse_captures, refuse_random
from vae_edge.runtime.errors import InputError

__all__ = ["Outputs", "TensorSpec", "Trace", "trace"]

Outputs: TypeAlias = Sequence[str] | Mapping[str, int | str]

KEPT = ("float32", "int32", "int64")  # dtypes that a graph's input has as they are; all others are read as float32
_BATCHES = (2, 3)  # what the traced graph is run with, to see which axis is the batch


@dataclass(frozen=True)
class TensorSpec:
    """A function's argument: `name` and `dtype` (NumPy's names), and `shape` without the batch axis.

    The graph's input has the same name and shape. It is float32, int32 or int64; what the function takes in another
    dtype (float64, uint8, bool) the graph reads as float32, and casts: whole numbers are rounded first.
    """

    name: str
    dtype: str
    shape: tuple[int, ...]

    @property
    def graph_dtype(self) -> str:
        """The dtype of the graph's input."""
        return self.dtype if self.dtype in KEPT else "float32"


@dataclass(frozen=True)
class Trace:
    """A function as a frozen graph: input i is the placeholder PREFIX_input_i, output i the identity PREFIX_output_i.

    `shapes` maps each output's name to its shape without the batch axis. `constants` holds the outputs that depend on
    no input, float32 as the function gave them, without a batch axis of their own.
    """

    graph: GraphDef
    inputs: tuple[TensorSpec, ...]
    shapes: dict[str, tuple[int, ...]]
    constants: dict[str, npt.NDArray[np.float32]] = field(default_factory=dict)


def trace(function: Callable[..., Any], inputs: Sequence[TensorSpec], outputs: Outputs) -> Trace:
    """The frozen graph of `function`, called with one tensor (B, *shape) for each of `inputs`.

    `outputs` names what it returns. A sequence names all members of a tuple in order, or a dict's values by their keys;
    a mapping picks: name -> index or key. What is not named is cut away. Raises InputError where the function cannot be
    traced, an output is missing, is not a tensor of floats, has no batch axis, or depends on random numbers.
    """
    names = list(outputs)
    _check_names(inputs, names)
    concrete = _traced(function, inputs, outputs)
    # tf2onnx's way to freeze: it does not import the graph again, which fails on what assigns to a variable.
    frozen = tf_loader.convert_variables_to_constants_large_model(concrete)
    graph = prune(frozen, [tensor.op.name for tensor in concrete.outputs], len(inputs))
    nodes = {node.name: node for node in graph.node}
    constant = []
    for index, name in enumerate(names):
        above = list(ancestors(nodes, f"{PREFIX}_output_{index}"))
        refuse_random(name, above, graph)
        if not any(node.op == "Placeholder" for node in above):
            constant.append(name)
    refuse_captures(graph, len(inputs))
    values = _run(graph, inputs, names)
    constants = {name: values[0][name] for name in constant}
    shapes = {name: _shape_without_batch(name, [value[name].shape for value in values], name in constants)
              for name in names}  # fmt: skip
    return Trace(graph, tuple(inputs), shapes, constants)


def _check_names(inputs: Sequence[TensorSpec], outputs: Sequence[str]) -> None:
    names = [*(spec.name for spec in inputs), *outputs]
    if not outputs or not all(names) or len(set(names)) != len(names):
        raise InputError(f"inputs and outputs should have names that all differ, and be one or more; they are {names}")


def _traced(function: Callable[..., Any], inputs: Sequence[TensorSpec], outputs: Outputs) -> Any:
    refused: list[InputError] = []  # TensorFlow replaces our error by one of its own
    cast, pick = map(tf.autograph.experimental.do_not_convert, (_cast, _pick))  # AutoGraph is for the user's code alone

    def named(*tensors: tf.Tensor) -> list[tf.Tensor]:
        arguments = [cast(tensor, spec) for tensor, spec in zip(tensors, inputs, strict=True)]
        results = function(*arguments)
        try:
            results = pick(results, outputs)
        except InputError as error:
            refused.append(error)
            raise
        # A list, since tf.function sorts a dict by its keys. Each has a node of its own, even where two are one tensor.
        return [
            tf.identity(tf.cast(result, tf.float32), f"{PREFIX}_result_{index}") for index, result in enumerate(results)
        ]

    signature = [
        tf.TensorSpec((None, *spec.shape), spec.graph_dtype, f"{PREFIX}_input_{index}")
        for index, spec in enumerate(inputs)
    ]
    try:
        concrete = tf.function(named, input_signature=signature).get_concrete_function()
    except Exception as error:  # the user's own code runs here
        if refused:
            raise refused[0] from None
        shapes = ", ".join(f"{spec.name} {spec.dtype} (B, {str(spec.shape)[1:]}" for spec in inputs)
        raise InputError(
            f"the function should take {shapes} with a batch of any size, "
            f"it raised {type(error).__name__}: {_words(error)}"
        ) from error
    names = [tensor.op.inputs[0].op.name for tensor in concrete.outputs]
    assert names == [f"{PREFIX}_result_{index}" for index in range(len(outputs))], names  # by order, and it is ours
    return concrete


def _words(error: Exception) -> str:
    """The last paragraph of an error of TensorFlow's or Keras's, in one line, without the place in the graph."""
    text = str(error).split("Original stack trace")[0].strip()
    lines = [line.strip() for line in text.split("\n\n")[-1].splitlines()]
    return " ".join(line for line in lines if not line.startswith(("[[{{", "Node:", "File ", "Detected at")))[:400]


def _cast(tensor: tf.Tensor, spec: TensorSpec) -> tf.Tensor:
    dtype = tf.as_dtype(spec.dtype)
    if dtype == tensor.dtype:
        return tensor
    return tf.cast(tensor if dtype.is_floating else tf.round(tensor), dtype)


def _pick(results: Any, outputs: Outputs) -> list[tf.Tensor]:
    """The wanted results, in the order of `outputs`."""
    several = isinstance(results, (list, tuple, Mapping))
    members: dict[int | str, Any] = (
        dict(results) if isinstance(results, Mapping) else dict(enumerate(results if several else [results]))
    )
    wanted: dict[str, int | str]
    if isinstance(outputs, Mapping):
        wanted = dict(outputs)
    elif isinstance(results, Mapping):
        wanted = {name: name for name in outputs}
    else:
        wanted = {name: index for index, name in enumerate(outputs)}
        if len(wanted) != len(members):
            raise InputError(
                f"the function should return {len(wanted)} tensors ({', '.join(wanted)}), it returns {len(members)}: "
                "name all of them, or pick by index"
            )
    if missing := [key for key in wanted.values() if key not in members]:
        raise InputError(f"the function should return {missing}, it returns {list(members)}")
    return [_tensor(name, members[key]) for name, key in wanted.items()]


def _tensor(name: str, result: Any) -> tf.Tensor:
    if hasattr(result, "log_prob"):
        raise InputError(
            f"output {name!r} should be a tensor, it is a distribution ({type(result).__name__}): "
            "return its parameters, as loc and scale"
        )
    try:
        tensor = tf.convert_to_tensor(result)
    except (TypeError, ValueError) as error:
        raise InputError(f"output {name!r} should be a tensor, it is a {type(result).__name__}") from error
    if not tensor.dtype.is_floating:
        raise InputError(
            f"output {name!r} should be of floats, it is {tensor.dtype.name}: a parameter is a real number"
        )
    return tensor


def _run(graph: GraphDef, inputs: Sequence[TensorSpec], outputs: Sequence[str]) -> list[dict[str, Any]]:
    """What the graph gives for zeros, at two sizes of the batch."""
    with tf.Graph().as_default() as scope, tf.device("/cpu:0"):
        tf.import_graph_def(graph, name="")
    values = []
    config = tf.compat.v1.ConfigProto()
    config.graph_options.rewrite_options.disable_meta_optimizer = True  # it fuses into operators that cannot run here
    with tf.compat.v1.Session(graph=scope, config=config) as session:
        for batch in _BATCHES:
            fed = {f"{PREFIX}_input_{index}:0": np.zeros((batch, *spec.shape), spec.graph_dtype)
                   for index, spec in enumerate(inputs)}  # fmt: skip
            try:
                found = session.run([f"{PREFIX}_output_{index}:0" for index in range(len(outputs))], fed)
            except tf.errors.OpError as error:
                raise InputError(
                    f"the function should take a batch of any size, with {batch} it fails: {_words(error)}"
                ) from error
            values.append(dict(zip(outputs, found, strict=True)))
    return values


def _shape_without_batch(name: str, shapes: list[tuple[int, ...]], is_constant: bool) -> tuple[int, ...]:
    if is_constant:
        # (1, L) is one row for all; (L,) has no batch axis
        return shapes[0][1:] if len(shapes[0]) > 1 and shapes[0][0] == 1 else shapes[0]
    expected = [(batch, *shapes[0][1:]) for batch in _BATCHES]
    if shapes != expected:
        raise InputError(
            f"output {name!r} should have the batch as its first axis and the same shape behind it, "
            f"for batches of {_BATCHES[0]} and {_BATCHES[1]} it has {shapes[0]} and {shapes[1]}"
        )
    return shapes[0][1:]
