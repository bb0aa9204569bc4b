"""docs/scores.png: `python -m benchmarks.scores.picture BUNDLE` of a bundle of Fashion-MNIST with a fit."""

from __future__ import annotations

import argparse
from pathlib import Path

import numpy as np

from benchmarks.scores import sets
from benchmarks.scores.__main__ import as_float
from vae_edge.pictures import grid, save
from vae_edge.runtime import VAE

DOCS = Path(__file__).parents[2] / "docs"
FULL = 8.0  # nats that are white


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("bundle")
    parser.add_argument("--data-dir", type=Path, default=None)
    asked = parser.parse_args()
    vae = VAE.load(asked.bundle, threads=1)
    ordinary = sets.ordinary("fashion-mnist", "test", asked.data_dir)
    holes = sets.development("fashion-mnist", asked.data_dir)["hole of 7 x 7"]
    others = sets.ordinary("mnist", "test", asked.data_dir)
    turned = np.rot90(ordinary[6:8], axes=(1, 2))
    x = as_float(np.concatenate([ordinary[:6], holes[:4], turned, others[:4]]))
    score = vae.score(x)
    shown = np.minimum(score.surprise / FULL, 1)
    save(
        DOCS / "scores.png",
        grid({"image": x, "reconstruction": vae.reconstruct(x, head="mean"), "surprise": shown}, columns=16, scale=2),
    )
    print(", ".join(f"{value - score.threshold:+.0f}" for value in score.value))


if __name__ == "__main__":
    main()
