"""What members of an ensemble say of events: what each of them leaves open, and where they disagree."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from vae_edge.runtime.distributions.ensemble import parted
from vae_edge.runtime.model import Model

__all__ = ["STATISTICS", "Doubt", "doubt"]

Array = npt.NDArray[Any]
Float32 = npt.NDArray[np.float32]
Float64 = npt.NDArray[np.float64]

# Name -> what it is, in nats. z* is the posterior's mean, p_m(x|z*) what member m makes of it.
STATISTICS = {
    "aleatoric": "the sum over the event of what members leave open, the mean of their entropies",
    "epistemic": "the sum over the event of the mutual information of a number and of the member",
    "disagreement": "the standard deviation over members of log p_m(x|z*)",
}
_AT_ONCE = 64  # events whose members' parameters are held at once


@dataclass(frozen=True)
class Doubt:
    """Of B events: `values` by name, float64 (B,); the maps `aleatoric` and `epistemic`, float32 (B, *event_shape)."""

    values: dict[str, Float64]
    aleatoric: Float32
    epistemic: Float32


def doubt(model: Model, checked: Array, codes: Float32, condition: Array | None, members: int) -> Doubt:
    """What members 0 to `members` - 1 make of `codes` (B, L), the posteriors' means of B events of `events.check`."""
    n, shape = len(checked), model.event.shape
    maps = {name: np.empty((n, *shape), np.float32) for name in ("aleatoric", "epistemic")}
    log_p = np.empty((members, n))
    for at in range(0, n, _AT_ONCE):
        part = slice(at, min(n, at + _AT_ONCE))
        given = None if condition is None else condition[part]
        x = model.convert(checked[part])
        each = [model.decode(codes[part], given, member) for member in range(members)]
        log_p[:, part] = [p.log_prob(x) for p in each]
        maps["aleatoric"][part], maps["epistemic"][part] = parted(each)
    values = {name: found.reshape(n, -1).sum(axis=1, dtype=np.float64) for name, found in maps.items()}
    return Doubt(values | {"disagreement": log_p.std(axis=0)}, maps["aleatoric"], maps["epistemic"])
