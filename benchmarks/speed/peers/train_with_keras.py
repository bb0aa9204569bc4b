"""`keras.fit` as one writes it: the preset's networks, NumPy arrays, a KL term by add_loss, all else as it comes."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import protocol

BATCH = 128


class Plain:
    batches_itself = True
    packages = ("tensorflow", "keras", "numpy")

    def __init__(self, exchange: Path, threads: int) -> None:
        import tensorflow as tf

        tf.config.threading.set_intra_op_parallelism_threads(threads)
        tf.config.threading.set_inter_op_parallelism_threads(threads)

    def function(self, model: str, work: str, head: str, n: int) -> protocol.Function:
        import keras
        import keras_networks
        from keras import ops

        class Autoencoder(keras.Model):
            def __init__(self) -> None:
                super().__init__()
                self.encoder, self.decoder = keras_networks.build(model)
                self.noise = keras.random.SeedGenerator(0)

            def call(self, x):
                loc, scale = self.encoder(x)
                # KL(N(loc, scale^2) || N(0, 1))
                kl = 0.5 * ops.sum(loc**2 + scale**2 - 1 - 2 * ops.log(scale), axis=-1)
                self.add_loss(ops.mean(kl))
                return self.decoder(loc + scale * keras.random.normal(ops.shape(loc), seed=self.noise))

        def reconstruction(x, logits):
            return ops.sum(ops.binary_crossentropy(x, logits, from_logits=True), axis=(1, 2, 3))

        learner = Autoencoder()
        learner.compile("adam", reconstruction)

        def epoch(x: protocol.Array) -> protocol.Array:
            return np.array([learner.fit(x, x, batch_size=BATCH, verbose=0).history["loss"][0]], np.float32)

        return epoch


if __name__ == "__main__":
    protocol.serve(Plain)
