"""The parity gate: the exported graphs, run by the runtime, against the TensorFlow networks that they came from."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from vae_edge.runtime import VAE
from vae_edge.runtime.errors import CheckFailed
from vae_edge.train.model import VariationalAutoencoder

__all__ = ["TOLERANCE", "measure"]

TOLERANCE = 1e-4  # max |difference| of loc, scale and logits; float32 rounding gives 1e-6 to 1e-5
PRIOR_DRAWS = 2048
BATCH = 500

Array = npt.NDArray[np.float32]


def measure(model: VariationalAutoencoder, vae: VAE, images: Array, tolerance: float = TOLERANCE) -> dict[str, float]:
    """max |difference| of loc, scale (of `images` (n, H, W, C)) and logits (of posterior means and prior draws).

    Raises CheckFailed where one is above `tolerance` or not a number.
    """
    worst = {"loc": 0.0, "scale": 0.0, "logits": 0.0}

    def hold(name: str, ours: Array, theirs: Array) -> None:
        difference = float(np.abs(ours - theirs).max())
        if not difference <= tolerance:
            raise CheckFailed(
                f"{name}: ONNX Runtime and TensorFlow differ by {difference:.3g}, at most {tolerance:g} is allowed; "
                "the bundle is not written"
            )
        worst[name] = max(worst[name], difference)

    latents = []
    for batch in _batches(images):
        loc, scale = model.encoder(batch, training=False)
        posterior = vae.encode(batch)
        hold("loc", posterior.loc, loc.numpy())
        hold("scale", posterior.scale, scale.numpy())
        latents.append(loc.numpy())
    if model.config.objective != "ae":
        latents.append(model.prior.sample(PRIOR_DRAWS, seed=(0, 0)).numpy())
    for z in latents:
        hold("logits", vae.decode(z).logits, model.decoder(z, training=False).numpy())
    return worst


def _batches(images: Array) -> list[Array]:
    return [images[start : start + BATCH] for start in range(0, len(images), BATCH)]
