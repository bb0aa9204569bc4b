"""What ships works, says where it came from, and is as small and as good as it was said to be."""

import collections
import dataclasses
import re
import shlex

import pytest

from vae_edge.runtime import VAE, probe
from vae_edge.runtime.bundle import built_in
from vae_edge.runtime.evaluation import classifier
from vae_edge.train.config import Config
from vae_edge.train.presets import PRESETS, with_options

# Most multiply-adds of the decoder, most nats of the test images' -ELBO and NLL, K of that NLL, most bytes.
BARS = {
    "mnist-tiny": (300_000, 69.0, 61.0, 1_000, 1 << 20),
    "mnist": (700_000, 67.5, 59.0, 5_000, 2 << 20),
    "mnist-large": (3_200_000, 66.0, 57.7, 1_000, 3 << 20),
    "mnist-labels": (700_000, 64.0, 56.0, 5_000, 2 << 20),
    "fashion": (1_000_000, 1_760.0, 1_740.0, 200, 3 << 20),
}
# The operators of a decoder behind its blocks.
PAINTED = {
    "bernoulli": {"Conv": 1, "Clip": 1, "DepthToSpace": 1, "Reshape": 1},
    "discretized_logistic": {"Conv": 2, "Softplus": 1, "Add": 1, "DepthToSpace": 2, "Reshape": 2},
}


def asked_for(command: str) -> Config:
    """The options that `vae-edge train --preset NAME --option value ...` learns with."""
    program, verb, *words = shlex.split(command)
    assert (program, verb) == ("vae-edge", "train")
    names = [flag.removeprefix("--").replace("-", "_") for flag in words[::2]]
    given = dict(zip(names, words[1::2], strict=True))
    preset = PRESETS[given.pop("preset")]
    return with_options(preset, {name: type(getattr(preset, name))(value) for name, value in given.items()})


def test_what_ships_is_known() -> None:
    assert set(built_in()) == set(BARS) <= set(PRESETS)


@pytest.mark.parametrize("name", BARS)
def test_a_shipped_bundle_computes_here_what_tensorflow_computed(name: str) -> None:
    assert max(probe.check(VAE.load(name, provider="cpu")).values()) <= probe.TOLERANCE


@pytest.mark.parametrize("name", BARS)
def test_a_shipped_bundle_names_the_clean_commit_and_the_command_that_made_it(name: str) -> None:
    folder, manifest = built_in()[name], VAE.load(name, provider="cpu").manifest
    assert manifest.name == name
    assert re.fullmatch(r"[0-9a-f]{40}", manifest.training.commit)
    assert re.fullmatch(r"vae-edge (\S+, commit )?[0-9a-f]{40}", manifest.producer)
    assert asked_for(manifest.training.command) == PRESETS[name]
    card = (folder / "CARD.md").read_text()
    assert manifest.training.command in card
    assert manifest.training.commit in card
    assert f"{manifest.metrics['elbo']:.3f}" in card


@pytest.mark.parametrize("name", BARS)
def test_a_preset_has_the_options_that_its_bundle_was_learned_with(name: str) -> None:
    options = re.findall(r"^- (\w+): (.+)$", (built_in()[name] / "CARD.md").read_text(), re.MULTILINE)
    preset = {field: str(value) for field, value in dataclasses.asdict(PRESETS[name]).items()}
    learned = {field: value for field, value in options if preset.get(field) not in {None, "auto"}}
    assert len(learned) > 20
    assert learned == {field: preset[field] for field in learned}


@pytest.mark.parametrize("name", BARS)
def test_a_shipped_bundle_keeps_its_bars(name: str) -> None:
    manifest = VAE.load(name, provider="cpu").manifest
    multiply_adds, negative_elbo, nll, samples, size = BARS[name]
    assert manifest.decoder.multiply_adds <= multiply_adds
    assert -manifest.metrics["elbo"] <= negative_elbo
    assert manifest.metrics["nll"] <= nll
    assert manifest.metrics["nll_samples"] == samples
    assert max(manifest.parity.values()) <= 1e-4
    assert sum(file.stat().st_size for file in built_in()[name].iterdir()) <= size


@pytest.mark.parametrize("name", BARS)
def test_a_shipped_graph_holds_the_operators_of_its_network_and_no_more(name: str) -> None:
    """A Transpose, an activation that is not one operator, or a pair for a Clip would cost time in every call."""
    onnx = pytest.importorskip("onnx", reason="the export extra is not installed")
    preset = PRESETS[name]
    kinds = {"decoder": preset.network, "encoder": preset.encoder_network}
    depths = {"decoder": preset.depth, "encoder": preset.encoder_depth or preset.depth}
    first = {"MatMul": 1, "Add": 1, "Relu": 2, "Reshape": 1, "Conv": 1}
    ends = {
        "decoder": collections.Counter(first) + collections.Counter(PAINTED[preset.likelihood]),
        "encoder": {"MatMul": 2, "Softplus": 1, "Reshape": 2, "Add": 2, "Conv": 1, "Relu": 1},
    }
    for graph, depth in depths.items():
        kind = preset.network if kinds[graph] == "same" else kinds[graph]
        nodes = onnx.load(built_in()[name] / f"{graph}.onnx").graph.node
        expected = collections.Counter(ends[graph])
        if preset.conditional:  # the label goes in beside the first features, and its gate multiplies the others
            expected += collections.Counter(Concat=1, MatMul=1, Mul=1, Add=1)
        for _ in range(depth):
            expected += collections.Counter(Conv=2, Relu=2 if kind == "conv" else 1, Add=1)
        if (graph, kind) == ("encoder", "separable"):
            expected += collections.Counter(Conv=1, Relu=1)
        assert collections.Counter(node.op_type for node in nodes) == expected, graph


def test_the_shipped_classifier_was_made_from_a_clean_commit() -> None:
    said = classifier.Classifier.load().record
    assert re.fullmatch(r"[0-9a-f]{40}", said.training.commit)
    assert said.metrics["test_accuracy"] > 0.99
