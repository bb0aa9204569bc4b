"""What draws of z cost a step, and how far its gradient scatters: python -m benchmarks.quality.draws RUN

For K draws of the importance-weighted bound, and J of them that give its gradient (`train --samples K
--gradient-samples J`; `all`: each gives its own): the median time of the bound and its gradient, of 128 images of the
run, as a share of the first row's; and how far the gradient lies from its mean, as the sum of its variances over all
weights, of encoder and decoder, as a share of the first row's. `draws`: the same images with other draws of z each
time; `steps`: other images, too, as from one step of a training to the next.
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

Gradient = Callable[[tf.Tensor, Any, tf.Tensor], tuple[tf.Tensor, tf.Tensor]]


def gradient(model: Any, samples: int, gradient_samples: int) -> Gradient:
    """A step's gradient, of x, its labels and a seed: of the encoder's weights and of the decoder's, flat."""
    parts = [part.trainable_variables for part in (model.encoder, model.decoder)]

    @tf.function  # type: ignore[untyped-decorator]
    def step(x: tf.Tensor, label: Any, seed: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
        with tf.GradientTape() as tape:
            bound, _ = importance_weighted(model, x, seed, samples, 1.0, label, gradient_samples)
            loss = -tf.reduce_mean(bound)
        found = tape.gradient(loss, parts)
        encoder, decoder = (tf.concat([tf.reshape(g, [-1]) for g in some], 0) for some in found)
        return encoder, decoder

    return step


def scatter(each: list[npt.NDArray[np.float32]]) -> float:
    """The sum over all weights of the variance of their gradients."""
    return float(np.var(np.stack(each), axis=0, ddof=1).sum())


def report(model: Any, batches: list[tuple[tf.Tensor, Any]], repeats: int) -> None:
    """Prints the rows of a Markdown table."""
    steps = {case: gradient(model, *case) for case in CASES}
    seconds: dict[tuple[int, int], list[float]] = {case: [] for case in CASES}
    found: dict[tuple[int, int, str], list[tuple[Any, ...]]] = {}
    for step in steps.values():
        step(*batches[0], tf.constant([0, 0]))
    for number in range(repeats):  # in turn, so that what else the machine does falls on all
        for case, step in steps.items():
            for name, batch in (("draws", batches[0]), ("steps", batches[number % len(batches)])):
                start = time.perf_counter()
                both = [part.numpy() for part in step(*batch, tf.constant([1, number]))]
                seconds[case].append(time.perf_counter() - start)
                found.setdefault((*case, name), []).append(tuple(both))
    first = CASES[0]
    for case in CASES:
        cells = [f"{case[0]}", f"{case[1] or 'all'}", f"{np.median(seconds[case]) / np.median(seconds[first]):.2f}"]
        for name in ("draws", "steps"):
            ours, theirs = (list(zip(*found[(*which, name)], strict=True)) for which in (case, first))
            shares = [scatter(list(a)) / scatter(list(b)) for a, b in zip(ours, theirs, strict=True)]
            cells.append(", ".join(f"{share:.2f}" for share in shares))
        print("| " + " | ".join(cells) + " |", flush=True)


def main() -> None:
    """Prints the table."""
    parser = argparse.ArgumentParser("python -m benchmarks.quality.draws", description=__doc__)
    parser.add_argument("run", type=Path, help="the folder of a run whose prior is a mixture or a flow")
    parser.add_argument("--repeats", type=int, default=60)
    asked = parser.parse_args()
    model, record, _ = load(asked.run)
    some = kept.load(asked.run, record, "train")
    x = events.as_input(record.event, some.events, record.config.binarize)
    labels = events.one_hot(some.labels, len(record.labels))
    batches = [
        (tf.constant(x[at : at + BATCH]), None if labels is None else tf.constant(labels[at : at + BATCH]))
        for at in range(0, len(x) - BATCH + 1, BATCH)
    ]
    print("| K | of which give the gradient | time | scatter, draws: encoder, decoder | scatter, steps |")
    print("|---|---|---|---|---|")
    report(model, batches, asked.repeats)


if __name__ == "__main__":
    main()
