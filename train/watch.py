"""Notices while a model learns what goes wrong in practice, and says each once, with the remedy."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence

import numpy as np
import numpy.typing as npt

__all__ = ["Watch"]

ACTIVE = 0.01  # variance of a unit's mean over events (Burda et al. 2016)
FIRST_LOOK = 3  # epochs done before units are counted
FEW = 8  # a model that uses fewer units than one in so many has collapsed in part
TURNED = 5  # epochs, at least, in which validation falls while training rises

Rows = Sequence[dict[str, float]]


class Watch:
    """Looks at a run after each epoch, and tells `say` of posterior collapse and of overfitting."""

    def __init__(
        self, say: Callable[[str], None], judged_by: str, epochs: int, warmup: float, *, images: bool = True
    ) -> None:
        """`judged_by` is the validation figure by which weights are best, of `epochs` with the KL's `warmup`.

        `images` says whether events are images, which `--shift` is for.
        """
        self._say, self._judged_by, self._epochs, self._warmup = say, judged_by, epochs, warmup
        self._shift = "--shift 1 " if images else ""
        self._said: set[str] = set()

    def looks_at_codes(self, done: int) -> bool:
        """Whether the codes' means are wanted after this many epochs: at first after each, then after each tenth."""
        begins = max(FIRST_LOOK, math.ceil(self._warmup) + 1)
        return "collapse" not in self._said and done >= begins and (done <= begins + FEW or done % 10 == 0)

    def look(self, rows: Rows, means: npt.NDArray[np.floating] | None) -> None:
        """Looks at the figures of all epochs, and at the `means` (n, L) of q(z|x) over validation events, or None."""
        if means is not None:
            self._collapse(means, len(rows))
        self._overfitting(rows)

    def _collapse(self, means: npt.NDArray[np.floating], done: int) -> None:
        size = means.shape[1]
        active = int(np.count_nonzero(means.astype(np.float64).var(axis=0) > ACTIVE))
        if active > size // FEW:
            return
        remedy = "--warmup 10 lets the KL term in later, --free-bits 0.1 (with --prior normal) keeps units in use"
        smaller = f", --latent {max(2, 2 * active)} does without the others" if active else ""
        line = f"posterior collapse: after epoch {done} {active} of {size} units of z are active; {remedy}{smaller}"
        self._once("collapse", line)

    def _overfitting(self, rows: Rows) -> None:
        name = self._judged_by
        bounds = [row[name] for row in rows]
        best = int(np.argmax(bounds))
        since = len(rows) - 1 - best
        if since < max(TURNED, self._epochs // 10):
            return
        training = name.removeprefix("val_")
        if rows[-1][training] > rows[best][training] and bounds[-1] < bounds[best] - 0.05:
            line = (
                f"overfitting: validation is best after epoch {best + 1}, {bounds[best]:,.2f} nats, and now "
                f"{bounds[-1]:,.2f}, while training goes on rising; the best weights are kept. --patience 5 stops "
                f"then; a smaller --width, {self._shift}and more data help"
            )
            self._once("overfitting", line)

    def _once(self, what: str, line: str) -> None:
        if what not in self._said:
            self._said.add(what)
            self._say(line)
