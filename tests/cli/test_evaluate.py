"""`evaluate` tells all that it measured, of one bundle or of several, and writes it only where it belongs."""

from __future__ import annotations

import dataclasses
import hashlib
import json
import re
import shutil
from pathlib import Path

import numpy as np
import pytest

from vae_edge.cli.progress import Progress
from vae_edge.runtime import OutputError
from vae_edge.runtime.bundle import read
from vae_edge.runtime.bundle.manifest import Spec, render, seal

SHAPE = (6, 4, 1)


@pytest.fixture
def arguments(folder):
    data = np.random.default_rng(0).integers(0, 256, (70, *SHAPE), np.uint8)
    np.savez("data.npz", x_train=data, x_test=data[:30])
    return ["--data", "data.npz", "--samples", 4]


@pytest.fixture
def trained(tiny, make_bundle, arguments):
    """The tiny bundle, trained on this data by its own word, with a card."""
    from vae_edge.train.data import load

    training = dataclasses.replace(read(tiny).manifest.training, dataset_sha256=load("data.npz").sha256)
    path = make_bundle(training=training)
    (path / "CARD.md").write_text("# tiny\n\n## Figures\nold\n\n## Limits\nmany\n")
    return path


@pytest.fixture
def noise(folder, monkeypatch):
    """`mnist-tiny`, by its own word trained on the noise in `noise.npz`, which passes for MNIST: samples are judged."""
    from vae_edge.train import mnist
    from vae_edge.train.data import load

    monkeypatch.setattr(mnist, "name_of", lambda images: "mnist")
    data = np.random.default_rng(0).integers(0, 256, (100, 28, 28, 1), np.uint8)
    np.savez("noise.npz", x_train=data[:60], x_test=data[60:])
    shipped = read("mnist-tiny")
    path = Path(shutil.copytree(shipped.folder, "noise"))
    training = dataclasses.replace(shipped.manifest.training, dataset_sha256=load("noise.npz").sha256)
    said = seal(dataclasses.replace(shipped.manifest, metrics={}, training=training))
    (path / "manifest.json").write_bytes(render(said))
    return path


def snapshot(path):
    return {file.name: hashlib.sha256(file.read_bytes()).hexdigest() for file in path.iterdir()}


def test_one_bundles_figures_are_a_line_each(vae_edge, tiny, arguments):
    text = vae_edge("evaluate", tiny, *arguments).stdout
    told = json.loads(vae_edge("evaluate", tiny, *arguments, "--json").stdout)
    for name in ("nll", "elbo", "kl", "cross_entropy"):
        assert f"{told[name]['mean']:.3f} +- {told[name]['standard_error']:.3f}" in text
    assert f"{100 * told['wrong_pixels']['mean']:.3f} +-" in text
    assert told["active_units"] == 3
    assert told["cost"]["parameters"] > 0
    assert set(told["cost"]) == {"decoder_multiply_adds", "parameters", "bytes", "microseconds"}


def test_samples_are_left_out_where_the_classifier_does_not_know_the_images(vae_edge, tiny, arguments):
    note = "no figures of samples: the classifier knows digits of 28x28x1, these images are 6x4x1"
    assert note in vae_edge("evaluate", tiny, *arguments).stdout
    told = json.loads(vae_edge("evaluate", tiny, *arguments, "--json").stdout)
    assert told["notes"] == [note]
    assert told["generated"] == 0
    assert "frechet" not in told
    quiet = json.loads(vae_edge("evaluate", tiny, *arguments, "--generated", 0, "--json").stdout)
    assert quiet["notes"] == []


def test_the_classifier_runs_as_the_bundles_do(vae_edge, tiny, arguments, built):
    options = ["--provider", "cpu", "--provider-option", "use_arena=0", "--threads", 1]
    assert vae_edge("evaluate", tiny, *arguments, *options).exit_code == 0
    assert ("classifier", {"use_arena": "0"}, 1) in built


def test_several_bundles_stand_side_by_side(vae_edge, tiny, make_bundle, arguments):
    other = make_bundle(name="other", folder="other")
    points = make_bundle(name="points", folder="points", prior=Spec("none", (3,)))
    told = json.loads(vae_edge("evaluate", tiny, other, points, *arguments, "--json").stdout)
    assert [each["bundle"] for each in told["bundles"]] == ["tiny", "other", "points"]
    first, second, third = told["bundles"]
    assert first["nll"] == second["nll"]
    assert "nll" not in third
    assert "points is an autoencoder: it has neither likelihood nor samples" in told["notes"]
    done = vae_edge("evaluate", tiny, other, points, *arguments)
    rows = [line.split() for line in done.stdout.splitlines()]
    for name in ("tiny", "other"):
        assert sum(row[:1] == [name] for row in rows) == 2
    header = next(line for line in done.stdout.splitlines() if line.startswith("bundle"))
    for column in ("decoder MACs", "parameters", "bytes", "us/image", "nll (K=4)"):
        assert column in header
    assert f"{first['nll']['mean']:.3f} +- {first['nll']['standard_error']:.3f}" in done.stdout
    assert max(map(len, done.stdout.splitlines()[1:])) <= 120


def test_write_puts_the_figures_into_the_manifest_and_the_card(vae_edge, trained, arguments):
    done = vae_edge("evaluate", trained, *arguments, "--write")
    assert done.exit_code == 0, done.output
    assert f"the figures stand in {trained}" in done.stdout
    metrics = read(trained).manifest.metrics
    assert metrics["nll_samples"] == 4
    card = (trained / "CARD.md").read_text()
    assert f"K = 4 | {metrics['nll']:.3f} nats +- {metrics['nll_standard_error']:.3f} nats" in card
    assert card.startswith("# tiny\n")
    assert "old" not in card
    assert card.endswith("## Limits\nmany\n")
    assert vae_edge("verify", trained).exit_code == 0


def test_figures_of_samples_say_of_how_many_they_are(vae_edge, noise):
    arguments = ["evaluate", noise, "--data", "noise.npz", "--samples", 2, "--generated", 30]
    done = vae_edge(*arguments, "--write")
    assert done.exit_code == 0, done.output
    assert "samples (N = 30)" in done.stdout
    assert read(noise).manifest.metrics["generated_samples"] == 30
    assert re.search(r"\| generated .*\| 30 \|", (noise / "CARD.md").read_text())
    assert "bundle, 30 samples  " in vae_edge(*arguments, noise).stdout


def test_samples_are_drawn_at_the_temperature_and_nothing_else_is(vae_edge, noise):
    found = [
        json.loads(vae_edge("evaluate", noise, "--data", "noise.npz", "--samples", 2, "--generated", 30, "--json",
                            "--temperature", each).stdout) for each in (1, 0.1)
    ]  # fmt: skip
    assert [each["temperature"] for each in found] == [1, 0.1]
    assert found[0]["frechet"] != found[1]["frechet"]
    for name in ("elbo", "nll", "wrong_pixels"):
        assert found[0][name] == found[1][name]


def test_figures_at_a_temperature_are_not_written(vae_edge, noise, one_line):
    before = snapshot(noise)
    done = vae_edge("evaluate", noise, "--data", "noise.npz", "--samples", 0, "--temperature", 0.9, "--write")
    assert done.exit_code == 1
    assert "--write is for draws of the model itself: leave --temperature out" in one_line(done.stderr)
    assert snapshot(noise) == before


def test_own_data_are_no_digits_whatever_their_name(vae_edge, noise, monkeypatch):
    from vae_edge.train import mnist

    monkeypatch.setattr(mnist, "name_of", lambda images: "")
    (noise.parent / "mnist").mkdir()
    for name in mnist.MNIST.files:
        shape = (20, 28, 28) if "images" in name else (20,)
        header = bytes([0, 0, 8, len(shape)]) + b"".join(size.to_bytes(4, "big") for size in shape)
        (noise.parent / "mnist" / name).write_bytes(header + bytes(range(100, 120)) * (784 if len(shape) == 3 else 1))
    done = vae_edge("evaluate", noise, "--data", "./mnist", "--samples", 0)
    assert done.exit_code == 0, done.output
    assert (
        "no figures of samples: the classifier knows digits, these images are neither mnist nor digits" in done.stdout
    )
    assert "frechet" not in done.stdout.lower()


def test_progress_is_told_of_all_that_takes_long(vae_edge, noise, monkeypatch):
    shown = []

    class Noted(Progress):
        def __exit__(self, *_):
            shown.append((self.what, self.done, self.total))

    monkeypatch.setattr("vae_edge.cli.reports.measuring.Progress", Noted)
    assert vae_edge("evaluate", noise, "--data", "noise.npz", "--samples", 3, "--generated", 30).exit_code == 0
    counts = {"real images": 60, "likelihood": 160, "reconstruction": 40, "samples": 60}
    assert shown == [(what, count, count) for what, count in counts.items()]


def test_figures_of_few_samples_are_not_written_where_there_are_more(vae_edge, trained, folder, one_line):
    np.savez("many.npz", x_train=np.zeros((12, *SHAPE), np.uint8), x_test=np.zeros((10_000, *SHAPE), np.uint8))
    before = snapshot(trained)
    done = vae_edge("evaluate", trained, "--data", "many.npz", "--generated", 500, "--write")
    assert done.exit_code == 2
    assert "expected 10,000 or more beside --write, or 0 for no figures of samples, got 500" in one_line(done.stderr)
    assert snapshot(trained) == before


@pytest.mark.parametrize("extra", [["--limit", 5], ["--split", "train"], ["--split", "all"]])
def test_figures_of_other_images_are_not_written(vae_edge, trained, arguments, extra, one_line):
    before = snapshot(trained)
    done = vae_edge("evaluate", trained, *arguments, *extra, "--write")
    assert done.exit_code == 1
    assert "--write is for figures of the whole test split" in one_line(done.stderr)
    assert snapshot(trained) == before


def test_images_can_be_drawn_instead_of_thresholded(vae_edge, trained, arguments):
    static, dynamic = (
        json.loads(vae_edge("evaluate", trained, *arguments, "--json", *extra).stdout)
        for extra in ([], ["--binarize", "dynamic"])
    )
    assert (static["binarize"], dynamic["binarize"]) == ("static", "dynamic")
    assert static["elbo"] != dynamic["elbo"]


@pytest.mark.parametrize(
    ("command", "how"),
    [
        ("vae-edge train --data data.npz", "shuffled"),
        ("vae-edge train --validation last --data data.npz", "last"),
        ("vae-edge train --validation last --out RUN && vae-edge train --out RUN --resume --epochs 9", "last"),
        ("vae-edge train --validation last --out START1 && vae-edge train --start START1", "shuffled"),
        ("not 'ours", "shuffled"),
    ],
)
def test_the_validation_split_is_the_one_of_the_training(vae_edge, trained, make_bundle, arguments, command, how):
    training = dataclasses.replace(read(trained).manifest.training, command=command)
    path = make_bundle(folder="validated", training=training)
    own, asked, other = (
        json.loads(vae_edge("evaluate", path, *arguments, "--split", "validation", "--json", *extra).stdout)["elbo"]
        for extra in ([], ["--validation", how], ["--validation", {"shuffled": "last", "last": "shuffled"}[how]])
    )
    assert own == asked
    assert own != other


def test_a_validation_split_that_there_is_not_is_refused(vae_edge, tiny, folder, one_line):
    np.save("whole.npy", np.zeros((70, *SHAPE), np.uint8))
    done = vae_edge("evaluate", tiny, "--data", "whole.npy", "--split", "validation", "--validation", "last")
    assert done.exit_code == 1
    assert "whole.npy: has no test split of its own" in one_line(done.stderr)


def test_figures_of_images_that_were_drawn_otherwise_are_not_written(vae_edge, trained, arguments, one_line):
    before = snapshot(trained)
    done = vae_edge("evaluate", trained, *arguments, "--binarize", "dynamic", "--write")
    assert done.exit_code == 1
    assert "has learned from images binarized static, these are dynamic" in one_line(done.stderr)
    assert snapshot(trained) == before


def test_figures_of_another_data_set_are_not_written(vae_edge, make_bundle, arguments, one_line):
    path = make_bundle()
    before = snapshot(path)
    done = vae_edge("evaluate", path, *arguments, "--write")
    assert done.exit_code == 1
    assert "was trained on" in one_line(done.stderr)
    assert snapshot(path) == before


def test_a_bundle_that_changed_meanwhile_is_left_alone(trained):
    from vae_edge.export import figures
    from vae_edge.runtime import IntegrityError

    before = snapshot(trained)
    with pytest.raises(IntegrityError, match="another bundle than the one that was measured"):
        figures.write(trained, {"nll": 1.0}, "0" * 64)
    assert snapshot(trained) == before
    assert not list(trained.parent.glob(".*"))


def test_figures_that_cannot_be_written_are_shown_all_the_same(vae_edge, trained, arguments, monkeypatch):
    from vae_edge.export import figures

    def full(*_: object) -> None:
        raise OutputError("no space left")

    monkeypatch.setattr(figures, "write", full)
    done = vae_edge("evaluate", trained, *arguments, "--write")
    assert done.exit_code == 1
    assert "nll" in done.stderr
    assert "no space left" in done.stderr.splitlines()[-1]


def test_bundles_of_different_data_want_to_be_told_which(vae_edge, tiny, make_bundle, arguments, one_line):
    training = dataclasses.replace(read(tiny).manifest.training, dataset="elsewhere")
    done = vae_edge("evaluate", tiny, make_bundle(training=training))
    assert done.exit_code == 1
    assert "say with --data on what to compare them" in one_line(done.stderr)


def test_a_data_set_is_known_by_its_images_and_not_by_its_name(vae_edge, tiny, make_bundle, one_line):
    pytest.importorskip("sklearn", reason="scikit-learn brings the digits")
    training = dataclasses.replace(read(tiny).manifest.training, dataset="digits", dataset_sha256="0" * 64)
    done = vae_edge("evaluate", make_bundle(training=training))
    assert done.exit_code == 1
    told = "'tiny' was trained on another 'digits' than the one that is found by that name: name its data by --data"
    assert told in one_line(done.stderr)


def test_a_data_set_that_is_not_found_by_its_name_is_asked_for(vae_edge, trained, arguments, folder, one_line):
    done = vae_edge("evaluate", trained)
    assert done.exit_code == 1
    assert "'tiny' was trained on 'none': name its data by --data" in one_line(done.stderr)
    training = dataclasses.replace(read(trained).manifest.training, dataset="data.npz")
    sealed = seal(dataclasses.replace(read(trained).manifest, training=training))
    (trained / "manifest.json").write_bytes(render(sealed))
    found, named = (vae_edge("evaluate", trained, *extra, "--json") for extra in (arguments[2:], arguments))
    assert json.loads(found.stdout)["nll"] == json.loads(named.stdout)["nll"]


def test_it_runs_and_writes_where_tensorflow_cannot_be_imported(process, trained, arguments, folder):
    absent = "for name in ('tensorflow', 'keras', 'tensorflow_probability', 'onnx'): sys.modules[name] = None"
    done = process("evaluate", trained, *arguments, "--write", before=absent, cwd=folder)
    assert done.returncode == 0, done.stderr
    assert "nll" in read(trained).manifest.metrics
