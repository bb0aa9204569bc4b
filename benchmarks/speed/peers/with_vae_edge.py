"""vae-edge on the bundle that it exported itself, by its public interface."""

from __future__ import annotations

from pathlib import Path

import protocol


class Runtime:
    batches_itself = True
    packages = ("vae-edge", "onnxruntime", "numpy")

    def __init__(self, exchange: Path, threads: int) -> None:
        from vae_edge.runtime import VAE

        self.load = lambda model: VAE.load(exchange / model / "bundle", provider="cpu", threads=threads)
        self.loaded: dict[str, VAE] = {}

    def function(self, model: str, work: str, head: str, n: int) -> protocol.Function:
        from vae_edge.runtime.distributions import Bernoulli

        vae = self.loaded[model] = self.loaded.get(model) or self.load(model)
        if work == "logits":
            return lambda z: vae.decode(z).logits
        if work == "reconstruct":
            return lambda images: vae.reconstruct(images, head=head)
        if work == "heads":
            return {
                "mean": lambda logits: Bernoulli(logits).mean(),
                "mode": lambda logits: Bernoulli(logits).mode(),
                "sample": lambda logits: Bernoulli(logits).sample(seed=0),
            }[head]
        return {
            "mean": lambda z: vae.decode(z).mean(),
            "mode": lambda z: vae.decode(z).mode(),
            "sample": lambda z: vae.decode(z).sample(seed=0),
        }[head]


if __name__ == "__main__":
    protocol.serve(Runtime)
