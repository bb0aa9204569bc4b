"""The graphs compute what the networks compute, at every opset, and cost what they say."""

import collections
import typing

import numpy as np
import onnx
import onnxruntime
import pytest

from vae_edge.cli.verbs.export import export
from vae_edge.export.convert import DEFAULT_OPSET, OPSETS
from vae_edge.export.graphs import describe
from vae_edge.export.passes import rename
from vae_edge.export.sources.models import convert_model
from vae_edge.runtime.errors import InputError
from vae_edge.train.config import Config
from vae_edge.train.model import VariationalAutoencoder

CASES = {
    "conv": ({}, (28, 28, 1)),
    "separable": ({"network": "separable"}, (28, 28, 1)),
    "separable, then conv": ({"network": "separable", "encoder_network": "conv", "encoder_width": 12}, (28, 28, 1)),
    "mlp": ({"network": "mlp"}, (28, 28, 1)),
    "autoencoder": ({"objective": "ae"}, (28, 28, 1)),
    "oblong colour": ({"latent": 3}, (20, 30, 3)),
    "oblong colour, single pixels": ({"latent": 3, "pixel_width": 5}, (18, 30, 3)),
    "separable, oblong colour": ({"network": "separable", "latent": 3}, (18, 30, 3)),
}


def make(case: str) -> VariationalAutoencoder:
    options, shape = CASES[case]
    model = VariationalAutoencoder(Config(**({"likelihood": "bernoulli", "width": 8, "depth": 1} | options)), shape)  # type: ignore[arg-type]
    generator = np.random.default_rng(0)
    for weight in model.trainable_variables:  # biases too: the converter drops a bias of zeros
        weight.assign(generator.normal(0, 0.2, weight.shape))
    return model


@pytest.mark.parametrize("opset", OPSETS)
@pytest.mark.parametrize("case", CASES)
def test_onnx_runtime_computes_what_tensorflow_computes(case: str, opset: int) -> None:
    model = make(case)
    for network, outputs in ((model.encoder, ("loc", "scale")), (model.decoder, ("logits",))):
        data, graph = describe(convert_model(network, outputs, opset), "graph.onnx")
        assert graph.opset == opset
        session = onnxruntime.InferenceSession(data, providers=["CPUExecutionProvider"])
        for batch in (1, 5):
            x = np.random.default_rng(batch).random((batch, *network.inputs[0].shape[1:]), np.float32)
            found = session.run(list(outputs), {graph.inputs[0].name: x})
            expected = network(x, training=False)
            for ours, theirs in zip(found, expected if len(outputs) > 1 else [expected], strict=True):
                np.testing.assert_allclose(ours, theirs.numpy(), rtol=1e-5, atol=1e-5)


def test_signatures_are_the_ones_that_a_manifest_holds() -> None:
    model = make("conv")
    _, encoder = describe(convert_model(model.encoder, ("loc", "scale")), "encoder.onnx")
    _, decoder = describe(convert_model(model.decoder, ("logits",)), "decoder.onnx")
    assert [(t.name, t.dtype, t.shape) for t in (*encoder.inputs, *encoder.outputs)] == [
        ("image", "float32", ("batch", 28, 28, 1)),
        ("loc", "float32", ("batch", 32)),
        ("scale", "float32", ("batch", 32)),
    ]
    assert [(t.name, t.dtype, t.shape) for t in (*decoder.inputs, *decoder.outputs)] == [
        ("z", "float32", ("batch", 32)),
        ("logits", "float32", ("batch", 28, 28, 1)),
    ]


def test_cost_is_counted_as_by_hand() -> None:
    # dense 32 -> 7*7*8, 1x1 convolution 8 -> 8, two 3x3 convolutions 8 -> 8, one 1x1 8 -> 16, each at 7x7
    _, decoder = describe(convert_model(make("conv").decoder, ("logits",)), "decoder.onnx")
    assert decoder.multiply_adds == 32 * 392 + 49 * (8 * 8 + 9 * 8 * 8 * 2 + 8 * 16)
    assert decoder.parameters == 33 * 392 + (64 + 8) + 2 * (9 * 64 + 8) + (128 + 16)
    # 4x4 patches of one channel -> 8, two 3x3 convolutions, two dense layers 392 -> 32
    _, encoder = describe(convert_model(make("conv").encoder, ("loc", "scale")), "encoder.onnx")
    assert encoder.multiply_adds == 49 * (16 * 8 + 9 * 8 * 8 * 2) + 2 * 392 * 32


def test_the_cost_of_separable_blocks_is_counted_as_by_hand() -> None:
    # dense 32 -> 7*7*4, 1x1 convolution 4 -> 8, one 3x3 a channel and one 1x1 8 -> 8, one 1x1 8 -> 16
    _, decoder = describe(convert_model(make("separable").decoder, ("logits",)), "decoder.onnx")
    assert decoder.multiply_adds == 32 * 196 + 49 * (4 * 8 + 9 * 8 + 8 * 8 + 8 * 16)
    assert decoder.parameters == 33 * 196 + (32 + 8) + (72 + 8) + (64 + 8) + (128 + 16)
    # 4x4 patches of one channel -> 8, a block, one 1x1 8 -> 4, two dense layers 196 -> 32
    _, encoder = describe(convert_model(make("separable").encoder, ("loc", "scale")), "encoder.onnx")
    assert encoder.multiply_adds == 49 * (16 * 8 + 9 * 8 + 8 * 8 + 8 * 4) + 2 * 196 * 32


def test_the_encoder_may_be_another_kind_of_network() -> None:
    mixed, conv = (describe(convert_model(make(case).encoder, ("loc", "scale")), "encoder.onnx")[1] for case in
                   ("separable, then conv", "conv"))  # fmt: skip
    assert mixed.multiply_adds == 49 * (16 * 12 + 9 * 12 * 12 * 2) + 2 * 49 * 12 * 32
    assert conv.multiply_adds == 49 * (16 * 8 + 9 * 8 * 8 * 2) + 2 * 392 * 32


def test_the_encoder_may_be_larger_than_the_decoder() -> None:
    model = VariationalAutoencoder(
        Config(likelihood="bernoulli", width=8, depth=1, encoder_width=12, encoder_depth=3), (28, 28, 1)
    )
    _, encoder = describe(convert_model(model.encoder, ("loc", "scale")), "encoder.onnx")
    assert encoder.multiply_adds == 49 * (16 * 12 + 9 * 12 * 12 * 6) + 2 * 49 * 12 * 32


@pytest.mark.parametrize("case", ["conv", "separable"])
def test_the_convolutional_graphs_hold_no_transpose(case: str) -> None:
    model = make(case)
    for network, outputs in ((model.encoder, ("loc", "scale")), (model.decoder, ("logits",))):
        operators = collections.Counter(node.op_type for node in convert_model(network, outputs).graph.node)
        assert operators["Transpose"] == 0
        assert operators["Conv"] == 3 + (network is model.decoder or case == "separable")


def test_the_same_network_gives_the_same_bytes() -> None:
    model = make("conv")
    one, two = (describe(convert_model(model.decoder, ("logits",)), "decoder.onnx")[0] for _ in range(2))
    assert one == two


def test_the_order_in_which_the_converter_lists_weights_does_not_show() -> None:
    model = convert_model(make("conv").decoder, ("logits",))
    shuffled = onnx.ModelProto()
    shuffled.CopyFrom(model)
    weights = [*model.graph.initializer][::-1]
    del shuffled.graph.initializer[:]
    shuffled.graph.initializer.extend(weights)
    assert shuffled != model
    assert rename(shuffled, ["z"], ["logits"]) == model


@pytest.mark.parametrize("opset", [0, 12, 19, 99])
def test_an_opset_that_cannot_be_written_is_refused(opset: int) -> None:
    with pytest.raises(InputError, match="opset should be one of 13 to 18"):
        convert_model(make("mlp").decoder, ("logits",), opset)


def test_the_command_line_offers_the_opsets_that_can_be_written() -> None:
    option = typing.get_type_hints(export, include_extras=True)["opset"].__metadata__[0]
    assert (option.min, option.max, option.show_default) == (OPSETS[0], OPSETS[-1], str(DEFAULT_OPSET))


@pytest.mark.parametrize("case", ["conv", "separable", "mlp"])
def test_logits_are_bounded_in_one_node(case: str) -> None:
    model = make(case)
    for weight in model.decoder.trainable_variables:
        weight.assign(weight * 30)
    converted = convert_model(model.decoder, ("logits",))
    operators = collections.Counter(node.op_type for node in converted.graph.node)
    assert (operators["Clip"], operators["Min"], operators["Max"]) == (1, 0, 0)
    session = onnxruntime.InferenceSession(converted.SerializeToString(), providers=["CPUExecutionProvider"])
    logits = session.run(None, {"z": np.random.default_rng(0).normal(size=(8, 32)).astype(np.float32)})[0]
    assert (logits.min(), logits.max()) == (-15.0, 15.0)
