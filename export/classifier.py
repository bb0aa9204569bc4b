"""The digit classifier's files: `python -m vae_edge.export.classifier` learns it and writes them again."""

from __future__ import annotations

import argparse
import dataclasses
import sys
from pathlib import Path

import keras
import numpy as np

from vae_edge.export import folder, graphs
from vae_edge.export.sources.models import convert_model
from vae_edge.runtime.bundle.manifest import Image, Training
from vae_edge.runtime.errors import CheckFailed
from vae_edge.runtime.evaluation import classifier as edge
from vae_edge.train import data
from vae_edge.train.classifier import FEATURES, SHIFT, learn
from vae_edge.train.provenance import commit, producer, versions

__all__ = ["main", "write"]

TOLERANCE = 1e-4


def write(
    model: keras.Model, out: Path, data_dir: Path | None, training: Training, metrics: dict[str, float]
) -> edge.Record:
    """Writes the classifier's graph, record and card to `out`, once ONNX Runtime computes what TensorFlow computes."""
    content, graph = graphs.describe(
        convert_model(model, ("features", "logits")), "classifier.onnx", {"image": "event"}
    )
    test = data.load(training.dataset, "test", data_dir)
    images = data.binarise(test.images)
    record = edge.Record(
        schema=edge.SCHEMA,
        producer=producer(),
        versions=versions("vae-edge", "tensorflow", "keras", "tf2onnx", "onnx", "onnxruntime", "numpy"),
        image=Image(28, 28, 1, 0.5),
        graph=graph,
        training=training,
        metrics=metrics,
        parity={},
    )
    found = edge.Classifier(content, record, provider="cpu").run(images)
    expected = model.predict(images, batch_size=500, verbose=0)
    parity = {
        name: float(np.abs(ours - theirs).max())
        for name, ours, theirs in zip(("features", "logits"), found, expected, strict=True)
    }
    if not max(parity.values()) <= TOLERANCE:
        raise CheckFailed(f"ONNX Runtime and TensorFlow differ by {max(parity.values()):.2g}, {TOLERANCE} is allowed")
    accuracy = float(np.mean(found[1].argmax(1) == test.labels))
    sealed = dataclasses.replace(record, parity=parity, metrics=metrics | {"test_accuracy": accuracy})
    with folder.staged(out) as staging:
        for name, text in (
            ("classifier.onnx", content),
            (edge.RECORD, edge.render(sealed)),
            ("CARD.md", _card(sealed).encode()),
        ):
            (staging / name).write_bytes(text)
    return sealed


def main(arguments: list[str] | None = None) -> None:
    """The command: learns, exports, and says how well it does."""
    parser = argparse.ArgumentParser(prog="python -m vae_edge.export.classifier", description=__doc__)
    parser.add_argument("--out", type=Path, default=edge.FOLDER, help="the folder to write (default: the shipped one)")
    parser.add_argument("--data-dir", type=Path, help="where MNIST's four files lie; else $VAE_EDGE_DATA, cache, net")
    parser.add_argument("--data", default="mnist", help="mnist or digits")
    parser.add_argument("--epochs", type=int, default=12)
    parser.add_argument("--seed", type=int, default=0)
    given = sys.argv[1:] if arguments is None else arguments
    options = parser.parse_args(given)
    made_by = commit()  # before hours of work, in which the checkout may change
    model, accuracy = learn(options.data, options.data_dir, options.epochs, options.seed)
    training = data.load(options.data, "train", options.data_dir)
    record = write(
        model,
        options.out,
        options.data_dir,
        Training(
            dataset=training.name,
            dataset_sha256=training.sha256,
            images=len(training),
            epochs=options.epochs,
            seed=options.seed,
            objective="cross-entropy",
            command=f"python -m vae_edge.export.classifier --epochs {options.epochs} --seed {options.seed}",
            commit=made_by,
        ),
        {"validation_accuracy": accuracy},
    )
    print(f"{options.out}: {record.graph.file.bytes:,} bytes, {_percent(record.metrics)}")  # noqa: T201


def _percent(metrics: dict[str, float]) -> str:
    return ", ".join(f"{name.replace('_', ' ')} {100 * value:.2f} %" for name, value in metrics.items())


def _card(record: edge.Record) -> str:
    training = record.training
    return f"""# The digit classifier of `vae-edge evaluate`

It takes a black-and-white digit (28, 28, 1) to {FEATURES} features and the logits of ten classes. `evaluate` holds
generated digits against real ones in these features. It is no bundle: it generates nothing.

| | |
|---|---|
| weights | {record.graph.parameters:,} |
| multiply-adds an image | {record.graph.multiply_adds:,} |
| bytes | {record.graph.file.bytes:,} |
| validation accuracy | {100 * record.metrics["validation_accuracy"]:.2f} % |
| test accuracy | {100 * record.metrics["test_accuracy"]:.2f} % |
| largest difference from TensorFlow | {max(record.parity.values()):.1e} |

Learned from {training.dataset}'s {training.images:,} training images (pixels divided by 255, then 1 where above 0.5,
else 0; moved by up to {SHIFT} pixels), {training.epochs} epochs. Choices were made on the validation split.

    {training.command}

at commit {training.commit}.

## Limits
It knows the ten digits alone, and is sure of itself on what is none. Its features say nothing of other pictures, and
figures made with another classifier, or with Inception's features, are not comparable with its own.
"""


if __name__ == "__main__":
    main()
