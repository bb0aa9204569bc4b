"""What one machine makes of the bundles that ship: python tests/machines/answers.py OUT.npz [COUNT].

Run on two machines, the two files are compared by `compare`. Needs NumPy, ONNX Runtime and vae_edge.runtime alone.
"""

from __future__ import annotations

import sys

import numpy as np

from vae_edge.runtime import VAE

BUNDLES = ("mnist-tiny", "mnist", "mnist-large")
SEED = 7
EXACT = ("z", "mode", "sample")  # noise, and what it makes of logits: equal to the bit, but for a pixel at its edge
TOLERANCE = 1e-5  # of logits, posteriors and means: no two processors round alike


def answers(count: int) -> dict[str, np.ndarray]:
    """`bundle/what` -> array: latents, logits, the three heads, and the posterior of what was drawn."""
    made = {}
    for name in BUNDLES:
        vae = VAE.load(name)
        z = vae.prior.sample(count, seed=SEED)
        p = vae.decode(z)
        sample = vae.generate(count, head="sample", seed=SEED)
        q = vae.encode(sample)
        arrays = {"z": z, "logits": p.logits, "mean": p.mean(), "mode": p.mode(), "sample": sample}
        for what, array in (arrays | {"loc": q.loc, "scale": q.scale}).items():
            made[f"{name}/{what}"] = array
    return made


def compare(here: dict[str, np.ndarray], there: dict[str, np.ndarray]) -> tuple[int, float]:
    """Values of `EXACT` that differ, and the largest difference of all others, against max(1, |value|)."""
    assert here.keys() == there.keys()
    differ, worst = 0, 0.0
    for name, array in here.items():
        if name.partition("/")[2] in EXACT:
            differ += int(np.sum(array != there[name]))
        else:
            worst = max(worst, float(np.max(np.abs(array - there[name]) / np.maximum(1, np.abs(array)))))
    return differ, worst


if __name__ == "__main__":
    np.savez(sys.argv[1], **answers(int(sys.argv[2]) if len(sys.argv) > 2 else 64))
