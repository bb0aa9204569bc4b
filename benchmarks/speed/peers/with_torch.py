"""PyTorch, eager or compiled: the decoder's Bernoulli and its heads by torch.distributions."""

from __future__ import annotations

import types
from pathlib import Path
from typing import Any

import protocol


class Modules:
    batches_itself = False
    packages = ("torch", "numpy")

    def __init__(self, exchange: Path, threads: int, mode: str) -> None:
        import torch

        torch.set_num_threads(threads)
        self.torch, self.exchange, self.compiled = torch, exchange, mode == "compiled"
        self.networks: dict[str, Any] = {}

    def function(self, model: str, work: str, head: str, n: int) -> protocol.Function:
        import torch_networks

        torch = self.torch
        if model not in self.networks:
            self.networks[model] = torch_networks.load(self.exchange, model)
        encoder, decoder = self.networks[model]

        def run(x: Any) -> Any:
            z = encoder(x)[0] if work == "reconstruct" else x
            logits = decoder(z)
            if work == "logits":
                return logits
            p = torch.distributions.Bernoulli(logits=logits, validate_args=False)
            return {"mean": lambda: p.mean, "mode": lambda: (logits >= 0).float(), "sample": p.sample}[head]()

        if self.compiled:
            # Compilations are kept by code object, and looked through one by one: each function gets one of its own.
            run = types.FunctionType(run.__code__.replace(), run.__globals__, "run", None, run.__closure__)
            run = torch.compile(run, dynamic=False)

        def call(x: protocol.Array) -> protocol.Array:
            with torch.inference_mode():
                y = torch.from_numpy(x)
                y = y.permute(0, 3, 1, 2) if work == "reconstruct" else y
                return run(y).permute(0, 2, 3, 1).numpy()

        return call


if __name__ == "__main__":
    protocol.serve(Modules)
