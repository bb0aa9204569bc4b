"""Trains one baseline, an epoch at a time; what was cut off goes on after its last whole epoch.

A baseline's folder holds a run's files (vae_edge.train.run): checkpoint.npz and best.npz, the weights with the best
validation ELBO. Its notes say with what settings it was begun; other settings want another folder.
"""

from __future__ import annotations

import math
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import keras
import numpy as np
import numpy.typing as npt
import tensorflow as tf
import tensorflow_probability as tfp

from benchmarks.quality import evaluate
from benchmarks.quality.baselines import IMAGE, Baseline, Networks, standard_normal
from vae_edge.runtime.errors import RunError
from vae_edge.train.run import Run, restore

tfd = tfp.distributions

__all__ = ["Images", "Settings", "Trained", "expect_same", "learn"]

Float32 = npt.NDArray[np.float32]
Say = Callable[[str], None]


@dataclass(frozen=True)
class Images:
    """MNIST's three parts, (n, 28, 28, 1), 0 or 1: to learn from, to choose the epoch by, for the final figures."""

    train: Float32
    validation: Float32
    test: Float32


@dataclass(frozen=True)
class Settings:
    """What a baseline's weights depend on, beside its own definition.

    No epoch is begun after `cpu_minutes` of training, all threads' together.
    """

    epochs: int
    cpu_minutes: float
    seed: int
    train_images: int
    validation_images: int


@dataclass(frozen=True)
class Trained:
    """A baseline's networks with the weights of the best epoch, and what that took."""

    networks: Networks
    epochs: int
    best_epoch: int
    validation_elbo: float
    cpu_minutes: float
    trainer: str = "Keras"


def learn(baseline: Baseline, images: Images, settings: Settings, folder: Path, say: Say) -> Trained:
    """The baseline trained with `settings` in `folder`: from the start, from its last epoch, or as it lies there.

    Raises RunError where the folder was begun with other settings, or the ELBO is no longer a number.
    """
    keras.utils.set_random_seed(settings.seed)
    networks = baseline.build(baseline.latent)
    optimizer = keras.optimizers.Adam(baseline.learning_rate)
    optimizer.build(networks.variables)
    state = [*networks.variables, *optimizer.variables]
    folder.mkdir(parents=True, exist_ok=True)
    run, rows = Run(folder), []
    if checkpoint := run.load("checkpoint"):
        arrays, note = checkpoint
        expect_same(folder, note["settings"], settings)
        restore(state, arrays, folder / "checkpoint.npz")
        rows = note["rows"]
    step = _step(baseline, networks, optimizer, settings.seed)
    model = evaluate.of_baseline(baseline, networks)
    for epoch in range(len(rows), settings.epochs):
        if _cpu_minutes(rows) >= settings.cpu_minutes:
            break
        begun = time.process_time()
        _epoch(step, images.train, baseline.batch, (settings.seed, epoch))
        row = {"epoch": epoch + 1, "validation_elbo": float(evaluate.elbo(model, images.validation).mean())}
        if not math.isfinite(row["validation_elbo"]):
            raise RunError(f"{baseline.name}, epoch {epoch + 1}: the validation ELBO is no number; try another --seed")
        rows.append(row | {"cpu_seconds": time.process_time() - begun})
        say(f"{baseline.name} {epoch + 1}/{settings.epochs}: validation ELBO {row['validation_elbo']:.3f}")
        if row["validation_elbo"] >= max(r["validation_elbo"] for r in rows):
            run.save("best", [v.numpy() for v in networks.variables], row)
        run.save("checkpoint", [v.numpy() for v in state], {"settings": asdict(settings), "rows": rows})
    best = run.load("best")
    if best is None:
        raise RunError(f"{folder}: its best.npz is missing; remove the folder, and train again")
    restore(networks.variables, best[0], folder / "best.npz")
    return Trained(networks, len(rows), best[1]["epoch"], best[1]["validation_elbo"], _cpu_minutes(rows))


def _cpu_minutes(rows: list[dict[str, Any]]) -> float:
    return math.fsum(row["cpu_seconds"] for row in rows) / 60


def expect_same(folder: Path, found: dict[str, Any], settings: Settings) -> None:
    """Raises RunError where what lies in `folder` was made with other settings."""
    if found != asdict(settings):
        raise RunError(
            f"{folder}: was begun with {found}, expected {asdict(settings)}; name another --out, or remove it"
        )


Step = Callable[[tf.Tensor], None]


def _step(baseline: Baseline, networks: Networks, optimizer: keras.optimizers.Optimizer, seed: int) -> Step:
    """One step on images (B, 28, 28, 1), its noise a function of the seed and of how many came before."""
    prior = standard_normal(baseline.latent)

    @tf.function(input_signature=[tf.TensorSpec((None, *IMAGE))])  # type: ignore[untyped-decorator]
    def step(x: tf.Tensor) -> None:
        number = tf.cast(optimizer.iterations.value, tf.int32)
        with tf.GradientTape() as tape:
            q = baseline.posterior(networks.encoder(x, training=True))
            eps = tf.random.stateless_normal((tf.shape(x)[0], baseline.latent), tf.stack([seed, number]))
            z = q.loc + q.scale.matvec(eps)
            likelihood = tfd.Independent(tfd.Bernoulli(logits=networks.decoder(z, training=True)), 3).log_prob(x)
            # ELBO by one draw: log p(x|z) + log p(z) - log q(z|x)
            loss = -tf.reduce_mean(likelihood + prior.log_prob(z) - q.log_prob(z))
        optimizer.apply(tape.gradient(loss, networks.variables), networks.variables)

    return step


def _epoch(step: Step, train: Float32, batch: int, seed: tuple[int, int]) -> None:
    """All images once, in an order that `seed` says; the last batch may be smaller."""
    order = np.random.default_rng(seed).permutation(len(train))
    for at in range(0, len(order), batch):
        step(tf.constant(train[order[at : at + batch]]))
