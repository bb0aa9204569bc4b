"""vae-edge's own learner, as `vae-edge train --preset MODEL` runs it, without what follows an epoch: one a call."""

from __future__ import annotations

import dataclasses
import itertools
from pathlib import Path

import numpy as np
import protocol

EPOCHS = 1000  # more than anybody measures


class Ours:
    batches_itself = True
    packages = ("vae-edge", "tensorflow", "keras", "numpy")

    def __init__(self, exchange: Path, threads: int) -> None:
        import tensorflow as tf

        tf.config.threading.set_intra_op_parallelism_threads(threads)
        tf.config.threading.set_inter_op_parallelism_threads(threads)
        self.exchange = exchange

    def function(self, model: str, work: str, head: str, n: int) -> protocol.Function:
        from vae_edge.train.feed import Feed
        from vae_edge.train.learner import Learner
        from vae_edge.train.model import VariationalAutoencoder
        from vae_edge.train.presets import PRESETS

        config = dataclasses.replace(PRESETS[model], epochs=EPOCHS)
        images = np.load(self.exchange / model / "images.npy", mmap_mode="r")[:n]
        feed = Feed(config, (images * 255).astype(np.uint8))
        learner, count = Learner(VariationalAutoencoder(config, feed.shape), feed), itertools.count()

        def epoch(_: protocol.Array) -> protocol.Array:
            number = next(count)
            told = learner.fit(
                feed.batches(number),
                initial_epoch=number,
                epochs=number + 1,
                steps_per_epoch=feed.steps,
                shuffle=False,
                verbose=0,
            )
            return np.array([-told.history["elbo"][0]], np.float32)

        return epoch


if __name__ == "__main__":
    protocol.serve(Ours)
