"""Fits a model: epochs with a progress bar, validation, logs, checkpoints; goes on exactly where it was cut off."""

from __future__ import annotations

import dataclasses
import math
import sys
import time
from collections.abc import Callable
from contextlib import nullcontext
from pathlib import Path
from typing import Any, Literal

import keras
import numpy as np
import numpy.typing as npt
import tensorflow as tf

from vae_edge.runtime.errors import InputError, RunError
from vae_edge.train import choice, data, events
from vae_edge.train.config import Config
from vae_edge.train.feed import Feed
from vae_edge.train.learner import Learner
from vae_edge.train.likelihoods.families import DISCRETE
from vae_edge.train.model import VariationalAutoencoder
from vae_edge.train.provenance import commit, versions
from vae_edge.train.run import Record, Run, restore

__all__ = ["fit", "load"]

Strategy = Literal["none", "mirrored"]


def fit(
    config: Config,
    out: str | Path,
    *,
    resume: bool = False,
    command: str = "",
    data_dir: str | Path | None = None,
    start: str | Path | None = None,
    strategy: Strategy = "none",
    verbose: int = 1,
    say: Callable[[str], None] | None = None,
) -> Path:
    """Learns a model into the run folder `out`, and returns its path.

    After each epoch the run is whole: the process may die at any moment, and `resume` goes on with the same weights,
    batches and noise as if it had not (to the bit on one CPU). The weights begin as the best ones of the run `start`,
    which must be of the same network and prior, or else at random. `strategy` 'mirrored' spreads a batch over all GPUs
    (or logical CPUs). `verbose` is Keras's: 0 silent, 1 a progress bar, 2 a line an epoch. What the configuration
    leaves to the data is chosen, recorded, and told to `say` (a line on stderr). Raises DataError, or RunError: a run
    lies there or none, or what is resumed had another configuration or other data.
    """
    run = Run(Path(out))
    if run.exists and not resume:
        raise RunError(f"{run.path}: holds a run already; go on with --resume, or name another folder")
    if resume:
        config = config.settled(run.record().config)
        _expect_same(run.record().config, config, run.path)
    say = say or _say
    training = data.load_for(config, "train", data_dir, say)
    if resume:
        record = run.record()
        record.expect(training)
    else:
        config = choice.resolve(config, training, say)
        record = _record(config, training, command)
    validation = data.load_for(config, "validation", data_dir)
    count = len(record.labels)
    with _scope(strategy):
        rows = events.as_input(record.event, training.events) if training.is_table else training.images
        feed = Feed(config, rows, events.one_hot(training.labels, count))
        model = VariationalAutoencoder(config, record.event_shape, count)
        if start is not None and not resume:
            before = _take_weights(model, record.labels, Path(start))
            folder = f"START{before.count(' && ') + 1}"  # a run that has a start of its own names that too
            record = dataclasses.replace(record, command=f"{before} --out {folder} && {command} --start {folder}")
        learner = Learner(model, feed, events.log_scale(record.event))
    held_out = events.as_input(record.event, validation.events, config.binarize)
    keeper = Keeper(learner, run, held_out, events.one_hot(validation.labels, count), verbose)
    if resume:
        keeper.resume()
    else:
        run.begin(record)
        if start is not None:
            keeper.save()
    learner.fit(
        feed.batches(keeper.epoch),
        initial_epoch=keeper.epoch,
        epochs=keeper.last_epoch,
        steps_per_epoch=feed.steps,
        shuffle=False,  # the feed has shuffled
        callbacks=[keeper, keras.callbacks.TensorBoard(run.path / "tensorboard", write_graph=False)],
        verbose=verbose,
    )
    return run.path


def load(path: str | Path) -> tuple[VariationalAutoencoder, Record, dict[str, Any]]:
    """The model of a run with its best weights, the run's record, and what is known of those weights (epoch, figures).

    Raises RunError where no epoch has been finished yet.
    """
    run = Run(Path(path))
    record = run.record()
    best = run.load("best")
    if best is None:
        raise RunError(f"{run.path}: no epoch has been finished yet; go on with vae-edge train --resume")
    model = VariationalAutoencoder(record.config, record.event_shape, len(record.labels))
    restore(model.variables, best[0], run.path / "best.npz")
    return model, record, best[1]


class Keeper(keras.callbacks.Callback):
    """After each epoch: validates, keeps the best weights and the state of the run, and stops when patience ends."""

    def __init__(
        self,
        learner: Learner,
        run: Run,
        held_out: npt.NDArray[np.float32],
        labels: npt.NDArray[np.float32] | None = None,
        verbose: int = 0,
    ) -> None:
        super().__init__()
        self.verbose = verbose
        self.begun = (time.monotonic(), 0)  # when, and how many epochs were done then
        self.learner = learner
        self.run = run
        self.held_out, self.labels = held_out, labels
        self.rows: list[dict[str, float]] = []
        self.best, self.best_epoch = -math.inf, 0

    @property
    def epoch(self) -> int:
        """How many epochs are done."""
        return len(self.rows)

    @property
    def last_epoch(self) -> int:
        """The epoch to stop after: those done already where patience has ended, else all."""
        return self.epoch if self._is_stale() else self.learner.config.epochs

    def resume(self) -> None:
        """Takes up the checkpoint; without one, the run begins anew."""
        checkpoint = self.run.load("checkpoint")
        if checkpoint is not None:
            arrays, note = checkpoint
            restore(self.learner.state, arrays, self.run.path / "checkpoint.npz")
            self.rows, self.best, self.best_epoch = note["rows"], note["best"], note["best_epoch"]

    def on_train_begin(self, logs: dict[str, Any] | None = None) -> None:
        """From here on, epochs tell how long the rest will take."""
        self.begun = (time.monotonic(), self.epoch)

    def on_epoch_end(self, epoch: int, logs: dict[str, Any]) -> None:
        """Best weights first, checkpoint last: what dies in between is repeated, and comes out the same."""
        with self.learner.averaged():
            self.learner.fit_prior()
            logs |= self.learner.validate(self.held_out, self.labels)
            bound = logs[self.learner.judged_by]
            if not math.isfinite(bound):
                raise RunError(
                    f"epoch {epoch + 1}: {self.learner.judged_by} is {bound}; "
                    "train again with a lower --learning-rate or with --clip 1"
                )
            self.rows.append({"epoch": epoch + 1} | {key: float(value) for key, value in logs.items()})
            if bound > self.best:
                self.best, self.best_epoch = bound, epoch + 1
                self.run.save("best", [v.numpy() for v in self.learner.model.variables], self.rows[-1])
        if self.learner.config.likelihood in DISCRETE:  # for the line that Keras prints
            logs["val_bits_per_dim"] = -bound / (math.log(2) * math.prod(self.held_out.shape[1:]))
        self.run.write_history(self.rows)
        self.save()
        if self._is_stale():
            self.learner.stop_training = True
        elif self.verbose and (left := self.learner.config.epochs - self.epoch):
            began, first = self.begun
            minutes = (time.monotonic() - began) / (self.epoch - first) * left / 60
            print(f"{left} epochs left, about {minutes:.1f} minutes", flush=True)  # noqa: T201 - where Keras prints

    def save(self) -> None:
        """Writes the checkpoint: all that `resume` takes up."""
        note = {"rows": self.rows, "best": self.best, "best_epoch": self.best_epoch}
        self.run.save("checkpoint", [v.numpy() for v in self.learner.state], note)

    def _is_stale(self) -> bool:
        patience = self.learner.config.patience
        return 0 < patience <= self.epoch - self.best_epoch


def _say(line: str) -> None:
    print(line, file=sys.stderr, flush=True)  # noqa: T201


def _take_weights(model: VariationalAutoencoder, labels: tuple[str, ...], start: Path) -> str:
    """Gives the model the best weights of another run; returns the command line that made those."""
    run = Run(start)
    record, best = run.record(), run.load("best")
    if best is None:
        raise RunError(f"{start}: no epoch has been finished yet; start from another run, or finish this with --resume")
    if record.labels != labels:
        ours, theirs = (", ".join(names) or "none" for names in (labels, record.labels))
        raise RunError(f"{start}: has the labels {theirs}, this one has {ours}; start from a run of the same")
    restore(model.variables, best[0], start / "best.npz")
    return record.command


def _scope(strategy: Strategy) -> Any:
    if strategy == "none":
        return nullcontext()
    if strategy != "mirrored":
        raise InputError(f"strategy should be none or mirrored, it is {strategy!r}")
    logical = tf.config.list_logical_devices("GPU") or tf.config.list_logical_devices("CPU")
    return tf.distribute.MirroredStrategy([device.name for device in logical]).scope()


def _expect_same(recorded: Config, asked: Config, path: Path) -> None:
    if differences := recorded.differences(asked):
        raise RunError(
            f"{path}: the run was begun with another configuration ({'; '.join(differences)}; recorded, asked for); "
            "resume with the recorded one, or train into another folder"
        )


def _record(config: Config, training: data.Dataset, command: str) -> Record:
    packages = versions("vae-edge", "tensorflow", "keras", "tensorflow-probability", "numpy")
    return Record(
        config=config,
        event=events.describe(training, config.likelihood),
        labels=training.label_names if config.conditional else (),
        dataset=training.name,
        dataset_sha256=training.sha256,
        images=len(training),
        command=command,
        commit=commit(),
        versions=packages,
    )
