"""The classifier that ships is the one its record describes, small, and over 99 % right."""

from __future__ import annotations

import os
import shutil
from pathlib import Path

import numpy as np
import pytest

from vae_edge.runtime import BundleNotFound, InputError, IntegrityError, ManifestError, UnsafeBundle
from vae_edge.runtime.evaluation import figures
from vae_edge.runtime.evaluation.classifier import BATCH_SIZE, FOLDER, RECORD, Classifier, parse, render


@pytest.fixture(scope="module")
def classifier() -> Classifier:
    return Classifier.load(provider="cpu")


@pytest.fixture
def copy(tmp_path: Path) -> Path:
    return Path(shutil.copytree(FOLDER, tmp_path / "classifier"))


def test_it_takes_digits_to_features_and_logits(classifier):
    images = (np.random.default_rng(0).random((300, 28, 28, 1)) > 0.5).astype(np.float32)
    features, logits = classifier.run(images)
    assert (features.shape, logits.shape) == ((300, 64), (300, 10))
    assert features.min() >= 0
    for whole, part in zip((features, logits), classifier.run(images[7:9]), strict=True):
        np.testing.assert_allclose(part, whole[7:9], rtol=1e-4, atol=1e-4)


def test_it_is_small_and_says_how_right_it_is(classifier):
    record = classifier.record
    assert record.graph.file.bytes <= 500_000
    assert record.metrics["test_accuracy"] > 0.99
    assert max(record.parity.values()) <= 1e-4
    assert parse(render(record)) == record
    assert render(record) == (FOLDER / RECORD).read_bytes()  # its bytes are the same everywhere
    assert (FOLDER / "CARD.md").is_file()


def test_it_knows_mnists_test_images(classifier):
    data = pytest.importorskip("vae_edge.train.data")
    beside = Path(__file__).parents[3] / "shared" / "data" / "mnist"
    folder = Path(os.environ.get("VAE_EDGE_DATA", beside))
    if not folder.is_dir():
        pytest.skip("MNIST's four files are not here (set VAE_EDGE_DATA to their folder)")
    test = data.load("mnist", "test", folder)
    _, logits = classifier.run(data.binarise(test.images[:2000]))
    assert np.mean(logits.argmax(axis=1) == test.labels[:2000]) > 0.985


def test_progress_is_told_of_each_batch(classifier):
    seen = []
    classifier.run(np.zeros((2 * BATCH_SIZE + 3, 28, 28, 1), np.float32), progress=seen.append)
    assert seen == [BATCH_SIZE, BATCH_SIZE, 3]


@pytest.mark.parametrize(("others", "n"), [(None, 9), (7, 7), (12, 9)])
def test_as_many_are_judged_as_there_are_of_the_fewer(classifier, others, n):
    images = np.random.default_rng(0).integers(0, 256, (12, 28, 28, 1), np.uint8)
    judge = figures.Judge(classifier, images[:9], None if others is None else images[:others])
    assert judge.n == n
    assert figures.Judge(classifier, images, images, n=8).n == 8
    assert bool(judge.floor) == (others is not None)
    with pytest.raises(InputError, match="judged by more than 5 real images, there are 5"):
        figures.Judge(classifier, images, images[:5])


@pytest.mark.parametrize("images", [np.zeros((2, 27, 28, 1)), np.zeros((0, 28, 28, 1)), np.zeros((28, 28))])
def test_images_of_another_shape_are_named(classifier, images):
    with pytest.raises(InputError, match=r"should have shape \(n, 28, 28, 1\)"):
        classifier.run(images.astype(np.float32))


def test_a_changed_graph_is_refused(copy):
    data = bytearray((copy / "classifier.onnx").read_bytes())
    data[-40] ^= 1
    (copy / "classifier.onnx").write_bytes(data)
    with pytest.raises(IntegrityError, match=r"classifier\.onnx should have"):
        Classifier.load(copy)


def test_a_graph_that_no_classifier_needs_is_refused(classifier):
    with pytest.raises(UnsafeBundle):
        Classifier(b"\x0a\x02hi", classifier.record)


@pytest.mark.parametrize(
    "change",
    [
        (b'"schema": 3', b'"schema": 4'),
        (b'"features"', b'"futures"'),
        (b"{", b"["),
        (b'"classifier.onnx"', b'"../classifier.onnx"'),
        (b'"classifier.onnx"', b'"\\u0000"'),  # which no system opens, by a ValueError
    ],
)
def test_another_record_is_refused(copy, change):
    record = copy / RECORD
    record.write_bytes(record.read_bytes().replace(*change, 1))
    with pytest.raises(ManifestError):
        Classifier.load(copy)


def test_a_folder_without_one_is_named(tmp_path):
    with pytest.raises(BundleNotFound, match="holds no classifier"):
        Classifier.load(tmp_path)


def test_obeyed_is_the_share_of_draws_taken_for_their_label(classifier):
    images = np.random.default_rng(0).random((12, 28, 28, 1)).astype(np.float32)
    judge = figures.Judge(classifier, (images * 255).astype(np.uint8), n=12)

    class Copier:
        def stream(self, n, *, head, seed):
            yield images[:n]

    taken = classifier.run(images)[1].argmax(axis=1)
    wrong = taken.copy()
    wrong[:3] = (wrong[:3] + 1) % 10
    assert judge.judge(Copier(), labels=taken)["obeyed"].value == 1
    assert judge.judge(Copier(), labels=wrong)["obeyed"].mode == 0.75
    assert "obeyed" not in judge.judge(Copier())
