"""Whether a peer computes what TensorFlow computes; one that does not is reported, and never ranked."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

__all__ = ["TOLERANCE", "Verdict", "judge", "judge_training"]

TOLERANCE = 1e-4  # of logits; of a mean, whose slope is 1/4 at most, all the more
_DEVIATIONS = 6.0  # of a right sampler: once in 10**9
_UNTRAINED = 784 * math.log(2)

Array = npt.NDArray[np.float32]


@dataclass(frozen=True)
class Verdict:
    """`difference` is max |difference| of logits or means, the share of wrong pixels of a mode, deviations of draws."""

    agrees: bool
    difference: float
    reason: str = ""


def judge(what: str, got: Array, logits: Array) -> Verdict:
    """Holds an output against TensorFlow's logits; `what` is logits, or the head mean, mode or sample."""
    if got.shape != logits.shape or got.dtype != np.float32:
        return Verdict(False, math.inf, f"float32 {logits.shape} was expected, it is {got.dtype} {got.shape}")
    if not np.isfinite(got).all():
        return Verdict(False, math.inf, "there are NaN or infinities in it")
    if what == "sample":
        return _judge_draws(got, logits)
    if what == "mode":
        # Where |logit| <= tolerance both values are right.
        share = float(np.mean((got != (logits >= 0)) & ((np.abs(logits) > TOLERANCE) | (got != 0) & (got != 1))))
        return Verdict(share == 0, share, "" if share == 0 else f"{share:.2%} of the mode's pixels are wrong")
    expected = logits if what == "logits" else _sigmoid(logits)
    difference = float(np.abs(got - expected).max())
    reason = "" if difference <= TOLERANCE else f"{what}: max |difference| is {difference:.2g}, over {TOLERANCE:g}"
    return Verdict(not reason, difference, reason)


def judge_training(loss: Array) -> Verdict:
    """Holds an epoch's mean loss (nats an image) below what an untrained decoder's p = 1/2 costs: 784 ln 2."""
    value = float(loss[0])
    reason = (
        "" if value < _UNTRAINED else f"after an epoch the loss is {value:.4g} nats, below {_UNTRAINED:.4g} expected"
    )
    return Verdict(not reason, 0.0 if not reason else math.inf, reason)


def _judge_draws(got: Array, logits: Array) -> Verdict:
    """Draws are 0 or 1, as many lit as p says, and as many away from the mode (which a mode in disguise is not)."""
    if not np.isin(got, (0, 1)).all():
        return Verdict(False, math.inf, "a draw of a pixel should be 0 or 1")
    p = _sigmoid(logits)
    # Var[sum x] = sum p (1 - p), of both counts
    deviation = math.sqrt(float(np.sum(p * (1 - p)))) + 1e-9
    lit = abs(float(np.sum(got - p))) / deviation
    away = abs(float(np.sum(got != (p >= 0.5)) - np.sum(np.minimum(p, 1 - p)))) / deviation
    worst = max(lit, away)
    reason = "" if worst <= _DEVIATIONS else f"draws are {worst:.1f} standard deviations from p"
    return Verdict(not reason, worst, reason)


def _sigmoid(logits: Array) -> npt.NDArray[np.float64]:
    with np.errstate(over="ignore"):
        return 1 / (1 + np.exp(-logits.astype(np.float64)))
