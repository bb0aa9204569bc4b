"""A run becomes a bundle, whole or not at all, and only where the runtime computes what TensorFlow does."""

import dataclasses
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from vae_edge.export import card, draft, folder, parity, replacing
from vae_edge.export.sources import run as runs
from vae_edge.export.sources.models import convert_model
from vae_edge.export.sources.run import export
from vae_edge.runtime import VAE
from vae_edge.runtime.bundle.manifest import parse
from vae_edge.runtime.errors import CheckFailed, InputError, OutputError, RunError
from vae_edge.runtime.probe import check
from vae_edge.train import data, mnist
from vae_edge.train.config import Config
from vae_edge.train.fit import fit, load
from vae_edge.train.run import Run


@pytest.fixture(scope="module")
def exported(run: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("bundles") / "small"
    export(run, out)
    return out


def snapshot(path: Path) -> dict[str, bytes]:
    return {file.name: file.read_bytes() for file in path.iterdir()}


def test_a_bundle_is_complete_and_says_what_it_is(exported: Path, run: Path) -> None:
    manifest = parse((exported / "manifest.json").read_bytes())
    assert {path.name for path in exported.iterdir()} == {
        "manifest.json", "encoder.onnx", "decoder.onnx", "probe.npz", "scores.npz", "CARD.md",
    }  # fmt: skip
    assert manifest.name == "small"
    assert (manifest.latent_size, manifest.event_shape, manifest.prior.family) == (4, (28, 28, 1), "normal")
    assert manifest.training.command == "vae-edge train --data digits"
    assert set(manifest.parity) == {"loc", "scale", "logits"}
    assert max(manifest.parity.values()) <= parity.TOLERANCE
    assert manifest.metrics["elbo"] == pytest.approx(manifest.metrics["reconstruction"] - manifest.metrics["kl"])
    scores, learned = manifest.scores, data.load("digits", "train")
    assert (scores.dataset, scores.dataset_sha256, scores.command) == ("digits", learned.sha256, "vae-edge export")
    assert (scores.events, scores.held_out) == (len(learned), len(data.load("digits", "validation")))
    card = (exported / "CARD.md").read_text()
    for text in (manifest.training.commit, manifest.training.command, f"{manifest.metrics['elbo']:.3f}"):
        assert text in card


def test_a_bundle_names_no_folder_of_the_machine(exported: Path, run: Path) -> None:
    config = Config(data="/home/me/my set.npz")
    command = "vae-edge train --data '/home/me/my set.npz'"
    record = dataclasses.replace(Run(run).record(), config=config, command=command)
    assert runs._training(record, 1).command == "vae-edge train --data 'my set.npz'"
    text = card.render(parse((exported / "manifest.json").read_bytes()), {"data": config.data_name})
    assert "- data: my set.npz\n" in text
    assert "/home" not in text


def test_the_runtime_runs_it(exported: Path) -> None:
    vae = VAE.load(exported, provider="cpu")
    images = data.binarise(data.load("digits", "test").images[:6])
    assert vae.reconstruct(images).shape == images.shape
    assert vae.generate(5, seed=1).shape == (5, 28, 28, 1)
    assert max(check(vae).values()) <= 1e-4


def test_tensorflows_elbo_is_the_runtimes(exported: Path, run: Path) -> None:
    from vae_edge.train.feed import Feed
    from vae_edge.train.learner import Learner

    images = data.binarise(data.load("digits", "test").images)
    model, record, _ = load(run)
    learner = Learner(model, Feed(record.config, data.load("digits", "train").images))
    theirs = learner.validate(images)
    ours = parse((exported / "manifest.json").read_bytes()).metrics
    assert ours["kl"] == pytest.approx(theirs["val_kl"], abs=1e-3)  # exact in both
    assert ours["elbo"] == pytest.approx(theirs["val_elbo"], rel=0.02)  # each by noise of its own


@pytest.mark.parametrize("options", [{"prior": "mixture", "components": 5}, {"objective": "ae"}, {"network": "mlp"}])
def test_every_kind_of_model_is_exported(tmp_path: Path, small: Config, options: dict[str, object]) -> None:
    run = fit(dataclasses.replace(small, epochs=1, **options), tmp_path / "run", verbose=0)  # type: ignore[arg-type]
    manifest = export(run, tmp_path / "bundle", opset=15)
    vae = VAE.load(tmp_path / "bundle", provider="cpu")
    assert manifest.encoder.opset == 15
    assert vae.reconstruct(np.zeros((2, 28, 28, 1), np.float32)).shape == (2, 28, 28, 1)
    if options.get("objective") == "ae":
        assert manifest.prior.family == "none"
        assert "elbo" not in manifest.metrics
        with pytest.raises(InputError, match="no prior"):
            vae.generate(1)
    if options.get("prior") == "mixture":
        model = load(run)[0]
        z = model.prior.sample(50, seed=(0, 0)).numpy()
        np.testing.assert_allclose(vae.prior.log_prob(z), model.prior.log_prob(z), rtol=1e-4)


def test_a_difference_above_the_tolerance_leaves_nothing(
    run: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    open_vae = draft.open_vae
    models = []

    def remember(path: Path) -> object:
        models.append(load(path)[0])
        return (models[-1], *load(path)[1:])

    def other_weights(*arguments: object) -> object:
        bias = models[-1].decoder.trainable_variables[-1]
        bias.assign(bias + 2e-3)
        return open_vae(*arguments)  # type: ignore[arg-type]

    monkeypatch.setattr(runs.fit, "load", remember)
    monkeypatch.setattr(draft, "open_vae", other_weights)
    with pytest.raises(CheckFailed, match=r"logits: the bundle and the model that it is made of differ by 0\.00"):
        export(run, tmp_path / "bundle")
    assert list(tmp_path.iterdir()) == []


def test_the_same_run_replaces_its_bundle(exported: Path, run: Path, tmp_path: Path) -> None:
    export(run, tmp_path / "small")
    before = snapshot(tmp_path / "small")
    export(run, tmp_path / "small")
    assert snapshot(tmp_path / "small") == before
    assert [path.name for path in tmp_path.iterdir()] == ["small"]


def test_another_runs_bundle_is_replaced_by_force_alone(run: Path, tmp_path: Path, small: Config) -> None:
    other = fit(dataclasses.replace(small, epochs=1, seed=5), tmp_path / "run", verbose=0)
    export(other, tmp_path / "bundle")
    before = snapshot(tmp_path / "bundle")
    with pytest.raises(OutputError, match="holds a bundle of another run; replace it with --force"):
        export(run, tmp_path / "bundle")
    assert snapshot(tmp_path / "bundle") == before
    export(run, tmp_path / "bundle", force=True)
    assert parse((tmp_path / "bundle" / "manifest.json").read_bytes()).training.seed == small.seed


def test_what_lies_beside_a_bundle_is_not_lost(exported: Path, run: Path, tmp_path: Path) -> None:
    shutil.copytree(exported, tmp_path / "small")
    (tmp_path / "small" / "notes.txt").write_text("mine")
    with pytest.raises(OutputError, match=r"holds notes\.txt beside a bundle"):
        export(run, tmp_path / "small")
    assert (tmp_path / "small" / "notes.txt").read_text() == "mine"


@pytest.mark.parametrize("force", [False, True])
def test_a_folder_that_is_no_bundle_is_never_replaced(run: Path, tmp_path: Path, force: bool) -> None:
    (tmp_path / "thesis.tex").write_text("years of work")
    with pytest.raises(OutputError, match="holds something that is not a bundle"):
        export(run, tmp_path, force=force)
    assert (tmp_path / "thesis.tex").read_text() == "years of work"


@pytest.mark.parametrize("beside", ["index.html", "src/main.js"])
def test_a_manifest_that_is_no_bundles_never_lets_force_replace_a_folder(
    run: Path, tmp_path: Path, beside: str
) -> None:
    (tmp_path / "manifest.json").write_text('{"start_url": "/"}')
    (tmp_path / beside).parent.mkdir(exist_ok=True)
    (tmp_path / beside).write_text("years of work")
    with pytest.raises(OutputError, match="holds something that is not a bundle"):
        export(run, tmp_path, force=True)
    assert (tmp_path / beside).read_text() == "years of work"


def test_a_damaged_bundle_is_replaced_by_force_alone(exported: Path, run: Path, tmp_path: Path) -> None:
    shutil.copytree(exported, tmp_path / "small")
    (tmp_path / "small" / "manifest.json").write_bytes(b"{")
    with pytest.raises(OutputError, match="holds something that is not a bundle"):
        export(run, tmp_path / "small")
    export(run, tmp_path / "small", force=True)
    assert snapshot(tmp_path / "small").keys() == snapshot(exported).keys() <= replacing.FILES


def test_a_run_is_measured_on_its_own_images_alone(run: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    read = data.read_for

    def others(*arguments: Any) -> data.Splits:
        splits = read(*arguments)
        return dataclasses.replace(splits, found=dataclasses.replace(splits.found, sha256="0" * 64))

    monkeypatch.setattr(data, "read_for", others)
    with pytest.raises(RunError, match="digits: the run has learned from other images"):
        export(run, tmp_path / "bundle", data="digits")
    assert list(tmp_path.iterdir()) == []
    assert export(run, tmp_path / "bundle").metrics == {}  # by the events that the run kept


def test_no_run_and_no_such_opset_are_named(run: Path, tmp_path: Path) -> None:
    with pytest.raises(RunError, match="no run lies here"):
        export(tmp_path, tmp_path / "bundle")
    with pytest.raises(InputError, match="opset should be"):
        export(run, tmp_path / "bundle", opset=99)
    assert list(tmp_path.iterdir()) == []


def test_what_fails_on_the_way_leaves_the_old_folder_whole(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    target = tmp_path / "bundle"
    target.mkdir()
    (target / "old").write_text("old")

    def fill() -> None:
        with folder.staged(target) as staging:
            (staging / "new").write_text("new")

    for module, step in ((folder.atomic, "sync"), (folder, "_exchange")):
        with monkeypatch.context() as patch:
            patch.setattr(module, step, lambda *_: (_ for _ in ()).throw(OSError(28, "No space left on device")))
            with pytest.raises(OutputError, match="No space left on device"):
                fill()
        assert snapshot(target) == {"old": b"old"}
        assert [path.name for path in tmp_path.iterdir()] == ["bundle"]
    fill()
    assert snapshot(target) == {"new": b"new"}


def test_what_a_dead_process_left_is_removed(tmp_path: Path) -> None:
    stale = tmp_path / ".bundle.staging.00c0ffee"
    stale.mkdir()
    with folder.staged(tmp_path / "bundle") as staging:
        (staging / "new").write_text("new")
    assert [path.name for path in tmp_path.iterdir()] == ["bundle"]


def test_a_runs_graphs_are_those_of_its_networks(exported: Path, run: Path) -> None:
    model = load(run)[0]
    networks = ("encoder", model.encoder, ("loc", "scale")), ("decoder", model.decoder, ("logits",))
    for name, network, outputs in networks:
        expected = convert_model(network, outputs).SerializeToString(deterministic=True)
        assert (exported / f"{name}.onnx").read_bytes() == expected


@pytest.mark.parametrize("likelihood", ["discretized_logistic", "categorical", "normal"])
def test_a_conditional_run_of_each_likelihood_is_exported(tmp_path: Path, small: Config, likelihood: str) -> None:
    config = dataclasses.replace(small, epochs=1, likelihood=likelihood, conditional=True)  # type: ignore[arg-type]
    manifest = export(fit(config, tmp_path / "run", verbose=0), tmp_path / "bundle")
    assert manifest.likelihood.family == likelihood
    assert manifest.event.threshold is None  # type: ignore[union-attr]
    assert manifest.training is not None
    assert manifest.training.binarize == "none"
    vae = VAE.load(tmp_path / "bundle", provider="cpu")
    assert vae.labels == mnist.DIGITS
    assert vae.generate(3, label="7", head="sample").shape == (3, 28, 28, 1)
    assert ("bits_per_dimension" in manifest.metrics) == (likelihood != "normal")
    assert "black" not in (tmp_path / "bundle" / "CARD.md").read_text()


def test_components_of_each_label_are_exported_as_they_are(tmp_path: Path, small: Config) -> None:
    config = dataclasses.replace(small, epochs=2, conditional=True, prior="mixture", components=100)
    run = fit(config, tmp_path / "run", verbose=0)
    export(run, tmp_path / "bundle")
    vae, (model, *_) = VAE.load(tmp_path / "bundle", provider="cpu"), load(run)
    z = np.random.default_rng(0).normal(size=(50, config.latent)).astype(np.float32)
    for k in (0, 9):
        prior = vae.prior_given(label=k)
        assert prior.weights.nonzero()[-1].tolist() == list(range(10 * k, 10 * k + 10))
        label = np.eye(10, dtype=np.float32)[np.full(50, k)]
        np.testing.assert_allclose(prior.log_prob(z), model.prior_given(label).log_prob(z), rtol=1e-4)
