"""What the models of the zoo share: their sizes, their examples and their weights."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

__all__ = ["EXAMPLES", "LATENT", "Arguments", "ink", "randomise"]

Arguments = dict[str, Any]  # of vae_edge.export.export
Array = npt.NDArray[Any]

EXAMPLES, LATENT = 70, 3


def ink(height: int, width: int, channels: int) -> Array:
    """Black and white images, float32 0 and 1."""
    return (np.random.default_rng(0).random((EXAMPLES, height, width, channels)) < 0.3).astype(np.float32)


def randomise(*models: Any) -> None:
    """Weights of a spread that makes outputs vary; batch statistics and the converter's zero biases included."""
    draws = np.random.default_rng(7)
    for model in models:
        for weight in model.weights:
            name = getattr(weight, "path", weight.name)
            if not str(weight.dtype).startswith(("float", "<dtype: 'float")) or "normalization/mean" in name:
                continue
            if "variance" in name or "gamma" in name:
                weight.assign(draws.uniform(0.5, 1.5, weight.shape))
            elif "count" not in name and "seed" not in name:
                fan = int(np.prod(weight.shape[:-1])) or 1
                weight.assign(draws.normal(0, 1 / np.sqrt(fan) if len(weight.shape) > 1 else 0.2, weight.shape))
