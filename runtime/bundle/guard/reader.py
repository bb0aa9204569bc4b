"""What an ONNX graph may be, read from its bytes before ONNX Runtime sees them.

A bundle comes from anywhere. Of all that ONNX can say, this lets through one flat graph of known operators with its
weights inside. A field, type, operator or domain that is not named here is refused, and so are subgraphs, local
functions, external data, sparse tensors, tensors whose bytes do not fit their shape, a field that stands twice where
ONNX has one, and sizes beyond any VAE's, said or made (`graphsize`). The schema below has no cycle, so it bounds the
depth; how many fields are read is bounded too.
"""

from __future__ import annotations

import math
import struct
from collections.abc import Iterator
from typing import Any, NoReturn

from vae_edge.runtime.bundle.guard import size as graphsize
from vae_edge.runtime.bundle.guard.rules import DOMAINS, MAX_NUMBERS, Node, RefusedError, Tensor
from vae_edge.runtime.bundle.guard.size import MAX_BATCH
from vae_edge.runtime.errors import UnsafeBundle

__all__ = ["MAX_ELEMENTS", "MAX_FIELDS", "MAX_NODES", "OPSETS", "check"]

MAX_ELEMENTS = 1 << 26  # 256 MiB of float32 in one tensor of the file
MAX_FIELDS = 1 << 16  # and numbers in lists; the graphs of MNIST have 600
MAX_NODES = 4096
OPSETS = range(13, 24)  # in which the rules of graphsize hold: axes and sizes are inputs
_MAX_ATTRIBUTE = 4096  # kernels, strides, pads, axes
_MAX_NAME = 1024

_CONTINUED = bytes(range(128, 256))  # the bytes of a varint but its last

# Bytes an element of each data type: float, uint8, int8, int32, int64, bool, float16, double. No strings.
_ITEM_BYTES = {1: 4, 2: 1, 3: 1, 6: 4, 7: 8, 9: 1, 10: 2, 11: 8}
_FLOAT, _INT32, _INT64, _DOUBLE = 1, 6, 7, 11

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
_ATTRIBUTE_TYPES = {1: "f", 2: "i", 3: "s", 4: "t", 6: "floats", 7: "ints", 8: "strings"}
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
_OPSET = _schema("domain=1b version=2v")

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
        _Reader().model(memoryview(data))
    except RefusedError as refused:
        raise UnsafeBundle(f"{name} {refused}; do not use it, or export the bundle again") from None


def _refuse(reason: str) -> NoReturn:
    raise RefusedError(reason)


class _Reader:
    """Reads one model."""

    def __init__(self) -> None:
        self.left = MAX_FIELDS

    def model(self, view: memoryview) -> None:
        graphs, opsets = [], []
        for name, value in self.fields(view, "model", _MODEL):
            if name == "graph":
                graphs.append(value)
            elif name == "opset_import":
                said = self.single(value, "opset", _OPSET)
                if _text(said.get("domain", b"")) in ("", "ai.onnx"):
                    opsets.append(said.get("version"))
            elif name == "metadata_props" and self.single(value, "property", _PROPERTY).get("key") == b"ort_config":
                _refuse("brings options for ONNX Runtime")
        if len(graphs) != 1:
            _refuse(f"should hold one graph, it holds {len(graphs)}")
        if len(opsets) != 1 or opsets[0] not in OPSETS:
            _refuse(f"is of opset {opsets}, one of {OPSETS.start} to {OPSETS.stop - 1} is read")
        self.graph(graphs[0])

    def graph(self, view: memoryview) -> None:
        nodes, inputs, weights = [], {}, {}
        for name, value in self.fields(view, "graph", _GRAPH):
            if name == "node":
                nodes.append(value)
                if len(nodes) > MAX_NODES:
                    _refuse(f"has more than {MAX_NODES} nodes")
            elif name in ("input", "output", "value_info"):
                title, shape = self.value(value)
                if name == "input":
                    inputs[title] = Tensor(shape)
            elif name == "initializer":
                title, tensor = self.tensor(value)
                if title in weights:
                    _refuse(f"has two weights {title!r:.40}")
                weights[title] = tensor
        graphsize.check([self.node(node) for node in nodes], inputs | weights)

    def node(self, view: memoryview) -> Node:
        held: dict[str, list[memoryview]] = {name: [] for name, _ in _NODE.values()}
        for name, value in self.fields(view, "node", _NODE):
            held[name].append(value)
        operators, domains = ([_text(value) for value in held[name]] for name in ("op_type", "domain"))
        operator, domain = operators[-1] if operators else "", domains[-1] if domains else ""
        if len(operators) != 1 or len(domains) > 1 or operator not in DOMAINS.get(domain, ()):
            _refuse(f"has the operator {domain + ':' if domain else ''}{operator or '?'}, which no VAE needs")
        node = Node(operator, tuple(map(_name, held["input"])), tuple(map(_name, held["output"])))
        for attribute in held["attribute"]:
            self.attribute(attribute, node)
        return node

    def attribute(self, view: memoryview, node: Node) -> None:
        """Adds an attribute to its node: integers, a tensor, or that a convolution pads by itself."""
        held: dict[str, list[Any]] = {}
        for name, value in self.fields(view, "attribute", _ATTRIBUTE):
            held.setdefault(name, []).append(value)
        title = _name(held.pop("name", [b""])[-1])
        kind = _ATTRIBUTE_TYPES.get(held.pop("type", [0])[-1], "")
        held.pop("doc_string", None)
        # ONNX Runtime would take its default for an attribute of another type than it looks for
        if held.keys() - {kind} or (kind not in ("ints", "floats", "strings") and len(held.get(kind, ())) != 1):
            _refuse(f"has {node.operator} with an attribute {title!r:.40} that is not what its type says")
        if title in node.ints or title in node.tensors:
            _refuse(f"has {node.operator} with two attributes {title!r:.40}")
        if kind == "t":
            node.tensors[title] = self.tensor(held["t"][0])[1]
        elif kind in ("i", "ints"):
            integers = tuple(number for value in held.get(kind, ()) for number in self.integers(value))
            worst = max(map(abs, integers), default=0)
            if worst > _MAX_ATTRIBUTE and node.operator != "Constant":  # whose numbers are judged where they are used
                _refuse(f"has {node.operator} with {worst} in an attribute, at most {_MAX_ATTRIBUTE} is used")
            node.ints[title] = integers
        elif title == "auto_pad" and (kind != "s" or bytes(held["s"][0][:9]) != b"NOTSET"):
            node.ints[title] = ()

    def tensor(self, view: memoryview) -> tuple[str, Tensor]:
        """A tensor and its name; its numbers where they are whole and few enough to be sizes."""
        title, kind = "", 0
        dims: tuple[int, ...] = ()
        raw, integers = view[:0], []
        # how much of each: in bytes, but for the integers
        held = {"raw_data": 0, "float_data": 0, "double_data": 0, "integers": 0}
        for name, value in self.fields(view, "tensor", _TENSOR):
            if name == "dims":
                dims += self.integers(value)
                _elements(dims)  # while they are few
            elif name == "data_type":
                kind = value
            elif name == "name":
                title = _name(value)
            elif name == "data_location" and value != 0:
                _refuse("has external data")
            elif name == "raw_data":
                raw, held[name] = value, len(value)
            elif name in ("int32_data", "int64_data"):
                integers.append(value)
                found = (
                    1 if isinstance(value, int) else len(bytes(value[: 10 * MAX_FIELDS]).translate(None, _CONTINUED))
                )
                self.count(found)  # large ones come as raw_data
                held["integers"] += found
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
        if kind not in (_INT32, _INT64) or elements > MAX_NUMBERS:
            return title, Tensor(dims)
        if held["raw_data"]:
            return title, Tensor(dims, struct.unpack(f"<{elements}{'i' if kind == _INT32 else 'q'}", raw))
        return title, Tensor(dims, tuple(number for value in integers for number in self.integers(value)))

    def value(self, view: memoryview) -> tuple[str, tuple[int, ...]]:
        """Name and largest shape of an input, an output or a value between; the first axis is the batch."""
        said = self.single(view, "value", _VALUE)
        kind = self.single(said.get("type", b""), "type", _TYPE)
        shape = self.single(kind.get("tensor_type", b""), "tensor type", _TENSOR_TYPE).get("shape", b"")
        dims = [self.single(dim, "dim", _DIM) for _, dim in self.fields(shape, "shape", _SHAPE)]
        sizes = [_signed(dim.get("dim_value", MAX_BATCH)) for dim in dims]
        _elements(sizes)
        return _name(said.get("name", b"")), tuple(max(MAX_BATCH, s) if i == 0 else s for i, s in enumerate(sizes))

    def single(self, view: memoryview | bytes, message: str, schema: _Schema) -> dict[str, Any]:
        """The fields of a message that has each at most once."""
        found = dict(fields := list(self.fields(memoryview(view), message, schema)))
        if len(found) != len(fields):
            _refuse(f"says something twice in its {message}")
        return found

    def fields(self, view: memoryview, message: str, schema: _Schema) -> Iterator[tuple[str, Any]]:
        """(name, value) of each field: an int for a varint, else the bytes."""
        at, end = 0, len(view)
        while at < end:
            self.count(1)
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

    def integers(self, value: int | memoryview) -> tuple[int, ...]:
        """The int64 of a field, or those packed in it."""
        if isinstance(value, int):
            return (_signed(value),)
        numbers, at = [], 0
        while at < len(value):
            self.count(1)
            number, at = _varint(value, at)
            numbers.append(_signed(number))
        return tuple(numbers)

    def count(self, fields: int) -> None:
        self.left -= fields
        if self.left < 0:
            _refuse(f"has more than {MAX_FIELDS:,} fields")


def _elements(dims: tuple[int, ...] | list[int]) -> int:
    if len(dims) > 8 or any(dim < 0 for dim in dims) or math.prod(max(1, dim) for dim in dims) > MAX_ELEMENTS:
        _refuse(f"has a tensor of shape {str(list(dims[:9]))[:60]}, at most {MAX_ELEMENTS:,} elements are held")
    return math.prod(dims)


def _varint(view: memoryview, at: int) -> tuple[int, int]:
    """The varint at `at`, below 2**64, and where it ends."""
    value = 0
    for index, byte in enumerate(view[at : at + 10]):
        value |= (byte & 0x7F) << 7 * index
        if byte < 0x80:
            return value & 0xFFFFFFFFFFFFFFFF, at + index + 1
    _refuse("is cut off inside a number")


def _signed(value: int) -> int:
    return value - (1 << 64) if value >> 63 else value


def _text(value: memoryview | bytes) -> str:
    return bytes(value[:64]).decode("ascii", "replace")


def _name(value: memoryview | bytes) -> str:
    """A name that no other bytes give."""
    if len(value) > _MAX_NAME:
        _refuse(f"has a name of {len(value):,} bytes, at most {_MAX_NAME:,} are read")
    return bytes(value).decode("latin-1")
