"""Keras's `predict`, as one calls it on arrays, with heads in NumPy."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import protocol


class Predict:
    batches_itself = True
    packages = ("keras", "tensorflow", "numpy")

    def __init__(self, exchange: Path, threads: int) -> None:
        import tensorflow as tf

        tf.config.threading.set_intra_op_parallelism_threads(threads)
        tf.config.threading.set_inter_op_parallelism_threads(threads)
        self.exchange = exchange
        self.networks: dict[str, Any] = {}

    def function(self, model: str, work: str, head: str, n: int) -> protocol.Function:
        import keras
        import keras_networks

        if model not in self.networks:
            encoder, decoder = keras_networks.load(self.exchange, model)
            autoencoder = keras.Model(encoder.input, decoder(encoder.output[0]))
            self.networks[model] = {"reconstruct": autoencoder, "pixels": decoder, "logits": decoder}
        network, paint = self.networks[model][work], protocol.numpy_head(head)
        size = min(n, protocol.CHUNK) if n > protocol.LARGEST else n
        return lambda x: paint(network.predict(x, batch_size=size, verbose=0))


if __name__ == "__main__":
    protocol.serve(Predict)
