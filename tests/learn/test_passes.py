"""Each pass leaves what a graph computes as it was, and takes the nodes away that it says."""

import numpy as np
import onnx
import onnxruntime
import pytest
from onnx import TensorProto, helper, numpy_helper

from vae_edge.export.passes import fuse_clip


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
