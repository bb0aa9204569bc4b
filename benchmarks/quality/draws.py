"""What draws of z cost, and how far the gradient scatters: python -m benchmarks.quality.draws RUN

For K draws of the importance-weighted bound, and J of them that give its gradient (`train --samples K
--gradient-samples J`; `all`: each does): the median time of the bound and its gradient, of 128 images, as a share of
the first row's; and how far the gradient scatters, as the sum of its variances over all weights, of encoder and
decoder, as a share of the first row's. `draws`: the same images with other draws of z each time; `steps`: other images,
too. The images are those that the run keeps, not moved: eight batches of MNIST's.
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import tensorflow as tf

from vae_edge.train import events, kept
from vae_edge.train.fit import load
from vae_edge.train.objective import importance_weighted

CASES = ((5, 0), (20, 0), (20, 1), (20, 2), (20, 4), (50, 4))
BATCH = 128

Step = Callable[[tf.Tensor, Any, tf.Tensor], tuple[tf.Tensor, tf.Tensor]]
Gradients = tuple[list[npt.NDArray[np.float32]], list[npt.NDArray[np.float32]]]


def make_step(model: Any, samples: int, gradient_samples: int) -> Step:
    """A function of x, its labels and a seed: the gradients of the encoder's weights and of the decoder's, flat."""
    parts = [part.trainable_variables for part in (model.encoder, model.decoder)]

    @tf.function  # type: ignore[untyped-decorator]
    def step(x: tf.Tensor, label: Any, seed: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
        with tf.GradientTape() as tape:
            bound, _ = importance_weighted(model, x, seed, samples, 1.0, label, gradient_samples)
            loss = -tf.reduce_mean(bound)
        encoder, decoder = (
            tf.concat([tf.reshape(gradient, [-1]) for gradient in gradients], 0)
            for gradients in tape.gradient(loss, parts)
        )
        return encoder, decoder

    return step


def scatter(gradients: list[npt.NDArray[np.float32]]) -> float:
    """The sum over all weights of the variance of their gradients."""
    return float(np.var(np.stack(gradients), axis=0, ddof=1).sum())


def report(model: Any, batches: list[tuple[tf.Tensor, Any]], repeats: int) -> None:
    """Prints the rows of a Markdown table."""
    steps = {case: make_step(model, *case) for case in CASES}
    seconds: dict[tuple[int, int], list[float]] = {case: [] for case in CASES}
    gradients: dict[tuple[tuple[int, int], str], Gradients] = {}
    for step in steps.values():
        step(*batches[0], tf.constant([0, 0]))
    for number in range(repeats):  # in turn, so that what else the machine does falls on all
        for case, step in steps.items():
            for name, batch in (("draws", batches[0]), ("steps", batches[number % len(batches)])):
                start = time.perf_counter()
                encoder, decoder = (part.numpy() for part in step(*batch, tf.constant([1, number])))
                seconds[case].append(time.perf_counter() - start)
                of_encoder, of_decoder = gradients.setdefault((case, name), ([], []))
                of_encoder.append(encoder)
                of_decoder.append(decoder)
    first = CASES[0]
    for case in CASES:
        cells = [f"{case[0]}", f"{case[1] or 'all'}", f"{np.median(seconds[case]) / np.median(seconds[first]):.2f}"]
        for name in ("draws", "steps"):
            shares = [
                scatter(part) / scatter(baseline)
                for part, baseline in zip(gradients[case, name], gradients[first, name], strict=True)
            ]
            cells.append(", ".join(f"{share:.2f}" for share in shares))
        print("| " + " | ".join(cells) + " |", flush=True)


def main() -> None:
    """Prints the table."""
    parser = argparse.ArgumentParser("python -m benchmarks.quality.draws", description=__doc__)
    parser.add_argument("run", type=Path, help="the folder of a run")
    parser.add_argument("--repeats", type=int, default=60, help="2 or more")
    options = parser.parse_args()
    if options.repeats < 2:
        parser.error(f"--repeats should be 2 or more, it is {options.repeats}")
    model, record, _ = load(options.run)
    dataset = kept.load(options.run, record, "train")
    x = events.as_input(record.event, dataset.events, record.config.binarize)
    labels = events.one_hot(dataset.labels, len(record.labels))
    batch = min(BATCH, len(x))
    batches = [
        (tf.constant(x[at : at + batch]), None if labels is None else tf.constant(labels[at : at + batch]))
        for at in range(0, len(x) - batch + 1, batch)
    ]
    print("| K | of which give the gradient | time | scatter, draws: encoder, decoder | scatter, steps |")
    print("|---|---|---|---|---|")
    report(model, batches, options.repeats)


if __name__ == "__main__":
    main()
