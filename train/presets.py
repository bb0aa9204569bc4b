"""The configurations that the shipped bundles were chosen to have; `benchmarks/quality` holds the search's log."""

from __future__ import annotations

import dataclasses

from vae_edge.train.config import Config

__all__ = ["PRESETS"]

_MNIST = Config(prior="mixture", components=100, learning_rate=8e-3, shift=1, epochs=60)

# The decoder's multiply-adds an image: 0.28 M, 1.9 M, 7.6 M.
PRESETS = {
    "mnist-tiny": dataclasses.replace(_MNIST, width=16, depth=1, encoder_depth=2, components=50, epochs=100),
    "mnist": _MNIST,
    "mnist-large": dataclasses.replace(_MNIST, width=64, learning_rate=6e-3, clip=100.0, epochs=50),
}
