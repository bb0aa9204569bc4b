"""A TensorFlow function as an ONNX model: named inputs and outputs, float32, the batch axis dynamic."""

from __future__ import annotations

import contextlib
import logging
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

import numpy as np
import onnx
import tf2onnx
from onnx import helper, numpy_helper

from vae_edge.export import operators, passes
from vae_edge.export.freezing import PREFIX, layer_of
from vae_edge.export.tracing import Outputs, TensorSpec, Trace, trace
from vae_edge.runtime.errors import InputError

__all__ = ["DEFAULT_OPSET", "OPSETS", "TensorSpec", "convert", "translate"]

OPSETS = range(13, 19)  # what tf2onnx 1.17 writes and every test compares with TensorFlow
DEFAULT_OPSET = 17  # ONNX Runtime 1.12 (2022) and later read it
IR_VERSION = 8  # of opset 15 to 18


def convert(
    function: Callable[..., Any],
    inputs: Sequence[TensorSpec],
    outputs: Outputs,
    opset: int = DEFAULT_OPSET,
) -> onnx.ModelProto:
    """`function` as an ONNX model that is quick to run.

    The function takes one tensor (B, *shape) for each of `inputs` and returns a tensor, a tuple, or a dict. `outputs`
    names what it returns: a sequence all members in order (of a dict: by key), a mapping those that are picked,
    name -> index or key. What is not named is cut away. An output that depends on no input is repeated along the batch.

    Raises InputError where the function cannot be traced, an output is random or has no batch axis, or an operator has
    no ONNX counterpart; the message names the layer.
    """
    return passes.optimise(translate(trace(function, inputs, outputs), opset))


def translate(traced: Trace, opset: int = DEFAULT_OPSET) -> onnx.ModelProto:
    """The traced function as tf2onnx writes it, operator by operator; otherwise as `convert` gives it."""
    if opset not in OPSETS:
        raise InputError(f"opset should be one of {OPSETS.start} to {OPSETS.stop - 1}, it is {opset}")
    names = list(traced.shapes)
    varying = [index for index, name in enumerate(names) if name not in traced.constants]
    model = _tf2onnx(traced, varying, opset) if varying else _empty(opset)
    graph = model.graph
    batched = {value.name for value in graph.input}
    del graph.input[:], graph.output[:]
    for index, spec in enumerate(traced.inputs):
        kind = helper.np_dtype_to_tensor_dtype(np.dtype(spec.graph_dtype))
        graph.input.append(helper.make_tensor_value_info(f"{PREFIX}_input_{index}:0", kind, ["batch", *spec.shape]))
    assert batched <= {value.name for value in graph.input}
    for index, name in enumerate(names):
        shape = traced.shapes[name]
        if name in traced.constants:
            _repeat(graph, f"{PREFIX}_output_{index}:0", traced.constants[name].reshape((1, *shape)))
        kind = onnx.TensorProto.FLOAT
        graph.output.append(helper.make_tensor_value_info(f"{PREFIX}_output_{index}:0", kind, ["batch", *shape]))
    return passes.rename(passes.mend_pads(passes.to_float32(model)), [spec.name for spec in traced.inputs], names)


def _tf2onnx(traced: Trace, outputs: Sequence[int], opset: int) -> onnx.ModelProto:
    with _failures() as failures:
        model, _ = tf2onnx.convert.from_graph_def(
            traced.graph,
            input_names=[f"{PREFIX}_input_{index}:0" for index in range(len(traced.inputs))],
            output_names=[f"{PREFIX}_output_{index}:0" for index in outputs],
            opset=opset,
            custom_op_handlers=operators.handlers(),
        )
    # tf2onnx carries on where it cannot convert, and leaves TensorFlow's own operator in the graph.
    for node in passes.nodes(model.graph):
        if node.name not in failures and not _is_onnx(node, opset):
            failures[node.name] = (node.op_type, "")
    if failures:
        raise InputError(_describe(failures))
    return model


def _is_onnx(node: onnx.NodeProto, opset: int) -> bool:
    try:
        onnx.defs.get_schema(node.op_type, opset, node.domain)
    except onnx.defs.SchemaError:
        return False
    return True


def _describe(failures: Mapping[str, tuple[str, str]]) -> str:
    """One sentence for all operators: which, in which layers, why."""
    layers: dict[tuple[str, str], list[str]] = {}
    for name, (op, reason) in failures.items():
        layers.setdefault((op, reason), []).append(repr(layer_of(name)))
    said = "; ".join(
        f"{op} in layer {', '.join(dict.fromkeys(where))}{f' ({reason})' if reason else ''}"
        for (op, reason), where in layers.items()
    )
    return (
        f"the function should use operators that ONNX has a counterpart for, it also uses {said}: replace the layer, "
        "or leave out the output that needs it"
    )


@contextlib.contextmanager
def _failures() -> Iterator[dict[str, tuple[str, str]]]:
    """What tf2onnx logs as not converted: node -> (operator, reason)."""
    failures: dict[str, tuple[str, str]] = {}

    class Listener(logging.Handler):
        def emit(self, record: logging.LogRecord) -> None:
            arguments = record.args if isinstance(record.args, tuple) else ()
            if str(record.msg).startswith("Tensorflow op ["):
                name, op = arguments
                failures[str(name)] = (str(op), "")
            elif str(record.msg).startswith("Failed to convert node"):
                # "OP=Conv3D\nName=decoder/conv\n..." stands for the node
                fields = dict(line.split("=", 1) for line in str(arguments[2]).splitlines() if "=" in line)
                reason = str(record.exc_info[1]) if record.exc_info else ""
                failures[str(arguments[0])] = (fields.get("OP", "an operator"), reason.strip()[:200])

    logger, listener = logging.getLogger("tf2onnx"), Listener()
    tensorflow = logging.getLogger("tensorflow")  # it warns of what tf2onnx uses of TensorFlow 1
    levels, propagates = (logger.level, tensorflow.level), logger.propagate
    logger.addHandler(listener)
    logger.setLevel(logging.ERROR)
    tensorflow.setLevel(logging.ERROR)
    logger.propagate = False
    try:
        yield failures
    finally:
        logger.removeHandler(listener)
        logger.setLevel(levels[0])
        tensorflow.setLevel(levels[1])
        logger.propagate = propagates


def _empty(opset: int) -> onnx.ModelProto:
    return helper.make_model(
        helper.make_graph([], "vae", [], []), opset_imports=[helper.make_opsetid("", opset)], ir_version=IR_VERSION
    )


def _repeat(graph: onnx.GraphProto, output: str, value: Any) -> None:
    """Adds `output`: the constant `value` (1, *shape) repeated along the batch of the first input."""
    ones = np.ones(value.ndim - 1, np.int64)
    constants = {"value": value, "first": np.zeros(1, np.int64), "ones": ones}
    names = {key: f"{output}_{key}" for key in (*constants, "sizes", "batch", "shape")}
    graph.initializer.extend(numpy_helper.from_array(array, names[key]) for key, array in constants.items())
    graph.node.extend(
        [
            helper.make_node("Shape", [f"{PREFIX}_input_0:0"], [names["sizes"]]),
            helper.make_node("Gather", [names["sizes"], names["first"]], [names["batch"]]),
            helper.make_node("Concat", [names["batch"], names["ones"]], [names["shape"]], axis=0),
            helper.make_node("Expand", [names["value"], names["shape"]], [output]),
        ]
    )
