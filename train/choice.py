"""Chooses the likelihood and the network by the data where a configuration says "auto", and reports the choice."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Callable

import numpy as np
import numpy.typing as npt

from vae_edge.runtime.errors import DataError
from vae_edge.train.config import Config
from vae_edge.train.contrast import remarks
from vae_edge.train.data import Dataset

__all__ = ["is_black_and_white", "resolve"]

MOST_GREY = 0.1  # of all pixels; MNIST has 0.08, photographs and drawings in pencil 0.3 and more
LEAST_EXPLAINED = 0.85  # of the variance, by above or below a half; of MNIST 0.93, of photographs up to 0.84
DARK, BRIGHT = 32, 224  # the lowest and the highest eighth of the range
_INK = ("mnist", "digits")  # black and white by tradition; digits have more grey than MOST_GREY allows
LARGE = 1 << 22  # a categorical's logits of one batch

Say = Callable[[str], None]


def resolve(config: Config, training: Dataset, say: Say) -> Config:
    """The configuration with each 'auto' replaced by what suits the data: likelihood, network, the encoder's pixels.

    `say` gets a line for a likelihood that was chosen, a line where grey pixels are made black and white, and a line
    for each problem of the images that an option would solve. Raises DataError where configuration and data do not fit.
    """
    name = training.name
    if config.conditional and training.labels is None:
        raise DataError(
            f"{name}: has no labels for a conditional model: give mnist, fashion-mnist, digits, an IDX folder, images "
            "in one subfolder a class, an .npz with y_train and y_test, or a .csv with --label-column"
        )
    if config.conditional and config.prior == "normal":
        say("prior normal: the same for all labels; with --prior mixture or flow it follows the label more closely")
    if training.is_table:
        return _for_a_table(config, training, say)
    network = "conv" if config.network == "auto" else config.network
    likelihood: str = config.likelihood
    if likelihood == "auto":
        likelihood, why = _for_images(config, training)
        say(f"likelihood {likelihood}: {name} {why}; --likelihood chooses another")
    elif likelihood == "bernoulli" and config.data not in _INK and not is_black_and_white(training.images):
        how = "made 0 or 1 at a half" if config.binarize == "static" else "drawn as 0 or 1"
        say(
            f"likelihood bernoulli: {name} is not black and white, and each pixel is {how}; "
            "--likelihood discretized_logistic learns the pixels as they are"
        )
    for line in remarks(training.images, name, config.treatment):
        say(line)
    if likelihood == "categorical" and (size := config.batch * math.prod(training.images.shape[1:]) * 256) > LARGE:
        say(f"likelihood categorical: 256 logits a pixel, {size * 4 >> 20:,} MiB a batch; a smaller --batch takes less")
    pixels = config.encoder_pixels
    if pixels == "auto":
        pixels = "unit" if likelihood == "bernoulli" else "centred"
    return dataclasses.replace(config, likelihood=likelihood, network=network, encoder_pixels=pixels)  # type: ignore[arg-type]


def is_black_and_white(images: npt.NDArray[np.uint8]) -> bool:
    """Whether pixels (n, H, W, 1) uint8 are like ink on paper, grey only along the edges of strokes.

    At most a tenth of the pixels may be grey, and there may be no more grey pixels than dark ones, nor than bright
    ones: a night sky has few grey pixels, but even fewer bright ones. And a threshold at a half has to explain nearly
    all of the variance (Otsu 1979), which it does not where all pixels are dark. Images of several channels are never
    black and white.
    """
    if images.shape[-1] != 1:
        return False
    counts = np.zeros(256)
    for start in range(0, len(images), 1000):
        counts += np.bincount(images[start : start + 1000].ravel(), minlength=256)
    share, level = counts / counts.sum(), np.arange(256.0)
    dark, bright = share[:DARK].sum(), share[BRIGHT:].sum()
    if share[DARK:BRIGHT].sum() > min(MOST_GREY, dark, bright):
        return False
    mean, above, weight = share @ level, share[128:] @ level[128:], share[128:].sum()
    # The variance between the two halves, of weights w and 1 - w: (E[level; above] - w mean)^2 / (w (1 - w))
    between = (above - weight * mean) ** 2 / max(weight * (1 - weight), 1e-12)
    return bool(between > LEAST_EXPLAINED * (share @ (level - mean) ** 2))


def _for_images(config: Config, training: Dataset) -> tuple[str, str]:
    """The likelihood of a set of images, and why."""
    if config.binarize == "dynamic":
        return "bernoulli", "is drawn as black and white, as --binarize dynamic says"
    if config.data in _INK or is_black_and_white(training.images):
        return "bernoulli", "is black and white, each pixel 1 above a half and else 0"
    kind = "grey" if training.images.shape[-1] == 1 else "in colour"
    return "discretized_logistic", f"is {kind}, 256 levels a pixel"


def _for_a_table(config: Config, training: Dataset, say: Say) -> Config:
    name = training.name
    for_images = config.binarize != "static" or config.shift or config.pixel_width
    if config.likelihood not in ("auto", "normal") or for_images or config.encoder_pixels == "centred":
        raise DataError(
            f"{name}: a table is learned with --likelihood normal, it is {config.likelihood}; "
            "--binarize, --shift, --pixel-width and --encoder-pixels are for images"
        )
    if config.network not in ("auto", "mlp") or config.encoder_network not in ("same", "mlp"):
        raise DataError(f"{name}: a table is learned with --network mlp, for the encoder too")
    if config.likelihood == "auto":
        say(f"likelihood normal, network mlp: {name} is a table of {training.events.shape[1]} columns")
    elif config.network == "auto":
        say(f"network mlp: {name} is a table")
    return dataclasses.replace(config, likelihood="normal", network="mlp", encoder_pixels="unit")
