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
    """Writes `epoch 3/20: ELBO -104.31 nats, validation -102.87; KL 24.10; 9 s; 2 minutes left`.

    `epochs` are all of the run, `steps` those of an epoch. `verbose` 0 writes nothing, 1 adds a bar that vanishes when
    the epoch ends, and 2 writes the lines alone. `stream` is stdout by default.
    """

    def __init__(self, epochs: int, steps: int, verbose: int, *, stream: TextIO | None = None) -> None:
        super().__init__()
        self.epochs, self.steps, self.verbose = epochs, steps, verbose
        self.stream = sys.stdout if stream is None else stream
        self._width, self._shown = 0, 0.0

    def on_train_begin(self, logs: dict[str, Any] | None = None) -> None:
        """Notes when training began, to estimate how long the rest will take."""
        self._began, self._first = time.monotonic(), -1

    def on_epoch_begin(self, epoch: int, logs: dict[str, Any] | None = None) -> None:
        """Notes when the epoch began."""
        self._epoch, self._started = epoch, time.monotonic()
        self._first = epoch if self._first < 0 else self._first

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
        left = self.epochs - done
        rest = (now - self._began) / (done - self._first) * left
        words = [f"epoch {done}/{self.epochs}: {figures(logs or {})}", duration(now - self._started)]
        if left and not self.model.stop_training:
            words.append(f"{left:,} {'epoch' if left == 1 else 'epochs'} left, about {duration(rest)}")
        self._replace("")
        self.stream.write("; ".join(words) + "\n")
        self.stream.flush()

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
