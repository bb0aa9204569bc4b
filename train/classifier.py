"""The network of the digit classifier, and how it learns; `vae_edge.export.classifier` makes the files that ship.

A small convolutional network on binarised MNIST. `evaluate` compares generated digits with real ones in its
penultimate layer; its outputs give the class of a digit, and how certain that is.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import keras
import numpy as np
import numpy.typing as npt
import tensorflow as tf
from keras import layers

from vae_edge.train import data

__all__ = ["FEATURES", "SHIFT", "learn", "network"]

CLASSES = 10
FEATURES = 64
BATCH = 128
LEARNING_RATE = 3e-3
SHIFT = 2  # pixels; MNIST's digits are centred by mass, generated ones may not be

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
