"""How close generated digits are to real ones, class by class: python -m benchmarks.quality.classes [LABELLED [OTHER]]

For each digit the Frechet distance, in the features of the digit classifier that ships, to the test images of that
class, by the heads `sample` and `mode`:

- of LABELLED (mnist-labels), asked for that label;
- of OTHER (mnist), which takes no labels: those of its images that the classifier takes for that digit;
- of as many training images of the class, which a perfect generator would get.

Each with as many images as the class has test images, means over three seeds. A distance of a thousand images is
larger than one of ten thousand, so it compares with the others of this table alone.
"""

from __future__ import annotations

import argparse
from typing import Any

import numpy as np
import numpy.typing as npt

from vae_edge.runtime import VAE
from vae_edge.runtime.evaluation.classifier import Classifier
from vae_edge.runtime.evaluation.quality import Features, frechet
from vae_edge.train import data

SEEDS = (1, 2, 3)
HEADS = ("sample", "mode")
SURPLUS = 1.5  # images that an unlabelled model makes for each that is needed: the shares of its classes differ


def distances(
    labelled: VAE, other: VAE, classifier: Classifier, temperature: float, seeds: tuple[int, ...] = SEEDS
) -> dict[str, list[tuple[float, float, float]]]:
    """For each head, for each digit: the distances of `labelled`, of `other` and of training images."""
    splits = data.read("mnist")
    test, training = splits.split("test"), splits.split("train")
    real, real_labels = data.binarise(test.images), test.labels
    first = data.binarise(training.images[: 2 * len(real)])
    features, trained = classifier.run(real)[0], classifier.run(first)[0]
    assert real_labels is not None
    assert training.labels is not None
    found: dict[str, list[tuple[float, float, float]]] = {}
    for head in HEADS:
        each = np.zeros((len(seeds), 10, 3))
        for row, seed in enumerate(seeds):
            given: dict[str, Any] = {"head": head, "seed": seed, "temperature": temperature}
            free_features, logits = classifier.run(other.generate(int(SURPLUS * len(real)), **given))
            taken = logits.argmax(1)
            for digit in range(10):
                target = Features(features[real_labels == digit])
                n = len(target)
                asked = labelled.generate(n, label=digit, **given)
                sides = (
                    classifier.run(asked)[0],
                    _first(free_features[taken == digit], n),
                    _first(trained[training.labels[: len(first)] == digit], n),
                )
                each[row, digit] = [frechet(target, Features(side)) for side in sides]
        found[head] = [(float(a), float(b), float(c)) for a, b, c in each.mean(0)]
    return found


def _first(features: npt.NDArray[np.float32], n: int) -> npt.NDArray[np.float32]:
    """The first n rows; raises where there are fewer."""
    if len(features) < n:
        raise SystemExit(f"{len(features)} images of a class, expected {n}: raise SURPLUS")
    return features[:n]


def main() -> None:
    """Prints a table, a row for each digit."""
    parser = argparse.ArgumentParser("python -m benchmarks.quality.classes", description=__doc__)
    parser.add_argument("labelled", nargs="?", default="mnist-labels")
    parser.add_argument("other", nargs="?", default="mnist")
    parser.add_argument("--temperature", type=float, default=1.0)
    asked = parser.parse_args()
    found = distances(VAE.load(asked.labelled), VAE.load(asked.other), Classifier.load(), asked.temperature)
    print(f"| digit | {asked.labelled}: sample, mode | {asked.other}: sample, mode | training images | ratio |")
    print("|---|---|---|---|---|")
    means = {head: [tuple(np.mean(rows, 0)), *rows] for head, rows in found.items()}
    for number, name in enumerate(("all, mean", *map(str, range(10)))):
        sample, mode = means["sample"][number], means["mode"][number]
        cells = [
            name, f"{sample[0]:.2f}, {mode[0]:.2f}", f"{sample[1]:.2f}, {mode[1]:.2f}", f"{sample[2]:.2f}",
            f"{sample[0] / sample[1]:.2f}, {mode[0] / mode[1]:.2f}",
        ]  # fmt: skip
        print("| " + " | ".join(cells) + " |")


if __name__ == "__main__":
    main()
