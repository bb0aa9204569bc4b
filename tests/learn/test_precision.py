"""A bundle in fp16 or int8 is smaller, says what it costs in nats, and is refused where that is too much."""

import collections
import dataclasses
from pathlib import Path

import numpy as np
import onnx
import onnxruntime
import pytest
from onnx import TensorProto

from vae_edge.export import passes, quantize, variant
from vae_edge.export.sources.models import convert_model
from vae_edge.export.sources.run import export
from vae_edge.runtime import VAE, probe
from vae_edge.runtime.bundle.manifest import parse
from vae_edge.runtime.errors import CheckFailed, InputError, OutputError
from vae_edge.runtime.evaluation import likelihood
from vae_edge.train import data
from vae_edge.train.config import Config
from vae_edge.train.fit import fit
from vae_edge.train.model import VariationalAutoencoder

Bundles = dict[str, Path]


@pytest.fixture(scope="module")
def wide(small: Config, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run whose weights outweigh the names of its tensors, as those of real ones do."""
    config = dataclasses.replace(small, width=32, latent=32, prior="mixture", components=100)
    return fit(config, tmp_path_factory.mktemp("runs") / "wide", verbose=0)


@pytest.fixture(scope="module")
def bundles(wide: Path, tmp_path_factory: pytest.TempPathFactory) -> Bundles:
    folder = tmp_path_factory.mktemp("bundles")
    for precision in ("fp32", "fp16", "int8"):
        export(wide, folder / precision, precision=precision)
    return {path.name: path for path in folder.iterdir()}


def size(bundle: Path) -> int:
    return sum(file.bytes for file in parse((bundle / "manifest.json").read_bytes()).files)


def graphs(bundle: Path) -> list[onnx.GraphProto]:
    return [onnx.load(bundle / f"{name}.onnx").graph for name in ("encoder", "decoder")]


def stored(graph: onnx.GraphProto) -> dict[int, int]:
    """Bytes of weights by data type."""
    total: dict[int, int] = collections.Counter()
    for weight in graph.initializer:
        total[weight.data_type] += len(weight.raw_data)
    return total


def test_int8_takes_a_third_of_the_bytes_and_fp16_little_over_half(bundles: Bundles) -> None:
    assert size(bundles["int8"]) <= size(bundles["fp32"]) / 3
    assert size(bundles["fp16"]) <= size(bundles["fp32"]) * 0.55


@pytest.mark.parametrize(("precision", "kind"), [("int8", TensorProto.INT8), ("fp16", TensorProto.FLOAT16)])
def test_weights_are_stored_in_the_precision(bundles: Bundles, precision: str, kind: int) -> None:
    for graph in graphs(bundles[precision]):
        assert stored(graph)[kind] > 0.7 * sum(stored(graph).values())
        assert {node.domain for node in graph.node} <= {"", "ai.onnx"}
        for value in (*graph.input, *graph.output):
            assert value.type.tensor_type.elem_type == TensorProto.FLOAT


@pytest.mark.parametrize("precision", ["fp16", "int8"])
def test_the_manifest_says_what_it_costs(bundles: Bundles, precision: str) -> None:
    small, whole = (VAE.load(bundles[name], provider="cpu") for name in (precision, "fp32"))
    images = data.binarise(data.load("digits", "validation").images)
    difference = likelihood.nll(small, images, variant.SAMPLES) - likelihood.nll(whole, images, variant.SAMPLES)
    metrics = small.manifest.metrics
    assert small.manifest.precision == precision
    assert metrics["nats_lost"] == pytest.approx(difference.mean(), abs=1e-6)
    assert metrics["nats_lost_standard_error"] == pytest.approx(difference.std(ddof=1) / len(images) ** 0.5, rel=1e-6)
    assert metrics["elbo"] != whole.manifest.metrics["elbo"]  # its own graphs', not those of fp32
    assert all(small.manifest.parity[name] > whole.manifest.parity[name] for name in probe.outputs(whole.manifest))
    card = (bundles[precision] / "CARD.md").read_text()
    assert f"{metrics['nats_lost']:.3f} nats +- {metrics['nats_lost_standard_error']:.3f} nats" in card
    assert ("On x86 it is no faster than fp32" in card) == (precision == "fp16")
    assert "nats_lost" not in whole.manifest.metrics


@pytest.mark.parametrize("precision", ["fp16", "int8"])
def test_the_runtime_runs_it(bundles: Bundles, precision: str) -> None:
    vae = VAE.load(bundles[precision], provider="cpu")
    images = data.binarise(data.load("digits", "test").images[:6])
    assert vae.reconstruct(images).shape == images.shape
    assert np.array_equal(
        vae.generate(300, seed=1, head="mode")[256:], vae.generate(44, seed=1, start=256, head="mode")
    )
    assert likelihood.nll(vae, images, 3).shape == (6,)
    assert all(difference <= 1e-4 for difference in probe.check(vae).values())  # this machine exported it


def test_verify_tells_int8_from_the_graphs_it_came_from(bundles: Bundles) -> None:
    small, whole = (VAE.load(bundles[name], provider="cpu") for name in ("int8", "fp32"))
    files = small.bundle.files | {name: whole.bundle.files[name] for name in ("encoder.onnx", "decoder.onnx")}
    with pytest.raises(CheckFailed, match="differs from what it was at export"):
        probe.check(VAE(dataclasses.replace(small.bundle, files=files), provider="cpu"))


def test_a_cost_over_the_limit_is_refused_to_the_digit(bundles: Bundles) -> None:
    small, whole = (VAE.load(bundles[name], provider="cpu") for name in ("int8", "fp32"))
    images = data.binarise(data.load("digits", "validation").images)
    mean, error = variant.lost(whole, small, images, np.inf)
    assert variant.lost(whole, small, images, mean) == (mean, error)
    with pytest.raises(CheckFailed, match=rf"int8 costs {mean:.3f} \+- {error:.3f} nats of 128 validation events"):
        variant.lost(whole, small, images, np.nextafter(mean, -np.inf))


def test_a_spoiled_calibration_leaves_nothing(wide: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    inputs = variant._inputs

    def narrow(*arguments: object) -> dict[str, np.ndarray]:
        return {name: array * np.float32(0.01) for name, array in inputs(*arguments).items()}  # type: ignore[arg-type]

    monkeypatch.setattr(variant, "_inputs", narrow)
    with pytest.raises(CheckFailed, match=r"at most 0\.5 is allowed; the bundle is not written"):
        export(wide, tmp_path / "bundle", precision="int8")
    assert list(tmp_path.iterdir()) == []


def test_another_precision_is_replaced_by_force_alone(bundles: Bundles, wide: Path) -> None:
    before = {file.name: file.read_bytes() for file in bundles["int8"].iterdir()}
    with pytest.raises(OutputError, match="holds this run in int8; replace it with --force"):
        export(wide, bundles["int8"])
    assert {file.name: file.read_bytes() for file in bundles["int8"].iterdir()} == before


def test_a_precision_that_is_none_is_named(wide: Path, tmp_path: Path) -> None:
    with pytest.raises(InputError, match="precision should be fp32, fp16 or int8, it is 'int4'"):
        export(wide, tmp_path / "bundle", precision="int4")
    for limit in (-1.0, np.nan):
        with pytest.raises(InputError, match="max_nats should be 0 or more"):
            export(wide, tmp_path / "bundle", precision="int8", max_nats=limit)


@pytest.mark.parametrize(
    "options",
    [{"objective": "ae"}, {"network": "mlp"}, {"network": "separable"}],
    ids=lambda options: str(*options.values()),
)
def test_every_kind_of_model_is_exported(tmp_path: Path, small: Config, options: dict[str, object]) -> None:
    run = fit(dataclasses.replace(small, epochs=1, **options), tmp_path / "run", verbose=0)  # type: ignore[arg-type]
    for precision in ("fp16", "int8"):
        manifest = export(run, tmp_path / precision, precision=precision, opset=13 if precision == "fp16" else 18)
        assert np.isfinite(manifest.metrics["nats_lost"])
        vae = VAE.load(tmp_path / precision, provider="cpu")
        assert vae.reconstruct(np.zeros((2, 28, 28, 1), np.float32)).shape == (2, 28, 28, 1)


def test_onnx_runtime_computes_int8_in_integers(bundles: Bundles, tmp_path: Path) -> None:
    """All convolutions but the decoder's last, all sums, and the heads; nothing is computed anew in each run."""
    found = {}
    for name in ("encoder", "decoder"):
        options = onnxruntime.SessionOptions()
        options.optimized_model_filepath = str(tmp_path / name)
        options.log_severity_level = 4  # it warns that such a file is for this machine only
        path = bundles["int8"] / f"{name}.onnx"
        onnxruntime.InferenceSession(path, options, providers=["CPUExecutionProvider"])
        found[name] = collections.Counter(node.op_type for node in onnx.load(tmp_path / name).graph.node)
    encoder, decoder = found["encoder"], found["decoder"]
    assert (encoder["QLinearConv"], encoder["QLinearAdd"], encoder["QGemm"]) == (3, 1, 2)
    assert (encoder["QuantizeLinear"], encoder["DequantizeLinear"], encoder["Conv"]) == (1, 0, 0)
    assert (decoder["QLinearConv"], decoder["QLinearAdd"], decoder["Gemm"]) == (3, 1, 1)
    assert (decoder["QuantizeLinear"], decoder["DequantizeLinear"], decoder["Conv"]) == (1, 1, 1)
    assert not {"Relu", "Clip", "Cast", "Mul", "Add"} & {*encoder, *decoder}


def test_separable_blocks_compute_in_floats_with_weights_of_int8(tmp_path: Path) -> None:
    model = VariationalAutoencoder(Config(likelihood="bernoulli", network="separable", width=16, depth=2), (28, 28, 1))
    draws = np.random.default_rng(0)
    for weight in model.trainable_variables:  # biases too: the converter drops a bias of zeros
        weight.assign(draws.normal(0, 0.2, weight.shape))
    whole = convert_model(model.decoder, ("logits",))
    small = quantize.int8(whole, draws.normal(size=(8, 32)).astype(np.float32), "decoder")
    weights = sum(np.prod(w.dims) for w in whole.graph.initializer if len(w.dims) > 1 and w.data_type == 1)
    assert stored(small.graph)[TensorProto.INT8] == weights
    options = onnxruntime.SessionOptions()
    options.optimized_model_filepath = str(tmp_path / "small.onnx")
    options.log_severity_level = 4
    session = onnxruntime.InferenceSession(small.SerializeToString(), options, providers=["CPUExecutionProvider"])
    whole_path = tmp_path / "whole.onnx"
    options.optimized_model_filepath = str(whole_path)
    plain = onnxruntime.InferenceSession(whole.SerializeToString(), options, providers=["CPUExecutionProvider"])
    ran, floats = (
        collections.Counter(node.op_type for node in onnx.load(path).graph.node)
        for path in (tmp_path / "small.onnx", whole_path)
    )
    assert ran == floats  # what is stored in int8 becomes floats when the session is made, and not in each run
    z = draws.normal(size=(5, 32)).astype(np.float32)
    logits, rounded = (each.run(None, {"z": z})[0] for each in (plain, session))
    assert 0 < np.abs(rounded - logits).mean() < 0.02 * np.abs(logits).mean()


def test_a_dense_layer_becomes_one_gemm_where_nothing_else_reads_it() -> None:
    def model(*more: onnx.NodeProto, outputs: tuple[str, ...] = ("y",)) -> onnx.ModelProto:
        nodes = [onnx.helper.make_node("MatMul", ["x", "w"], ["t"]), onnx.helper.make_node("Add", ["t", "b"], ["y"])]
        value = onnx.helper.make_tensor_value_info
        graph = onnx.helper.make_graph(
            [*nodes, *more],
            "g",
            [value("x", TensorProto.FLOAT, ["n", 3])],
            [value(name, TensorProto.FLOAT, ["n", 2]) for name in outputs],
            [
                onnx.numpy_helper.from_array(np.arange(6, dtype=np.float32).reshape(3, 2), "w"),
                onnx.numpy_helper.from_array(np.ones(2, np.float32), "b"),
            ],
        )
        return onnx.helper.make_model(graph, opset_imports=[onnx.helper.make_opsetid("", 17)], ir_version=8)

    def operators(model: onnx.ModelProto) -> list[str]:
        return [node.op_type for node in passes.fuse_gemm(model).graph.node]

    assert operators(model()) == ["Gemm"]
    assert operators(model(outputs=("y", "t"))) == ["MatMul", "Add"]
    assert operators(model(onnx.helper.make_node("Relu", ["t"], ["z"]))) == ["MatMul", "Add", "Relu"]
    x = np.random.default_rng(0).normal(size=(5, 3)).astype(np.float32)
    before, after = (
        onnxruntime.InferenceSession(each.SerializeToString(), providers=["CPUExecutionProvider"]).run(None, {"x": x})[
            0
        ]
        for each in (model(), passes.fuse_gemm(model()))
    )
    np.testing.assert_allclose(before, after, atol=1e-6)


def test_a_prior_is_rounded_by_half_a_step_at_most() -> None:
    generator = np.random.default_rng(0)
    arrays = {"weights": np.full(50, 0.02, np.float32), "loc": generator.normal(0, 3, (50, 8)).astype(np.float32)}
    arrays["lower"] = generator.normal(0, 2, (50, 36)).astype(np.float32)
    diagonal = [0, 2, 5, 9, 14, 20, 27, 35]
    arrays["lower"][:, diagonal] = generator.gamma(2, 1, (50, 8))
    arrays["lower"][0, diagonal] = 1e-6
    small = quantize.prior(arrays, "int8")
    assert (small["lower"][:, diagonal] > 0).all()
    for key in ("loc", "lower"):
        error = np.abs(small[key] * small[f"{key}_step"] - arrays[key])
        assert (error[1:] <= small[f"{key}_step"] * 0.501).all()
