"""What training prints: a line an epoch, and on a terminal a progress bar within the epoch."""

from __future__ import annotations

import sys
import time
from typing import Any, TextIO

import keras

__all__ = ["Report"]

INTERVAL = 0.2  # seconds between two updates of the bar
WIDTH = 24


class Report(keras.callbacks.Callback):
    """Writes `epoch 3/20: ELBO -104.31 nats, validation -102.87, KL 24.10; 9 s; 17 epochs left, about 3 minutes`.

    `epochs` are all of the run, of which the last `finish` take longer; `steps` are those of an epoch. `verbose` 0
    writes nothing, 1 adds a bar that vanishes when the epoch ends, and 2 writes the lines alone. `stream` is stdout by
    default.
    """

    def __init__(self, epochs: int, steps: int, verbose: int, *, finish: int = 0, stream: TextIO | None = None) -> None:
        super().__init__()
        self.epochs, self.steps, self.verbose, self.finish = epochs, steps, verbose, finish
        self.stream = sys.stdout if stream is None else stream
        self._width, self._shown = 0, 0.0

    def on_train_begin(self, logs: dict[str, Any] | None = None) -> None:
        """Forgets the epochs of a training before."""
        self._first = -1

    def on_epoch_begin(self, epoch: int, logs: dict[str, Any] | None = None) -> None:
        """Notes when the epoch began, and when the first of its kind did, to estimate the time that is left."""
        self._epoch, self._started = epoch, time.monotonic()
        if self._first < 0 or epoch == self.epochs - self.finish:
            self._first, self._began = epoch, self._started

    def on_train_batch_end(self, batch: int, logs: dict[str, Any] | None = None) -> None:
        """Moves the bar."""
        now = time.monotonic()
        if self.verbose == 1 and now - self._shown >= INTERVAL:
            self._shown = now
            filled = int((batch + 1) / self.steps * WIDTH)
            bar = "#" * filled + "-" * (WIDTH - filled)
            self._replace(f"epoch {self._epoch + 1}/{self.epochs} [{bar}] {batch + 1:,}/{self.steps:,} steps")

    def on_epoch_end(self, epoch: int, logs: dict[str, Any] | None = None) -> None:
        """Writes the epoch's line."""
        if not self.verbose:
            return
        now, done = time.monotonic(), epoch + 1
        words = [f"epoch {done}/{self.epochs}: {figures(logs or {})}", duration(now - self._started)]
        if done < self.epochs and not self.model.stop_training:
            words.append(self._left(done, (now - self._began) / (done - self._first)))
        self._replace("")
        self.stream.write("; ".join(words) + "\n")
        self.stream.flush()

    def _left(self, done: int, seconds: float) -> str:
        """What is left after `done` epochs; `seconds` is the mean time of an epoch of this kind."""
        begins, left = self.epochs - self.finish, self.epochs - done
        text = f"{left:,} {'epoch' if left == 1 else 'epochs'} left"
        if done == begins:
            return f"{text}, those of the finish, which take longer"
        if done > begins or not self.finish:
            return f"{text}, about {duration(seconds * left)}"
        return f"{text}: about {duration(seconds * (begins - done))} to the finish, whose {self.finish:,} take longer"

    def _replace(self, line: str) -> None:
        if self._width or line:
            self.stream.write("\r" + line.ljust(self._width) + ("" if line else "\r"))
            self.stream.flush()
        self._width = len(line)


def figures(logs: dict[str, Any]) -> str:
    """An epoch's figures as text, nats with two decimals."""
    bound = "bound" if "bound" in logs else "elbo"
    name = {"bound": "bound", "elbo": "ELBO"}[bound]
    words = [f"{name} {logs[bound]:,.2f} nats, validation {logs[f'val_{bound}']:,.2f}"]
    if "val_bits_per_dim" in logs:
        words[0] += f" ({logs['val_bits_per_dim']:.3f} bits/dim)"
    if "val_kl" in logs:
        words.append(f"KL {logs['val_kl']:,.2f}")
    if "weights_kl" in logs:
        words.append(f"of the weights {logs['weights_kl']:,.2f}")
    return ", ".join(words)


def duration(seconds: float) -> str:
    """'0.4 s', '9 s', '1 minute', '2 minutes', '1.5 hours'."""
    if seconds < 1:
        return f"{seconds:.1f} s"
    if seconds < 90:
        return f"{seconds:.0f} s"
    if seconds < 5400:
        minutes = round(seconds / 60)
        return f"{minutes} {'minute' if minutes == 1 else 'minutes'}"
    return f"{seconds / 3600:.1f} hours"
