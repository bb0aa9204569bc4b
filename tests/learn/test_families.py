"""Each likelihood learns what it is for, with labels and without, and a run of it goes on exactly."""

import csv
import dataclasses
import json
import math
from pathlib import Path

import numpy as np
import pytest
import tensorflow as tf
import tensorflow_probability as tfp

from vae_edge.runtime.bundle.manifest import Condition, Image, Vector
from vae_edge.runtime.errors import InputError, RunError
from vae_edge.train import data, events
from vae_edge.train.config import Config
from vae_edge.train.fit import Keeper, fit, load
from vae_edge.train.likelihoods.outputs import PARAMETERS
from vae_edge.train.model import VariationalAutoencoder
from vae_edge.train.objective import importance_weighted, terms
from vae_edge.train.pictures import draw
from vae_edge.train.run import Run

tfd = tfp.distributions
SMALL = Config(latent=3, width=8, depth=1, epochs=3, batch=32, warmup=0.5, ema=0.9)


def patches(folder: Path, channels: int) -> Path:
    """Soft bumps of three kinds, one a class, where they lie and of which colour."""
    rng = np.random.default_rng(0)
    y = np.arange(360) % 3
    centre = np.array([[2, 2], [5, 5], [2, 6]])[y] + rng.normal(0, 0.3, (360, 2))
    grid = np.stack(np.meshgrid(np.arange(8), np.arange(9), indexing="ij"), -1)
    bumps = np.exp(-((grid - centre[:, None, None]) ** 2).sum(-1) / 6)[..., None]
    colour = np.array([[1, 0.4, 0.2], [0.3, 0.9, 0.5], [0.6, 0.2, 0.8]])[y][:, None, None, :channels]
    pixels = np.rint(255 * bumps * colour).astype(np.uint8)
    np.savez(folder / "bumps.npz", x_train=pixels[:300], y_train=y[:300], x_test=pixels[300:], y_test=y[300:])
    return folder / "bumps.npz"


def table(folder: Path) -> Path:
    """Two groups of rows in units of very different size, a constant column, and a column that says which group."""
    rng = np.random.default_rng(0)
    group = rng.integers(0, 2, 400)
    height, weight = rng.normal(1.6 + 0.2 * group, 0.05), rng.normal(60_000 + 25_000 * group, 3000)
    lines = [f"{h:.4f},{w:.1f},7,{'tall' if k else 'short'}" for h, w, k in zip(height, weight, group, strict=True)]
    (folder / "people.csv").write_text("height,weight,same,kind\n" + "\n".join(lines) + "\n")
    return folder / "people.csv"


def history(path: Path) -> list[dict[str, float]]:
    with (path / "history.csv").open() as stream:
        return [{key: float(value) for key, value in row.items()} for row in csv.DictReader(stream)]


IMAGES = ["curves", "reconstructions", "samples"]
GREY = [("discretized_logistic", 1), ("discretized_logistic", 3), ("normal", 1), ("normal", 3), ("categorical", 1)]


@pytest.mark.parametrize(("likelihood", "channels"), GREY)
@pytest.mark.parametrize("network", ["conv", "mlp"])
def test_grey_and_colour_images_are_learned(tmp_path: Path, likelihood: str, channels: int, network: str) -> None:
    config = dataclasses.replace(SMALL, data=str(patches(tmp_path, channels)), likelihood=likelihood, network=network)  # type: ignore[arg-type]
    run = fit(config, tmp_path / "run", verbose=0)
    rows = history(run)
    assert rows[-1]["val_elbo"] > rows[0]["val_elbo"] + 1
    model, record, _ = load(run)
    assert record.event == Image(8, 9, channels, None)
    assert (record.labels, record.condition) == ((), None)
    x = events.as_input(record.event, data.load(config.data, "test").images)
    assert np.array_equal(np.rint(x * 255), data.load(config.data, "test").images)
    p = model.decode(model.encode(x).mean())
    assert (p.batch_shape, p.event_shape) == ((60,), (8, 9, channels))
    assert model.parameters == PARAMETERS[likelihood]
    for head in (p.sample(seed=(0, 0)), p.mean(), p.mode()):
        assert head.shape == x.shape
    if likelihood != "normal":
        assert np.all(p.log_prob(x) < 0)
        assert np.allclose(np.rint(p.sample(seed=(0, 0)) * 255), p.sample(seed=(0, 0)) * 255, atol=1e-3)


def test_without_a_likelihood_photographs_keep_their_levels(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    run = fit(dataclasses.replace(SMALL, data=str(patches(tmp_path, 3)), epochs=1), tmp_path / "run", verbose=2)
    out, err = capsys.readouterr()
    assert "likelihood discretized_logistic: bumps.npz is in colour" in err
    (row,) = history(run)
    bits = -row["val_elbo"] / (math.log(2) * 8 * 9 * 3)
    assert f"({bits:.3f} bits/dim)" in out
    assert "val_bits_per_dim" not in row
    assert Run(run).record().config.likelihood == "discretized_logistic"


def test_a_table_is_learned_in_its_own_units(tmp_path: Path) -> None:
    config = dataclasses.replace(SMALL, data=str(table(tmp_path)), label_column="kind", width=32, epochs=30)
    said: list[str] = []
    run = fit(config, tmp_path / "run", verbose=0, say=said.append)
    assert said[0] == "people.csv: 314 rows to learn from, 29 to validate"
    assert said[1] == "likelihood normal, network mlp: people.csv is a table of 3 columns"
    assert all(line.startswith("overfitting: ") and "--shift" not in line for line in said[2:])
    rows = history(run)
    assert rows[-1]["val_elbo"] > rows[0]["val_elbo"]
    model, record, _ = load(run)
    event = record.event
    assert isinstance(event, Vector)
    assert event.names == ("height", "weight", "same")
    # The figures are of densities in the table's own units, as the runtime's are.
    validation = data.load_for(record.config, "validation")
    x = events.as_input(event, validation.events)
    loc, scale = (output.numpy().astype(float) for output in model.decoder(model.encoder(x)[0]))
    shift, unit = np.array(event.shift), np.array(event.scale)
    own = tfd.Normal(loc * unit + shift, scale * unit).log_prob(validation.events).numpy().sum(-1)
    assert rows[-1]["val_reconstruction"] == pytest.approx(own.mean(), abs=1.5)  # by draws of z, these by its mean
    drawn = model.decode(model.prior.sample(2000, seed=(0, 0))).sample(seed=(0, 1)).numpy() * unit + shift
    everything = data.load_for(record.config, "all").events
    np.testing.assert_allclose(drawn.mean(0), everything.mean(0), rtol=0.05)
    np.testing.assert_allclose(drawn.std(0)[:2], everything.std(0)[:2], rtol=0.25)


@pytest.mark.parametrize("network", ["conv", "mlp"])
def test_a_conditional_model_generates_what_the_label_asks_for(tmp_path: Path, network: str) -> None:
    options = {"network": network, "conditional": True, "prior": "mixture", "components": 5, "epochs": 40, "width": 32}
    config = dataclasses.replace(SMALL, data=str(patches(tmp_path, 1)), **options)  # type: ignore[arg-type]
    model, record, best = load(fit(config, tmp_path / "labels", verbose=0))
    assert record.condition == Condition("one_hot", 3, ("0", "1", "2"))
    assert [tuple(tensor.shape[1:]) for tensor in model.encoder.inputs] == [(8, 9, 1), (3,)]
    assert [tuple(tensor.shape[1:]) for tensor in model.decoder.inputs] == [(3,), (3,)]
    training = data.load(config.data)
    pixels = training.images / 255
    means = np.stack([pixels[training.labels == k].mean(0) for k in range(3)])
    for k in range(3):
        label = np.repeat(np.eye(3, dtype=np.float32)[k : k + 1], 50, 0)
        z = model.prior_given(label).sample(seed=(0, 0))
        generated = model.decode(z, label).mean().numpy().mean(0)
        distances = [np.abs(generated - mean).mean() for mean in means]
        assert int(np.argmin(distances)) == k
        assert distances[k] < 0.5 * sorted(distances)[1], distances
    plain = load(fit(dataclasses.replace(config, conditional=False), tmp_path / "plain", verbose=0))[2]
    assert best["val_kl"] < plain["val_kl"]  # the label is not told twice


@pytest.mark.parametrize(
    "options",
    [
        {"objective": "iwae", "samples": 3, "prior": "mixture", "components": 2},
        {"objective": "beta", "beta": 2.0, "prior": "mixture", "components": 2},
        {"objective": "ae"},
        {"shift": 1, "free_bits": 0.1, "jit": True},
        {"network": "separable", "encoder_network": "mlp"},
    ],
)
def test_every_objective_and_prior_takes_labels_and_colour(tmp_path: Path, options: dict[str, object]) -> None:
    config = dataclasses.replace(SMALL, data=str(patches(tmp_path, 3)), conditional=True, **options)  # type: ignore[arg-type]
    rows = history(fit(config, tmp_path / "run", verbose=0))
    assert rows[-1]["val_reconstruction"] > rows[0]["val_reconstruction"]


def test_importance_weights_take_each_draw_with_its_own_label() -> None:
    model = VariationalAutoencoder(dataclasses.replace(SMALL, likelihood="normal"), (5,), labels=2)
    x = tf.random.stateless_normal((4, 5), (0, 0))
    label, seed = tf.one_hot([0, 1, 1, 0], 2), tf.constant([3, 4])
    bound, found = importance_weighted(model, x, seed, 1, label=label)
    np.testing.assert_allclose(bound, found.reconstruction - found.kl, rtol=1e-5)
    q = model.encode(x, label)
    z = q.distribution.loc + q.distribution.scale * tf.random.stateless_normal((1, 4, 3), seed)[0]
    np.testing.assert_allclose(found.reconstruction, model.decode(z, label).log_prob(x), rtol=1e-5)
    other = importance_weighted(model, x, seed, 1, label=1 - label)[0]
    assert not np.allclose(bound, other)


def test_a_label_is_given_where_one_is_taken_and_nowhere_else() -> None:
    plain = VariationalAutoencoder(dataclasses.replace(SMALL, likelihood="normal"), (5,))
    conditional = VariationalAutoencoder(dataclasses.replace(SMALL, likelihood="normal"), (5,), labels=2)
    x, label = tf.zeros((1, 5)), tf.one_hot([0], 2)
    with pytest.raises(InputError, match="expected no labels: the model is unconditional"):
        plain.encode(x, label)
    with pytest.raises(InputError, match=r"expected one-hot labels \(B, 2\), came none"):
        terms(conditional, x, tf.constant([0, 0]))


@pytest.mark.parametrize(
    ("options", "shape", "message"),
    [
        ({}, (8, 8, 1), "it is 'auto'; vae_edge.train.choice.resolve takes it from the data"),
        ({"likelihood": "bernoulli"}, (5,), "likelihood should be normal, as the events are rows of a table"),
        ({"likelihood": "normal", "network": "conv"}, (5,), "network should be mlp for the rows of a table"),
    ],
)
def test_what_no_network_can_be_made_of_is_named(options: dict[str, str], shape: tuple[int, ...], message: str) -> None:
    with pytest.raises(InputError, match=message):
        VariationalAutoencoder(dataclasses.replace(SMALL, **options), shape)  # type: ignore[arg-type]


class Cut(Exception):
    """Stands for whatever ends a process."""


@pytest.mark.parametrize("kind", ["colour", "table"])
def test_a_run_with_labels_that_was_cut_off_ends_as_if_it_had_not(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, kind: str
) -> None:
    rich = {"conditional": True, "prior": "mixture", "components": 2, "clip": 10.0}
    path = patches(tmp_path, 3) if kind == "colour" else table(tmp_path)
    rich |= {"shift": 1} if kind == "colour" else {"label_column": "kind"}
    config = dataclasses.replace(SMALL, data=str(path), **rich)  # type: ignore[arg-type]

    def cut(self: Keeper, *_: object, **__: object) -> None:
        if self.epoch == 1:
            raise Cut

    with monkeypatch.context() as patch:
        patch.setattr(Keeper, "on_train_batch_end", cut, raising=False)
        with pytest.raises(Cut):
            fit(config, tmp_path / "cut", verbose=0)
    fit(config, tmp_path / "cut", resume=True, verbose=0)
    fit(config, tmp_path / "whole", verbose=0)
    for name in ("best", "checkpoint"):
        one, two = (Run(tmp_path / folder).load(name) for folder in ("cut", "whole"))
        assert one is not None
        assert two is not None
        assert one[1] == two[1]
        assert all(np.array_equal(a, b) for a, b in zip(one[0], two[0], strict=True))
    assert (tmp_path / "cut" / "history.csv").read_bytes() == (tmp_path / "whole" / "history.csv").read_bytes()


def test_a_run_is_resumed_with_its_own_labels_alone(tmp_path: Path) -> None:
    path = table(tmp_path)
    config = dataclasses.replace(SMALL, data=str(path), label_column="kind", conditional=True, epochs=1)
    run = fit(config, tmp_path / "run", verbose=0)
    path.write_text(path.read_text().replace("tall", "upright"))
    with pytest.raises(RunError, match=r"has learned the labels short, tall, here they are short, upright"):
        fit(config, run, resume=True, verbose=0)


def test_a_conditional_run_starts_from_a_run_of_the_same_labels_alone(tmp_path: Path) -> None:
    path = table(tmp_path)
    config = dataclasses.replace(SMALL, data=str(path), label_column="kind", conditional=True, epochs=1)
    run = fit(config, tmp_path / "run", verbose=0)
    fit(config, tmp_path / "again", start=run, verbose=0)
    path.write_text(path.read_text().replace("tall", "a"))
    with pytest.raises(RunError, match="has the labels short, tall, this one has a, short"):
        fit(config, tmp_path / "other", start=run, verbose=0)


def test_a_run_of_release_0_1_is_a_bernoullis(run: Path, tmp_path: Path, small: Config) -> None:
    tree = json.loads((run / "run.json").read_text())
    event = tree.pop("event")
    tree["image_shape"] = [event["height"], event["width"], event["channels"]]
    del tree["labels"]
    for name in ("likelihood", "conditional", "label_column"):
        del tree["config"][name]
    for path in run.glob("*.*"):
        (tmp_path / path.name).write_bytes(path.read_bytes())
    (tmp_path / "run.json").write_text(json.dumps(tree))
    assert Run(tmp_path).record() == Run(run).record()
    model, record, _ = load(tmp_path)
    assert record.event == Image(28, 28, 1, 0.5)
    assert isinstance(model.decode(tf.zeros((1, 4))).distribution, tfd.Bernoulli)
    fit(small, tmp_path, resume=True, verbose=0)


@pytest.mark.parametrize(
    ("make", "options", "names"),
    [
        (lambda folder: patches(folder, 3), {}, IMAGES),
        (lambda folder: patches(folder, 1), {"conditional": True}, IMAGES),
        (lambda folder: patches(folder, 1), {"likelihood": "categorical"}, IMAGES),
        (lambda folder: patches(folder, 3), {"latent": 2}, [*IMAGES, "manifold", "posteriors"]),
        (table, {"label_column": "kind", "conditional": True, "latent": 2}, ["curves", "columns", "posteriors"]),
        (table, {"label_column": "kind", "objective": "ae"}, ["curves"]),
    ],
    ids=["colour", "conditional", "categorical", "plane", "table", "table of an autoencoder"],
)  # fmt: skip
def test_each_kind_of_run_gets_its_pictures(tmp_path: Path, make, options, names) -> None:  # type: ignore[no-untyped-def]
    config = dataclasses.replace(SMALL, data=str(make(tmp_path)), epochs=1, **options)
    files = draw(fit(config, tmp_path / "run", verbose=0))
    assert [file.stem for file in files] == names
    assert all(file.stat().st_size > 2000 for file in files)
