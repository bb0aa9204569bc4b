"""Handlers for TensorFlow's operators that tf2onnx lacks, or writes as loops.

Each replaces one TensorFlow node by plain ONNX nodes of static shape, so that GELU, log-scales and the full covariance
of a tfp MultivariateNormalTriL convert without Loop and If. A ValueError in a handler is what `convert` reports.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeAlias

import numpy as np
from tf2onnx import utils

__all__ = ["handlers"]

Graph: TypeAlias = Any  # tf2onnx.graph.Graph
Node: TypeAlias = Any  # tf2onnx.graph.Node
Handler: TypeAlias = Callable[[Graph, Node, str, list[Any]], None]


def handlers() -> dict[str, tuple[Handler, list[Any]]]:
    """tf2onnx's `custom_op_handlers`: TensorFlow's operator -> (handler, its arguments)."""
    return {operator: (handler, []) for operator, handler in _HANDLERS.items()}


class _Builder:
    """Makes the nodes that take the place of one TensorFlow node."""

    def __init__(self, graph: Graph, node: Node) -> None:
        self.graph, self.node = graph, node
        self.inputs: list[str] = list(node.input)
        self.dtype = graph.get_dtype(node.input[0])

    def shape(self, place: int = 0) -> list[int]:
        """The shape of an input; an axis of free size is -1."""
        shape = self.graph.get_shape(self.inputs[place])
        if shape is None:
            raise ValueError("the number of axes is not known")
        return [-1 if size is None else size for size in shape]

    def matrix(self, place: int = 0) -> tuple[int, int]:
        """Rows and columns of an input of matrices, both known."""
        rows, columns = self.shape(place)[-2:]
        if min(rows, columns) < 1:
            raise ValueError("the matrices' size is not known")
        return rows, columns

    def value(self, place: int) -> Any:
        """The value of an input that is constant."""
        return self.graph.get_node_by_output(self.inputs[place]).get_tensor_value(as_list=False)

    def constant(self, values: Any, dtype: Any = None) -> str:
        """A constant; of the input's dtype, unless another is named."""
        array = np.asarray(values, dtype or utils.map_onnx_to_numpy_type(self.dtype))
        name: str = self.graph.make_const(utils.make_name(self.node.name), array).output[0]
        return name

    def make(self, operator: str, *inputs: str, **attributes: Any) -> str:
        """The output of a new node."""
        made = self.graph.make_node(operator, list(inputs), attr=attributes, name=utils.make_name(self.node.name))
        name: str = made.output[0]
        return name

    def finish(self, operator: str, *inputs: str, **attributes: Any) -> None:
        """A new node, whose output takes the place of TensorFlow's."""
        graph, node = self.graph, self.node
        shapes, dtypes, name, outputs = node.output_shapes, node.output_dtypes, node.name, list(node.output)
        graph.remove_node(name)
        graph.make_node(
            operator, list(inputs), attr=attributes, name=name, outputs=outputs, shapes=shapes, dtypes=dtypes
        )

    def reshape(self, x: str, sizes: list[int]) -> str:
        return self.make("Reshape", x, self.constant(sizes, np.int64))

    def unsqueeze(self, x: str, place: int, axis: int) -> str:
        """`x`, the input at `place`, with a new axis -1 or -2: by Reshape, which every opset has alike."""
        shape = self.shape(place)
        shape.insert(len(shape) + 1 + axis, 1)
        if shape.count(-1) > 1:
            raise ValueError("more than one axis is of free size")
        return self.reshape(x, shape)


def _erfc(graph: Graph, node: Node, name: str, arguments: list[Any]) -> None:
    build = _Builder(graph, node)
    build.finish("Sub", build.constant(1), build.make("Erf", build.inputs[0]))


def _log1p(graph: Graph, node: Node, name: str, arguments: list[Any]) -> None:
    # log(1 + x) = log(u) + (x - (u - 1)) / u with u = 1 + x rounded (Kahan); far from 0, log(u) alone
    build = _Builder(graph, node)
    x, one = build.inputs[0], build.constant(1)
    u = build.make("Add", x, one)
    log = build.make("Log", u)
    lost = build.make("Div", build.make("Sub", x, build.make("Sub", u, one)), u)
    small = build.make("Less", build.make("Abs", x), build.constant(0.5))
    build.finish("Where", small, build.make("Add", log, lost), log)


def _expm1(graph: Graph, node: Node, name: str, arguments: list[Any]) -> None:
    # exp(x) - 1 = 2 t / (1 - t) with t = tanh(x / 2); far from 0, exp(x) - 1 itself
    build = _Builder(graph, node)
    x, one = build.inputs[0], build.constant(1)
    t = build.make("Tanh", build.make("Mul", x, build.constant(0.5)))
    near = build.make("Div", build.make("Add", t, t), build.make("Sub", one, t))
    small = build.make("Less", build.make("Abs", x), build.constant(0.5))
    build.finish("Where", small, near, build.make("Sub", build.make("Exp", x), one))


def _xlogy(graph: Graph, node: Node, name: str, arguments: list[Any]) -> None:
    # x log(y), 0 where x = 0
    build = _Builder(graph, node)
    x, y = build.inputs
    zero = build.constant(0)
    build.finish("Where", build.make("Equal", x, zero), zero, build.make("Mul", x, build.make("Log", y)))


def _xlog1py(graph: Graph, node: Node, name: str, arguments: list[Any]) -> None:
    # x log(1 + y), 0 where x = 0
    build = _Builder(graph, node)
    x, y = build.inputs
    zero = build.constant(0)
    log = build.make("Log", build.make("Add", y, build.constant(1)))
    build.finish("Where", build.make("Equal", x, zero), zero, build.make("Mul", x, log))


def _mul_no_nan(graph: Graph, node: Node, name: str, arguments: list[Any]) -> None:
    # x y, 0 where y = 0
    build = _Builder(graph, node)
    x, y = build.inputs
    zero = build.constant(0)
    build.finish("Where", build.make("Equal", y, zero), zero, build.make("Mul", x, y))


def _reverse(graph: Graph, node: Node, name: str, arguments: list[Any]) -> None:
    build = _Builder(graph, node)
    axes = np.asarray(build.value(1), np.int64).reshape(-1)
    if not len(axes):
        build.finish("Identity", build.inputs[0])
        return
    starts, ends = np.full(len(axes), -1), np.full(len(axes), np.iinfo(np.int32).min)
    parts = [build.constant(values, np.int64) for values in (starts, ends, axes % len(build.shape()), starts)]
    build.finish("Slice", build.inputs[0], *parts)


def _band_part(graph: Graph, node: Node, name: str, arguments: list[Any]) -> None:
    build = _Builder(graph, node)
    rows, columns = build.matrix()
    lower, upper = int(build.value(1)), int(build.value(2))
    below = np.arange(rows)[:, None] - np.arange(columns)
    kept = ((lower < 0) | (below <= lower)) & ((upper < 0) | (-below <= upper))
    build.finish("Where", build.constant(kept, np.bool_), build.inputs[0], build.constant(0))


def _diagonal(build: _Builder, place: int) -> int:
    """Which diagonal it is, from the input k; bands of several are not written."""
    numbers = np.asarray(build.value(place)).reshape(-1)
    if len({*numbers.tolist()}) != 1:
        raise ValueError("a band of several diagonals")
    return int(numbers[0])


def _diag_part(graph: Graph, node: Node, name: str, arguments: list[Any]) -> None:
    build = _Builder(graph, node)
    (rows, columns), k = build.matrix(), _diagonal(build, 1)
    along = np.arange(min(rows + min(k, 0), columns - max(k, 0)))
    places = (along - min(k, 0)) * columns + along + max(k, 0)
    flat = build.reshape(build.inputs[0], [0] * (len(build.shape()) - 2) + [rows * columns])
    build.finish("Gather", flat, build.constant(places, np.int64), axis=len(build.shape()) - 2)


def _diag(graph: Graph, node: Node, name: str, arguments: list[Any]) -> None:
    build = _Builder(graph, node)
    size, k = build.shape()[-1], _diagonal(build, 1)
    wanted = [int(np.asarray(build.value(place)).reshape(())) for place in (2, 3)]
    if size < 1 or k != 0 or not {*wanted} <= {-1, size} or np.asarray(build.value(4)).any():
        raise ValueError("other than square matrices with the main diagonal")
    rows = build.unsqueeze(build.inputs[0], 0, -1)
    build.finish("Where", build.constant(np.eye(size), np.bool_), rows, build.constant(0))


def _set_diag(graph: Graph, node: Node, name: str, arguments: list[Any]) -> None:
    build = _Builder(graph, node)
    (rows, columns), k = build.matrix(), _diagonal(build, 2)
    if k != 0:
        raise ValueError("another than the main diagonal")
    # the diagonal along the shorter axis, and broadcast over the other
    diagonal = build.unsqueeze(build.inputs[1], 1, -1 if rows <= columns else -2)
    build.finish("Where", build.constant(np.eye(rows, columns), np.bool_), diagonal, build.inputs[0])


def _broadcast_shapes(graph: Graph, node: Node, name: str, arguments: list[Any]) -> None:
    # the shape that two shapes broadcast to; a size of 0 is not a batch's
    build = _Builder(graph, node)
    lengths = [build.shape(place)[0] for place in (0, 1)]
    if min(lengths) < 0:
        raise ValueError("the number of axes is not known")
    padded = []
    for place, length in enumerate(lengths):
        missing = max(lengths) - length
        ones = [build.constant(np.ones(missing))] if missing else []
        padded.append(build.make("Concat", *ones, build.inputs[place], axis=0) if ones else build.inputs[place])
    build.finish("Max", *padded)


_HANDLERS: dict[str, Handler] = {
    "BroadcastArgs": _broadcast_shapes,
    "Erfc": _erfc,
    "Expm1": _expm1,
    "Log1p": _log1p,
    "MatrixBandPart": _band_part,
    "MatrixDiagPartV3": _diag_part,
    "MatrixDiagV3": _diag,
    "MatrixSetDiagV3": _set_diag,
    "MulNoNan": _mul_no_nan,
    "ReverseV2": _reverse,
    "Xlog1py": _xlog1py,
    "Xlogy": _xlogy,
}
