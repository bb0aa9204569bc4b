"""The classifier is made by one command, and is what TensorFlow computes."""

from pathlib import Path

import numpy as np
import pytest

from vae_edge.export import classifier
from vae_edge.runtime.evaluation.classifier import Classifier
from vae_edge.train import data


def test_the_command_makes_a_classifier(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    out = tmp_path / "classifier"
    classifier.main(["--data", "digits", "--epochs", "2", "--out", str(out)])
    assert {path.name for path in out.iterdir()} == {"classifier.onnx", "classifier.json", "CARD.md"}
    found = Classifier.load(out, provider="cpu")
    test = data.load("digits", "test")
    _, logits = found.run(data.binarise(test.images))
    accuracy = np.mean(logits.argmax(1) == test.labels)
    assert accuracy == pytest.approx(found.record.metrics["test_accuracy"])
    assert accuracy > 0.5
    assert f"{100 * accuracy:.2f} %" in (out / "CARD.md").read_text()
    assert f"test accuracy {100 * accuracy:.2f} %" in capsys.readouterr().out
