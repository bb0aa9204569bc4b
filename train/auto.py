"""Chooses the size of a model and the length of its training by the data: `train --preset auto`."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Callable, Collection

from vae_edge.train.config import Config
from vae_edge.train.data import Dataset

__all__ = ["OPTIONS", "TINY", "choose"]

# The options that the data choose where the user gives none.
OPTIONS = (
    "network", "latent", "width", "depth", "pixel_width", "encoder_network", "encoder_width", "encoder_depth", "prior",
    "components", "epochs", "batch", "shift", "clip", "learning_rate", "patience",
)  # fmt: skip

TINY = 1000  # events; with fewer a model learns them by heart
SMALL = 10_000  # events; with fewer, a model learns images by heart unless they are moved
EVENTS = 3_000_000  # that a training sees, epochs times events: minutes to an hour on two cores
EPOCHS = (20, 300)
LARGE_GRID = 100  # patches of 4x4 pixels: from here on plain convolutions of 64 channels cost 15 M multiply-adds


def choose(config: Config, training: Dataset, given: Collection[str], say: Callable[[str], None]) -> Config:
    """The configuration with the OPTIONS that the data choose, all but those `given`; `say` is told which.

    Latents: about the square root of the numbers of an event, a power of two. Epochs: as many as show EVENTS events, so
    that a small set is seen more often. Components of the mixture prior: one for 100 events. The likelihood stays with
    `choice.resolve`.
    """
    n, shape = len(training), training.events.shape[1:]
    found = _of_table(shape[0], n) if training.is_table else _of_images(shape, n)
    size = math.prod(shape)
    most = 32 if training.is_table else 256
    found["latent"] = min(most, max(2 if training.is_table else 8, 1 << round(math.log2(1.15 * math.sqrt(size)))))
    # In colour the norm of the gradient is 10,000 or more: a bound of 100 would cut every step. Adam divides by the
    # size of recent gradients, and needs no bound (benchmarks/quality/search.md).
    in_colour = not training.is_table and shape[-1] > 1
    found |= {"prior": "mixture", "components": min(100, max(2, n // 100)), "clip": 0.0 if in_colour else 100.0}
    epochs = min(EPOCHS[1], max(EPOCHS[0], EVENTS // max(1, n)))
    found |= {"batch": 128 if n >= SMALL else 32 if n < TINY else 64, "learning_rate": 4e-3}
    epochs = config.epochs if "epochs" in given else epochs
    # Images that move stand still in the last tenth of the epochs. The validation ELBO may gain much there, and a
    # patience would end the run before (benchmarks/quality/search.md).
    moves = bool(config.shift if "shift" in given else found.get("shift", 0))
    found |= {"epochs": epochs, "patience": 0 if moves else max(10, epochs // 4)}
    if {"network", "width", "depth"} & set(given):  # the encoder is as the decoder, unless it is given too
        found = {name: value for name, value in found.items() if not name.startswith("encoder_")}
    if "network" in given and config.network == "mlp":
        found.pop("pixel_width", None)
    chosen = {name: found[name] for name in OPTIONS if name in found and name not in given}
    if "objective" in given and config.objective == "ae":
        chosen["prior"] = "normal"
    prior = chosen.get("prior", config.prior)
    said = [f"{name.replace('_', ' ')} {value:g}" if isinstance(value, float) else f"{name} {value}"
            for name, value in chosen.items() if name != "components" or prior == "mixture"]  # fmt: skip
    say(f"auto: {training.name} has {n:,} events of {'x'.join(map(str, shape))}: {', '.join(said)}")
    if n < TINY:
        say(
            f"{training.name} has only {n:,} events: a model soon knows them by heart, and new ones come out alike; "
            "the best epoch on validation is kept; more data helps most"
        )
    return dataclasses.replace(config, **chosen)  # type: ignore[arg-type]


def _of_images(shape: tuple[int, ...], n: int) -> dict[str, object]:
    """Networks, widths and depths; the images of a small set are also moved, by a sixteenth of their size at most."""
    grid = math.ceil(shape[0] / 4) * math.ceil(shape[1] / 4)
    width = 16 if n < TINY else 32 if n < SMALL else 64
    if grid > LARGE_GRID:
        networks = {"network": "separable", "width": 32 if n < TINY else 64, "depth": 3}
        networks |= {"encoder_network": "conv", "encoder_width": 32, "encoder_depth": 2, "pixel_width": 16}
    else:
        networks = {"network": "conv", "width": width, "depth": 2}
    return {**networks, "shift": min(shape[:2]) // 16 if n < SMALL else 0}


def _of_table(columns: int, n: int) -> dict[str, object]:
    """Two hidden layers, wider than the table."""
    width = 1 << math.ceil(math.log2(max(32, 2 * columns)))
    return {"network": "mlp", "width": min(width, 64 if n < TINY else 512), "depth": 2}
