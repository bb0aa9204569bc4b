"""Feeds the step: which events a batch holds, and how images are binarised and moved; a function of (seed, step) alone.

The events stay in memory, images as uint8, and a step gets indices. Nothing here depends on what ran before, so a run
that was cut off goes on with the same batches and the same noise as if it had not been.
"""

from __future__ import annotations

from enum import IntEnum
from typing import Any

import numpy as np
import numpy.typing as npt
import tensorflow as tf

from vae_edge.train import replicas
from vae_edge.train.config import Config

__all__ = ["Feed", "Stream", "seeds"]


class Stream(IntEnum):
    """What a seed is for. Keep the numbers: recorded runs depend on them."""

    ORDER = 0
    NOISE = 1
    SHIFT = 2
    BINARISE = 3
    VALIDATE = 4
    CODES = 5
    WEIGHTS = 6
    VALIDATE_WEIGHTS = 7


def seeds(seed: int, stream: Stream, step: tf.Tensor) -> tf.Tensor:
    """The seed (2,) int32 of TensorFlow's stateless generators for one purpose at one step."""
    first = tf.constant([seed, stream], tf.int32)
    # fold_in is a hash: neighbouring steps give unrelated noise.
    folded = tf.random.experimental.stateless_fold_in(first, tf.cast(step, tf.int64))
    # The replica's number stood here once, which is 0 in one process: recorded runs go on with their noise.
    return tf.random.experimental.stateless_fold_in(folded, tf.constant(0, tf.int64))


class Feed:
    """The training events and the order in which the steps see them.

    `events` are images (n, H, W, C) uint8, or a table's standardised rows (n, size) float32; `labels` are one-hot,
    (n, labels) float32, for a conditional model.
    """

    def __init__(self, config: Config, events: npt.NDArray[Any], labels: npt.NDArray[np.float32] | None = None) -> None:
        self.config = config
        self.batch = min(config.batch, len(events))
        self.steps = len(events) // self.batch
        margin = config.shift
        self.are_images = events.ndim == 4
        self.values = tf.constant(_padded(events, margin, config.likelihood) if self.are_images else events)
        self.labels = None if labels is None else tf.constant(labels)
        self.size = len(events)
        self.shape = events.shape[1:]

    def batches(self, first_epoch: int) -> tf.data.Dataset:
        """Indices (batch,) int32, epoch after epoch from `first_epoch` on; each epoch in an order of its own."""

        def epoch(number: tf.Tensor) -> tf.data.Dataset:
            order = tf.random.experimental.stateless_shuffle(
                tf.range(self.size), seeds(self.config.seed, Stream.ORDER, number)
            )
            return tf.data.Dataset.from_tensor_slices(order).batch(self.batch, drop_remainder=True)

        epochs = tf.data.Dataset.range(first_epoch, self.config.epochs).flat_map(epoch)
        options = tf.data.Options()
        options.autotune.enabled = False
        options.threading.private_threadpool_size = 1  # the cores belong to the step
        return epochs.with_options(options).prefetch(4)

    def label(self, indices: tf.Tensor) -> tf.Tensor | None:
        """The labels of a batch, one-hot (B, labels) float32, or None where the model takes none."""
        return None if self.labels is None else tf.gather(self.labels, indices)

    def events(self, indices: tf.Tensor, step: tf.Tensor) -> tf.Tensor:
        """The events of a batch as the network sees them at this step, (B, *event_shape) float32.

        Pixels are 0 or 1 for a Bernoulli, else in [0, 1].
        """
        config = self.config
        values = tf.gather(self.values, indices)
        if not self.are_images:
            return values
        if config.shift:
            values = self._shifted(values, step)
        grey = tf.cast(values, tf.float32) / 255.0
        if config.likelihood != "bernoulli":
            return grey
        threshold: tf.Tensor | float = 0.5
        if config.binarize == "dynamic":
            seed = seeds(config.seed, Stream.BINARISE, step)
            threshold = replicas.rows(lambda shape: tf.random.stateless_uniform(shape, seed), tf.shape(grey))
        return tf.cast(grey > threshold, tf.float32)

    def _shifted(self, padded: tf.Tensor, step: tf.Tensor) -> tf.Tensor:
        """Windows of the padded images, each moved by its own (dy, dx); the centre in the last tenth of the epochs."""
        height, width, channels = self.shape
        margin, count = self.config.shift, tf.shape(padded)[0]
        seed = seeds(self.config.seed, Stream.SHIFT, step)
        moves = replicas.rows(
            lambda shape: tf.random.stateless_uniform(shape, seed, 0, 2 * margin + 1, dtype=tf.int32), (count, 2)
        )
        last = tf.cast(step, tf.float32) >= 0.9 * self.config.epochs * self.steps
        moves = tf.where(last, margin, moves)
        rows = moves[:, :1] + tf.range(height)
        columns = moves[:, 1:] + tf.range(width)
        stride = width + 2 * margin
        flat = tf.reshape(padded, (count, -1, channels))
        where = rows[:, :, None] * stride + columns[:, None, :]
        return tf.gather(flat, where, batch_dims=1)


def _padded(images: npt.NDArray[Any], margin: int, likelihood: str) -> npt.NDArray[Any]:
    """Images (n, H, W, C) with a border of `margin` pixels, which a moved image shows.

    The ground of black-and-white images is 0. Grey and colour have any ground: their outermost pixels are repeated.
    """
    padding = ((0, 0), (margin, margin), (margin, margin), (0, 0))
    return np.pad(images, padding, "constant" if likelihood == "bernoulli" else "edge")
