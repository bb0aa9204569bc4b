"""Exports the ten kinds of VAE of `zoo`, one of them trained, and writes results.md: `python -m benchmarks.models`."""

from __future__ import annotations

import argparse
import logging
import os
import tempfile
import time
import warnings
from pathlib import Path
from typing import Any

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

import keras
import numpy as np
from keras import ops

from benchmarks.models import zoo
from vae_edge.export import export, plan
from vae_edge.runtime import VAE, probe
from vae_edge.runtime.evaluation import figures
from vae_edge.train import data

VARIANTS: list[tuple[str, tuple[Any, ...]]] = [
    ("convolutional", ()),
    ("functional", ()),
    ("probabilistic layers", ()),
    ("subclassed", ()),
    ("colour", ("fixed",)),
    ("colour", ("shared",)),
    ("colour", ("pixel",)),
    ("conditional", ()),
    ("files", (".keras",)),
    ("files", (".h5",)),
    ("files", ("",)),
    ("table", ()),
    ("grey", ("discretized_logistic",)),
    ("grey", ("categorical",)),
    ("onnx", (11,)),
    ("onnx", (21,)),
]
NOT_SAID = ("encoder", "decoder", "model", "examples")
RESULTS = Path(__file__).with_name("results.md")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--epochs", type=int, default=30, help="of the model that is trained")
    parser.add_argument("--out", type=Path, default=RESULTS)
    arguments = parser.parse_args()
    logging.getLogger("tensorflow").setLevel(logging.ERROR)
    warnings.simplefilter("ignore")
    rows = []
    with tempfile.TemporaryDirectory() as folder:
        for name, options in VARIANTS:
            key = " ".join(str(part or "SavedModel") for part in (name, *options))
            rows.append(_row(key, zoo.MODELS[name](Path(folder, key, "source"), *options), Path(folder, key, "bundle")))
            print(rows[-1], flush=True)
        trained = _trained(arguments.epochs)
        rows.append(_row(f"convolutional, {arguments.epochs} epochs on digits", trained, Path(folder, "trained")))
        told = _quality(VAE.load(Path(folder, "trained"), provider="cpu"))
    arguments.out.write_text(_page(rows, told))


def _row(name: str, model: dict[str, Any], out: Path) -> str:
    begun = time.perf_counter()
    manifest = export(out, **model)
    seconds = time.perf_counter() - begun
    probe.check(VAE.load(out, provider="cpu"))
    said = ", ".join(f"{key}={_short(value)}" for key, value in model.items() if key not in NOT_SAID)
    size = sum(file.bytes for file in manifest.files)
    nodes = sum(sum(graph.operators.values()) for graph in plan(**model).graphs.values())
    return (
        f"| {name} | {manifest.posterior.family} | {manifest.likelihood.family} | {max(manifest.parity.values()):.1e} "
        f"| {seconds:.1f} | {size / 1024:.1f} | {nodes} | {f'`{said}`' if said else 'nothing'} |"
    )


def _short(value: Any) -> str:
    if isinstance(value, np.ndarray):
        return "labels" if value.ndim == 1 else "array"
    text = repr(value)
    return f"tfd.{type(value).__name__}" if text.startswith(("<tfp", "tfp.")) else _without_none(text)


def _without_none(text: str) -> str:
    for field in ("loc", "scale", "log_scale", "log_var", "logits", "probs"):
        text = text.replace(f", {field}=None", "").replace(f"({field}=None, ", "(")
    return text.replace("threshold='auto', shift=0.0, scale=1.0", "...")


def _trained(epochs: int) -> dict[str, Any]:
    """The convolutional model's networks, for 28 x 28 digits, trained by a plain loop of Keras."""
    from keras import layers

    images = data.binarise(data.load("digits", "train").images)
    encoder = keras.Sequential(
        [
            keras.Input((28, 28, 1)),
            layers.Conv2D(32, 3, strides=2, activation="relu"),
            layers.Conv2D(64, 3, strides=2, activation="relu"),
            layers.Flatten(),
            layers.Dense(16),
        ]
    )
    decoder = keras.Sequential(
        [
            keras.Input((8,)),
            layers.Dense(7 * 7 * 32, activation="relu"),
            layers.Reshape((7, 7, 32)),
            layers.Conv2DTranspose(64, 3, strides=2, padding="same", activation="relu"),
            layers.Conv2DTranspose(32, 3, strides=2, padding="same", activation="relu"),
            layers.Conv2DTranspose(1, 3, padding="same"),
        ]
    )
    model = Trainer(encoder, decoder)
    model.compile(keras.optimizers.Adam(2e-3))
    model.fit(images, images, batch_size=64, epochs=epochs, verbose=0)
    test = data.binarise(data.load("digits", "test").images)
    kinds = zoo.build()
    return {"encoder": encoder, "decoder": decoder, "examples": test} | {
        key: kinds[key] for key in ("posterior", "likelihood")
    }


class Trainer(keras.Model):
    """-ELBO as the loss (Kingma & Welling 2014), in tutorials' words."""

    def __init__(self, encoder: Any, decoder: Any) -> None:
        super().__init__()
        self.encoder, self.decoder = encoder, decoder
        self.seeds = keras.random.SeedGenerator(0)

    def call(self, x: Any) -> Any:
        mean, log_var = ops.split(self.encoder(x), 2, axis=-1)
        z = mean + ops.exp(log_var / 2) * keras.random.normal(ops.shape(mean), seed=self.seeds)
        logits = self.decoder(z)
        kl = ops.sum(ops.exp(log_var) + mean**2 - 1 - log_var, axis=-1) / 2
        entropy = ops.sum(ops.softplus(logits) - x * logits, axis=(1, 2, 3))
        self.add_loss(ops.mean(entropy + kl))
        return logits


def _quality(vae: VAE) -> str:
    test = data.binarise(data.load("digits", "test").images)
    found = figures.likelihoods(vae, test, 100) | figures.reconstructions(vae, test)
    return ", ".join(
        f"{name} {found[name].value:.2f}" for name in ("elbo", "reconstruction", "kl", "nll", "squared_error")
    )


def _page(rows: list[str], trained: str) -> str:
    table = "\n".join(rows)
    return f"""# Ten kinds of VAE, exported
Made by `python -m benchmarks.models`. Small models with random weights, and one that was trained. Parity is the
largest |difference| / max(1, |value|) from the user's own function, over 70 examples, their posteriors' means and
2,048 draws of the prior; export is refused above 1e-4.

| model | posterior | likelihood | parity | seconds | KiB | nodes | what its user says |
|---|---|---|---|---|---|---|---|
{table}

The trained one, on the test digits, in nats: {trained}.
"""


if __name__ == "__main__":
    main()
