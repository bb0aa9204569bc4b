"""What a temperature does to digits: python -m benchmarks.quality.temperature [BUNDLE...]

For each bundle and temperature, 5,000 digits are held against the 5,000 validation images of MNIST, 1 where a pixel >
0.5, in the features of the digit classifier that ships: Frechet distance, precision and recall by the heads `sample`
and `mode`, means over three seeds. Where the bundle takes labels, they are asked for in turn, and `obeyed` is the share
that the classifier takes for the label. Beside them stands the mean of -log p(z) of a draw z of q(z|x) of each
validation image, p(z) being the prior at that temperature: what the narrower prior costs in nats.
"""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from typing import Any

import numpy as np

from vae_edge.runtime import VAE
from vae_edge.runtime.evaluation.classifier import Classifier
from vae_edge.runtime.evaluation.figures import Judge, Sampler
from vae_edge.train import data

BUNDLES = ("mnist-tiny", "mnist", "mnist-labels", "mnist-large")
TEMPERATURES = (1.0, 0.95, 0.9, 0.85, 0.8, 0.75)
SEEDS = (1, 2, 3)


class At:
    """A VAE that draws at a temperature, each label in turn."""

    def __init__(self, vae: VAE, temperature: float, n: int) -> None:
        self._vae = vae
        self.labels = np.arange(n) % len(vae.labels) if vae.labels else None
        self._given: dict[str, Any] = {"temperature": temperature}
        if self.labels is not None:
            self._given["label"] = self.labels

    def stream(self, n: int, *, head: str, seed: int) -> Any:
        """n new images in batches."""
        return self._vae.stream(n, head=head, seed=seed, **self._given)


def cost(vae: VAE, images: Any, labels: Any, temperature: float) -> float:
    """-log p(z) in nats of a draw z of q(z|x) of each image, p(z) at the temperature."""
    given = {"label": labels} if vae.labels else {}
    z = vae.encode(images, **given).sample(seed=0)
    return float(-vae.prior_given(**given, temperature=temperature).log_prob(z).mean())


def report(
    vaes: dict[str, VAE], images: Any, labels: Any, judge: Judge, temperatures: Sequence[float], seeds: Sequence[int]
) -> None:
    """Prints the rows of a Markdown table."""
    for name, vae in vaes.items():
        for temperature in temperatures:
            sampler = At(vae, temperature, judge.n)
            model: Sampler = sampler
            each = [judge.judge(model, labels=sampler.labels, seed=seed) for seed in seeds]
            cells = [name, f"{temperature:g}", f"{cost(vae, images, labels, temperature):.2f}"]
            for figure, digits, scale in (("frechet", 2, 1), ("precision", 3, 1), ("recall", 3, 1), ("obeyed", 1, 100)):
                if figure not in each[0]:
                    cells.append("")
                    continue
                sample = scale * np.mean([one[figure].value for one in each])
                mode = scale * np.mean([one[figure].mode for one in each])
                cells.append(f"{sample:.{digits}f}, {mode:.{digits}f}")
            print("| " + " | ".join(cells) + " |", flush=True)


def main() -> None:
    """Prints the table."""
    parser = argparse.ArgumentParser("python -m benchmarks.quality.temperature", description=__doc__)
    parser.add_argument("bundle", nargs="*", default=BUNDLES)
    parser.add_argument("--temperature", type=float, action="append", default=[], help="may be repeated")
    asked = parser.parse_args()
    splits = data.read("mnist")
    validation = splits.split("validation")
    images = validation.images
    others = splits.split("train").images[: len(images)]
    judge = Judge(Classifier.load(), images, others, len(images))
    print("| bundle | temperature | -log p(z) | Frechet distance, sample, mode | precision | recall | obeyed, % |")
    print("|---|---|---|---|---|---|---|")
    report(
        {name: VAE.load(name) for name in asked.bundle},
        images,
        validation.labels,
        judge,
        asked.temperature or TEMPERATURES,
        SEEDS,
    )
    print(
        "| training images | | | "
        + " | ".join(f"{judge.floor[key]:.3g}" for key in ("frechet", "precision", "recall"))
        + " | |"
    )


if __name__ == "__main__":
    main()
