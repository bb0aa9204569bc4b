"""A model of another framework is read as it is, and what would not run as a bundle is refused with a remedy."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import onnx
import onnxruntime
import pytest
from onnx import TensorProto, helper, numpy_helper

from vae_edge.export import passes
from vae_edge.export.sources.onnx_files import OPSETS, load_onnx
from vae_edge.runtime.errors import InputError

W = np.random.default_rng(0).normal(size=(6, 4))
X = np.random.default_rng(1).normal(size=(5, 2, 3)).astype("f")
EXPECTED = np.maximum(X.reshape(5, 6) @ W.astype("f"), 0)


def network(
    batch: int | str | None = "n",
    opset: int = 17,
    dtype: type = np.float32,
    shape: tuple[int, ...] = (-1, 6),
    **more: object,
) -> onnx.ModelProto:
    """y = relu(flatten(x) w), as PyTorch's exporter would name things."""
    kind = helper.np_dtype_to_tensor_dtype(np.dtype(dtype))
    nodes = [
        helper.make_node("Reshape", ["input.1", "shape"], ["flat"]),
        helper.make_node("MatMul", ["flat", "fc.weight"], ["/fc/MatMul_output_0"]),
        helper.make_node("Relu", ["/fc/MatMul_output_0"], ["12"]),
    ]
    weights = [
        numpy_helper.from_array(W.astype(dtype), "fc.weight"),
        numpy_helper.from_array(np.asarray(shape), "shape"),
    ]
    graph = helper.make_graph(
        more.pop("nodes", nodes),
        "main_graph",
        [helper.make_tensor_value_info("input.1", kind, [batch, 2, 3])],
        [helper.make_tensor_value_info("12", kind, more.pop("declared", [batch, 4]))],
        weights,
    )
    imports = [helper.make_opsetid("", opset), *more.pop("imports", [])]
    return helper.make_model(graph, opset_imports=imports, ir_version=8, **more)


def load(model: onnx.ModelProto, folder: Path) -> onnx.ModelProto:
    onnx.save(model, folder / "model.onnx")
    return load_onnx(folder / "model.onnx")


def compute(model: onnx.ModelProto, x: np.ndarray = X) -> np.ndarray:
    session = onnxruntime.InferenceSession(model.SerializeToString(), providers=["CPUExecutionProvider"])
    return session.run(None, {model.graph.input[0].name: x})[0]


def expect(model: onnx.ModelProto, tolerance: float = 1e-6) -> None:
    (x,), (y,) = model.graph.input, model.graph.output
    for value, name, shape in ((x, "input.1", ["batch", 2, 3]), (y, "12", ["batch", 4])):
        kind = value.type.tensor_type
        sizes = [dim.dim_param or dim.dim_value for dim in kind.shape.dim]
        assert (value.name, kind.elem_type, sizes) == (name, TensorProto.FLOAT, shape)
    np.testing.assert_allclose(compute(model), EXPECTED, rtol=tolerance, atol=tolerance)


@pytest.mark.parametrize("opset", OPSETS)
def test_a_file_of_any_opset_keeps_its_opset_and_its_names(opset: int, tmp_path: Path) -> None:
    model = load(network(opset=opset), tmp_path)
    expect(model)
    assert model.opset_import[0].version == opset


@pytest.mark.parametrize("batch", [None, "N"])
@pytest.mark.parametrize("declared", [None, ["whatever", "unknown"]])
def test_sizes_of_outputs_that_are_not_declared_are_found(
    batch: str | None, declared: list | None, tmp_path: Path
) -> None:
    expect(load(network(batch, declared=declared), tmp_path))


@pytest.mark.parametrize("dtype", [np.float64, np.float16])
def test_other_floats_become_float32(dtype: type, tmp_path: Path) -> None:
    expect(load(network(dtype=dtype), tmp_path), 1e-6 if dtype is np.float64 else 3e-3)


@pytest.mark.parametrize(("batch", "shape"), [(1, (1, 6)), (1, (1, -1)), (3, (3, 6)), (1, (-1, 6))])
def test_a_fixed_batch_becomes_free(batch: int, shape: tuple[int, int], tmp_path: Path) -> None:
    expect(load(network(batch, shape=shape), tmp_path))


def test_weights_beside_the_file_are_read(tmp_path: Path) -> None:
    onnx.save(network(), tmp_path / "m.onnx", save_as_external_data=True, size_threshold=0, location="m.data")
    model = load_onnx(tmp_path / "m.onnx")
    (tmp_path / "m.data").unlink()
    expect(model)


def test_weights_that_are_inputs_too_are_none(tmp_path: Path) -> None:
    old = network()
    old.graph.input.append(helper.make_tensor_value_info("fc.weight", TensorProto.FLOAT, [6, 4]))
    expect(load(old, tmp_path))


def _mixing(batch: int | None = None) -> onnx.ModelProto:
    """Every row less the mean of all rows."""
    nodes = [
        helper.make_node("Reshape", ["input.1", "shape"], ["flat"]),
        helper.make_node("MatMul", ["flat", "fc.weight"], ["y"]),
        helper.make_node("ReduceMean", ["y"], ["mean"], axes=[0]),
        helper.make_node("Sub", ["y", "mean"], ["12"]),
    ]
    return network(nodes=nodes)


def _batch_in_the_graph() -> onnx.ModelProto:
    nodes = [
        helper.make_node("Reshape", ["input.1", "shape"], ["flat"]),
        helper.make_node("MatMul", ["flat", "fc.weight"], ["y"]),
        helper.make_node("Constant", [], ["c"], value=numpy_helper.from_array(np.ones((3, 4), "f"))),
        helper.make_node("Add", ["y", "c"], ["12"]),
    ]
    return network(3, nodes=nodes)


def _no_batch() -> onnx.ModelProto:
    nodes = [
        helper.make_node("Reshape", ["input.1", "shape"], ["flat"]),
        helper.make_node("MatMul", ["flat", "fc.weight"], ["y"]),
        helper.make_node("ReduceMean", ["y"], ["12"], axes=[0]),
    ]
    return network(nodes=nodes, declared=[1, 4])


def _foreign() -> onnx.ModelProto:
    nodes = [helper.make_node("Gelu", ["input.1"], ["12"], domain="my.ops", name="act")]
    return network(nodes=nodes, imports=[helper.make_opsetid("my.ops", 1)])


def _with_function() -> onnx.ModelProto:
    function = helper.make_function("mine", "Twice", ["a"], ["b"], [helper.make_node("Add", ["a", "a"], ["b"])],
                                    [helper.make_opsetid("", 17)])  # fmt: skip
    return network(imports=[helper.make_opsetid("mine", 1)], functions=[function])


REFUSED: dict[str, tuple[Callable[[], onnx.ModelProto], str]] = {
    "opset 10": (lambda: network(opset=10), "opset 11 to 21, it is of 10: export it again"),
    "opset 22": (lambda: network(opset=22), "opset 11 to 21, it is of 22"),
    "rows that mix": (_mixing, "own row alone.*inference mode"),
    "a batch inside": (_batch_in_the_graph, "free batch axis, it has one of 3.*dynamic axis 0"),
    "no batch": (_no_batch, "batch as its first axis"),
    "a foreign operator": (_foreign, r"my.ops.Gelu \(node 'act'\)"),
    "functions": (_with_function, r"functions \(Twice\).*inline_local_functions"),
}


@pytest.mark.parametrize("why", REFUSED)
def test_what_would_not_run_as_a_bundle_is_refused(why: str, tmp_path: Path) -> None:
    make, message = REFUSED[why]
    with pytest.raises(InputError, match=message):
        load(make(), tmp_path)


def test_an_input_of_free_sizes_is_refused(tmp_path: Path) -> None:
    model = network()
    model.graph.input[0].type.tensor_type.shape.dim[1].dim_param = "height"
    with pytest.raises(InputError, match=r"only axis of free size, its shape is \('n', 'height', 3\)"):
        load(model, tmp_path)


def test_what_is_no_model_is_refused(tmp_path: Path) -> None:
    (tmp_path / "a.onnx").write_bytes(b"PK\x03\x04 not a model")
    for name in ("a.onnx", "missing.onnx"):
        with pytest.raises(InputError, match=name):
            load_onnx(tmp_path / name)
    (tmp_path / "empty.onnx").write_bytes(b"")
    with pytest.raises(InputError, match="it is of 0"):
        load_onnx(tmp_path / "empty.onnx")


def test_a_sample_inside_is_read_and_refused_only_where_an_output_needs_it(tmp_path: Path) -> None:
    nodes = [
        helper.make_node("Reshape", ["input.1", "shape"], ["flat"]),
        helper.make_node("MatMul", ["flat", "fc.weight"], ["12"]),
        helper.make_node("RandomNormalLike", ["12"], ["noise"], name="reparameterize"),
        helper.make_node("Add", ["12", "noise"], ["z"]),
    ]
    model = network(nodes=nodes)
    model.graph.output.append(helper.make_tensor_value_info("z", TensorProto.FLOAT, ["n", 4]))
    loaded = load(model, tmp_path)
    with pytest.raises(InputError, match=r"output 'z'.*draws random numbers for it \(RandomNormalLike\)"):
        passes.optimise(loaded)
    from vae_edge.export import transforms

    kept = passes.optimise(transforms.pick(loaded, {"loc": "12"}))
    np.testing.assert_allclose(compute(kept), X.reshape(5, 6) @ W.astype("f"), rtol=1e-5)
