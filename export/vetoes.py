"""Checks statements against example outputs: logits that are probabilities, negative scales, random outputs."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import numpy as np
import numpy.typing as npt

from vae_edge.export.parameters import Parameter, Reading
from vae_edge.export.sources.members import Members

__all__ = ["EXAMPLES", "of_calls", "of_condition", "of_operators", "of_values"]

Array = npt.NDArray[np.float32]
Call = Callable[[slice], Members]

EXAMPLES = 61  # a prime, so that no axis of an output has the size of the batch by chance
_SAME = 1e-3  # max |difference| / max(1, |value|) of one event, alone and in a batch: sums in other orders give 1e-5
_POSITIVE = ("Abs", "Exp", "Relu", "Sigmoid", "Softmax", "Softplus", "Sqrt")
_UNBOUNDED = {"logits", "log_var", "log_scale"}


def of_values(label: str, reading: Reading, members: Members, n: int) -> Iterator[str]:
    """Why these values of the model cannot be the parameters that they are stated to be."""
    for parameter in reading.parameters:
        theirs = parameter.theirs(members, n)
        where = f"{parameter.spelling} (output {parameter.key!r} of the {label})"
        if not np.isfinite(theirs).all():
            yield f"{where} should be finite for the examples, there is a NaN or an infinity in it: mend the model"
            continue
        yield from _of_one(where, parameter, theirs)


def _of_one(where: str, parameter: Parameter, theirs: Array) -> Iterator[str]:
    low, high = float(theirs.min()), float(theirs.max())
    spelling = parameter.spelling
    if spelling == "logits" and 0 <= low < high <= 1:
        yield f"{where} lies in [{low:.3g}, {high:.3g}], as probabilities do: say probs={parameter.key}, or give logits"
    elif spelling == "probs" and not (low >= 0 and high <= 1):
        yield f"{where} should lie in [0, 1], it goes from {low:.3g} to {high:.3g}: are these logits?"
    elif spelling == "probs" and parameter.how == "log" and np.abs(theirs.sum(axis=-1) - 1).max() > 1e-3:
        yield f"{where} should sum to 1 along its last axis, it does not: say logits, or end the model in a softmax"
    elif spelling == "scale" and low < 0:
        yield f"{where} should be positive, it goes down to {low:.3g}: is it log_var= or log_scale=?"
    elif spelling == "scale_tril":
        if np.abs(np.triu(theirs, 1)).max() > 0:
            yield f"{where} should be lower triangular, there is something above its diagonal"
        elif float(np.diagonal(theirs, axis1=-2, axis2=-1).min()) <= 0:
            yield f"{where} should have a positive diagonal, it has not: is it a covariance, or log-scales?"
    elif parameter.name == "scale":
        ours = parameter.ours(theirs)
        if not (ours.min() > 0 and np.isfinite(ours.max())):
            value = f"{low:.3g}" if not ours.min() > 0 else f"{high:.3g}"
            yield (f"{where} gives a scale that float32 cannot hold for {value} (it becomes {float(ours.min()):g} to "
                   f"{float(ours.max()):g}): bound it in the model, as by a floor of 1e-6")  # fmt: skip


def of_operators(label: str, reading: Reading, ends: dict[str, str]) -> Iterator[str]:
    """Why the last operator of the graph cannot give the stated parameter: a sigmoid gives no logits."""
    for parameter in reading.parameters:
        operator = ends.get(parameter.tensor, "")
        if parameter.spelling not in _UNBOUNDED or operator not in _POSITIVE:
            continue
        meant = {"logits": "probs", "log_var": "scale", "log_scale": "scale"}[parameter.spelling]
        if parameter.spelling == "logits" and operator not in ("Sigmoid", "Softmax"):
            continue
        yield (f"{parameter.spelling} (output {parameter.key!r} of the {label}) comes out of a {operator}, which gives "
               f"no {parameter.spelling}: say {meant}={_shown(parameter.key)}")  # fmt: skip


def of_calls(label: str, call: Call, members: Members, keys: list[str], n: int) -> Iterator[str]:
    """Checks that two calls give the same, and that an event gives the same alone as in its batch."""
    again = call(slice(0, n))
    for key in keys:
        if (worst := _difference(members.tensors[key], again.tensors[key])) > _SAME:
            yield (f"output {key!r} of the {label} should follow from its inputs, two calls differ by {worst:.2g}: it "
                   "draws random numbers (a sampled z, dropout). Name the outputs that give the distribution's "
                   "parameters, and call the model with training=False")  # fmt: skip
            return
    for place in range(min(2, n)):
        alone = call(slice(place, place + 1))
        for key in keys:
            batch = members.tensors[key]
            row = batch[place : place + 1] if batch.ndim and len(batch) == n else batch
            single = alone.tensors[key]
            if row.shape != single.shape or (worst := _difference(row, single)) > _SAME:
                told = f"differs by {worst:.2g}" if row.shape == single.shape else f"has shape {single.shape}"
                yield (f"output {key!r} of the {label} should be of each event alone, alone one {told} from what it is "
                       "in a batch: batch normalisation in training mode? Call the model with training=False, and "
                       "take no means over the batch")  # fmt: skip
                return


def of_condition(label: str, call: Callable[[int], Members], keys: list[str], labels: int) -> Iterator[str]:
    """A warning where another label changes nothing."""
    first, *others = (call(place) for place in range(min(labels, 3)))
    if all(np.array_equal(first.tensors[key], other.tensors[key]) for other in others for key in keys):
        yield f"the {label} gives the same for every label: does it read its condition?"


def _difference(a: Array, b: Array) -> float:
    if a.shape != b.shape:
        return float("inf")
    with np.errstate(invalid="ignore"):
        difference = np.abs(a.astype(np.float64) - b) / np.maximum(1, np.abs(b))
    same_gaps = np.isfinite(a) == np.isfinite(b)
    return float(np.nanmax(difference, initial=0.0)) if same_gaps.all() else float("inf")


def _shown(key: str) -> str:
    return key if key.isdecimal() else repr(key)
