"""A flow prior is a bijection with the log-determinant that it says, learned, resumed and exported like the rest."""

import dataclasses
import math
from pathlib import Path

import numpy as np
import onnx
import pytest
import tensorflow as tf
import tensorflow_probability as tfp

from tests.learn.test_fit import Cut, assert_same, cut_at
from vae_edge.export import Bernoulli, Normal, OneHot, export
from vae_edge.export.sources import run as runs
from vae_edge.runtime import VAE, noise
from vae_edge.runtime.errors import CheckFailed, InputError
from vae_edge.runtime.noise import Purpose
from vae_edge.train.config import Config
from vae_edge.train.fit import fit, load
from vae_edge.train.flow import FlowPrior
from vae_edge.train.model import VariationalAutoencoder

tfb, tfd = tfp.bijectors, tfp.distributions

FLOW = Config(data="digits", latent=3, width=8, depth=1, epochs=3, batch=64, prior="flow", flow_blocks=2, flow_width=8)


def made(latent: int, blocks: int = 4, labels: int = 0, size: float = 0.1) -> FlowPrior:
    """A flow of random weights."""
    flow = FlowPrior(latent, blocks, 16, labels, seed=1)
    rng = np.random.default_rng(2)
    for weight in flow.trainable_weights:
        weight.assign(weight + size * rng.normal(size=weight.shape).astype(np.float32))
    return flow


def label_of(labels: int, count: int) -> tf.Tensor | None:
    return tf.one_hot(np.arange(count) % labels, labels) if labels else None


def test_a_new_flow_is_the_standard_normal() -> None:
    prior = FlowPrior(5, 3, 8).distribution()
    z = np.random.default_rng(0).normal(size=(7, 5)).astype(np.float32)
    expected = tfd.MultivariateNormalDiag(tf.zeros(5)).log_prob(z)
    np.testing.assert_allclose(prior.log_prob(z), expected, rtol=1e-5)


@pytest.mark.parametrize("labels", [0, 3])
@pytest.mark.parametrize("latent", [2, 5, 32])
def test_the_inverse_of_the_inverse_is_where_it_began(latent: int, labels: int) -> None:
    flow, label = made(latent, 8, labels, 0.05), label_of(labels, 200)
    eps = noise.normals(3, Purpose.PRIOR, 0, 200, latent)
    z = flow.from_noise(eps, label, flow.maps)
    assert np.abs(z - eps).max() > 1
    np.testing.assert_allclose(flow.to_noise(z, label, flow.maps)[0], eps, atol=1e-5)


@pytest.mark.parametrize("labels", [0, 3])
@pytest.mark.parametrize("latent", [2, 5])
def test_the_log_determinant_is_that_of_the_automatic_derivative(latent: int, labels: int) -> None:
    flow, label = made(latent, labels=labels), label_of(labels, 6)
    z = tf.constant(np.random.default_rng(0).normal(size=(6, latent)), tf.float32)
    with tf.GradientTape() as tape:
        tape.watch(z)
        eps, log_det = flow.to_noise(z, label, flow.maps)
    jacobian = tape.batch_jacobian(eps, z)
    np.testing.assert_allclose(log_det, np.linalg.slogdet(jacobian.numpy().astype(float))[1], atol=1e-4)


def test_the_density_in_the_plane_integrates_to_one() -> None:
    axis = np.linspace(-20, 20, 801, dtype=np.float32)
    grid = np.stack(np.meshgrid(axis, axis), -1).reshape(-1, 2)
    density = np.exp(made(2).distribution().log_prob(grid).numpy().astype(float))
    assert density.max() > 0.2  # not the standard normal's 0.159
    assert density.sum() * float(axis[1] - axis[0]) ** 2 == pytest.approx(1, abs=2e-3)


def test_draws_have_the_density_that_the_flow_says() -> None:
    flow = made(2)
    prior = flow.distribution()
    z = prior.sample(20_000, seed=(0, 1))
    # E[q(z) / p(z)] = 1 for a q inside of p's support
    other = tfd.MultivariateNormalDiag(tf.reduce_mean(z, 0), tf.math.reduce_std(z, 0) / 2)
    assert np.exp(other.log_prob(z) - prior.log_prob(z)).mean() == pytest.approx(1, abs=0.1)


def test_labels_have_densities_of_their_own() -> None:
    flow, z = made(4, labels=3), np.ones((3, 4), np.float32)
    one = flow.distribution(label_of(3, 3)).log_prob(z).numpy()
    assert len(set(one.round(4))) == 3
    config = Config(data="digits", likelihood="bernoulli", prior="flow", conditional=True, latent=4, width=8)
    model = VariationalAutoencoder(config, (8, 8, 1), 3)
    with pytest.raises(InputError, match="follows the label"):
        model.prior  # noqa: B018


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return fit(FLOW, tmp_path_factory.mktemp("flows") / "whole", verbose=0)


def test_a_run_learns_its_flow(whole: Path) -> None:
    model, _, _ = load(whole)
    assert model.flow is not None
    start = FlowPrior(3, 2, 8, seed=FLOW.seed)
    moved = [np.abs(a - b).max() for a, b in zip(model.flow.trainable_weights, start.trainable_weights, strict=True)]
    assert min(moved) > 0
    eps = noise.normals(0, Purpose.PRIOR, 0, 500, 3)
    z = model.flow.from_noise(eps, None, model.flow.maps)
    np.testing.assert_allclose(model.flow.to_noise(z, None, model.flow.maps)[0], eps, atol=1e-5)


def test_a_run_with_a_flow_resumes_to_the_bit(whole: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with monkeypatch.context() as patched:
        cut_at(patched, 1, "on_train_batch_end")
        with pytest.raises(Cut):
            fit(FLOW, tmp_path / "cut", verbose=0)
    fit(FLOW, tmp_path / "cut", resume=True, verbose=0)
    assert_same(whole, tmp_path / "cut")


def test_a_run_with_a_flow_is_exported(whole: Path, tmp_path: Path) -> None:
    said = runs.export(whole, tmp_path / "b")
    assert said.prior.family == "flow"
    assert max(said.parity[name] for name in ("sample", "code_noise", "code_log_det")) < 1e-5
    model, vae = load(whole)[0], VAE.load(tmp_path / "b")
    z = vae.prior.sample(50, seed=1)
    np.testing.assert_allclose(vae.prior.log_prob(z), model.prior.log_prob(z), rtol=1e-4)
    eps = noise.normals(1, Purpose.PRIOR, 0, 50, 3)
    np.testing.assert_allclose(z, model.prior.bijector.forward(eps), atol=1e-5)
    operators = {node.op_type for node in onnx.load(tmp_path / "b" / "prior_inverse.onnx").graph.node}
    assert operators <= {"MatMul", "Gemm", "Add", "Sub", "Mul", "Split", "Relu", "Tanh", "Exp", "Concat", "ReduceSum"}
    half = runs.export(whole, tmp_path / "half", precision="fp16")
    assert half.graphs["prior"] == dataclasses.replace(said.graphs["prior"])  # its flow is in float32
    small = runs.export(whole, tmp_path / "int8", precision="int8")
    assert small.graphs["prior_inverse"] == said.graphs["prior_inverse"]


@pytest.mark.parametrize("prior", ["flow", "mixture"])
def test_a_conditional_prior_is_exported(tmp_path: Path, prior: str) -> None:
    config = dataclasses.replace(FLOW, prior=prior, conditional=True, epochs=1, components=4)
    run = fit(config, tmp_path / "run", verbose=0)
    runs.export(run, tmp_path / "b")
    model, vae = load(run)[0], VAE.load(tmp_path / "b")
    labels = np.arange(50) % 10
    prior_of = vae.prior_given(label=labels)
    z = prior_of.sample(seed=1)
    expected = model.prior_given(tf.one_hot(labels, 10)).log_prob(z)
    np.testing.assert_allclose(prior_of.log_prob(z), expected, rtol=1e-4, atol=1e-4)
    half = runs.export(run, tmp_path / "half", precision="fp16")
    assert half.prior_follows_condition


# Anyone's flow: a TFP TransformedDistribution.


def coupling(x: tf.Tensor, units: int, **_: object) -> tuple[tf.Tensor, tf.Tensor]:
    weights = tf.constant(np.random.default_rng(units).normal(size=(x.shape[-1], 2 * units)), tf.float32)
    shift, log_scale = tf.split(tf.matmul(x, weights), 2, -1)
    return shift, tf.tanh(log_scale)


REALNVP = tfb.Chain([tfb.RealNVP(1, shift_and_log_scale_fn=coupling), tfb.Permute([2, 0, 1]), tfb.Scale(0.5)])
STANDARD = tfd.MultivariateNormalDiag(tf.zeros(3))
FLOWS = {
    "RealNVP": tfd.TransformedDistribution(STANDARD, REALNVP),
    "of a sample": tfd.TransformedDistribution(tfd.Sample(tfd.Normal(0.0, 1.0), 3), REALNVP),
    "linear": tfd.TransformedDistribution(STANDARD, tfb.Chain([tfb.Shift([1.0, 2, 3]), tfb.Scale([2.0, 1, 0.5])])),
}


def bundle_of(out: Path, prior: object, **more: object) -> VAE:
    """A small model with this prior, exported."""
    rng = np.random.default_rng(0)
    wide, back = (tf.constant(rng.normal(size=size) / 4, tf.float32) for size in ((16, 6), (3, 16)))

    def encoder(x: tf.Tensor, *_: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
        flat = tf.matmul(tf.reshape(x, (-1, 16)), wide)
        return flat[:, :3], flat[:, 3:]

    def decoder(z: tf.Tensor, *label: tf.Tensor) -> tf.Tensor:
        logits = tf.matmul(z, back) + (tf.reduce_sum(label[0] * [1.0, -1.0], -1, keepdims=True) if label else 0.0)
        return tf.reshape(logits, (-1, 4, 4, 1))

    x = rng.integers(0, 2, (8, 4, 4, 1)).astype(np.float32)
    export(out, encoder=encoder, decoder=decoder, examples=x, posterior=Normal(loc=0, log_var=1),
           likelihood=Bernoulli(logits=0), prior=prior, **more)  # type: ignore[arg-type]  # fmt: skip
    return VAE.load(out)


@pytest.mark.parametrize("kind", FLOWS)
def test_anyones_flow_is_a_prior(kind: str, tmp_path: Path) -> None:
    vae = bundle_of(tmp_path / "b", FLOWS[kind])
    z = vae.prior.sample(100, seed=2)
    np.testing.assert_allclose(vae.prior.log_prob(z), FLOWS[kind].log_prob(z), rtol=1e-4)
    np.testing.assert_allclose(z, FLOWS[kind].bijector.forward(noise.normals(2, Purpose.PRIOR, 0, 100, 3)), atol=1e-5)


def test_anyones_flow_may_follow_the_label(tmp_path: Path) -> None:
    means = tf.constant([[-4.0, 0, 0], [4, 0, 0]])

    def prior(label: tf.Tensor) -> tfd.Distribution:
        loc = tf.matmul(label, means)
        return tfd.TransformedDistribution(
            tfd.MultivariateNormalDiag(tf.zeros_like(loc)), tfb.Chain([tfb.Shift(loc), REALNVP])
        )

    vae = bundle_of(tmp_path / "b", prior, condition=OneHot(2), conditions=np.arange(8) % 2)
    one, two = (vae.prior_given(label=k).sample(50, seed=0) for k in (0, 1))
    np.testing.assert_allclose(two - one, np.tile([[8.0, 0, 0]], (50, 1)), atol=1e-4)


@pytest.mark.parametrize(
    ("prior", "message"),
    [
        (tfd.TransformedDistribution(tfd.MultivariateNormalDiag(tf.ones(3)), REALNVP), "standard normal"),
        (tfd.TransformedDistribution(tfd.MultivariateNormalDiag(tf.zeros(4)), tfb.Scale(2.0)), "event_shape"),
        (lambda label: FLOWS["RealNVP"], "takes none"),
    ],
)
def test_a_flow_that_no_bundle_holds_is_refused(tmp_path: Path, prior: object, message: str) -> None:
    with pytest.raises(InputError, match=message):
        bundle_of(tmp_path / "b", prior)


def test_a_flow_whose_inverse_is_another_functions_is_refused(tmp_path: Path) -> None:
    wrong = tfb.Inline(
        forward_fn=lambda x: 2 * x,
        inverse_fn=lambda y: y / 3,
        inverse_log_det_jacobian_fn=lambda y: tf.reduce_sum(0 * y, -1) - 3 * math.log(2),
        forward_min_event_ndims=1,
    )
    with pytest.raises(CheckFailed, match="back to noise"):
        bundle_of(tmp_path / "b", tfd.TransformedDistribution(STANDARD, wrong))
