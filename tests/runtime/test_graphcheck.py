"""What the reader of ONNX bytes lets through and what it refuses, on graphs that are written here byte by byte."""

from __future__ import annotations

import contextlib
import random
import struct

import pytest
from hypothesis import given
from hypothesis import strategies as st

from vae_edge.runtime import UnsafeBundle
from vae_edge.runtime.bundle.guard.protobuf import Reader
from vae_edge.runtime.bundle.guard.reader import MAX_ELEMENTS, MAX_FIELDS, MAX_NODES, OPSETS, check


def varint(value: int) -> bytes:
    value &= 2**64 - 1
    out = bytearray()
    while value > 0x7F:
        out.append(value & 0x7F | 0x80)
        value >>= 7
    return bytes([*out, value])


def field(number: int, value: bytes | int | str) -> bytes:
    if isinstance(value, int):
        return varint(number << 3) + varint(value)
    value = value.encode() if isinstance(value, str) else value
    return varint(number << 3 | 2) + varint(len(value)) + value


def tensor(dims: list[int], raw: bytes = b"", kind: int = 1, name: str = "w", more: bytes = b"") -> bytes:
    return b"".join(field(1, dim) for dim in dims) + field(2, kind) + field(8, name) + field(9, raw) + more


def node(operator: str = "Relu", inputs=("x",), outputs=("y",), domain: str | None = None, more: bytes = b"") -> bytes:
    names = b"".join(field(1, name) for name in inputs) + b"".join(field(2, name) for name in outputs)
    return names + field(4, operator) + (b"" if domain is None else field(7, domain)) + more


def attribute(name: str, *numbers: int) -> bytes:
    return field(5, field(1, name) + b"".join(field(8, number) for number in numbers) + field(20, 7))


def fraction(number: int, value: float) -> bytes:
    return varint(number << 3 | 5) + struct.pack("<f", value)


def value(dims: list[int | str], name: str = "v", kind: int = 1) -> bytes:
    shape = b"".join(field(1, field(2 if isinstance(dim, str) else 1, dim)) for dim in dims)
    return field(1, name) + field(2, field(1, field(1, kind) + field(2, shape)))


def graph(*parts: bytes) -> bytes:
    return b"".join(parts)


def model(*parts: bytes, more: bytes = b"") -> bytes:
    return field(1, 8) + field(8, field(1, "") + field(2, 13)) + field(7, graph(X, *parts)) + more


X = field(11, value([256, 8, 28, 28], "x"))


NODE = field(1, node())
EXTERNAL = field(13, field(1, "location") + field(2, "/etc/passwd"))
SIZES = struct.pack("<2q", 1 << 20, 1 << 20)


def sized(operator: str, at: int, raw: bytes = SIZES) -> bytes:
    inputs = [*["x", "", ""][:at], "shape"]
    return model(field(5, tensor([len(raw) // 8], raw, 7, "shape")), field(1, node(operator, inputs)))


GOOD = {
    "a node": model(NODE),
    "weights": model(NODE, field(5, tensor([2, 3], bytes(24)))),
    "a scalar": model(NODE, field(5, tensor([], bytes(4)))),
    "none": model(NODE, field(5, tensor([0]))),
    "packed dims": model(NODE, field(5, field(1, b"\x02\x03") + field(2, 1) + field(9, bytes(24)))),
    "typed data": model(NODE, field(5, field(1, 2) + field(2, 1) + field(4, bytes(8)))),
    "int64 data": model(NODE, field(5, field(1, 2) + field(2, 7) + field(7, 3) + field(7, -1))),
    "the default domain by name": model(field(1, node(domain="ai.onnx"))),
    "ONNX Runtime's own": model(
        field(5, tensor([8, 8, 1, 1], bytes(256))),
        field(1, node("FusedConv", ["x", "w"], domain="com.microsoft", more=attribute("kernel_shape", 1, 1))),
    ),
    "a slice to the end": model(
        field(5, tensor([1], struct.pack("<q", 1), 7, "one")),
        field(5, tensor([1], struct.pack("<q", 2**63 - 1), 7, "end")),
        field(1, node("Slice", ["x", "one", "end"])),
    ),
    "the oldest opset": field(1, 8) + field(8, field(2, 11)) + field(7, X + NODE),
    "the newest opset": field(1, 8) + field(8, field(2, 23)) + field(7, X + NODE),
    "doubles": model(NODE, field(5, field(1, 2) + field(2, 11) + field(10, bytes(16)))),
    "doubles in bytes": model(NODE, field(5, tensor([2], bytes(16), kind=11))),
    "int32 data": model(NODE, field(5, field(1, 2) + field(2, 6) + field(5, b"\1\2"))),
    "a fraction in an attribute": model(
        field(1, node("LeakyRelu", more=field(5, field(1, "alpha") + fraction(2, 0.1) + field(20, 1))))
    ),
    "fractions in an attribute": model(
        field(1, node("Relu", more=field(5, field(1, "a") + field(7, struct.pack("<2f", 0.1, 0.2)) + field(20, 6))))
    ),
    "a text that is no number": model(
        field(1, node("Relu", more=field(5, field(1, "a") + field(4, b"\xff\xff") + field(20, 3))))
    ),
    "texts that are no numbers": model(
        field(1, node("Relu", more=field(5, field(1, "a") + field(9, b"\xff") + field(9, b"x") + field(20, 8))))
    ),
    "the largest attribute": model(field(1, node("Relu", more=attribute("a", 4096, -4096)))),
    "the longest name": model(field(1, node(outputs=["y" * 1024]))),
    "as many nodes as there may be": model(
        *(field(1, node(inputs=[f"y{i}" if i else "x"], outputs=[f"y{i + 1}"])) for i in range(MAX_NODES))
    ),
    "nearly as many fields as there may be": model(NODE, field(13, b"") * (MAX_FIELDS - 100)),
    "weights that are inputs too": model(NODE, field(11, value([2, 3], "w")), field(5, tensor([2, 3], bytes(24)))),
    "labels": model(field(11, value([], "k", 7)), NODE),
    "an event of many levels": model(NODE, field(12, value(["batch", 128, 128, 3, 256], "y"))),
    "a thousand small weights": model(
        NODE, *(field(5, tensor([16], bytes(64), name=f"w{index}")) for index in range(1000))
    ),
    "a shape": sized("Reshape", 1, struct.pack("<3q", -1, 28, 28)),
}

BAD = {
    "external data": (model(NODE, field(5, tensor([1], more=EXTERNAL))), "external data"),
    "external data beside its own": (model(NODE, field(5, tensor([1], bytes(4), more=EXTERNAL))), "external data"),
    "external by location alone": (model(NODE, field(5, tensor([1], bytes(4), more=field(14, 1)))), "external data"),
    "external, then not": (model(NODE, field(5, tensor([1], bytes(4), more=field(14, 1) + field(14, 0)))), "external"),
    "external in a constant": (
        model(
            field(
                1,
                node(
                    "Constant", more=field(5, field(1, "value") + field(5, tensor([1], more=EXTERNAL)) + field(20, 4))
                ),
            )
        ),
        "external data",
    ),
    "external in a list of tensors": (
        model(
            field(1, node(more=field(5, field(10, tensor([1]))))),
        ),
        "field 10",
    ),
    "sparse weights": (model(NODE, field(15, b"")), "sparse weights"),
    "a sparse attribute": (model(field(1, node(more=field(5, field(22, b""))))), "a sparse tensor"),
    "a subgraph": (model(field(1, node("If", more=field(5, field(6, graph(NODE)))))), "operator If"),
    "a subgraph in a harmless node": (model(field(1, node(more=field(5, field(6, graph(NODE)))))), "a subgraph"),
    "subgraphs": (model(field(1, node(more=field(5, field(11, graph(NODE)))))), "subgraphs"),
    "functions": (model(NODE, more=field(25, b"")), "local functions"),
    "training": (model(NODE, more=field(20, b"")), "training steps"),
    "a loop": (model(field(1, node("Loop"))), "operator Loop"),
    "a foreign domain": (model(field(1, node(domain="evil"))), "operator evil:Relu"),
    "a foreign domain behind a good one": (model(field(1, node(domain="", more=field(7, "evil")))), "evil:Relu"),
    "a Python operator": (model(field(1, node("PyOp", domain="ai.onnx.contrib"))), "operator ai.onnx.contrib:PyOp"),
    "two operators": (model(field(1, node(more=field(4, "Loop")))), "operator"),
    "no operator": (model(field(1, field(1, "x"))), r"operator \?"),
    "an overload": (model(field(1, node(more=field(8, "x")))), "field 8"),
    "no graph": (field(1, 8), "one graph, it holds 0"),
    "two graphs": (model(NODE, more=field(7, graph(NODE))), "one graph, it holds 2"),
    "options": (model(NODE, more=field(14, field(1, "ort_config") + field(2, "{}"))), "brings options"),
    "ONNX Runtime's own format": (b"\x1c\0\0\0ORTM" + bytes(100), "field|cut off"),
    "nothing": (b"", "one graph"),
    "cut": (model(NODE)[:-1], "cut off"),
    "a group": (b"\x0b\x0c", "wire type 3"),
    "an endless number": (b"\xff" * 20, "cut off inside a number"),
    "a length beyond the end": (varint(7 << 3 | 2) + varint(2**63), "cut off"),
    "another wire type": (model(NODE, field(5, varint(9 << 3) + b"\0")), r"wire type 0"),
    "text": (model(NODE, field(5, tensor([1], kind=8, more=field(6, "x")))), "strings"),
    "an unknown type": (model(NODE, field(5, tensor([1], bytes(8), kind=99))), "data type 99"),
    "too few bytes": (model(NODE, field(5, tensor([2, 3], bytes(23)))), "another size"),
    "no bytes": (model(NODE, field(5, tensor([2, 3]))), "another size"),
    "bytes twice": (model(NODE, field(5, tensor([1], bytes(4), more=field(4, bytes(4))))), "another size or type"),
    "bytes of another type": (model(NODE, field(5, field(1, 1) + field(2, 1) + field(7, 1))), "another size or type"),
    "doubles of another size": (
        model(NODE, field(5, field(1, 2) + field(2, 11) + field(10, bytes(8)))),
        "another size or type",
    ),
    "doubles as floats": (model(NODE, field(5, field(1, 2) + field(2, 11) + field(4, bytes(8)))), "another size or"),
    "an attribute a little too large": (model(field(1, node("Conv", more=attribute("pads", 4097)))), "Conv with 4097"),
    "an attribute a little too small": (model(field(1, node("Conv", more=attribute("pads", -4097)))), "with 4097"),
    "an axis by a fraction": (
        model(field(1, node("Concat", more=field(5, field(1, "axis") + fraction(2, 0.0) + field(20, 1))))),
        "Concat that does not fit",
    ),
    "an axis by a text": (
        model(field(1, node("Concat", more=field(5, field(1, "axis") + field(4, b"\0") + field(20, 3))))),
        "Concat that does not fit",
    ),
    "two attributes of texts": (
        model(field(1, node("Relu", more=field(5, field(1, "a") + field(4, "b") + field(20, 3)) * 2))),
        "two attributes 'a'",
    ),
    "a few bytes of floats": (
        model(NODE, field(5, field(1, 1) + field(2, 1) + field(4, bytes(2)) + field(4, bytes(2)))),
        "cut off inside a number",
    ),
    "a negative size": (model(NODE, field(5, tensor([-1], bytes(4)))), "shape"),
    "an overflowing size": (model(NODE, field(5, tensor([1 << 32, 1 << 32], b""))), "elements"),
    "a huge size times zero": (model(NODE, field(5, tensor([1 << 62, 0]))), "elements"),
    "a huge input": (model(NODE, field(11, value([1, 1 << 40]))), "elements"),
    "a huge output": (model(NODE, field(12, value([1 << 20, 1 << 20]))), "elements"),
    "many axes": (model(NODE, field(13, value([1] * 9))), "shape"),
    "a sequence": (model(NODE, field(11, field(2, field(4, b"")))), "field 4"),
    "a kernel of a million": (model(field(1, node("Conv", more=attribute("pads", 1 << 20)))), "Conv with 1048576"),
    "packed pads of a million": (
        model(field(1, node("Conv", more=field(5, field(8, varint(1 << 20)) + field(20, 7))))),
        "Conv with 1048576",
    ),
    "an attribute without a type": (model(field(1, node("Conv", more=field(5, field(8, 1))))), "what its type says"),
    "an attribute of another type": (
        model(field(1, node("Conv", more=field(5, field(1, "group") + field(3, 1) + field(20, 7))))),
        "what its type says",
    ),
    "an attribute that says it is a tensor": (
        model(field(1, node("Constant", [], more=field(5, field(1, "value") + field(20, 4))))),
        "what its type says",
    ),
    "an attribute that says it is a text": (
        model(field(1, node("Conv", more=field(5, field(1, "auto_pad") + field(20, 3))))),
        "what its type says",
    ),
    "padding by texts": (
        model(field(1, node("Conv", more=field(5, field(1, "auto_pad") + field(9, "SAME") + field(20, 8))))),
        "Conv that does not fit",
    ),
    "padding by a fraction": (
        model(field(1, node("Conv", more=field(5, field(1, "auto_pad") + b"\x15" + bytes(4) + field(20, 1))))),
        "Conv that does not fit",
    ),
    "an axis made twice": (
        model(field(5, tensor([2], bytes(16), kind=7)), field(1, node("Unsqueeze", ["x", "w"]))),
        "Unsqueeze that does not fit",
    ),
    "an attribute twice": (model(field(1, node("Conv", more=attribute("pads", 1) * 2))), "two attributes 'pads'"),
    "two shapes of one value": (model(NODE, field(11, value([1]) + field(2, b""))), "twice in its value"),
    "a weight twice": (model(NODE, field(5, tensor([1], bytes(4))) * 2), "two weights 'w'"),
    "no opset": (field(1, 8) + field(7, X + NODE), r"opset \[\]"),
    "two opsets": (model(NODE, more=field(8, field(2, 14))), r"opset \[13, 14\]"),
    "an old opset": (field(1, 8) + field(8, field(2, 10)) + field(7, X + NODE), r"opset \[10\]"),
    "a long name": (model(field(1, node(outputs=["y" * 1025]))), "name of 1,025 bytes"),
    "many fields": (model(NODE, field(13, b"") * MAX_FIELDS), "fields"),
    "many sizes": (model(NODE, field(5, field(1, b"\1" * MAX_FIELDS))), "fields"),
    "many inputs": (model(field(1, node("Sum", ["x"] * MAX_FIELDS))), "fields"),
    "an expansion": (sized("Expand", 1), "asks Expand"),
    "a new opset": (field(1, 8) + field(8, field(2, 24)) + field(7, X + NODE), r"opset \[24\]"),
    "a tiling": (sized("Tile", 1, struct.pack("<4q", 1, 1, 1 << 20, 1)), "asks Tile"),
    "a resize": (sized("Resize", 3, struct.pack("<4q", 1, 8, 1 << 20, 1 << 20)), "asks Resize"),
    "4 TiB in 144 bytes": (sized("ConstantOfShape", 0), r"asks ConstantOfShape for \[1048576, 1048576\]"),
    "a constant's shape": (
        model(
            field(1, node("Constant", [], ["s"], more=attribute("value_ints", 2**40))),
            field(1, node("ConstantOfShape", ["s"])),
        ),
        "asks ConstantOfShape",
    ),
    "many nodes": (model(NODE * (MAX_NODES + 1)), "more than 4096 nodes"),
}


@pytest.mark.parametrize("case", GOOD)
def test_what_a_vae_needs_is_let_through(case):
    check(GOOD[case], "graph.onnx")


@pytest.mark.parametrize("case", BAD)
def test_what_no_vae_needs_is_refused_at_once(case, at_once):
    data, message = BAD[case]
    with at_once(), pytest.raises(UnsafeBundle, match=rf"^graph\.onnx .*{message}"):
        check(data, "graph.onnx")


def test_the_tiny_graphs_are_let_through(tiny):
    for name in ("encoder.onnx", "decoder.onnx"):
        check((tiny / name).read_bytes(), name)


def test_a_padding_is_what_its_name_says():
    def held(padding: str | None) -> int:
        named = b"" if padding is None else field(5, field(1, "auto_pad") + field(4, padding) + field(20, 3))
        convolution = node("Conv", ["x", "w"], more=named + attribute("strides", 2, 2))
        return check(model(field(5, tensor([8, 8, 5, 5], bytes(6400))), field(1, convolution)), "x").elements

    assert held("NOTSET") == held("VALID") == held(None) < held("SAME_UPPER") == held("SAME_LOWER")


def test_an_error_names_the_file_and_what_to_do():
    with pytest.raises(UnsafeBundle) as raised:
        check(b"", "folder/decoder.onnx")
    assert str(raised.value) == (
        "folder/decoder.onnx should hold one graph, it holds 0; do not use it, or export the bundle again"
    )
    assert raised.value.__cause__ is None


def test_the_limits_are_what_the_documents_say():
    limits = {"elements": MAX_ELEMENTS, "fields": MAX_FIELDS, "nodes": MAX_NODES, "opsets": OPSETS}
    assert limits == {"elements": 1 << 26, "fields": 1 << 16, "nodes": 4096, "opsets": range(11, 24)}


def test_a_deeply_nested_file_takes_neither_stack_nor_time():
    data = b""
    for _ in range(1000):
        data = field(1, node(more=field(5, field(6, data))))
    with pytest.raises(UnsafeBundle, match="a subgraph"):
        check(model(data), "x")


def test_the_largest_tensor_is_checked_at_once(at_once):
    data = model(NODE, field(5, tensor([MAX_ELEMENTS // 4], bytes(MAX_ELEMENTS // 4), kind=2)))
    with at_once():
        check(data, "x")


@given(st.binary(max_size=200))
def test_any_bytes_give_an_answer(data):
    with contextlib.suppress(UnsafeBundle):
        check(data, "x")


def test_any_damage_to_a_graph_gives_an_answer(tiny):
    original, dice = (tiny / "encoder.onnx").read_bytes(), random.Random(0)
    for _ in range(2000):
        data = bytearray(original)
        for _ in range(dice.choice([1, 2, 8])):
            data[dice.randrange(len(data))] = dice.randrange(256)
        with contextlib.suppress(UnsafeBundle):
            check(bytes(data[: dice.choice([len(data), dice.randrange(len(data))])]), "x")


def test_each_number_of_a_list_counts_as_a_field():
    reader = Reader()
    for read, data, count in (
        (reader.floats, bytes(4 * 25), 25),
        (reader.integers, b"\x80\1" * 7, 7),
        (reader.amount, b"\x80\1" * 9, 9),
    ):
        left = reader.left
        read(memoryview(data))
        assert left - reader.left == count
