"""What an ONNX graph may be, read from its bytes before ONNX Runtime sees them.

A bundle may come from anyone. Of ONNX, this allows one flat graph of known operators with its weights inside. Every
field, type, operator and domain that is not named here is refused: subgraphs, local functions, external data, sparse
tensors. So are tensors whose bytes do not fit their shape, a field that occurs twice where ONNX has one, and sizes
beyond any VAE's, whether the file states them or a run would reach them (`size`). The schema below has no cycle, which
bounds the depth; the number of fields is bounded too.
"""

from __future__ import annotations

import math
import struct
from collections.abc import Sequence
from typing import Any

from vae_edge.runtime.bundle.guard import protobuf, size
from vae_edge.runtime.bundle.guard.kinds import DOUBLE, FLOAT, INT32, INT64, ITEM_BYTES
from vae_edge.runtime.bundle.guard.protobuf import MAX_FIELDS, refuse, schema, signed, text
from vae_edge.runtime.bundle.guard.rules import DOMAINS
from vae_edge.runtime.bundle.guard.size import MAX_ELEMENTS_ALIVE, Cost, Graph
from vae_edge.runtime.bundle.guard.terms import MAX_NUMBERS, Node, RefusedError, Tensor, known
from vae_edge.runtime.errors import UnsafeBundle

__all__ = ["MAX_ELEMENTS", "MAX_FIELDS", "MAX_NODES", "OPSETS", "check", "read"]

MAX_ELEMENTS = 1 << 26  # 256 MiB of float32 in one tensor of the file, or in an event
MAX_NODES = 4096
OPSETS = range(11, 24)  # in which the rules hold: below 11, Clip, Pad and Resize have other inputs
_MAX_ATTRIBUTE = 4096  # kernels, strides, pads, axes
_AS_THEY_ARE = ("Constant", "Split")  # the operators that use these numbers bound them

# The fields that are allowed, by ONNX's names. v is a varint, b bytes, f four bytes; repeated numbers may be packed.
_MODEL = schema(
    "ir_version=1v producer_name=2b producer_version=3b domain=4b model_version=5v doc_string=6b graph=7b "
    "opset_import=8b metadata_props=14b"
)
_GRAPH = schema(
    "node=1b name=2b initializer=5b doc_string=10b input=11b output=12b value_info=13b quantization_annotation=14b "
    "metadata_props=16b"
)
_NODE = schema("input=1b output=2b name=3b op_type=4b attribute=5b doc_string=6b domain=7b metadata_props=9b")
_ATTRIBUTE = schema("name=1b f=2f i=3v s=4b t=5b floats=7fb ints=8vb strings=9b doc_string=13b type=20v")
_ATTRIBUTE_TYPES = {1: "f", 2: "i", 3: "s", 4: "t", 6: "floats", 7: "ints", 8: "strings"}
_TENSOR = schema(
    "dims=1vb data_type=2v float_data=4b int32_data=5vb int64_data=7vb name=8b raw_data=9b double_data=10b "
    "doc_string=12b data_location=14v metadata_props=16b"
)
_VALUE = schema("name=1b type=2b doc_string=3b metadata_props=4b")
_TYPE = schema("tensor_type=1b denotation=6b")
_TENSOR_TYPE = schema("elem_type=1v shape=2b")
_SHAPE = schema("dim=1b")
_DIM = schema("dim_value=1v dim_param=2b denotation=3b")
_PROPERTY = schema("key=1b value=2b")
_OPSET = schema("domain=1b version=2v")


def check(data: bytes, name: str, *, max_elements: int = MAX_ELEMENTS_ALIVE) -> Cost:
    """What the ONNX model in `data` costs to run; `name` is for the message.

    Raises UnsafeBundle where it is more than a VAE needs, or where one event needs more than `max_elements` elements
    of memory at once.
    """
    try:
        return size.cost(read(data), max_elements)
    except RefusedError as refused:
        raise UnsafeBundle(f"{name} {refused}; do not use it, or export the bundle again") from None


def read(data: bytes) -> Graph:
    """The graph in an ONNX model; raises RefusedError where it is more than a VAE needs."""
    return _Model().model(memoryview(data))


class _Model(protobuf.Reader):
    """Reads one model."""

    def model(self, view: memoryview) -> Graph:
        graphs: list[memoryview] = []
        opsets: list[int] = []
        for name, value in self.fields(view, "model", _MODEL):
            if name == "graph":
                graphs.append(value)
            elif name == "opset_import":
                entry = self.single(value, "opset", _OPSET)
                if text(entry.get("domain", b"")) in ("", "ai.onnx"):
                    opsets.append(entry.get("version", 0))
            elif name == "metadata_props" and self.single(value, "property", _PROPERTY).get("key") == b"ort_config":
                refuse("brings options for ONNX Runtime")
        if len(graphs) != 1:
            refuse(f"should hold one graph, it holds {len(graphs)}")
        if len(opsets) != 1 or opsets[0] not in OPSETS:
            refuse(f"is of opset {opsets}, one of {OPSETS.start} to {OPSETS.stop - 1} is read")
        return self.graph(graphs[0], opsets[0])

    def graph(self, view: memoryview, opset: int) -> Graph:
        nodes: list[memoryview] = []
        inputs: dict[str, tuple[int | None, ...]] = {}
        kinds: dict[str, int] = {}
        weights: dict[str, Tensor] = {}
        outputs: set[str] = set()
        for name, value in self.fields(view, "graph", _GRAPH):
            if name == "node":
                nodes.append(value)
                if len(nodes) > MAX_NODES:
                    refuse(f"has more than {MAX_NODES} nodes")
            elif name in ("input", "output", "value_info"):
                title, dims, kind = self.value(value)
                if name == "input":
                    inputs[title], kinds[title] = dims, kind
                elif name == "output":
                    outputs.add(title)
            elif name == "initializer":
                title, tensor = self.tensor(value)
                if title in weights:
                    refuse(f"has two weights {title!r:.40}")
                weights[title] = tensor
        return Graph(opset, [self.node(node) for node in nodes], inputs, weights, outputs, kinds)

    def node(self, view: memoryview) -> Node:
        held: dict[str, list[memoryview]] = {name: [] for name in _NODE.values()}
        for name, value in self.fields(view, "node", _NODE):
            held[name].append(value)
        operators, domains = ([text(value) for value in held[name]] for name in ("op_type", "domain"))
        operator, domain = operators[-1] if operators else "", domains[-1] if domains else ""
        if len(operators) != 1 or len(domains) > 1 or operator not in DOMAINS.get(domain, ()):
            refuse(f"has the operator {domain + ':' if domain else ''}{operator or '?'}, which no VAE needs")
        inputs, outputs = (tuple(map(protobuf.name, held[side])) for side in ("input", "output"))
        node = Node(operator, inputs, outputs)
        titles = [self.attribute(attribute, node) for attribute in held["attribute"]]
        for index, title in enumerate(titles):
            if title in titles[:index]:
                refuse(f"has {operator} with two attributes {title!r:.40}")
        return node

    def attribute(self, view: memoryview, node: Node) -> str:
        """Adds an attribute to its node, and returns its name."""
        held: dict[str, list[Any]] = {}
        for name, value in self.fields(view, "attribute", _ATTRIBUTE):
            if name in held:
                held[name].append(value)
            else:
                held[name] = [value]
        title = protobuf.name(held.pop("name", [b""])[-1])
        kind = _ATTRIBUTE_TYPES.get(held.pop("type", [0])[-1], "")
        held.pop("doc_string", None)
        # ONNX Runtime would take its default for an attribute of another type than it looks for
        if held.keys() - {kind} or (kind not in ("ints", "floats", "strings") and len(held.get(kind, ())) != 1):
            refuse(f"has {node.operator} with an attribute {title!r:.40} that is not what its type says")
        if kind == "t":
            node.tensors[title] = self.tensor(held["t"][0])[1]
        elif kind in ("i", "ints"):
            integers = tuple(number for value in held.get(kind, ()) for number in self.integers(value))
            worst = max(map(abs, integers), default=0)
            if worst > _MAX_ATTRIBUTE and node.operator not in _AS_THEY_ARE:
                refuse(f"has {node.operator} with {worst} in an attribute, at most {_MAX_ATTRIBUTE} is used")
            node.ints[title] = known(integers)
        elif kind == "s":
            node.texts[title] = text(held["s"][0])
        elif kind in ("f", "floats"):
            node.floats[title] = sum(len(value) // 4 for value in held.get(kind, ()))
        return title

    def tensor(self, view: memoryview) -> tuple[str, Tensor]:
        """A tensor and its name; its values where they are few enough to be sizes or scales."""
        title, kind = "", 0
        dims: tuple[int, ...] = ()
        raw = view[:0]
        typed: list[Any] = []
        # how much of each: in bytes, but for the integers
        held = {"raw_data": 0, "float_data": 0, "double_data": 0, "integers": 0}
        for name, value in self.fields(view, "tensor", _TENSOR):
            if name == "dims":
                dims += self.integers(value)
                _elements(dims)  # while they are few
            elif name == "data_type":
                kind = value
            elif name == "name":
                title = protobuf.name(value)
            elif name == "data_location" and value != 0:
                refuse("has external data")
            elif name == "raw_data":
                raw, held[name] = value, len(value)
            elif name in ("int32_data", "int64_data"):
                typed.append(value)
                held["integers"] += self.amount(value)  # large ones come as raw_data
            elif name in held:
                typed.append(value)
                held[name] += len(value)
        if kind not in ITEM_BYTES:
            refuse(f"has a tensor of data type {kind}, which no VAE needs")
        elements = _elements(dims)
        field, width = {FLOAT: ("float_data", 4), DOUBLE: ("double_data", 8)}.get(kind, ("integers", 1))
        wanted = {"raw_data": elements * ITEM_BYTES[kind], field: elements * width}
        used = [name for name, amount in held.items() if amount] or ["raw_data"]
        if len(used) > 1 or held[used[0]] != wanted.get(used[0]):
            refuse(f"has a tensor of shape {list(dims)} with data of another size or type")
        shape = known(dims)
        bytes_of = raw if kind == FLOAT and held["raw_data"] else None
        if elements > MAX_NUMBERS or kind not in (FLOAT, INT32, INT64):
            return title, Tensor(shape, kind=kind, raw=bytes_of)
        if kind == FLOAT:
            parts = [raw] if held["raw_data"] else typed
            floats = tuple(number for value in parts for number in self.floats(value))
            return title, Tensor(shape, None, floats, kind, bytes_of)
        if held["raw_data"]:
            return title, Tensor(
                shape, known(struct.unpack(f"<{elements}{'i' if kind == INT32 else 'q'}", raw)), kind=kind
            )
        return title, Tensor(shape, known(number for value in typed for number in self.integers(value)), kind=kind)

    def value(self, view: memoryview) -> tuple[str, tuple[int | None, ...], int]:
        """Name, shape and data type of an input, an output or a value between; None where a size is not written."""
        value = self.single(view, "value", _VALUE)
        kind = self.single(value.get("type", b""), "type", _TYPE)
        tensor = self.single(kind.get("tensor_type", b""), "tensor type", _TENSOR_TYPE)
        sizes: list[int | None] = []
        for _, dim in self.fields(memoryview(tensor.get("shape", b"")), "shape", _SHAPE):
            written = self.single(dim, "dim", _DIM).get("dim_value")
            sizes.append(None if written is None else signed(written))
        _elements([1 if number is None else number for number in sizes])
        return protobuf.name(value.get("name", b"")), tuple(sizes), tensor.get("elem_type", 0)


def _elements(dims: Sequence[int]) -> int:
    product = math.prod(dims)
    largest = product or math.prod(dim or 1 for dim in dims)
    if len(dims) > 8 or (dims and min(dims) < 0) or largest > MAX_ELEMENTS:
        refuse(f"has a tensor of shape {str(list(dims[:9]))[:60]}, at most {MAX_ELEMENTS:,} elements are held")
    return product
