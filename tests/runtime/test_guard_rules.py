"""Each operator's rule gives the very shape that ONNX Runtime does, in each opset that writes it in another way."""

from __future__ import annotations

from operator import le

import numpy as np
import pytest

from vae_edge.runtime.bundle import guard
from vae_edge.runtime.bundle.guard import reader, size
from vae_edge.runtime.bundle.guard.buffers import Order
from vae_edge.runtime.bundle.guard.terms import Batched, Known
from vae_edge.runtime.session import onnxruntime

onnx = pytest.importorskip("onnx", reason="the train extra is not installed")
helper, numpy_helper = onnx.helper, onnx.numpy_helper

SHAPES = {"x": (8, 6, 10), "s": (6, 8), "v": (8, 6, 10, 4), "z": (12,), "k": ()}  # without the batch
KINDS = {"k": np.int64}
ALL = range(11, 24)


def i(*values: int) -> np.ndarray:
    return np.array(values, np.int64)


def f(*values: float) -> np.ndarray:
    return np.array(values, np.float32)


def w(*shape: int) -> np.ndarray:
    return np.zeros(shape, np.float32)


def build(opset: int, *steps: tuple, inputs: dict[str, tuple] = SHAPES) -> bytes:
    """A model of nodes (operator, inputs as names or arrays, attributes); each reads "-" for the node before."""
    nodes, weights, last = [], [], "x"
    for index, (operator, reads, attributes) in enumerate(steps):
        names = []
        for read in reads:
            if not isinstance(read, str):
                weights.append(numpy_helper.from_array(np.asarray(read), f"w{len(weights)}"))
                read = weights[-1].name
            names.append(last if read == "-" else read)
        outputs = [f"t{index}_{part}" for part in range(attributes.get("outputs", 1))]
        plain = {name: value for name, value in attributes.items() if name != "outputs"}
        nodes.append(helper.make_node(operator, names, outputs, **plain))
        last = outputs[0]
    ends = [
        helper.make_tensor_value_info(
            name, helper.np_dtype_to_tensor_dtype(np.dtype(KINDS.get(name, np.float32))), dims
        )
        for name, dims in ((name, ["batch", *shape]) for name, shape in inputs.items())
    ]
    made = [helper.ValueInfoProto(name=name) for name in nodes[-1].output]
    graph = helper.make_graph(nodes, "g", ends, made, weights)
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", opset)], ir_version=8).SerializeToString()


def judge(data: bytes, exact: bool = True) -> None:
    """The last node's outputs have the very shapes that the guard knows, at each batch; or none larger."""
    graph = reader.read(data)
    order = Order(((node.inputs, node.outputs) for node in graph.nodes), graph.outputs)
    tensors = size.infer(graph, order, 256, 1 << 40).tensors
    ort = onnxruntime()
    options = ort.SessionOptions()
    options.log_severity_level = 4
    session = ort.InferenceSession(data, options, providers=["CPUExecutionProvider"])
    names = [output.name for output in session.get_outputs()]
    for batch in (1, 3):
        feeds = {name: np.zeros((batch, *shape), KINDS.get(name, np.float32)) for name, shape in SHAPES.items()}
        for name, array in zip(names, session.run(names, feeds), strict=True):
            shape = tensors[name].shape
            assert all(isinstance(number, Known) for number in shape) is exact, shape
            found = [number * batch // 256 if type(number) is Batched else number for number in shape]
            assert (list(array.shape) == found) if exact else all(map(le, array.shape, found))


NO_PADS = {"kernel_shape": [3, 3]}
PADS = {"kernel_shape": [3, 2], "pads": [1, 0, 2, 1], "strides": [2, 3], "dilations": [2, 1]}
CASES: dict[str, tuple[range | tuple[int, ...], tuple]] = {
    "Squeeze by an attribute": ((11, 12), [("Unsqueeze", ["x"], {"axes": [0, -1]}), ("Squeeze", ["-"], {"axes": [0]})]),
    "Squeeze by an input": (range(13, 24), [("Unsqueeze", ["x", i(0, -1)], {}), ("Squeeze", ["-", i(-1)], {})]),
    "Split by an attribute": ((11, 12), [("Split", ["x"], {"axis": 1, "split": [3, 5], "outputs": 2})]),
    "Split by an input": (range(13, 24), [("Split", ["x", i(3, 5)], {"axis": -3, "outputs": 2})]),
    "Split in equal parts": (range(11, 18), [("Split", ["x"], {"axis": 1, "outputs": 4})]),
    "Split in a number of parts": (range(18, 24), [("Split", ["x"], {"axis": 1, "num_outputs": 4, "outputs": 4})]),
    "ReduceMean keeps none": (range(11, 18), [("ReduceMean", ["x"], {"axes": [2, 3], "keepdims": 0})]),
    "ReduceMean keeps none, by an input": (range(18, 24), [("ReduceMean", ["x", i(-1, 2)], {"keepdims": 0})]),
    "ReduceMean keeps": (range(11, 18), [("ReduceMean", ["x"], {"axes": [-3]})]),
    "ReduceMean of all": (ALL, [("ReduceMean", ["x"], {})]),
    "ReduceMean of all keeps none": (ALL, [("ReduceMean", ["x"], {"keepdims": 0})]),
    "ReduceMax of none": (range(18, 24), [("ReduceMax", ["x"], {"noop_with_empty_axes": 1, "keepdims": 0})]),
    "ReduceSum by an attribute": ((11, 12), [("ReduceSum", ["x"], {"axes": [1], "keepdims": 0})]),
    "ReduceSum by an input": (range(13, 24), [("ReduceSum", ["x", i(1)], {"keepdims": 0})]),
    "ReduceSum of none": (range(13, 24), [("ReduceSum", ["x"], {"noop_with_empty_axes": 1})]),
    "ArgMax": (ALL, [("ArgMax", ["x"], {"axis": -1, "keepdims": 0})]),
    "ArgMin": (ALL, [("ArgMin", ["x"], {"axis": 1})]),
    "GlobalAveragePool": (ALL, [("GlobalAveragePool", ["x"], {})]),
    "GlobalAveragePool of one axis": (ALL, [("GlobalAveragePool", ["s"], {})]),
    "GlobalMaxPool of three": (ALL, [("GlobalMaxPool", ["v"], {})]),
    "LayerNormalization": (range(17, 24), [("LayerNormalization", ["x", w(10)], {})]),
    "LayerNormalization with means": (
        range(17, 24),
        [("LayerNormalization", ["x", w(6, 10), w(6, 10)], {"axis": -2, "outputs": 3})],
    ),
    "Gelu": ((20, 21, 22, 23), [("Gelu", ["x"], {"approximate": "tanh"})]),
    "Erf": (ALL, [("Erf", ["x"], {})]),
    "Clip": (ALL, [("Clip", ["x", np.float32(0), np.float32(6)], {})]),
    "Tile": (ALL, [("Tile", ["x", i(1, 2, 3, 1)], {})]),
    "Resize by scales": (range(13, 24), [("Resize", ["x", "", f(1, 1, 2, 2)], {"mode": "linear"})]),
    "Resize by scales that round": (range(13, 24), [("Resize", ["x", "", f(1, 1, 1.1, 0.35)], {})]),
    "Resize by scales, as before": ((11, 12), [("Resize", ["x", f(), f(1, 1, 2, 3)], {"mode": "nearest"})]),
    "Resize of some axes": ((18, 23), [("Resize", ["x", "", f(1.5, 2)], {"axes": [3, 2]})]),
    "Resize of some axes to sizes": ((18, 23), [("Resize", ["x", "", "", i(5, 7)], {"axes": [3, 2]})]),
    "Resize as PyTorch writes it": (
        ALL,
        [
            ("Shape", ["x"], {}),
            ("Slice", ["-", i(0), i(2), i(0)], {}),
            ("Concat", ["-", i(12, 20)], {"axis": 0}),
            ("Resize", ["x", f(), f(), "-"], {"mode": "linear", "coordinate_transformation_mode": "half_pixel"}),
        ],
    ),
    "Conv": (ALL, [("Conv", ["x", w(5, 8, 3, 2)], PADS)]),
    "Conv in groups": (ALL, [("Conv", ["x", w(4, 2, 3, 3)], {"group": 4})]),
    "Conv SAME": (ALL, [("Conv", ["x", w(5, 8, 3, 3)], {"auto_pad": "SAME_UPPER", "strides": [3, 4]})]),
    "Conv VALID": (ALL, [("Conv", ["x", w(5, 8, 3, 3)], {"auto_pad": "VALID", "strides": [3, 4]})]),
    "Conv NOTSET": (ALL, [("Conv", ["x", w(5, 8, 3, 3)], {"auto_pad": "NOTSET", "strides": [3, 4]})]),
    "Conv of one axis": (ALL, [("Conv", ["s", w(5, 6, 3)], {"pads": [1, 1]})]),
    "Conv of three": (ALL, [("Conv", ["v", w(5, 8, 3, 3, 3)], {"strides": [2, 2, 1]})]),
    "ConvTranspose": (ALL, [("ConvTranspose", ["x", w(8, 5, 3, 2)], PADS | {"output_padding": [1, 2]})]),
    "ConvTranspose in groups": (ALL, [("ConvTranspose", ["x", w(8, 5, 3, 3)], {"group": 2})]),
    "ConvTranspose to a shape": (
        ALL,
        [("ConvTranspose", ["x", w(8, 5, 3, 3)], {"output_shape": [12, 20], "strides": [2, 2]})],
    ),
    "ConvTranspose VALID": (ALL, [("ConvTranspose", ["x", w(8, 5, 3, 3)], {"auto_pad": "VALID", "strides": [2, 2]})]),
    "ConvTranspose of one axis": (ALL, [("ConvTranspose", ["s", w(6, 5, 4)], {"strides": [2], "pads": [1, 1]})]),
    "ConvTranspose of three": (ALL, [("ConvTranspose", ["v", w(8, 2, 3, 3, 3)], {"strides": [2, 2, 2]})]),
    "MaxPool with places": (ALL, [("MaxPool", ["x"], {"kernel_shape": [2, 2], "strides": [2, 3], "outputs": 2})]),
    "AveragePool SAME": (ALL, [("AveragePool", ["x"], {"kernel_shape": [2, 2], "auto_pad": "SAME_LOWER"})]),
    "MatMul of four axes": (ALL, [("Transpose", ["x"], {"perm": [0, 1, 3, 2]}), ("MatMul", ["x", "-"], {})]),
    "MatMul of three by two": (ALL, [("MatMul", ["s", w(8, 3)], {})]),
    "Softmax": (ALL, [("Softmax", ["x"], {"axis": -1})]),
    "Einsum": (range(12, 24), [("Einsum", ["x", "x"], {"equation": "nchw, ncgw -> nchg"})]),
    "Einsum without an output": (range(12, 24), [("Einsum", ["z", w(12, 3)], {"equation": "za,ab"})]),
    "OneHot of labels": (ALL, [("OneHot", ["k", np.int64(7), f(0, 1)], {})]),
    "OneHot along an axis": (ALL, [("Cast", ["s"], {"to": 7}), ("OneHot", ["-", i(7), f(0, 1)], {"axis": 1})]),
    "Cast of labels": (ALL, [("Cast", ["k"], {"to": 6}), ("Cast", ["-"], {"to": 1})]),
    "an embedding": (ALL, [("Gather", [w(9, 4), "k"], {})]),
    "Gather of several": (ALL, [("Gather", ["x", np.zeros((2, 3), np.int64)], {"axis": 2})]),
    "Gather by one": (ALL, [("Gather", ["x", np.int64(0)], {"axis": -1})]),
    "GatherND": ((12, 13, 23), [("GatherND", ["x", np.zeros((2, 1), np.int64)], {})]),
    "GatherElements": (ALL, [("GatherElements", ["x", np.zeros((1, 2, 3, 4), np.int64)], {"axis": 1})]),
    "Pad": (ALL, [("Pad", ["x", i(0, 0, 1, 2, 0, 0, 3, -1)], {"mode": "edge"})]),
    "Pad of some axes": ((18, 21, 23), [("Pad", ["x", i(1, 2), "", i(-1)], {"mode": "reflect"})]),
    "Slice": (ALL, [("Slice", ["x", i(1, -3), i(1000, 2**63 - 1), i(1, 3), i(2, 1)], {})]),
    "Slice backwards": (ALL, [("Slice", ["x", i(-1), i(-(2**63)), i(3), i(-1)], {})]),
    "Trilu": (range(14, 24), [("Trilu", ["x"], {"upper": 0})]),
    "CumSum": (ALL, [("CumSum", ["x", np.int64(1)], {})]),
    "DepthToSpace": (ALL, [("DepthToSpace", ["x"], {"blocksize": 2})]),
    "SpaceToDepth": (ALL, [("SpaceToDepth", ["x"], {"blocksize": 2})]),
    "Flatten": (ALL, [("Flatten", ["x"], {}), ("Flatten", ["-"], {"axis": 0})]),
    "Size": (range(13, 24), [("Size", ["z"], {}), ("Unsqueeze", ["-", i(0)], {}), ("ConstantOfShape", ["-"], {})]),
    "Range": (ALL, [("Range", [np.int64(1), np.int64(8), np.int64(3)], {})]),
    "Range backwards": (ALL, [("Range", [np.int64(8), np.int64(1), np.int64(-2)], {})]),
    "Range of the batch": (
        ALL,
        [("Shape", ["z"], {}), ("Gather", ["-", np.int64(0)], {}), ("Range", [np.int64(0), "-", np.int64(1)], {})],
    ),
    "Atanh": (ALL, [("Atanh", ["x"], {})]),
    "the larger of the batch and 1": (
        range(12, 24),
        [
            ("Shape", ["z"], {}),
            ("Slice", ["-", i(0), i(1)], {}),
            ("Max", ["-", i(1)], {}),
            ("ConstantOfShape", ["-"], {}),
        ],
    ),
    "Expand to the batch": (
        ALL,
        [
            ("Shape", ["z"], {}),
            ("Gather", ["-", i(0)], {}),
            ("Concat", ["-", i(5)], {"axis": 0}),
            ("Expand", [w(1, 5), "-"], {}),
        ],
    ),
    "view(x.size(0), -1)": (
        ALL,
        [
            ("Shape", ["x"], {}),
            ("Gather", ["-", i(0)], {}),
            ("Concat", ["-", i(-1)], {"axis": 0}),
            ("Reshape", ["x", "-"], {}),
        ],
    ),
    "heads of attention": (ALL, [("Reshape", ["s", i(-1, 6, 2, 4)], {}), ("Transpose", ["-"], {"perm": [0, 2, 1, 3]})]),
    "Constant": (range(12, 24), [("Constant", [], {"value_floats": [1.0, 2.0]}), ("Mul", ["-", w(3, 2)], {})]),
    "Constant of one": (ALL[1:], [("Constant", [], {"value_float": 1.0}), ("Mul", ["-", "x"], {})]),
}


def rows() -> list:
    return [
        pytest.param(opset, steps, id=f"{name}, {opset}") for name, (opsets, steps) in CASES.items() for opset in opsets
    ]


@pytest.mark.parametrize(("opset", "steps"), rows())
def test_a_rule_gives_the_shape_that_onnx_runtime_does(opset, steps):
    judge(build(opset, *steps))


@pytest.mark.parametrize("opset", [11, 17, 22, 23])
@pytest.mark.parametrize("strides", [[2, 3], [1, 4]])
@pytest.mark.parametrize("padding", ["SAME_UPPER", "SAME_LOWER"])
def test_a_transposed_convolution_that_pads_by_itself_is_bounded(opset, strides, padding):
    data = build(opset, ("ConvTranspose", ["x", w(8, 5, 3, 3)], {"auto_pad": padding, "strides": strides}))
    judge(data, exact=False)


@pytest.mark.parametrize("opset", [11, 17, 22, 23])
@pytest.mark.parametrize("ceil_mode", [0, 1])
def test_a_pool_of_what_is_a_little_too_short_is_bounded(opset, ceil_mode):
    """ONNX Runtime rounds towards 0: found by random graphs."""
    data = build(opset, ("AveragePool", ["x"], {"kernel_shape": [7, 3], "strides": [2, 1], "ceil_mode": ceil_mode}))
    judge(data, exact=False)


def test_sizes_are_computed_as_converters_do():
    """A product of axes, the larger of two, a difference cut at 0 and halved: tf2onnx's attention and crops."""
    judge(
        build(
            17,
            ("Shape", ["x"], {}),
            ("Gather", ["-", i(0, 1)], {}),
            ("Max", ["-", "-"], {}),
            ("ReduceProd", ["-"], {"keepdims": 1}),
            ("Concat", ["-", i(-1), i(10)], {"axis": 0}),
            ("Reshape", ["x", "-"], {}),
        )
    )
    judge(
        build(
            17,
            ("Shape", ["x"], {}),
            ("Slice", ["-", i(3), i(4)], {}),
            ("Sub", ["-", i(4)], {}),
            ("Max", ["-", i(0)], {}),
            ("Div", ["-", i(2)], {}),
            ("Slice", ["x", "-", i(7), i(3)], {}),
        )
    )


@pytest.mark.parametrize(
    ("steps", "products"),
    [
        ([("MatMul", ["z", w(12, 5)], {})], 60),
        ([("Gemm", ["z", w(5, 12), w(5)], {"transB": 1})], 60),
        ([("Gemm", [w(12, 5), w(12, 3)], {"transA": 1})], 180),  # once, whatever the batch
        ([("MatMul", ["s", w(8, 3)], {})], 6 * 8 * 3),
        ([("Conv", ["x", w(4, 2, 3, 3)], {"group": 4})], 4 * 4 * 8 * 2 * 9),
        ([("ConvTranspose", ["x", w(8, 5, 3, 3)], {"group": 2})], 8 * 60 * 5 * 9),
        ([("Einsum", ["x", "x"], {"equation": "nchw,ncgw->nchg"})], 8 * 6 * 6 * 10),
        ([("Einsum", ["x"], {"equation": "nchw->nwhc"})], 0),
        ([("MatMul", ["z", w(12, 5)], {}), ("MatMul", ["-", w(5, 2)], {})], 70),
        # of what is only bounded at a batch of 256, as for one event
        ([("Slice", ["z", i(-5), i(3), i(0)], {}), ("MatMul", ["-", w(12, 5)], {})], 60),
    ],
)
def test_multiply_adds_are_those_of_one_event(steps, products):
    assert guard.check(build(17, *steps), "g").multiply_adds == products
