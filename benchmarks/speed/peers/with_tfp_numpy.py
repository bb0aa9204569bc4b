"""TFP's NumPy substrate: the Bernoulli's three heads of logits that are there already."""

from __future__ import annotations

import itertools
from pathlib import Path

import numpy as np
import protocol


class Substrate:
    batches_itself = False
    packages = ("tensorflow-probability", "numpy")

    def __init__(self, exchange: Path, threads: int) -> None:
        from tensorflow_probability.substrates import numpy as tfp

        self.tfd, self.seeds = tfp.distributions, itertools.count()

    def function(self, model: str, work: str, head: str, n: int) -> protocol.Function:
        def bernoulli(logits: protocol.Array):
            return self.tfd.Independent(self.tfd.Bernoulli(logits=logits, dtype=np.float32), 3)

        return {
            "mean": lambda logits: bernoulli(logits).mean(),
            "mode": lambda logits: bernoulli(logits).mode(),
            "sample": lambda logits: bernoulli(logits).sample(seed=next(self.seeds)),
        }[head]


if __name__ == "__main__":
    protocol.serve(Substrate)
