"""Uncertain weights: the posterior is the right one where it is known, every event has weights of its own, and export
puts each deviation where its weight is.
"""

from __future__ import annotations

import dataclasses
from pathlib import Path
from typing import Any

import keras
import numpy as np
import pytest
import tensorflow as tf

from tests.learn.test_fit import RICH, Cut, assert_same, cut_at
from vae_edge.export import deviations
from vae_edge.export.convert import TensorSpec, convert
from vae_edge.export.deviations import Placed, Uncertain, place
from vae_edge.export.sources import run as source
from vae_edge.runtime import VAE, CheckFailed, InputError
from vae_edge.runtime.members import weights_of
from vae_edge.runtime.session import onnxruntime
from vae_edge.train import fit as fitting
from vae_edge.train.config import Config
from vae_edge.train.feed import Feed
from vae_edge.train.fit import fit
from vae_edge.train.learner import Learner
from vae_edge.train.model import VariationalAutoencoder
from vae_edge.train.weights import UncertainKit, drawn, uncertain_layers

SMALL = {"network": "separable", "encoder_network": "mlp", "encoder_width": 16, "encoder_depth": 1}
UNCERTAIN = dataclasses.replace(RICH, weights="uncertain", epochs=2, **SMALL)  # type: ignore[arg-type]


def seed(number: int) -> tf.Tensor:
    return tf.constant([number, 7], tf.int32)


def test_of_a_linear_model_the_best_mean_field_posterior_is_found() -> None:
    """y = x w + b + noise with p(w, b) = N(0, s^2): the exact posterior is normal, of precision A = X'X / noise^2 + 1 /
    s^2 and mean A^-1 X'y / noise^2. The nearest product of normals has its mean, and the variances 1 / diag(A).
    """
    generator, noise, s = np.random.default_rng(0), 0.5, 0.8
    x = generator.normal(size=(40, 3)) @ np.array([[1, 0.5, 0], [0, 1, 0.3], [0, 0, 0.4]])
    design = np.c_[x, np.ones(40)]
    y = design @ [1.5, -1, 0.5, 0.7] + noise * generator.normal(size=40)
    precision = design.T @ design / noise**2 + np.eye(4) / s**2
    mean = np.linalg.solve(precision, design.T @ y / noise**2)
    assert np.abs(precision / np.sqrt(np.outer(np.diag(precision), np.diag(precision))) - np.eye(4)).max() > 0.3

    layer = UncertainKit().dense(1)
    layer.prior_scale = s
    layer.build((None, 3))
    times, steps = 64, 1500  # the events several times over, each with weights of its own: a gradient of less noise
    inputs, wanted = (tf.constant(np.tile(a, (times, 1)), tf.float32) for a in (x, y[:, None]))
    optimizer = keras.optimizers.Adam(keras.optimizers.schedules.CosineDecay(0.05, steps))
    optimizer.build(layer.trainable_variables)

    @tf.function
    def learn() -> None:
        for step in tf.range(steps):
            with tf.GradientTape() as tape, drawn(tf.stack([step, 1])):
                error = tf.reduce_mean(tf.square(layer(inputs) - wanted))
                loss = error / (2 * noise**2) + layer.kl() / 40
            optimizer.apply(tape.gradient(loss, layer.trainable_variables), layer.trainable_variables)

    learn()
    (kernel, kernel_rho), (bias, bias_rho) = layer.posteriors
    found = np.concatenate([kernel.numpy().ravel(), bias.numpy()])
    scale = np.log1p(np.exp(np.concatenate([kernel_rho.numpy().ravel(), bias_rho.numpy()])))
    best = 1 / np.sqrt(np.diag(precision))
    assert np.abs(found - mean).max() < 0.1 * best.min()
    assert scale == pytest.approx(best, rel=0.03)
    marginal = np.sqrt(np.diag(np.linalg.inv(precision)))
    assert (marginal > 1.05 * best).any()  # what a posterior with the right marginals would have: told apart


@pytest.mark.parametrize("kind", ["dense", "conv", "depthwise"])
def test_outputs_have_the_mean_and_the_variance_that_the_weights_give_them(kind: str) -> None:
    kit = UncertainKit()
    layer = {"dense": lambda: kit.dense(2), "conv": lambda: kit.conv(2, 3, padding="same"),
             "depthwise": lambda: kit.depthwise(3, padding="same")}[kind]()  # fmt: skip
    event = (3,) if kind == "dense" else (4, 5, 3)
    x = np.random.default_rng(1).normal(size=(1, *event)).astype(np.float32)
    layer.build((None, *event))
    for loc, rho in layer.posteriors:
        rho.assign(np.random.default_rng(2).normal(-1, 0.5, rho.shape))
        loc.assign(np.random.default_rng(3).normal(0, 0.5, loc.shape))
    batch, seeds = tf.constant(np.repeat(x, 64, 0)), 300

    @tf.function
    def draw(number: tf.Tensor) -> tf.Tensor:
        with drawn(tf.stack([number, 7])):
            return layer(batch)

    y = np.stack([draw(tf.constant(number)).numpy() for number in range(seeds)])
    mean = layer(x).numpy()[0]
    for loc, rho in layer.posteriors:  # a layer of the variances, of squared inputs
        loc.assign(np.square(np.log1p(np.exp(rho.numpy()))))
    variance = layer(np.square(x)).numpy()[0]
    error = np.sqrt(variance / seeds)  # of convolutions' means: a batch has one draw, but for signs
    assert (np.abs(y.mean((0, 1)) - mean) < 5 * error).all()
    assert np.square(y - mean).mean((0, 1)) == pytest.approx(variance, rel=0.35)
    assert np.square(y - mean).mean() == pytest.approx(variance.mean(), rel=0.06)
    both = ((y[:, 0] - mean) * (y[:, 1] - mean)).mean(0)  # of two events
    assert (np.abs(both) < 5 * variance / np.sqrt(seeds)).all()


def test_a_convolution_has_the_same_weights_at_every_place() -> None:
    kit = UncertainKit()
    for layer in (kit.conv(4, 1, use_bias=False), kit.depthwise(1, use_bias=False)):
        x = np.ones((5, 6, 7, 3), np.float32)
        layer.build(x.shape)
        with drawn(seed(0)):
            y = layer(tf.constant(x)).numpy()
        assert np.abs(y - y[:, :1, :1]).max() < 1e-6
        away = np.abs(y - layer(x).numpy())[:, 0, 0, 0]
        if isinstance(layer, keras.layers.DepthwiseConv2D):  # of one weight: a sign is all that can differ
            assert len(np.unique(np.round(y[:, 0, 0, 0], 6))) == 2
        else:  # and each event others, not the same ones with another sign
            assert len(np.unique(np.round(away, 6))) > 2


def test_noise_is_of_the_seed_and_of_the_layer() -> None:
    kit = UncertainKit()
    one, two = kit.dense(4), kit.dense(4)
    x = tf.ones((2, 3))
    for layer in (one, two):
        layer.build((None, 3))
        layer.set_weights([np.full(w.shape, 0.5) for w in layer.get_weights()])

    def of(layer: Any, number: int) -> np.ndarray:
        with drawn(seed(number)):
            return layer(x).numpy()

    assert (of(one, 0) == of(one, 0)).all()
    assert not (of(one, 0) == of(one, 1)).any()
    assert not (of(one, 0) == of(two, 0)).any()
    assert (one(x).numpy() == two(x).numpy()).all()  # without a draw: the means


def test_the_prior_is_the_one_that_makes_the_kl_least() -> None:
    layer = UncertainKit().dense(5, use_bias=False)
    layer.build((None, 4))
    layer.kernel.assign(np.random.default_rng(0).normal(size=(4, 5)))
    least = float(layer.kl())
    scale = np.log1p(np.exp(layer.kernel_rho.numpy()))
    s = np.sqrt(np.mean(np.square(layer.kernel.numpy()) + np.square(scale)))
    for factor, above in ((1.0, False), (0.98, True), (1.02, True)):
        layer.prior_scale = float(s * factor)
        assert float(layer.kl()) > least + 1e-3 if above else float(layer.kl()) == pytest.approx(least, rel=1e-6)


def test_the_same_seed_begins_with_the_same_means_as_a_network_of_points() -> None:
    config = dataclasses.replace(UNCERTAIN, likelihood="bernoulli")
    uncertain = VariationalAutoencoder(config, (8, 8, 1))
    certain = VariationalAutoencoder(dataclasses.replace(config, weights="point"), (8, 8, 1))
    z = np.random.default_rng(0).normal(size=(4, 3)).astype(np.float32)
    assert (certain.decoder(z).numpy() == uncertain.decoder(z).numpy()).all()
    assert not uncertain_layers(uncertain.encoder)
    assert not uncertain_layers(certain.decoder)


@pytest.fixture(scope="module")
def uncertain_run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return fit(UNCERTAIN, tmp_path_factory.mktemp("uncertain") / "run", verbose=0)


def test_a_run_of_uncertain_weights_that_was_cut_off_ends_as_if_it_had_not(
    uncertain_run: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with monkeypatch.context() as patch:
        cut_at(patch, 1, "on_train_batch_end")
        with pytest.raises(Cut):
            fit(UNCERTAIN, tmp_path, verbose=0)
    fit(UNCERTAIN, tmp_path, resume=True, verbose=0)
    assert_same(uncertain_run, tmp_path)


def test_deviations_are_learned_and_their_kl_is_told(uncertain_run: Path) -> None:
    model, record, figures = fitting.load(uncertain_run)
    assert figures["weights_kl"] > 0
    assert figures["val_weights_kl"] == pytest.approx(float(model.weights_kl()) / record.images, rel=1e-4)
    assert figures["val_elbo"] == pytest.approx(figures["val_reconstruction"] - figures["val_kl"], rel=1e-4)
    spread = [np.ptp(rho.numpy()) for layer in uncertain_layers(model.decoder) for _, rho in layer.posteriors]
    assert min(spread) > 0.01


def test_the_importance_weighted_bound_takes_weights_that_are_points() -> None:
    with pytest.raises(InputError, match="weights should be point with objective iwae"):
        Config(objective="iwae", weights="uncertain")


@pytest.fixture(scope="module")
def ensemble(uncertain_run: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("uncertain") / "bundle"
    source.export(uncertain_run, out)
    return out


def test_a_member_at_the_edge_is_the_model_with_these_weights(uncertain_run: Path, ensemble: Path) -> None:
    """The noise is taken in the order of the graph's weights; that order is found here by their values."""
    vae, (model, _, _) = VAE.load(ensemble), fitting.load(uncertain_run)
    posterior = vae.model.members.posterior
    z = np.random.default_rng(0).normal(size=(6, 3)).astype(np.float32)
    member = weights_of(posterior, 5)
    for layer in uncertain_layers(model.decoder):
        for loc, rho in layer.posteriors:
            scale = np.log1p(np.exp(rho.numpy().astype(np.float64)))
            values = loc.numpy().copy()
            for at, value in np.ndenumerate(values):
                (here,) = np.flatnonzero((posterior.loc == value) & np.isclose(posterior.scale, scale[at], 1e-4))
                values[at] = member[here]
            loc.assign(values)
    assert np.abs(vae.decode(z, member=5).logits - model.decoder(z).numpy()).max() < 1e-4


def test_manifest_and_card_say_that_weights_are_uncertain(ensemble: Path) -> None:
    manifest = VAE.load(ensemble).manifest
    assert manifest.deviations is not None
    assert manifest.deviations.file.name == "weights.npz"
    card = (ensemble / "CARD.md").read_text()
    assert "The decoder's weights are uncertain: weights.npz" in card
    assert "- weights: uncertain" in card


def test_deviations_in_the_wrong_places_are_noticed(
    uncertain_run: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def rolled(uncertain: Uncertain, build: Any) -> Any:
        model, placed = place(uncertain, build)
        return model, Placed(placed.names, np.roll(placed.places, 1))

    monkeypatch.setattr(deviations, "place", rolled)
    with pytest.raises(CheckFailed, match="differ by"):
        source.export(uncertain_run, tmp_path / "bundle")
    assert not (tmp_path / "bundle").exists()


@pytest.mark.parametrize("precision", ["fp16", "int8"])
def test_fewer_bits_are_refused(uncertain_run: Path, tmp_path: Path, precision: str) -> None:
    with pytest.raises(InputError, match="precision should be fp32 for a run with uncertain weights"):
        source.export(uncertain_run, tmp_path / "bundle", precision=precision)


@pytest.mark.parametrize(
    ("network", "likelihood", "event", "labels"),
    [
        ("conv", "bernoulli", (6, 10, 1), 0),
        ("separable", "discretized_logistic", (8, 8, 3), 0),
        ("conv", "categorical", (4, 4, 1), 3),
        ("mlp", "normal", (5,), 3),
        ("mlp", "discretized_logistic", (8, 8, 1), 0),
    ],
)
def test_each_weight_of_each_network_is_found_in_its_graph(
    network: Any, likelihood: Any, event: tuple[int, ...], labels: int
) -> None:
    config = Config(network=network, likelihood=likelihood, latent=3, width=4, depth=1, weights="uncertain")
    decoder = VariationalAutoencoder(config, event, labels).decoder
    pairs = [pair for layer in uncertain_layers(decoder) for pair in layer.posteriors]
    assert len(pairs) == len(decoder.trainable_variables) / 2  # all of them, as they were made: biases are 0
    uncertain = Uncertain([loc for loc, _ in pairs], [rho.numpy() for _, rho in pairs])
    inputs = [TensorSpec("z", "float32", (3,)), *([TensorSpec("label", "float32", (labels,))] if labels else [])]

    def call(*tensors: tf.Tensor) -> list[tf.Tensor]:
        found = decoder(list(tensors) if labels else tensors[0])
        return found if isinstance(found, list) else [found]

    names = [f"out{k}" for k in range(len(decoder.outputs))]
    model, placed = place(uncertain, lambda: convert(call, inputs, names))
    assert (uncertain.loc == np.concatenate([loc.numpy().ravel() for loc, _ in pairs])).all()  # they are back
    assert sorted(placed.places) == list(range(len(uncertain.loc)))

    from onnx import numpy_helper

    values = np.random.default_rng(0).normal(0, 0.3, len(uncertain.loc)).astype(np.float32)
    at = 0
    for name in placed.names:
        weight = next(each for each in model.graph.initializer if each.name == name)
        shape = tuple(weight.dims)
        size = int(np.prod(shape))
        weight.CopyFrom(numpy_helper.from_array(values[placed.places[at : at + size]].reshape(shape), name))
        at += size
    feeds = {spec.name: np.random.default_rng(1).normal(size=(2, *spec.shape)).astype(np.float32) for spec in inputs}
    session = onnxruntime().InferenceSession(model.SerializeToString(), providers=["CPUExecutionProvider"])
    with uncertain.holding(values):
        expected = call(*map(tf.constant, feeds.values()))
    for found, theirs in zip(session.run(None, feeds), expected, strict=True):
        assert np.abs(found - theirs.numpy()).max() < 1e-4


def test_a_weight_that_is_changed_on_its_way_is_refused() -> None:
    decoder = keras.Sequential([keras.Input((3,)), keras.layers.Dense(4, use_bias=False), keras.layers.Rescaling(0.5)])
    uncertain = Uncertain(decoder.trainable_variables, [v.numpy() for v in decoder.trainable_variables])
    with pytest.raises(InputError, match="uncertain weights"):
        place(uncertain, lambda: convert(decoder, [TensorSpec("z", "float32", (3,))], ["out"]))


def test_a_layer_that_is_used_twice_is_one_weight_in_the_graph_or_refused() -> None:
    inputs, layer = keras.Input((3,)), keras.layers.Dense(3)
    decoder = keras.Model(inputs, layer(layer(inputs)))
    uncertain = Uncertain(decoder.trainable_variables, [v.numpy() for v in decoder.trainable_variables])
    try:
        _, placed = place(uncertain, lambda: convert(decoder, [TensorSpec("z", "float32", (3,))], ["out"]))
    except InputError as error:
        assert "once" in str(error)  # noqa: PT017 - either is right
    else:
        assert sorted(placed.places) == list(range(12))


def test_the_kl_of_the_weights_counts_as_much_as_is_asked_for() -> None:
    images = np.random.default_rng(0).integers(0, 2, (64, 8, 8, 1)).astype(np.uint8) * 255
    found = []
    for beta in (0.0, 1.0, 100.0):
        config = Config(likelihood="bernoulli", network="mlp", latent=2, width=8, depth=1, warmup=0.0, batch=64,
                        schedule="constant", learning_rate=0.05, weights="uncertain", weights_beta=beta)  # fmt: skip
        learner = Learner(VariationalAutoencoder(config, (8, 8, 1)), Feed(config, images))
        for _ in range(5):
            learner.train_step(tf.range(64))
        found.append(float(learner.model.weights_kl()))
    assert found[0] > found[1] * 1.01 > found[2] * 1.02


def test_of_point_weights_there_is_no_kl_to_weigh() -> None:
    with pytest.raises(InputError, match="weights_beta should be 1 with weights of points"):
        Config(weights_beta=0.5)
