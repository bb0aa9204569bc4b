"""Each pass leaves what a graph computes as it was, and takes the nodes away that it says."""

import numpy as np
import onnx
import onnxruntime
import pytest
from onnx import TensorProto, helper, numpy_helper

from vae_edge.export.passes import fix_reshapes, fold_affine, fuse_clip, to_float32


def clipping(low: float = -2.0, high: float = 3.0, *, read_twice: bool = False) -> onnx.ModelProto:
    """y = max(min(x, high), low), as tf2onnx writes it."""
    nodes = [helper.make_node("Min", ["x", "high"], ["t"]), helper.make_node("Max", ["t", "low"], ["y"])]
    outputs = [helper.make_tensor_value_info("y", TensorProto.FLOAT, ["n"])]
    if read_twice:
        outputs.append(helper.make_tensor_value_info("t", TensorProto.FLOAT, ["n"]))
    weights = [numpy_helper.from_array(np.float32(value), name) for name, value in (("low", low), ("high", high))]
    graph = helper.make_graph(
        nodes, "g", [helper.make_tensor_value_info("x", TensorProto.FLOAT, ["n"])], outputs, weights
    )
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)


def run(model: onnx.ModelProto, x: np.ndarray) -> np.ndarray:
    session = onnxruntime.InferenceSession(model.SerializeToString(), providers=["CPUExecutionProvider"])
    return session.run(["y"], {"x": x})[0]


def test_a_min_and_a_max_become_one_clip_that_computes_the_same() -> None:
    model = clipping()
    before, x = model.SerializeToString(), np.linspace(-5, 5, 101, dtype=np.float32)
    fused = fuse_clip(model)
    onnx.checker.check_model(fused, full_check=True)
    assert [node.op_type for node in fused.graph.node] == ["Clip"]
    assert len(fused.graph.initializer) == 2
    assert np.array_equal(run(fused, x), run(model, x))
    assert np.array_equal(run(fused, x), np.clip(x, -2, 3))
    assert model.SerializeToString() == before  # a pass is a function


@pytest.mark.parametrize("model", [clipping(read_twice=True), clipping(low=4.0)], ids=["read twice", "empty interval"])
def test_what_one_clip_cannot_say_is_left(model: onnx.ModelProto) -> None:
    assert [node.op_type for node in fuse_clip(model).graph.node] == ["Min", "Max"]


def layered(
    layer: str, nodes: list[onnx.NodeProto], weights: dict[str, np.ndarray], **attributes: object
) -> onnx.ModelProto:
    """x -> layer -> t -> nodes -> y, of 3 channels in and 4 out."""
    draws, dense = np.random.default_rng(0), layer in ("Gemm", "MatMul")
    shape = {"Conv": (4, 3, 2, 2), "ConvTranspose": (3, 4, 2, 2)}.get(layer, (3, 4))
    constants = {"w": draws.normal(size=shape).astype("f"), "b": draws.normal(size=4).astype("f"), **weights}
    first = helper.make_node(layer, ["x", "w", *([] if layer == "MatMul" else ["b"])], ["t"], **attributes)
    free = ["n"] if dense else ["n", None, None]
    value = helper.make_tensor_value_info
    graph = helper.make_graph(
        [first, *nodes],
        "g",
        [value("x", TensorProto.FLOAT, [*free[:1], 3, *free[1:]])],
        [value("y", TensorProto.FLOAT, [*free[:1], 4, *free[1:]])],
        [numpy_helper.from_array(array, name) for name, array in constants.items()],
    )
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)


def operators(model: onnx.ModelProto) -> list[str]:
    return [node.op_type for node in model.graph.node]


DRAWS = np.random.default_rng(1)
FOUR = {name: (DRAWS.random(4) + 0.1).astype("f") for name in ("gamma", "beta", "mean", "variance")}


@pytest.mark.parametrize("layer", ["Conv", "ConvTranspose"])
def test_batch_normalisation_is_inside_the_convolution_before_it(layer: str) -> None:
    norm = helper.make_node("BatchNormalization", ["t", *FOUR], ["y"], epsilon=1e-3)
    model = layered(layer, [norm], FOUR)
    x = DRAWS.normal(size=(2, 3, 5, 4)).astype("f")
    before, folded = model.SerializeToString(), fold_affine(model)
    onnx.checker.check_model(folded, full_check=True)
    assert operators(folded) == [layer]
    np.testing.assert_allclose(run(folded, x), run(model, x), rtol=1e-5, atol=1e-6)
    assert model.SerializeToString() == before


@pytest.mark.parametrize("layer", ["Conv", "ConvTranspose", "Gemm", "Gemm, transposed"])
def test_mul_and_add_by_channel_are_inside_the_layer_before_them(layer: str) -> None:
    dense = layer.startswith("Gemm")
    transposed = {"transB": 1, "w": DRAWS.normal(size=(4, 3)).astype("f")} if "," in layer else {}
    weights = {"w": transposed.pop("w")} if transposed else {}
    nodes = [
        helper.make_node("Mul", ["m", "t"], ["u"]),
        helper.make_node("Sub", ["u", "s"], ["v"]),
        helper.make_node("Div", ["v", "d"], ["y"]),
    ]
    size = (1, 4) if dense else (4, 1, 1)
    constants = weights | {"m": FOUR["gamma"].reshape(size), "s": FOUR["beta"].reshape(size), "d": np.float32(3)}
    model = layered(layer.split(",")[0], nodes, constants, **transposed)
    x = DRAWS.normal(size=(2, 3) if dense else (2, 3, 5, 4)).astype("f")
    folded = fold_affine(model)
    assert len(operators(folded)) == 1
    np.testing.assert_allclose(run(folded, x), run(model, x), rtol=1e-5, atol=1e-6)


def test_a_product_takes_a_factor_but_no_sum() -> None:
    nodes = [helper.make_node("Mul", ["t", "m"], ["u"]), helper.make_node("Add", ["u", "s"], ["y"])]
    model = layered("MatMul", nodes, {"m": FOUR["gamma"], "s": FOUR["beta"]})
    folded = fold_affine(model)
    assert operators(folded) == ["MatMul", "Add"]
    x = DRAWS.normal(size=(2, 3)).astype("f")
    np.testing.assert_allclose(run(folded, x), run(model, x), rtol=1e-5, atol=1e-6)


STAYS = {
    "by pixel": layered("Conv", [helper.make_node("Mul", ["t", "m"], ["y"])], {"m": np.ones((1, 4), "f")}),
    "one a row": layered("Gemm", [helper.make_node("Mul", ["t", "m"], ["y"])], {"m": np.ones((4, 1), "f")}),
    "a constant less the tensor": layered("Conv", [helper.make_node("Sub", ["m", "t"], ["y"])], {"m": np.float32(1)}),
    "read twice": layered(
        "Conv",
        [helper.make_node("Mul", ["t", "m"], ["u"]), helper.make_node("Add", ["u", "t"], ["y"])],
        {"m": np.float32(2)},
    ),
    "by zero": layered("Conv", [helper.make_node("Div", ["t", "m"], ["y"])], {"m": np.float32(0)}),
    "groups": layered("ConvTranspose", [helper.make_node("Mul", ["t", "m"], ["y"])],
                      {"m": np.float32(2), "w": np.ones((3, 4, 2, 2), "f")}, group=3),
}  # fmt: skip


@pytest.mark.parametrize("why", STAYS)
def test_what_is_not_one_number_a_channel_stays(why: str) -> None:
    assert operators(fold_affine(STAYS[why])) == operators(STAYS[why])


def test_layers_that_share_weights_are_folded_apart() -> None:
    nodes = [
        helper.make_node("Mul", ["t", "m"], ["u"]),
        helper.make_node("Conv", ["x", "w", "b"], ["v"]),
        helper.make_node("Add", ["u", "v"], ["y"]),
    ]
    model = layered("Conv", nodes, {"m": np.float32(3)})
    folded, x = fold_affine(model), DRAWS.normal(size=(2, 3, 5, 4)).astype("f")
    assert operators(folded) == ["Conv", "Conv", "Add"]
    np.testing.assert_allclose(run(folded, x), run(model, x), rtol=1e-5, atol=1e-5)


def test_constant_shapes_take_the_place_of_computed_ones() -> None:
    nodes = [
        helper.make_node("Shape", ["x"], ["s"]),
        helper.make_node("Gather", ["s", "zero"], ["n"]),
        helper.make_node("Concat", ["n", "rest"], ["shape"], axis=0),
        helper.make_node("Reshape", ["x", "shape"], ["y"]),
    ]
    value = helper.make_tensor_value_info
    weights = [numpy_helper.from_array(np.asarray(values), name) for name, values in (("zero", [0]), ("rest", [12]))]
    graph = helper.make_graph(nodes, "g", [value("x", TensorProto.FLOAT, ["batch", 3, 4])],
                              [value("y", TensorProto.FLOAT, ["batch", 12])], weights)  # fmt: skip
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)
    fixed = fix_reshapes(model)
    assert operators(fixed) == ["Reshape"]
    x = DRAWS.normal(size=(5, 3, 4)).astype("f")
    np.testing.assert_array_equal(run(fixed, x), run(model, x))


def test_numbers_that_float32_cannot_hold_stay_finite_and_above_zero() -> None:
    nodes = [helper.make_node("Add", ["x", "tiny"], ["a"]), helper.make_node("Log", ["a"], ["b"]),
             helper.make_node("Min", ["b", "huge"], ["y"])]  # fmt: skip
    weights = [numpy_helper.from_array(np.asarray(value), name) for name, value in (("tiny", 1e-300), ("huge", 1e300))]
    value = helper.make_tensor_value_info
    x, y = (value(name, TensorProto.DOUBLE, ["n"]) for name in "xy")
    graph = helper.make_graph(nodes, "g", [x], [y], weights)
    single = to_float32(helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8))
    found = run(single, np.zeros(2, "f"))
    assert found.dtype == np.float32
    assert np.isfinite(found).all()
