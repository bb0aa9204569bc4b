"""What is put before an input or behind an output computes what NumPy computes, and keeps the names."""

import collections
from collections.abc import Callable

import numpy as np
import onnx
import onnxruntime
import pytest
from onnx import TensorProto, helper, numpy_helper

from vae_edge.export import transforms
from vae_edge.runtime.errors import InputError

SHAPE = (4, 3, 2)
X = np.random.default_rng(0).normal(size=(5, *SHAPE)).astype("f")


def graph_of(
    nodes: list[onnx.NodeProto], outputs: dict[str, tuple], shape: tuple = SHAPE, weights: tuple = (), opset: int = 17,
    kind: int = TensorProto.FLOAT,
) -> onnx.ModelProto:  # fmt: skip
    values = [
        helper.make_tensor_value_info(name, TensorProto.FLOAT, ["batch", *size]) for name, size in outputs.items()
    ]
    x = helper.make_tensor_value_info("x", kind, ["batch", *shape])
    graph = helper.make_graph(nodes, "g", [x], values, list(weights))
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", opset)], ir_version=7)


def doubled(opset: int = 17) -> onnx.ModelProto:
    """y = 2 x, and z = 4 x, which reads y."""
    nodes = [helper.make_node("Add", ["x", "x"], ["y"]), helper.make_node("Add", ["y", "y"], ["z"])]
    return graph_of(nodes, {"y": SHAPE, "z": SHAPE}, opset=opset)


def compute(model: onnx.ModelProto, x: np.ndarray) -> dict[str, np.ndarray]:
    onnx.checker.check_model(model, full_check=True)
    session = onnxruntime.InferenceSession(model.SerializeToString(), providers=["CPUExecutionProvider"])
    results = dict(zip((value.name for value in model.graph.output), session.run(None, {"x": x}), strict=True))
    for value in model.graph.output:
        declared = [dim.dim_value for dim in value.type.tensor_type.shape.dim][1:]
        assert list(results[value.name].shape[1:]) == declared
    return results


def operators(model: onnx.ModelProto) -> dict[str, int]:
    return dict(collections.Counter(node.op_type for node in model.graph.node))


@pytest.mark.parametrize("how", transforms.PARAMETERS)
def test_a_parameter_is_calculated_as_numpy_does_and_back(how: str) -> None:
    parameter = transforms.PARAMETERS[how]
    y = {"sqrt": np.abs, "logit": lambda x: 1 / (1 + np.exp(-x)), "log": _softmax}.get(how, lambda x: x)(X)
    model = doubled()
    before = model.SerializeToString()
    changed, remark = transforms.apply(model, "y", how)
    found = compute(changed, (y / 2).astype("f"))
    np.testing.assert_allclose(found["y"], parameter.forward(y), rtol=2e-6, atol=1e-6)
    np.testing.assert_allclose(parameter.inverse(found["y"]), y, rtol=2e-6, atol=1e-6)
    np.testing.assert_array_equal(found["z"], 2 * y.astype("f"))  # the other output reads what it read
    assert (remark != "") == (how in ("logit", "log"))
    assert model.SerializeToString() == before


def _softmax(x: np.ndarray) -> np.ndarray:
    return np.exp(x) / np.exp(x).sum(-1, keepdims=True)


def moved(activation: str, axis: int | None = None) -> onnx.ModelProto:
    """The activation of a channels-first tensor, moved to (3, 2, 4) by nodes that only move."""
    attributes = {} if axis is None else {"axis": axis}
    nodes = [
        helper.make_node(activation, ["x"], ["p"], **attributes),
        helper.make_node("Transpose", ["p"], ["t"], perm=[0, 2, 3, 1]),
        helper.make_node("Cast", ["t"], ["c"], to=TensorProto.FLOAT),
        helper.make_node("Identity", ["c"], ["probs"]),
    ]
    return graph_of(nodes, {"probs": (3, 2, 4)})


@pytest.mark.parametrize(("how", "activation", "axis"), [("logit", "Sigmoid", None), ("log", "Softmax", 1)])
def test_an_activation_at_the_end_is_cut_behind_what_only_moves(how: str, activation: str, axis: int | None) -> None:
    x = 40 * X
    cut, remark = transforms.apply(moved(activation, axis), "probs", how)
    assert remark == ""
    assert activation not in operators(cut)
    np.testing.assert_array_equal(compute(cut, x)["probs"], x.transpose(0, 2, 3, 1))  # exact, at logits of 100


def test_a_sigmoid_that_another_output_needs_stays_for_it() -> None:
    nodes = [
        helper.make_node("Sigmoid", ["x"], ["probs"]),
        helper.make_node("Mul", ["probs", "probs"], ["square"]),
    ]
    cut, _ = transforms.apply(graph_of(nodes, {"probs": SHAPE, "square": SHAPE}), "probs", "logit")
    found = compute(cut, X)
    np.testing.assert_array_equal(found["probs"], X)
    np.testing.assert_allclose(found["square"], (1 / (1 + np.exp(-X))) ** 2, rtol=1e-5)


@pytest.mark.parametrize("axis", [2, 3])
def test_a_softmax_over_another_axis_is_not_cut(axis: int) -> None:
    kept, remark = transforms.apply(moved("Softmax", axis), "probs", "log")
    assert "no Softmax" in remark
    p = np.exp(X) / np.exp(X).sum(axis, keepdims=True)
    np.testing.assert_allclose(compute(kept, X)["probs"], np.log(p).transpose(0, 2, 3, 1), rtol=1e-5, atol=1e-6)


def test_a_reshape_that_mixes_the_softmax_axis_is_not_cut() -> None:
    sizes = numpy_helper.from_array(np.asarray([-1, 4, 2, 3]), "sizes")
    nodes = [
        helper.make_node("Softmax", ["x"], ["p"], axis=-1),
        helper.make_node("Reshape", ["p", "sizes"], ["probs"]),
    ]
    _, remark = transforms.apply(graph_of(nodes, {"probs": (4, 2, 3)}, weights=(sizes,)), "probs", "log")
    assert "no Softmax" in remark


def test_probabilities_of_0_and_1_have_finite_logits() -> None:
    model, remark = transforms.apply(doubled(), "y", "logit")
    x = np.zeros((1, *SHAPE), "f")
    x[0, 0] = 0.5
    found = compute(model, x)["y"]
    assert np.isfinite(found).all()
    assert "no Sigmoid was found at the end of 'y'" in remark
    np.testing.assert_allclose(found, transforms.PARAMETERS["logit"].forward(2 * x.astype("d")), rtol=1e-5)


def test_an_unknown_parameter_lists_the_known_ones() -> None:
    with pytest.raises(InputError, match="identity, exp, exp_half"):
        transforms.apply(doubled(), "y", "exp2")


@pytest.mark.parametrize("opset", [11, 13, 17, 18, 21])
def test_halves_side_by_side_become_two_outputs_in_place(opset: int) -> None:
    split = transforms.split_output(doubled(opset), "y", ["loc", "log_var"])
    assert [value.name for value in split.graph.output] == ["loc", "log_var", "z"]
    found = compute(split, X)
    for name, part in zip(("loc", "log_var"), np.split(2 * X, 2, -1), strict=True):
        np.testing.assert_array_equal(found[name], part)
    np.testing.assert_array_equal(found["z"], 4 * X)


def test_an_axis_that_does_not_divide_is_refused() -> None:
    with pytest.raises(InputError, match=r"last axis of 3 equal parts, its shape is \(4, 3, 2\)"):
        transforms.split_output(doubled(), "y", ["a", "b", "c"])
    with pytest.raises(InputError, match="names of their own"):
        transforms.split_output(doubled(), "y", ["z", "b"])


CHANGES: dict[str, tuple[Callable, Callable]] = {
    "reshape_output": (lambda m: transforms.reshape_output(m, "y", (24,)), lambda y: y.reshape(5, 24)),
    "a new axis": (lambda m: transforms.reshape_output(m, "y", (4, 3, 2, 1)), lambda y: y[..., None]),
    "transpose_output": (
        lambda m: transforms.transpose_output(m, "y", [0, 3, 1, 2]),
        lambda y: y.transpose(0, 3, 1, 2),
    ),
    "channels_last_output": (lambda m: transforms.channels_last_output(m, "y"), lambda y: np.moveaxis(y, 1, -1)),
    "affine_output": (lambda m: transforms.affine_output(m, "y", 3.0, -1.0), lambda y: 3 * y - 1),
    "scale alone": (lambda m: transforms.affine_output(m, "y", np.arange(2, dtype="f")), lambda y: y * [0, 1]),
    "nothing": (lambda m: transforms.affine_output(m, "y"), lambda y: y),
}


@pytest.mark.parametrize("case", CHANGES)
def test_an_output_is_changed_and_what_else_reads_it_is_not(case: str) -> None:
    change, twin = CHANGES[case]
    found = compute(change(doubled()), X)
    np.testing.assert_array_equal(found["y"], twin(2 * X))
    np.testing.assert_array_equal(found["z"], 4 * X)


INPUTS: dict[str, tuple[Callable, np.ndarray, np.ndarray]] = {
    "reshape_input": (lambda m: transforms.reshape_input(m, "x", (24,)), X.reshape(5, 24), X),
    "channels_last_input": (lambda m: transforms.channels_last_input(m, "x"), np.moveaxis(X, 1, -1), X),
    "transpose_input": (lambda m: transforms.transpose_input(m, "x", [0, 2, 3, 1]), X.transpose(0, 3, 1, 2), X),
    "affine_input": (lambda m: transforms.affine_input(m, "x", 255.0, np.float32(0.5)), X, 255 * X + np.float32(0.5)),
}


@pytest.mark.parametrize("case", INPUTS)
def test_an_input_is_changed_for_all_that_read_it(case: str) -> None:
    change, given, seen = INPUTS[case]
    model = change(doubled())
    assert [dim.dim_value for dim in model.graph.input[0].type.tensor_type.shape.dim][1:] == list(given.shape[1:])
    np.testing.assert_array_equal(compute(model, given)["z"], 4 * seen)


def test_floats_for_a_graph_of_bytes_are_rounded() -> None:
    nodes = [helper.make_node("Cast", ["x"], ["y"], to=TensorProto.FLOAT)]
    model = transforms.cast_input(graph_of(nodes, {"y": SHAPE}, kind=TensorProto.UINT8), "x")
    assert model.graph.input[0].type.tensor_type.elem_type == TensorProto.FLOAT
    x = np.linspace(0, 255, 5 * 24, dtype="f").reshape(5, *SHAPE)
    np.testing.assert_array_equal(compute(model, x)["y"], np.rint(x))


def test_an_axis_of_one_channel_moves_by_a_reshape() -> None:
    model = transforms.channels_last_output(transforms.reshape_output(doubled(), "y", (1, 6, 4)), "y")
    model = transforms.channels_last_input(transforms.reshape_input(model, "x", (1, 6, 4)), "x")
    assert "Transpose" not in operators(model)
    np.testing.assert_array_equal(compute(model, X.reshape(5, 6, 4, 1))["y"], 2 * X.reshape(5, 6, 4, 1))


def test_sizes_that_do_not_fit_are_refused() -> None:
    with pytest.raises(InputError, match=r"as many numbers as \(25,\), its shape is \(4, 3, 2\)"):
        transforms.reshape_output(doubled(), "y", (25,))
    with pytest.raises(InputError, match="should have 'q', it has x"):
        transforms.reshape_input(doubled(), "q", (24,))
    with pytest.raises(InputError, match="numbers or of shape"):
        transforms.affine_output(doubled(), "y", np.ones(3))
    with pytest.raises(InputError, match="0 first"):
        transforms.transpose_output(doubled(), "y", [1, 0, 2, 3])


def test_outputs_are_picked_and_what_only_others_need_goes() -> None:
    picked = transforms.pick(doubled(), {"z": 0, "twice": "y"})  # a name that another output had
    assert [value.name for value in picked.graph.output] == ["z", "twice"]
    assert operators(picked)["Add"] == 1
    found = compute(picked, X)
    np.testing.assert_array_equal(found["z"], 2 * X)
    np.testing.assert_array_equal(found["twice"], 2 * X)
    with pytest.raises(InputError, match="should have output 'q', it has y, z"):
        transforms.pick(doubled(), {"loc": "q"})
