"""Can a classifier tell a bundle's images from real ones? python -m benchmarks.quality.apart BUNDLE...

A classifier two-sample test (Lopez-Paz & Oquab 2017): a convolutional network learns from 25,000 real and 25,000 other
images of 28x28 pixels which is which, and its accuracy on 5,000 more of each is the figure: 0.5 where the two are the
same to it. The real images are the first 30,000 training images of MNIST, 1 where a pixel > 0.5. The others are

- prior: generated ones, of z ~ p(z), also at each --temperature;
- codes: of z ~ q(z|x), x the last 30,000 training images: draws of the aggregate posterior, the prior with the highest
  ELBO beside these networks (Tomczak & Welling 2018), though not always with the best samples;
- real: the last 30,000 training images themselves, which a sound test cannot tell apart.

Each kind by the heads `sample` and `mode`, with the Frechet distance to the 10,000 test images beside it.
"""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path

import keras
import numpy as np
import numpy.typing as npt

from vae_edge.runtime import VAE
from vae_edge.runtime.evaluation.classifier import Classifier
from vae_edge.runtime.evaluation.quality import Features, frechet
from vae_edge.train import data

COUNT, HELD_OUT = 30_000, 5_000
EPOCHS = 6
BATCH = 1_000  # images that are coded at once

Images = npt.NDArray[np.float32]


def accuracy(real: Images, other: Images, seed: int = 0, epochs: int = EPOCHS) -> float:
    """The share of held-out images (the last sixth of each kind) that the classifier puts where they belong."""
    keras.utils.set_random_seed(seed)
    held_out = len(real) // 6
    network = keras.Sequential(
        [
            keras.layers.Input(real.shape[1:]),
            keras.layers.Conv2D(32, 3, 2, "same", activation="relu"),
            keras.layers.Conv2D(64, 3, 2, "same", activation="relu"),
            keras.layers.Flatten(),
            keras.layers.Dense(128, activation="relu"),
            keras.layers.Dropout(0.3),
            keras.layers.Dense(1),
        ]
    )
    network.compile(
        keras.optimizers.Adam(keras.optimizers.schedules.CosineDecay(2e-3, epochs * 2 * (len(real) - held_out) // 128)),
        keras.losses.BinaryCrossentropy(from_logits=True),
        jit_compile=False,
        steps_per_execution=32,
    )
    x = np.concatenate([real[:-held_out], other[:-held_out]])
    y = np.repeat(np.array([1, 0], np.float32), len(real) - held_out)
    network.fit(x, y, batch_size=128, epochs=epochs, verbose=0)
    of_real, of_other = (network.predict(kind[-held_out:], batch_size=500, verbose=0) for kind in (real, other))
    return float((np.mean(of_real > 0) + np.mean(of_other <= 0)) / 2)


def kinds(
    vae: VAE,
    images: Images,
    seed: int,
    heads: Sequence[str] = ("sample", "mode"),
    temperatures: Sequence[float] = (1.0,),
) -> Iterator[tuple[str, Images]]:
    """Each kind of images by its name, made by `vae`; as many as `images`, whose codes one kind takes."""
    for temperature in temperatures:
        suffix = "" if temperature == 1 else f" at {temperature:g}"
        for head in heads:
            yield f"prior{suffix}, {head}", vae.generate(len(images), head=head, seed=seed, temperature=temperature)
    for head in heads:
        made = []
        for at in range(0, len(images), BATCH):
            z = vae.encode(images[at : at + BATCH]).sample(seed=seed + 1, start=at)
            p = vae.decode(z)
            made.append(p.sample(seed=seed, start=at) if head == "sample" else p.mode())
        yield f"codes, {head}", np.concatenate(made)


def main() -> None:
    """Prints a line for each bundle and kind; --publish writes them into apart.json beside this file."""
    about, *rest = (__doc__ or "").split("\n\n")
    parser = argparse.ArgumentParser("python -m benchmarks.quality.apart", description=about, epilog="\n\n".join(rest))
    parser.add_argument("bundle", nargs="*", default=["mnist"])
    parser.add_argument(
        "--seeds", type=int, default=1, help="of the classifier and of the draws; the median is printed"
    )
    parser.add_argument("--temperature", type=float, action="append", default=[], help="of draws; may be repeated")
    parser.add_argument("--publish", action="store_true", help="into apart.json")
    asked = parser.parse_args()
    splits = data.read("mnist")
    training = np.concatenate([data.binarise(splits.split(part).images) for part in ("train", "validation")])
    real, others = training[:COUNT], training[-COUNT:]
    judge = Classifier.load()
    test = Features(judge.run(data.binarise(splits.split("test").images))[0])
    found: dict[str, dict[str, float]] = {}

    def measure(name: str, made: list[Images]) -> None:
        rates = [accuracy(real, each, seed) for seed, each in enumerate(made)]
        distance = frechet(test, Features(judge.run(made[0][:10_000])[0]))
        found[name] = {"accuracy": round(float(np.median(rates)), 4), "frechet": round(distance, 2)}
        print(f"{name}: accuracy {found[name]['accuracy']:.3f}, Frechet distance {distance:.2f}", flush=True)

    measure("real", [others] * asked.seeds)
    for bundle in asked.bundle:
        vae = VAE.load(bundle)
        drawn = [dict(kinds(vae, others, seed, temperatures=(1.0, *asked.temperature))) for seed in range(asked.seeds)]
        for kind in drawn[0]:
            measure(f"{Path(bundle).name}: {kind}", [each[kind] for each in drawn])
    if asked.publish:
        (Path(__file__).parent / "apart.json").write_text(json.dumps(found, indent=2) + "\n")
        print("apart.json", file=sys.stderr)


if __name__ == "__main__":
    main()
