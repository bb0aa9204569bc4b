"""The comparison's evaluation is exact where the truth is known, its baselines are the published networks, and it goes
on where it was cut off.
"""

from __future__ import annotations

import dataclasses
import json
import math
import sys
from pathlib import Path

import numpy as np
import pytest
import tensorflow as tf
import tensorflow_probability as tfp
from scipy import special, stats

from benchmarks.quality import __main__ as program
from benchmarks.quality import dynamic, evaluate, learn, pythae_default, tables
from benchmarks.quality.baselines import BASELINES, standard_normal
from vae_edge.export import graphs
from vae_edge.export.sources.models import translate_model
from vae_edge.runtime import VAE
from vae_edge.runtime.errors import CheckFailed, InputError, OutputError, RunError
from vae_edge.train import data

tfd = tfp.distributions

BY_NAME = {baseline.name: baseline for baseline in BASELINES}
ARTIFACTS = Path(__file__).parents[2] / "artifacts"


def digits(split: str, n: int) -> np.ndarray:
    return data.binarise(data.load("digits", split).images[:n])


@pytest.fixture(scope="module")
def images() -> learn.Images:
    return learn.Images(digits("train", 200), digits("validation", 50), digits("test", 50))


# A latent of one number that decides between two images of pixels: every likelihood has a closed form.
A, B = np.float32([[[2.0], [-1.0]]]), np.float32([[[-3.0], [0.5]]])
LOC, SCALE = 0.3, 1.8
PAIR = np.float32([[[[1], [0]]], [[[0], [1]]], [[[1], [1]]]])


def two_pictures(prior: object) -> evaluate.Model:
    def encode(x: np.ndarray) -> object:
        return tfd.MultivariateNormalDiag(tf.fill((len(x), 1), LOC), tf.fill((len(x), 1), SCALE))

    return evaluate.Model(encode, lambda z: tf.where(z[:, :, None, None] > 0, A, B), prior)


def log_pixels(logits: np.ndarray) -> np.ndarray:
    return (PAIR * special.log_expit(logits) + (1 - PAIR) * special.log_expit(-logits)).sum(axis=(1, 2, 3))


MIXTURE = tfd.MixtureSameFamily(
    tfd.Categorical(probs=[0.25, 0.75]), tfd.MultivariateNormalDiag([[-1.0], [0.5]], [[0.8], [1.5]])
)


@pytest.mark.parametrize(
    ("prior", "above"),
    [
        (standard_normal(1), 0.5),
        (MIXTURE, 0.25 * stats.norm.sf(0, -1, 0.8) + 0.75 * stats.norm.sf(0, 0.5, 1.5)),
    ],
    ids=["normal", "mixture"],
)
def test_the_nll_is_that_of_a_model_whose_likelihood_is_known(prior: object, above: float) -> None:
    """p(x) = P(z > 0) p_A(x) + P(z <= 0) p_B(x)."""
    truth = -np.logaddexp(math.log(above) + log_pixels(A), math.log(1 - above) + log_pixels(B))
    np.testing.assert_allclose(evaluate.nll(two_pictures(prior), PAIR, 5_000), truth, atol=0.05)


def test_the_elbo_is_that_of_a_model_whose_bound_is_known() -> None:
    """E_q[log p(x|z)] = P_q(z > 0) log p_A(x) + P_q(z <= 0) log p_B(x), and KL(q || p) in closed form."""
    above = stats.norm.sf(0, LOC, SCALE)
    kl = (SCALE**2 + LOC**2 - 1) / 2 - math.log(SCALE)
    truth = above * log_pixels(A) + (1 - above) * log_pixels(B) - kl
    found = evaluate.elbo(two_pictures(standard_normal(1)), np.repeat(PAIR, 1000, axis=0))
    # each image's draws are a coin between two values: four standard errors of 1,000
    error = 4 * np.abs(log_pixels(A) - log_pixels(B)) * math.sqrt(above * (1 - above) / 1000)
    assert (np.abs(found.reshape(3, 1000).mean(axis=1) - truth) < error + 1e-5).all()


def test_a_full_covariance_posterior_has_the_density_of_its_draws() -> None:
    baseline = BY_NAME["tfp-16"]
    parameters = np.random.default_rng(0).normal(0, 0.2, (2, 152)).astype(np.float32)
    q = baseline.posterior(tf.constant(parameters))
    z, log_q = evaluate._draws(q, 0, 0, range(10_000))
    for number in range(2):
        lower = q.scale.to_dense()[number].numpy().astype(np.float64)
        assert np.count_nonzero(np.triu(lower, 1)) == 0
        assert np.count_nonzero(lower) == 16 * 17 // 2
        drawn, covariance = z[:, number].numpy(), lower @ lower.T
        np.testing.assert_allclose(drawn.mean(axis=0), parameters[number, :16], atol=0.05)
        np.testing.assert_allclose(np.cov(drawn.T), covariance, atol=0.05)
        truth = stats.multivariate_normal(parameters[number, :16], covariance).logpdf(drawn[:50])
        np.testing.assert_allclose(log_q[:50, number], truth, atol=1e-3)


@pytest.mark.parametrize("name", ["tiny", "mnist-tiny"])  # a normal prior, a mixture
def test_on_a_bundle_this_evaluation_is_the_runtimes(name: str, tiny: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    vae = VAE.load(tiny if name == "tiny" else ARTIFACTS / name, provider="cpu")
    x = np.random.default_rng(0).integers(0, 2, (30, *vae.event_shape)).astype(np.float32)
    assert max(evaluate.check(vae, x, 30).values()) < 1e-3
    exact = evaluate.nll
    monkeypatch.setattr(evaluate, "nll", lambda *args, **options: exact(*args, **options) + 0.06)
    with pytest.raises(CheckFailed, match=r"nll of .* differ by 0\.06"):
        evaluate.check(vae, x, 30)


# Counted from the layers that the authors give: weights of each, and biases.
PUBLISHED_SIZES = {
    "cvae-2": (28_036, 41_953),
    "tfp-16": (390_840, 358_465),
    "mlp-20": (543_528, 539_152),
    "pythae-10": (412_180, 407_824),
}


@pytest.mark.parametrize("name", PUBLISHED_SIZES)
def test_a_baseline_is_the_published_network(name: str) -> None:
    baseline = BY_NAME[name]
    networks = baseline.build(baseline.latent)
    assert (networks.encoder.count_params(), networks.decoder.count_params()) == PUBLISHED_SIZES[name]


@pytest.mark.parametrize("baseline", BASELINES, ids=BY_NAME)
def test_a_baseline_takes_images_and_gives_logits(baseline: object, images: learn.Images) -> None:
    networks = baseline.build(baseline.latent)
    q = baseline.posterior(networks.encoder(images.test[:3]))
    assert (q.batch_shape, q.event_shape) == ((3,), (baseline.latent,))
    assert networks.decoder(tf.zeros((3, baseline.latent))).shape == (3, 28, 28, 1)


def test_a_decoders_cost_is_counted_as_ours_is() -> None:
    """784-512-256 backwards, and the tutorial's three transposed convolutions on 7x7, 14x14 and 28x28."""
    for name, cost in {
        "mlp-20": 20 * 256 + 256 * 512 + 512 * 784,
        "cvae-2": 2 * 1568 + 9 * (49 * 32 * 64 + 196 * 64 * 32 + 784 * 32),
    }.items():
        networks = BY_NAME[name].build(BY_NAME[name].latent)
        assert graphs.multiply_adds(translate_model(networks.decoder, ("logits",))) == cost


def test_what_was_cut_off_goes_on_as_if_it_had_not_been(images: learn.Images, tmp_path: Path) -> None:
    baseline, settings = BY_NAME["mlp-20"], learn.Settings(3, 30.0, 0, 200, 50)
    whole = learn.learn(baseline, images, settings, tmp_path / "whole", lambda text: None)

    def interrupt(text: str) -> None:
        if " 2/3" in text:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        learn.learn(baseline, images, settings, tmp_path / "cut", interrupt)
    resumed = learn.learn(baseline, images, settings, tmp_path / "cut", lambda text: None)
    assert (resumed.epochs, resumed.best_epoch) == (whole.epochs, whole.best_epoch) == (3, 3)
    for ours, theirs in zip(resumed.networks.variables, whole.networks.variables, strict=True):
        np.testing.assert_allclose(ours, theirs, atol=1e-5)
    assert whole.validation_elbo > -500  # it has learned: a coin for each pixel has -543
    with pytest.raises(RunError, match="was begun with"):
        learn.learn(baseline, images, dataclasses.replace(settings, epochs=4), tmp_path / "cut", lambda text: None)


def test_no_epoch_is_begun_beyond_the_cpu_minutes(images: learn.Images, tmp_path: Path) -> None:
    baseline, settings = BY_NAME["mlp-20"], learn.Settings(3, 1e-9, 0, 200, 50)
    for _ in range(2):  # nor when it is gone on with
        trained = learn.learn(baseline, images, settings, tmp_path, lambda text: None)
        assert trained.epochs == 1
        assert trained.cpu_minutes > 1e-9


# Stands in for an interpreter with pythae: weights as PyTorch lays them out, and their loss, z the posterior's mean.
FAKE = """#!{python}
import sys
import numpy as np
given, out, latent = np.load(sys.argv[3]), sys.argv[4], int(sys.argv[5])
rng = np.random.default_rng(0)
shapes = {{"encoder.layers.0.0": (512, 784), "encoder.embedding": (latent, 512), "encoder.log_var": (latent, 512),
          "decoder.layers.0.0": (512, latent), "decoder.layers.1.0": (784, 512)}}
weights = {{}}
for name, shape in shapes.items():
    weights[name + ".weight"] = rng.normal(0, 0.02, shape).astype(np.float32)
    weights[name + ".bias"] = rng.normal(0, 0.02, shape[0]).astype(np.float32)
def linear(name, x):
    return x @ weights[name + ".weight"].T + weights[name + ".bias"]
x = given["validation"].reshape(-1, 784)
hidden = np.maximum(linear("encoder.layers.0.0", x), 0)
loc, log_var = linear("encoder.embedding", hidden), linear("encoder.log_var", hidden)
logits = linear("decoder.layers.1.0", np.maximum(linear("decoder.layers.0.0", loc), 0))
kl = -0.5 * (1 + log_var - loc**2 - np.exp(log_var)).sum(1)
loss = (np.logaddexp(0, logits) - x * logits).sum(1) + kl
np.savez(out, losses=[loss.mean() + 1, loss.mean(){off}], cpu_minutes=1.0, version="0", **weights)
np.savez({seen!r}, x=x, loc=loc, log_var=log_var, logits=logits)
"""


def fake(folder: Path, off: str = "") -> str:
    path = folder / "python"
    path.write_text(FAKE.format(python=sys.executable, seen=str(folder / "seen.npz"), off=off))
    path.chmod(0o755)
    return str(path)


def test_pythaes_weights_compute_here_what_they_compute_there(images: learn.Images, tmp_path: Path) -> None:
    baseline, settings = BY_NAME["pythae-10"], learn.Settings(2, 30.0, 0, 200, 50)
    trained = pythae_default.learn(baseline, images, settings, tmp_path / "run", fake(tmp_path))
    seen = np.load(tmp_path / "seen.npz")
    parameters = trained.networks.encoder(images.validation).numpy()
    np.testing.assert_allclose(parameters, np.concatenate([seen["loc"], seen["log_var"]], axis=1), atol=1e-5)
    logits = trained.networks.decoder(seen["loc"]).numpy()
    np.testing.assert_allclose(logits.reshape(-1, 784), seen["logits"], atol=1e-5)
    assert (trained.epochs, trained.best_epoch) == (2, 2)
    kept = pythae_default.learn(baseline, images, settings, tmp_path / "run", "no such interpreter")
    np.testing.assert_array_equal(kept.networks.encoder(images.validation), parameters)


def test_weights_that_do_not_give_pythaes_loss_are_refused(images: learn.Images, tmp_path: Path) -> None:
    with pytest.raises(CheckFailed, match="pythae says"):
        pythae_default.learn(
            BY_NAME["pythae-10"], images, learn.Settings(2, 30.0, 0, 200, 50), tmp_path / "run", fake(tmp_path, " - 40")
        )


@pytest.fixture
def on_digits(monkeypatch: pytest.MonkeyPatch) -> None:
    """The program reads scikit-learn's digits in MNIST's place."""
    load = data.load
    monkeypatch.setattr(data, "load", lambda source, split, data_dir: load("digits", split))


SMALL = ["--epochs", "1", "--limit", "60", "--only", "mlp-20", "pythae-10", "--nll-images", "5", "--nll-samples", "10"]


def test_one_command_trains_measures_and_writes_the_table(
    on_digits: None, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "bundles").mkdir()
    (tmp_path / "bundles" / "ours").symlink_to(ARTIFACTS / "mnist-tiny")
    arguments = [*SMALL, "--out", str(tmp_path / "out"), "--artifacts", str(tmp_path / "bundles")]
    assert program.main([*arguments, "--pythae", "/no/such/python"]) == 0
    results = json.loads((tmp_path / "out" / "results.json").read_text())
    ours, baseline, absent = results["rows"]
    assert [row["name"] for row in results["rows"]] == ["mnist-tiny", "mlp-20", "pythae-10"]
    assert ours["figures"]["nll"] < baseline["figures"]["nll"]
    assert ours["figures"]["nll_images"] == baseline["figures"]["nll_images"] == 5
    assert "No such file" in absent["reason"]
    page = (tmp_path / "out" / "tables.md").read_text()
    assert capsys.readouterr().out == page + "\n"
    assert f"{baseline['figures']['nll']:.2f}" in page
    assert "not run: pythae is not installed" in page
    monkeypatch.setattr(evaluate, "measure", None)  # nothing is measured twice
    assert program.main([*arguments, "--pythae", "/no/such/python"]) == 0
    assert json.loads((tmp_path / "out" / "results.json").read_text())["rows"] == results["rows"]


def test_what_is_not_the_whole_comparison_is_not_published() -> None:
    for part in (["--limit", "5"], ["--epochs", "1"], ["--only", "mlp-20"], ["--cpu-minutes", "9"]):
        with pytest.raises(SystemExit):
            program.main(["--publish", *part])
    assert program._options(["--publish"]).only == list(BY_NAME)


def test_the_page_holds_what_was_measured() -> None:
    folder = Path(program.__file__).parent
    page = (folder / "README.md").read_text()
    assert tables.dynamic(json.loads((folder / "dynamic.json").read_text())) in page
    assert tables.static(json.loads((folder / "results.json").read_text())) in page


def test_ours_are_the_bundles_that_model_the_images_of_the_baselines(tmp_path: Path) -> None:
    assert [vae.manifest.name for vae in program.comparable(ARTIFACTS)] == ["mnist", "mnist-large", "mnist-tiny"]
    for name in ("fashion", "mnist-labels"):
        (tmp_path / name).symlink_to(ARTIFACTS / name)
    with pytest.raises(InputError, match="holds no bundle of MNIST binarised"):
        program.comparable(tmp_path)


def test_what_is_to_be_published_is_not_measured_by_code_that_no_commit_holds(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    for module in (program, dynamic):
        monkeypatch.setattr(module, "commit", lambda: "a" * 40 + "-dirty")
    assert program.main(["--publish", "--out", str(tmp_path)]) == 1
    assert "commit first" in capsys.readouterr().err
    assert dynamic.main([str(ARTIFACTS / "mnist-tiny"), "--publish"]) == 1
    assert "commit first" in capsys.readouterr().err


def test_a_page_without_marks_is_left_alone() -> None:
    with pytest.raises(OutputError, match="should hold"):
        tables.insert("a page", "a table", tables.BASELINES)
    begin, end = "<!-- results: begin -->", "<!-- results: end -->"
    assert tables.insert(f"a\n{begin}\nold\n{end}\nb", "new", tables.BASELINES) == f"a\n{begin}\nnew\n{end}\nb"
    assert begin in (Path(program.__file__).with_name("README.md")).read_text()
