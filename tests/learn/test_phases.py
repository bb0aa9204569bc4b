"""Strided transposed convolutions as convolutions, one a phase: the same numbers, and what cannot be split is left."""

import collections

import keras
import numpy as np
import onnx
import onnxruntime
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from keras import layers
from onnx import TensorProto, helper, numpy_helper

from vae_edge.export.passes.phases import split_phases
from vae_edge.export.sources.models import convert_model

CHANNELS = (3, 8, 2)  # of the input, between the two layers, of the output


def two_layers(
    first: dict, second: dict, between: tuple[str, ...] = ("Relu",), *, bias: bool = True
) -> onnx.ModelProto:
    """ConvTranspose, activations, and `second`, which says by 'op' what it is; weights are random."""
    draws = np.random.default_rng(0)
    inputs, middle, outputs = CHANNELS
    second = dict(second)
    operator = second.pop("op", "ConvTranspose")
    shapes = {
        "w1": (inputs, middle, *first["kernel_shape"]),
        "w2": (*((middle, outputs) if operator == "ConvTranspose" else (outputs, middle)), *second["kernel_shape"]),
        "b1": (middle,),
        "b2": (outputs,),
    }
    weights = [numpy_helper.from_array(draws.normal(0, 0.5, size).astype("f"), name) for name, size in shapes.items()]
    nodes, name = [helper.make_node("ConvTranspose", ["x", "w1", *(["b1"] if bias else [])], ["t"], **first)], "t"
    for depth, activation in enumerate(between):
        nodes.append(helper.make_node(activation, [name], [f"t{depth}"]))
        name = f"t{depth}"
    nodes.append(helper.make_node(operator, [name, "w2", *(["b2"] if bias else [])], ["y"], **second))
    value = helper.make_tensor_value_info
    graph = helper.make_graph(
        nodes,
        "g",
        [value("x", TensorProto.FLOAT, ["n", inputs, "h", "w"])],
        [value("y", TensorProto.FLOAT, ["n", outputs, None, None])],
        weights if bias else weights[:2],
    )
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)


def run(model: onnx.ModelProto, x: np.ndarray) -> np.ndarray:
    options = onnxruntime.SessionOptions()
    options.log_severity_level = 4
    session = onnxruntime.InferenceSession(model.SerializeToString(), options, providers=["CPUExecutionProvider"])
    return session.run(["y"], {"x": x})[0]


def operators(model: onnx.ModelProto) -> dict[str, int]:
    return dict(collections.Counter(node.op_type for node in model.graph.node))


@st.composite
def pairs(draw: st.DrawFn) -> tuple[dict, dict]:
    """A transposed convolution that makes stride times as many pixels, and one that keeps their number."""
    strides = [draw(st.integers(1, 3)), draw(st.integers(2, 3))]
    kernel = [draw(st.integers(stride, 5)) for stride in strides]
    extra = [draw(st.integers(0, stride - 1)) for stride in strides]
    cut = [size - stride + more for size, stride, more in zip(kernel, strides, extra, strict=True)]
    begin = [draw(st.integers(0, both)) for both in cut]
    pads = [*begin, *(both - one for both, one in zip(cut, begin, strict=True))]
    first = {"kernel_shape": kernel, "strides": strides, "pads": pads, "output_padding": extra}
    second_kernel = [draw(st.integers(1, 3)) for _ in strides]
    start = [draw(st.integers(0, size - 1)) for size in second_kernel]
    second = {"kernel_shape": second_kernel, "op": draw(st.sampled_from(["Conv", "ConvTranspose"]))}
    return first, second | {"pads": [*start, *(size - 1 - one for size, one in zip(second_kernel, start, strict=True))]}


@settings(max_examples=60, deadline=None)
@given(pair=pairs(), between=st.sampled_from([(), ("Relu",), ("LeakyRelu", "Tanh")]), bias=st.booleans())
def test_what_is_split_computes_the_same(pair: tuple[dict, dict], between: tuple[str, ...], bias: bool) -> None:
    model = two_layers(*pair, between, bias=bias)
    before, x = model.SerializeToString(), np.random.default_rng(1).normal(size=(2, CHANNELS[0], 5, 4)).astype("f")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("vae_edge.export.passes.phases._MOST", 1e9)  # these layers are too small for it to be worth while
        split = split_phases(model)
    onnx.checker.check_model(split, full_check=True)
    phases = pair[0]["strides"][0] * pair[0]["strides"][1]
    counts = collections.Counter({"Conv": phases, "Concat": 1, "ConvTranspose": 1})
    counts.update(dict.fromkeys(between, phases))
    assert operators(split) == counts
    np.testing.assert_allclose(run(split, x), run(model, x), rtol=1e-5, atol=2e-5)
    assert model.SerializeToString() == before  # a pass is a function


FIRST = {"kernel_shape": [3, 3], "strides": [2, 2], "pads": [0, 0, 1, 1]}
SECOND = {"kernel_shape": [3, 3], "pads": [1, 1, 1, 1]}


def changed(
    first: dict | None = None, second: dict | None = None, between: tuple[str, ...] = ("Relu",)
) -> onnx.ModelProto:
    return two_layers(FIRST | (first or {}), SECOND | (second or {}), between)


def read_twice() -> onnx.ModelProto:
    model = changed()
    model.graph.output.append(helper.make_tensor_value_info("t0", TensorProto.FLOAT, None))
    return model


LEFT = {
    "stride 1": changed({"strides": [1, 1], "pads": [1, 1, 1, 1]}),
    "other size": changed({"pads": [1, 1, 1, 1]}),
    "second of stride 2": changed(second={"strides": [2, 2], "pads": [0, 0, 1, 1]}),
    "second of other size": changed(second={"pads": [0, 0, 0, 0]}),
    "automatic padding": two_layers({"kernel_shape": [3, 3], "strides": [2, 2], "auto_pad": "SAME_UPPER"}, SECOND),
    "dilated": changed(second={"dilations": [2, 2], "pads": [2, 2, 2, 2]}),
    "not pixel by pixel": changed(between=("Relu", "GlobalAveragePool")),
    "read twice": read_twice(),
}


@pytest.mark.parametrize("why", LEFT)
def test_what_cannot_be_split_is_left(why: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("vae_edge.export.passes.phases._MOST", 1e9)
    assert split_phases(LEFT[why]) == LEFT[why]
    assert "Concat" in operators(split_phases(changed()))  # the same, but for what is named above


def test_a_second_layer_that_costs_as_much_as_the_first_is_not_worth_it() -> None:
    assert split_phases(changed()) == changed()


def test_the_decoder_of_the_tutorial_is_split_where_its_pixels_are_many() -> None:
    z = keras.Input((2,), name="z")
    x = layers.Reshape((7, 7, 32))(layers.Dense(7 * 7 * 32, activation="relu")(z))
    x = layers.Conv2DTranspose(64, 3, strides=2, padding="same", activation="relu")(x)
    x = layers.Conv2DTranspose(32, 3, strides=2, padding="same", activation="relu")(x)
    decoder = keras.Model(z, layers.Conv2DTranspose(1, 3, padding="same")(x))
    model = convert_model(decoder, ("logits",))
    assert {name: operators(model)[name] for name in ("ConvTranspose", "Conv", "Concat")} == {
        "ConvTranspose": 2,
        "Conv": 4,
        "Concat": 1,
    }
    session = onnxruntime.InferenceSession(model.SerializeToString(), providers=["CPUExecutionProvider"])
    draws = np.random.default_rng(0).normal(size=(5, 2)).astype("f")
    np.testing.assert_allclose(session.run(None, {"z": draws})[0], decoder(draws), atol=1e-5)
