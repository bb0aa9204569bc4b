"""The digit classifier that `evaluate` looks at samples with: `python -m vae_edge.train.classifier` makes it again.

A small convolutional network on binarised MNIST. Its penultimate layer is the space in which generated digits are held
against real ones; its outputs say of which class they are, and how surely.
"""

from __future__ import annotations

import argparse
import dataclasses
import sys
from pathlib import Path
from typing import Any

import keras
import numpy as np
import numpy.typing as npt
import tensorflow as tf
from keras import layers

from vae_edge.runtime.bundle.manifest import Image, Training
from vae_edge.runtime.errors import CheckFailed
from vae_edge.runtime.evaluation import classifier as edge
from vae_edge.train import data
from vae_edge.train.run import commit, versions

__all__ = ["export", "learn", "main", "network"]

CLASSES = 10
FEATURES = 64
BATCH = 128
LEARNING_RATE = 3e-3
SHIFT = 2  # pixels; MNIST's digits are centred by mass, generated ones may not be
TOLERANCE = 1e-4

Array = npt.NDArray[np.float32]


def network() -> keras.Model:
    """image (B, 28, 28, 1) in {0, 1} -> features (B, 64) >= 0, and the logits of ten classes (B, 10) made of them."""
    image = keras.Input((28, 28, 1), name="image")
    x = layers.Conv2D(24, 5, strides=2, padding="same", activation="relu")(image)
    x = layers.Conv2D(32, 3, padding="same", activation="relu")(x)
    x = layers.Conv2D(48, 3, strides=2, padding="same", activation="relu")(x)
    x = layers.Conv2D(64, 3, activation="relu")(x)
    x = layers.Dropout(0.2)(layers.Flatten()(layers.MaxPooling2D(2, padding="same")(x)))
    features = layers.Dense(FEATURES, activation="relu")(x)
    return keras.Model(image, [features, layers.Dense(CLASSES)(features)], name="classifier")


def learn(source: str, data_dir: Path | None, epochs: int, seed: int, verbose: int = 2) -> tuple[keras.Model, float]:
    """The network after `epochs` of cross-entropy with shifted images, and its accuracy on the validation split."""
    training, validation = (data.load(source, split, data_dir) for split in ("train", "validation"))
    keras.utils.set_random_seed(seed)
    model = network()
    logits = keras.Model(model.inputs, model.outputs[1])
    steps = len(training) // BATCH
    schedule = keras.optimizers.schedules.CosineDecay(LEARNING_RATE, epochs * steps)
    logits.compile(
        keras.optimizers.AdamW(schedule, weight_decay=1e-3),
        keras.losses.SparseCategoricalCrossentropy(from_logits=True),
        metrics=["accuracy"],
    )
    held_out = (data.binarise(validation.images), validation.labels)
    logits.fit(
        _shifted(data.binarise(training.images), training.labels, seed),
        epochs=epochs,
        steps_per_epoch=steps,
        shuffle=False,  # the batches are
        validation_data=held_out,
        validation_batch_size=500,
        verbose=verbose,
    )
    return model, float(logits.evaluate(*held_out, batch_size=500, verbose=0)[1])


def export(
    model: keras.Model, out: Path, data_dir: Path | None, training: Training, metrics: dict[str, float]
) -> edge.Record:
    """Writes the classifier's graph, record and card to `out`, once ONNX Runtime computes what TensorFlow computes."""
    from vae_edge.export import folder, graphs
    from vae_edge.export.sources.models import convert_model

    content, graph = graphs.describe(
        convert_model(model, ("features", "logits")), "classifier.onnx", {"image": "event"}
    )
    test = data.load(training.dataset, "test", data_dir)
    images = data.binarise(test.images)
    record = edge.Record(
        schema=edge.SCHEMA,
        producer=f"vae-edge {commit()}",
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
    parser = argparse.ArgumentParser(prog="python -m vae_edge.train.classifier", description=__doc__)
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
    record = export(
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
            command=f"python -m vae_edge.train.classifier --epochs {options.epochs} --seed {options.seed}",
            commit=made_by,
        ),
        {"validation_accuracy": accuracy},
    )
    print(f"{options.out}: {record.graph.file.bytes:,} bytes, {_percent(record.metrics)}")  # noqa: T201


def _shifted(images: Array, labels: Any, seed: int) -> tf.data.Dataset:
    """Batches without end, in a new order each pass; each image moved by up to SHIFT pixels along both sides."""
    size = images.shape[1:]
    padded = np.pad(images.astype(np.uint8), ((0, 0), (SHIFT, SHIFT), (SHIFT, SHIFT), (0, 0)))

    def move(index: tf.Tensor, pair: tuple[tf.Tensor, tf.Tensor]) -> tuple[tf.Tensor, tf.Tensor]:
        crop = tf.image.stateless_random_crop(pair[0], size, seed=(seed, index))
        return tf.cast(crop, tf.float32), pair[1]

    pairs = tf.data.Dataset.from_tensor_slices((padded, labels)).shuffle(len(images), seed=seed).repeat()
    moved = pairs.enumerate().map(move, num_parallel_calls=tf.data.AUTOTUNE, deterministic=True)
    return moved.batch(BATCH, drop_remainder=True).prefetch(4)


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
