"""PyTorch eager: the preset's networks and Adam, on tensors in memory that are shuffled for each epoch."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import protocol

BATCH = 128


class Eager:
    batches_itself = True
    packages = ("torch", "numpy")

    def __init__(self, exchange: Path, threads: int) -> None:
        import torch

        torch.set_num_threads(threads)
        self.exchange = exchange

    def function(self, model: str, work: str, head: str, n: int) -> protocol.Function:
        import torch
        import torch_networks
        from torch.nn import functional

        said = json.loads((self.exchange / model / "model.json").read_text())
        torch.manual_seed(0)
        encoder, decoder = torch_networks.build(said)
        optimizer = torch.optim.Adam([*encoder.parameters(), *decoder.parameters()])

        def epoch(x: protocol.Array) -> protocol.Array:
            images, total = torch.from_numpy(x).permute(0, 3, 1, 2), 0.0
            for indices in torch.randperm(len(images)).split(BATCH):
                batch = images[indices]
                loc, scale = encoder(batch)
                logits = decoder(loc + scale * torch.randn_like(loc))
                # KL(N(loc, scale^2) || N(0, 1))
                kl = 0.5 * (loc**2 + scale**2 - 1 - 2 * scale.log()).sum()
                entropy = functional.binary_cross_entropy_with_logits(logits, batch, reduction="sum")
                loss = (entropy + kl) / len(batch)
                optimizer.zero_grad()
                loss.backward()
                optimizer.step()
                total += loss.item() * len(batch)
            return np.array([total / len(images)], np.float32)

        return epoch


if __name__ == "__main__":
    protocol.serve(Eager)
