"""Saves a run during training: validates after each epoch, and writes the best weights and the checkpoint."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import keras
import numpy as np
import numpy.typing as npt

from vae_edge.train.learner import Learner
from vae_edge.train.likelihoods.families import DISCRETE
from vae_edge.train.run import Diverged, Run, restore
from vae_edge.train.watch import Watch

__all__ = ["Keeper"]


class Keeper(keras.callbacks.Callback):
    """After each epoch: validates, saves the best weights and the run's state, and stops when patience has run out."""

    def __init__(
        self,
        learner: Learner,
        run: Run,
        held_out: npt.NDArray[np.float32],
        labels: npt.NDArray[np.float32] | None = None,
        say: Callable[[str], None] = lambda line: None,
        writes: bool = True,
    ) -> None:
        """`held_out` are the validation events, `labels` those of each, and `say` is told what goes wrong."""
        super().__init__()
        self.writes = writes  # of several workers one does; all reckon the same figures, and so end together
        config = learner.config
        self.watch = Watch(say, learner.judged_by, config.epochs, config.warmup, images=held_out.ndim == 4)
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
        """The epoch to stop after: the last one done where patience has run out, else the last of all."""
        return self.epoch if self.is_stale else self.learner.config.epochs

    def resume(self) -> None:
        """Loads the checkpoint; without one, the run starts from the beginning."""
        checkpoint = self.run.load("checkpoint")
        if checkpoint is not None:
            arrays, note = checkpoint
            restore(self.learner.state, arrays, self.run.path / "checkpoint.npz")
            self.rows, self.best, self.best_epoch = note["rows"], note["best"], note["best_epoch"]

    def on_epoch_end(self, epoch: int, logs: dict[str, Any]) -> None:
        """Writes the best weights first, the checkpoint last: a run that dies in between repeats the epoch exactly."""
        config = self.learner.config
        with self.learner.averaged():
            self.learner.fit_prior()
            logs |= self.learner.validate(self.held_out, self.labels)
            bound = logs[self.learner.judged_by]
            if not math.isfinite(bound):
                raise Diverged(
                    f"epoch {epoch + 1}: {self.learner.judged_by} is {bound}; train into another folder with a lower "
                    "learning rate and clipped gradients"
                )
            self.rows.append({"epoch": epoch + 1} | {key: float(value) for key, value in logs.items()})
            means = None
            if config.objective != "ae" and self.watch.looks_at_codes(self.epoch):
                means = self.learner.means(self.held_out, self.labels)
            self.watch.look(self.rows, means)
            if bound > self.best:
                self.best, self.best_epoch = bound, epoch + 1
                if self.writes:
                    self.run.save("best", [v.numpy() for v in self.learner.model.variables], self.rows[-1])
        if self.learner.config.likelihood in DISCRETE:  # for the line of the epoch
            logs["val_bits_per_dim"] = -bound / (math.log(2) * math.prod(self.held_out.shape[1:]))
        if self.writes:
            self.run.write_history(self.rows)
            self.save()
        if self.is_stale:
            self.learner.stop_training = True

    def save(self) -> None:
        """Writes the checkpoint that `resume` loads."""
        note = {"rows": self.rows, "best": self.best, "best_epoch": self.best_epoch}
        self.run.save("checkpoint", [v.numpy() for v in self.learner.state], note)

    @property
    def is_stale(self) -> bool:
        """Whether patience has run out."""
        patience = self.learner.config.patience
        return 0 < patience <= self.epoch - self.best_epoch
