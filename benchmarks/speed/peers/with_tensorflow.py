"""TensorFlow + TFP: the decoder's Bernoulli and its heads in one tf.function, with XLA or without."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import protocol


class Graphs:
    batches_itself = False
    packages = ("tensorflow", "tensorflow-probability", "keras", "numpy")

    def __init__(self, exchange: Path, threads: int, compiler: str) -> None:
        import tensorflow as tf
        import tensorflow_probability as tfp

        tf.config.threading.set_intra_op_parallelism_threads(threads)
        tf.config.threading.set_inter_op_parallelism_threads(threads)
        self.tf, self.tfd, self.exchange, self.xla = tf, tfp.distributions, exchange, compiler == "xla"
        self.networks: dict[str, Any] = {}

    def function(self, model: str, work: str, head: str, n: int) -> protocol.Function:
        import keras_networks

        if model not in self.networks:
            self.networks[model] = keras_networks.load(self.exchange, model)
        encoder, decoder = self.networks[model]

        @self.tf.function(jit_compile=self.xla)
        def run(x: Any) -> Any:
            z = encoder(x, training=False)[0] if work == "reconstruct" else x
            logits = decoder(z, training=False)
            if work == "logits":
                return logits
            p = self.tfd.Independent(self.tfd.Bernoulli(logits=logits, dtype=self.tf.float32), 3)
            return {"mean": p.mean, "mode": p.mode, "sample": p.sample}[head]()

        return lambda x: run(self.tf.constant(x)).numpy()


if __name__ == "__main__":
    protocol.serve(Graphs)
