"""What ONNX Runtime makes of the exported graphs: everything that can fuse has fused, counted in nodes."""

import collections
from pathlib import Path

import numpy as np
import onnx
import onnxruntime
import pytest

from vae_edge.export.sources.models import convert_model
from vae_edge.train.config import Config
from vae_edge.train.model import VariationalAutoencoder


@pytest.fixture(scope="module", params=["conv", "separable"])
def kind(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.fixture(scope="module", params=[1, 3], ids="{} blocks".format)
def model(request: pytest.FixtureRequest, kind: str) -> tuple[VariationalAutoencoder, int]:
    made = VariationalAutoencoder(
        Config(likelihood="bernoulli", network=kind, width=32, depth=request.param), (28, 28, 1)
    )  # type: ignore[arg-type]
    generator = np.random.default_rng(0)
    for weight in made.trainable_variables:  # biases too: the converter drops a bias of zeros
        weight.assign(generator.normal(0, 0.2, weight.shape))
    return made, request.param


def optimised(network: object, outputs: tuple[str, ...], folder: Path) -> list[onnx.NodeProto]:
    """The nodes that ONNX Runtime really runs on a CPU."""
    options = onnxruntime.SessionOptions()
    options.optimized_model_filepath = str(folder / "optimised.onnx")
    options.log_severity_level = 4  # it warns that such a file is for this machine only
    data = convert_model(network, outputs).SerializeToString()
    onnxruntime.InferenceSession(data, options, providers=["CPUExecutionProvider"])
    nodes = list(onnx.load(folder / "optimised.onnx").graph.node)
    if not any(node.domain == "com.microsoft.nchwc" for node in nodes):
        pytest.skip("ONNX Runtime has no blocked layout for this processor")
    return nodes


def operators(nodes: list[onnx.NodeProto]) -> dict[str, int]:
    return dict(collections.Counter(node.op_type for node in nodes))


def activations(nodes: list[onnx.NodeProto]) -> dict[str, int]:
    """The activations inside convolutions and dense layers."""
    found = (entry.s.decode() for node in nodes for entry in node.attribute if entry.name == "activation")
    return dict(collections.Counter(found))


def sums(nodes: list[onnx.NodeProto]) -> int:
    """Convolutions that add a residual: X, W, B and what is added."""
    return sum(node.op_type == "Conv" and len(node.input) == 4 for node in nodes)


def test_the_decoder_is_convolutions_and_two_changes_of_layout(
    model: tuple[VariationalAutoencoder, int], kind: str, tmp_path: Path
) -> None:
    network, depth = model
    nodes = optimised(network.decoder, ("logits",), tmp_path)
    found = operators(nodes)
    assert "Transpose" not in found
    assert not {"Relu", "Clip", "Add", "Sum", "Max", "Min"} & set(found)
    assert found["Conv"] == 2 + 2 * depth
    assert sums(nodes) == depth
    # the dense layer, the first convolution, two a block or one; and the bound of the logits
    assert activations(nodes) == {"Relu": 2 + (2 if kind == "conv" else 1) * depth, "Clip": 1}
    assert (found["ReorderInput"], found["ReorderOutput"]) == (1, 1)
    assert sum(found.values()) == 2 * depth + 8, found


def test_the_encoder_is_convolutions_and_one_change_of_layout(
    model: tuple[VariationalAutoencoder, int], kind: str, tmp_path: Path
) -> None:
    network, depth = model
    nodes = optimised(network.encoder, ("loc", "scale"), tmp_path)
    found = operators(nodes)
    assert "Transpose" not in found
    assert not {"Relu", "Softplus", "Add", "Sum"} & set(found)
    narrow = int(kind == "separable")  # one more convolution, behind the blocks
    assert found["Conv"] == 1 + 2 * depth + narrow
    assert sums(nodes) == depth
    assert activations(nodes) == {"Relu": 1 + (1 if narrow else 2) * depth + narrow, "Softplus": 1}
    assert (found.get("ReorderInput", 0), found["ReorderOutput"]) == (0, 1)  # its first convolution reads the image
    assert sum(found.values()) == 2 * depth + 6 + narrow, found
