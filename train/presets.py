"""The configurations that the shipped bundles were chosen to have; `benchmarks/quality` holds the search's log."""

from __future__ import annotations

import dataclasses
from typing import Any

from vae_edge.train.config import Config

__all__ = ["AUTO", "PRESETS", "with_options"]

AUTO = "auto"  # of `train --preset`: the data choose, see `vae_edge.train.auto`

# Decoders of separable blocks take a third of the time, for 0.3 nats (benchmarks/quality/search.md). Encoders of plain
# convolutions are better.
_MNIST = Config(
    likelihood="bernoulli",
    network="separable",
    encoder_network="conv",
    encoder_depth=2,
    prior="mixture",
    components=100,
    learning_rate=8e-3,
    shift=1,
    epochs=160,
    finish=30,
    samples=20,
)

# Above each: its decoder's multiply-adds an image.
PRESETS = {
    # 0.27 M
    "mnist-tiny": dataclasses.replace(_MNIST, width=32, depth=3, encoder_width=16),
    # 0.66 M
    "mnist": dataclasses.replace(_MNIST, width=64, encoder_width=32, components=200),
    # 0.69 M. p(z|y): with one prior for all labels, draws look like another label's.
    "mnist-labels": dataclasses.replace(
        _MNIST, width=64, encoder_width=32, components=200, gradient_samples=4, conditional=True
    ),
    # 0.99 M
    "fashion": Config(
        data="fashion-mnist",
        likelihood="discretized_logistic",
        network="separable",
        width=64,
        depth=3,
        encoder_network="conv",
        encoder_width=32,
        encoder_depth=2,
        latent=64,
        prior="mixture",
        components=100,
        learning_rate=4e-3,
        clip=100.0,
        encoder_pixels="unit",  # as the bundle that ships was learned
        epochs=60,
    ),
    # 3.2 M
    "mnist-large": dataclasses.replace(
        _MNIST,
        width=128,
        depth=3,
        encoder_width=32,
        components=200,
        learning_rate=6e-3,
        clip=100.0,
        epochs=140,
        finish=20,
        gradient_samples=4,
    ),
}


def with_options(preset: Config, given: dict[str, Any]) -> Config:
    """The preset with the options `given` in place of its own; raises InputError where they do not fit together.

    Unless it is given too, the finish stays the share of the epochs that it is in the preset, and is left out where an
    option has no place for it. The preset's draws of z belong to its finish, and are left out with it; its draws that
    give the gradient are left out where they are not fewer than the draws.
    """
    found = dict(given)
    if preset.finish and "finish" not in given:
        fits = given.get("objective", "elbo") == "elbo" and given.get("weights", "point") == "point"
        fits = fits and not given.get("freeze", False)
        epochs = int(given.get("epochs", preset.epochs))
        found["finish"] = preset.finish * epochs // preset.epochs if fits else 0
    if not found.get("finish", preset.finish):
        found.setdefault("samples", Config().samples)
    if preset.gradient_samples >= found.get("samples", preset.samples) or not found.get("finish", preset.finish):
        found.setdefault("gradient_samples", 0)
    return dataclasses.replace(preset, **found)
