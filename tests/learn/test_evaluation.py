"""What the runtime measures is what TensorFlow measures for the same weights, and goes into manifest and card."""

import dataclasses
import json
from pathlib import Path

import numpy as np
import pytest
import tensorflow as tf
from typer.testing import CliRunner

from vae_edge.cli.app import app
from vae_edge.export.sources.run import export
from vae_edge.runtime import VAE, noise
from vae_edge.runtime.bundle import read
from vae_edge.runtime.evaluation import likelihood
from vae_edge.runtime.noise import Purpose
from vae_edge.train import data
from vae_edge.train.config import Config
from vae_edge.train.fit import fit, load
from vae_edge.train.model import VariationalAutoencoder

SAMPLES = 50


@pytest.fixture(scope="module", params=["normal", "mixture"])
def pair(
    request: pytest.FixtureRequest, run: Path, small: Config, tmp_path_factory: pytest.TempPathFactory
) -> tuple[VariationalAutoencoder, VAE]:
    """One set of weights, in TensorFlow and at the edge."""
    folder = tmp_path_factory.mktemp(request.param)
    if request.param == "mixture":
        run = fit(dataclasses.replace(small, prior="mixture", components=7), folder / "run", verbose=0)
    export(run, folder / "bundle")
    return load(run)[0], VAE.load(folder / "bundle", provider="cpu")


def tensorflows(model: VariationalAutoencoder, x: np.ndarray, noise: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """-ELBO of the first sample and the NLL of all, (n,) each, by TFP alone; `noise` is (K, n, L)."""
    q = model.encode(x)
    loc, scale = q.distribution.loc, q.distribution.scale
    log_w, reconstruction = [], []
    for eps in noise:
        z = loc + scale * eps
        log_p = model.decode(z).log_prob(x)
        reconstruction.append(log_p)
        log_w.append(log_p + model.prior.log_prob(z) - q.log_prob(z))
    bound = np.log(len(noise)) - tf.reduce_logsumexp(tf.stack(log_w), 0)
    if model.mixture is not None:
        return -log_w[0].numpy(), bound.numpy()
    return (q.kl_divergence(model.prior) - reconstruction[0]).numpy(), bound.numpy()


def test_tensorflows_elbo_and_nll_are_the_runtimes_for_the_same_noise(
    pair: tuple[VariationalAutoencoder, VAE],
) -> None:
    model, vae = pair
    x = data.binarise(data.load("digits", "test").images)
    eps = np.stack([noise.normals(5, Purpose.POSTERIOR, 0, len(x), 4, stream=k) for k in range(SAMPLES)])
    elbo, nll = tensorflows(model, x, eps)
    reconstruction, kl = likelihood.elbo(vae, x, seed=5)
    np.testing.assert_allclose(kl - reconstruction, elbo, atol=0.01)
    np.testing.assert_allclose(likelihood.nll(vae, x, SAMPLES, seed=5), nll, atol=0.01)


def test_tensorflows_elbo_and_nll_are_the_runtimes_for_noise_of_its_own(
    pair: tuple[VariationalAutoencoder, VAE],
) -> None:
    model, vae = pair
    x = np.repeat(data.binarise(data.load("digits", "test").images[:20]), 100, 0)
    noise = np.random.default_rng(0).normal(size=(SAMPLES, len(x), 4)).astype(np.float32)
    elbo, nll = tensorflows(model, x, noise)
    reconstruction, kl = likelihood.elbo(vae, x)
    ours, error = kl - reconstruction, np.hypot(elbo.std(), (kl - reconstruction).std()) / len(x) ** 0.5
    assert abs(ours.mean() - elbo.mean()) < max(0.05, 4 * error)
    assert abs(likelihood.nll(vae, x, SAMPLES).mean() - nll.mean()) < 0.05


def evaluate(*arguments: object) -> dict[str, object]:
    done = CliRunner().invoke(app, ["evaluate", *map(str, arguments), "--json"], catch_exceptions=False)
    assert done.exit_code == 0, done.output
    return json.loads(done.stdout)


def test_the_figures_go_into_the_manifest_and_the_card(run: Path, tmp_path: Path) -> None:
    before = export(run, tmp_path / "small")
    (tmp_path / "small" / "notes").mkdir()
    (tmp_path / "small" / "notes" / "mine.txt").write_text("kept")
    told = evaluate(tmp_path / "small", "--samples", 3, "--write")
    after = read(tmp_path / "small").manifest
    assert dataclasses.replace(after, metrics={}, digest="") == dataclasses.replace(before, metrics={}, digest="")
    assert after.metrics["elbo"] == pytest.approx(before.metrics["elbo"])
    for name in ("nll", "wrong_pixels", "squared_error", "cross_entropy"):
        assert after.metrics[name] == pytest.approx(told[name]["mean"])
    for name in ("frechet", "precision", "recall", "density", "coverage", "confidence", "class_distance"):
        assert after.metrics[name] == pytest.approx(told[name]["value"])
        assert after.metrics[f"{name}_floor"] == pytest.approx(told[name]["floor"])
        assert after.metrics[f"{name}_mode"] == pytest.approx(told[name]["mode"])
    assert told["frechet"]["mode"] != told["frechet"]["value"]
    assert told["frechet"]["value"] > told["frechet"]["floor"] > 0
    card = (tmp_path / "small" / "CARD.md").read_text()
    assert f"NLL, the importance-weighted bound, K = 3 | {after.metrics['nll']:.3f} nats +-" in card
    assert card.count("## Figures") == card.count("## Limits") == card.count("| logits |") == 1
    assert (tmp_path / "small" / "notes" / "mine.txt").read_text() == "kept"
    evaluate(tmp_path / "small", "--samples", 3, "--write")
    assert (tmp_path / "small" / "CARD.md").read_text() == card


def test_generated_digits_are_counted_in_classes_of_ten(run: Path, tmp_path: Path) -> None:
    export(run, tmp_path / "small")
    told = evaluate(tmp_path / "small", "--samples", 0, "--generated", 100, "--limit", 80)
    assert told["generated"] == 80
    assert 0 <= told["class_distance"]["value"] < 0.91
    assert 0.1 <= told["confidence"]["value"] <= 1
    everything = evaluate(tmp_path / "small", "--samples", 0, "--generated", 100, "--split", "all", "--limit", 100)
    assert everything["frechet"]["floor"] is None
    assert "frechet" not in evaluate(tmp_path / "small", "--samples", 0, "--generated", 0)
