"""What an ONNX graph may be, read from its bytes before ONNX Runtime sees them.

A bundle comes from anywhere. Of all that ONNX can say, this lets through one flat graph of known operators with its
weights inside. A field, type, operator or domain that is not named here is refused, and so are subgraphs, local
functions, external data, sparse tensors, sizes beyond any VAE's, and tensors whose bytes do not fit their shape. The
schema below has no cycle, so it bounds the depth, and the work is linear in the bytes.
"""

from __future__ import annotations

import math
import struct
from collections.abc import Iterator
from typing import Any, NoReturn

from vae_edge.runtime.errors import UnsafeBundle

__all__ = ["DOMAINS", "MAX_ELEMENTS", "MAX_NODES", "check"]

MAX_ELEMENTS = 1 << 26  # 256 MiB of float32 in one tensor
MAX_NODES = 4096
_MAX_ATTRIBUTE = 4096  # kernels, strides, pads, axes

_ONNX = frozenset(
    """
    Abs Add And ArgMax ArgMin AveragePool BatchNormalization Cast Ceil Clip Concat Constant ConstantOfShape Conv
    ConvInteger ConvTranspose DepthToSpace DequantizeLinear Div DynamicQuantizeLinear Elu Equal Erf Exp Expand
    Flatten Floor Gather Gelu Gemm GlobalAveragePool Greater GreaterOrEqual GroupNormalization HardSigmoid
    HardSwish Identity InstanceNormalization LayerNormalization LeakyRelu Less LessOrEqual Log LogSoftmax MatMul
    MatMulInteger Max MaxPool Mean Min Mish Mul Neg Not Or PRelu Pad Pow QLinearConv QLinearMatMul
    QuantizeLinear Reciprocal ReduceL2 ReduceLogSumExp ReduceMax ReduceMean ReduceMin ReduceProd ReduceSum
    ReduceSumSquare Relu Reshape Resize Selu Shape Sigmoid Sign Slice Softmax Softplus Softsign SpaceToDepth
    Split Sqrt Squeeze Sub Sum Tanh ThresholdedRelu Tile Transpose Unsqueeze Where
    """.split()  # noqa: SIM905 - one word a line would be 90 lines
)
# What ONNX Runtime's own optimiser and quantiser write.
_MICROSOFT = frozenset(
    """
    BiasGelu DynamicQuantizeMatMul FastGelu FusedConv FusedGemm FusedMatMul Gelu MatMulIntegerToFloat QGemm
    QLinearAdd QLinearAveragePool QLinearConcat QLinearConv QLinearGlobalAveragePool QLinearLeakyRelu QLinearMul
    QLinearSigmoid QLinearSoftmax QuickGelu
    """.split()  # noqa: SIM905 - one word a line would be 90 lines
)
DOMAINS = {"": _ONNX, "ai.onnx": _ONNX, "com.microsoft": _MICROSOFT}

# Operators whose output is as large as the numbers in an input say, and which input that is.
_SIZED_BY = {"ConstantOfShape": 0, "Expand": 1, "Pad": 1, "Reshape": 1, "Resize": 3, "Tile": 1}

# Bytes an element of each data type: float, uint8, int8, int32, int64, bool, float16, double. No strings.
_ITEM_BYTES = {1: 4, 2: 1, 3: 1, 6: 4, 7: 8, 9: 1, 10: 2, 11: 8}
_FLOAT, _INT64, _DOUBLE = 1, 7, 11
_MAX_SIZES = 16  # numbers in a tensor that can be a shape

_WIRES = {0: "v", 2: "b", 5: "f"}
_Schema = dict[int, tuple[str, str]]


def _schema(fields: str) -> _Schema:
    """number -> (name, wire types) of fields written name=number and v (varint), b (bytes) or f (four bytes)."""
    pairs = (field.split("=") for field in fields.split())
    return {int(number.rstrip("vbf")): (name, number.lstrip("0123456789")) for name, number in pairs}


# The fields that are let through, by ONNX's names for them; a repeated number may stand alone or packed.
_MODEL = _schema(
    "ir_version=1v producer_name=2b producer_version=3b domain=4b model_version=5v doc_string=6b graph=7b "
    "opset_import=8b metadata_props=14b"
)
_GRAPH = _schema(
    "node=1b name=2b initializer=5b doc_string=10b input=11b output=12b value_info=13b quantization_annotation=14b "
    "metadata_props=16b"
)
_NODE = _schema("input=1b output=2b name=3b op_type=4b attribute=5b doc_string=6b domain=7b metadata_props=9b")
_ATTRIBUTE = _schema("name=1b f=2f i=3v s=4b t=5b floats=7fb ints=8vb strings=9b doc_string=13b type=20v")
_TENSOR = _schema(
    "dims=1vb data_type=2v float_data=4b int32_data=5vb int64_data=7vb name=8b raw_data=9b double_data=10b "
    "doc_string=12b data_location=14v metadata_props=16b"
)
_VALUE = _schema("name=1b type=2b doc_string=3b metadata_props=4b")
_TYPE = _schema("tensor_type=1b denotation=6b")
_TENSOR_TYPE = _schema("elem_type=1v shape=2b")
_SHAPE = _schema("dim=1b")
_DIM = _schema("dim_value=1v dim_param=2b denotation=3b")
_PROPERTY = _schema("key=1b value=2b")

# Fields that are refused for what they do; every other unknown one is refused for being unknown.
_NAMED = {
    ("model", 20): "training steps",
    ("model", 25): "local functions",
    ("graph", 15): "sparse weights",
    ("attribute", 6): "a subgraph",
    ("attribute", 11): "subgraphs",
    ("attribute", 22): "a sparse tensor",
    ("attribute", 23): "sparse tensors",
    ("tensor", 3): "a tensor in segments",
    ("tensor", 6): "strings",
    ("tensor", 13): "external data",
}


def check(data: bytes, name: str) -> None:
    """Raises UnsafeBundle where the ONNX model in `data` is more than a VAE needs; `name` is for the message."""
    try:
        _model(memoryview(data))
    except _RefusedError as refused:
        raise UnsafeBundle(f"{name} {refused}; do not use it, or export the bundle again") from None


class _RefusedError(Exception):
    """Why a graph is refused, as the end of a sentence."""


def _refuse(reason: str) -> NoReturn:
    raise _RefusedError(reason)


def _model(view: memoryview) -> None:
    graphs = 0
    for name, value in _fields(view, "model", _MODEL):
        if name == "graph":
            graphs += 1
            _graph(value)
        elif name == "metadata_props" and b"ort_config" in [text for _, text in _fields(value, "property", _PROPERTY)]:
            _refuse("brings options for ONNX Runtime")
    if graphs != 1:
        _refuse(f"should hold one graph, it holds {graphs}")


def _graph(view: memoryview) -> None:
    nodes: list[memoryview] = []
    constants: dict[bytes, tuple[int, ...]] = {}
    for name, value in _fields(view, "graph", _GRAPH):
        if name == "node":
            nodes.append(value)
        elif name in ("input", "output", "value_info"):
            _value(value)
        elif name == "initializer":
            constants.update([_tensor(value)])
    if len(nodes) > MAX_NODES:
        _refuse(f"has {len(nodes)} nodes, at most {MAX_NODES} are run")
    for node in nodes:
        _node(node, constants)


def _node(view: memoryview, constants: dict[bytes, tuple[int, ...]]) -> None:
    held: dict[str, list[memoryview]] = {name: [] for name, _ in _NODE.values()}
    for name, value in _fields(view, "node", _NODE):
        held[name].append(value)
    operators, domains = ([_text(value) for value in held[name]] for name in ("op_type", "domain"))
    operator, domain = operators[-1] if operators else "", domains[-1] if domains else ""
    if len(operators) != 1 or len(domains) > 1 or operator not in DOMAINS.get(domain, ()):
        _refuse(f"has the operator {domain + ':' if domain else ''}{operator or '?'}, which no VAE needs")
    for attribute in held["attribute"]:
        integers = _attribute(attribute, operator)
        if operator == "Constant":
            constants.update((bytes(output), integers) for output in held["output"])
    inputs = [bytes(value) for value in held["input"]]
    at = _SIZED_BY.get(operator, len(inputs))
    sizes = constants.get(inputs[at], ()) if at < len(inputs) else ()
    if math.prod(max(1, abs(size)) for size in sizes) > MAX_ELEMENTS:
        _refuse(f"asks {operator} for a tensor of {list(sizes)}, at most {MAX_ELEMENTS:,} elements are made")


def _attribute(view: memoryview, operator: str) -> tuple[int, ...]:
    """The integers of an attribute, or of the tensor in it."""
    integers: tuple[int, ...] = ()
    for name, value in _fields(view, "attribute", _ATTRIBUTE):
        if name == "t":
            _, integers = _tensor(value)
        elif name in ("i", "ints"):
            integers += _integers(value)
            # Slice means "to the end" by the largest integer; Constant's numbers are judged where they are used.
            if operator not in ("Slice", "Constant") and (worst := max(map(abs, integers), default=0)) > _MAX_ATTRIBUTE:
                _refuse(f"has {operator} with {worst} in an attribute, at most {_MAX_ATTRIBUTE} is used")
    return integers


def _tensor(view: memoryview) -> tuple[bytes, tuple[int, ...]]:
    """The name of a tensor, and its numbers where they are int64 and few enough to be sizes."""
    title, kind = b"", 0
    dims: tuple[int, ...] = ()
    raw, integers = view[:0], []
    held = {"raw_data": 0, "float_data": 0, "double_data": 0, "integers": 0}  # bytes of the first three, else how many
    for name, value in _fields(view, "tensor", _TENSOR):
        if name == "dims":
            dims += _integers(value)
        elif name == "data_type":
            kind = value
        elif name == "name":
            title = bytes(value)
        elif name == "data_location" and value != 0:
            _refuse("has external data")
        elif name == "raw_data":
            raw, held[name] = value, len(value)
        elif name in ("int32_data", "int64_data"):
            integers.append(value)
            held["integers"] += 1 if isinstance(value, int) else sum(byte < 0x80 for byte in value)
        elif name in held:
            held[name] += len(value)
    if kind not in _ITEM_BYTES:
        _refuse(f"has a tensor of data type {kind}, which no VAE needs")
    elements = _elements(dims)
    typed, size = {_FLOAT: ("float_data", 4), _DOUBLE: ("double_data", 8)}.get(kind, ("integers", 1))
    wanted = {"raw_data": elements * _ITEM_BYTES[kind], typed: elements * size}
    used = [name for name, amount in held.items() if amount] or ["raw_data"]
    if len(used) > 1 or held[used[0]] != wanted.get(used[0]):
        _refuse(f"has a tensor of shape {list(dims)} with data of another size or type")
    if kind != _INT64 or elements > _MAX_SIZES:
        return title, ()
    if held["raw_data"]:
        return title, struct.unpack(f"<{elements}q", raw)
    return title, tuple(number for value in integers for number in _integers(value))


def _value(view: memoryview) -> None:
    """The declared type of an input, an output or a value between: a tensor of a bounded size."""
    for types in _inside(view, "value", _VALUE, "type"):
        for tensor in _inside(types, "type", _TYPE, "tensor_type"):
            for shape in _inside(tensor, "tensor type", _TENSOR_TYPE, "shape"):
                dims = _inside(shape, "shape", _SHAPE, "dim")
                _elements([_signed(size) for dim in dims for size in _inside(dim, "dim", _DIM, "dim_value")])


def _inside(view: memoryview, message: str, schema: _Schema, wanted: str) -> list[Any]:
    """The values of one field of a message, all of whose fields are checked."""
    return [value for name, value in _fields(view, message, schema) if name == wanted]


def _elements(dims: tuple[int, ...] | list[int]) -> int:
    if len(dims) > 8 or any(dim < 0 for dim in dims) or math.prod(max(1, dim) for dim in dims) > MAX_ELEMENTS:
        _refuse(f"has a tensor of shape {str(list(dims))[:60]}, at most {MAX_ELEMENTS:,} elements are held")
    return math.prod(dims)


def _fields(view: memoryview, message: str, schema: _Schema) -> Iterator[tuple[str, Any]]:
    """(name, value) of each field: an int for a varint, else the bytes."""
    at, end = 0, len(view)
    while at < end:
        tag, at = _varint(view, at)
        number, wire = tag >> 3, tag & 7
        name, wires = schema.get(number, ("", ""))
        if _WIRES.get(wire, "?") not in wires:
            _refuse(f"has {_NAMED.get((message, number), f'field {number} (wire type {wire}) in its {message}')}")
        if wire == 0:
            value, at = _varint(view, at)
            yield name, value
            continue
        size = 4
        if wire == 2:
            size, at = _varint(view, at)
        if size > end - at:
            _refuse(f"is cut off inside its {message}")
        yield name, view[at : at + size]
        at += size


def _varint(view: memoryview, at: int) -> tuple[int, int]:
    """The varint at `at`, below 2**64, and where it ends."""
    value = 0
    for index, byte in enumerate(view[at : at + 10]):
        value |= (byte & 0x7F) << 7 * index
        if byte < 0x80:
            return value & 0xFFFFFFFFFFFFFFFF, at + index + 1
    _refuse("is cut off inside a number")


def _integers(value: int | memoryview) -> tuple[int, ...]:
    """The int64 of a field, or those packed in it."""
    if isinstance(value, int):
        return (_signed(value),)
    numbers, at = [], 0
    while at < len(value):
        number, at = _varint(value, at)
        numbers.append(_signed(number))
        if len(numbers) > 1 << 16:
            _refuse("has a list of more than 65,536 sizes")
    return tuple(numbers)


def _signed(value: int) -> int:
    return value - (1 << 64) if value >> 63 else value


def _text(value: memoryview) -> str:
    return bytes(value[:64]).decode("ascii", "replace")
