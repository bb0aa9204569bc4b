"""What a user says of a model that cannot be read off it: distributions, events, conditions.

A parameter's value is an output of the model, by its index (0) or its name ('z_mean', 'decoder.logits'), a `Part` of
one, or a number with a point (0.22) that holds for all events.
"""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar, TypeAlias

import numpy as np

from vae_edge.runtime.bundle.manifest import Condition, Vector
from vae_edge.runtime.errors import InputError

__all__ = [
    "NOT_SAID",
    "Bernoulli",
    "Categorical",
    "Deterministic",
    "DiscretizedLogistic",
    "Image",
    "Index",
    "MultivariateNormalTriL",
    "Normal",
    "OneHot",
    "Part",
    "Statement",
    "Vector",
]

NOT_SAID = "auto"  # a threshold that the examples decide


@dataclass(frozen=True)
class Part:
    """Part `index` of `count` equal parts of an output, along `axis`: mean and log-variance side by side.

    Axis 0 is the batch, and -1 the last, where TensorFlow has its channels.
    """

    output: int | str
    index: int
    count: int = 2
    axis: int = -1

    def __post_init__(self) -> None:
        if not 0 <= self.index < self.count:
            raise InputError(f"a Part's index should be 0 to {self.count - 1}, it is {self.index}")


Value: TypeAlias = "int | str | float | Part | None"


@dataclass(frozen=True)
class Statement:
    """A distribution of a model: its family, and which output gives each parameter."""

    family: ClassVar[str] = ""

    def values(self) -> dict[str, int | str | float | Part]:
        """The parameters that were given, by the names that the user gave them."""
        given = {}
        for field in dataclasses.fields(self):
            value = getattr(self, field.name)
            if field.name != "levels" and value is not None:
                given[field.name] = _checked(f"{type(self).__name__}({field.name}=)", value)
        return given

    def settings(self) -> dict[str, float]:
        """The settings of the family: numbers that are the same for all events, as the levels of a pixel."""
        levels = getattr(self, "levels", None)
        return {} if levels is None else {"levels": float(levels)}

    def _exactly_one(self, *names: str) -> None:
        if sum(getattr(self, name) is not None for name in names) != 1:
            raise InputError(f"{type(self).__name__} should have one of {', '.join(names)}: say which the model gives")


@dataclass(frozen=True)
class Normal(Statement):
    """A diagonal normal over z (L,) or x, by its mean `loc` and one of `scale`, `log_scale` and `log_var`.

    Raises InputError where not exactly one of the three is given.
    """

    family = "normal"
    loc: Value
    scale: Value = None
    log_scale: Value = None
    log_var: Value = None

    def __post_init__(self) -> None:
        self._exactly_one("scale", "log_scale", "log_var")


@dataclass(frozen=True)
class MultivariateNormalTriL(Statement):
    """A normal of full covariance T T', by its mean `loc` (L,) and T = `scale_tril` (L, L), lower triangular."""

    family = "multivariate_normal_tril"
    loc: Value
    scale_tril: Value


@dataclass(frozen=True)
class Deterministic(Statement):
    """A point `loc` (L,), the code of an autoencoder."""

    family = "deterministic"
    loc: Value


@dataclass(frozen=True)
class Bernoulli(Statement):
    """Black and white pixels (H, W, C), by `logits`, or by `probs` in [0, 1] where the model ends in a sigmoid."""

    family = "bernoulli"
    logits: Value = None
    probs: Value = None

    def __post_init__(self) -> None:
        self._exactly_one("logits", "probs")


@dataclass(frozen=True)
class DiscretizedLogistic(Statement):
    """Pixels of `levels` shades, each a share of a logistic distribution.

    By `loc` and one of `scale` and `log_scale`, each (H, W, C) or what broadcasts to it, in units of [0, 1].
    """

    family = "discretized_logistic"
    loc: Value
    scale: Value = None
    log_scale: Value = None
    levels: int = 256

    def __post_init__(self) -> None:
        self._exactly_one("scale", "log_scale")


@dataclass(frozen=True)
class Categorical(Statement):
    """Pixels of `levels` shades, each with a probability of its own: `logits` (..., levels), or `probs`."""

    family = "categorical"
    logits: Value = None
    probs: Value = None
    levels: int = 256

    def __post_init__(self) -> None:
        self._exactly_one("logits", "probs")


@dataclass(frozen=True)
class Image:
    """Events that are images (height, width, channels) of pixels in [0, 1].

    The model reads (pixel - shift) / scale: shift=0.5, scale=0.5 where it reads -1 to 1, and scale=1/255 where it reads
    0 to 255. `threshold` makes the pixels 0 and 1 (1 where above it), None leaves them; without it the examples decide.
    """

    height: int
    width: int
    channels: int = 1
    threshold: float | str | None = NOT_SAID
    shift: float = 0.0
    scale: float = 1.0

    @property
    def shape(self) -> tuple[int, int, int]:
        """(height, width, channels)."""
        return self.height, self.width, self.channels


@dataclass(frozen=True)
class _Labels:
    labels: int | Sequence[str]
    kind: ClassVar[str] = ""

    def condition(self) -> Condition:
        """What a manifest says of it; raises InputError where there are no labels."""
        names = tuple(map(str, range(self.labels))) if isinstance(self.labels, int) else tuple(map(str, self.labels))
        if not names:
            raise InputError(f"{type(self).__name__} should have the number of labels, or their names; it has none")
        return Condition(self.kind, len(names), names)


@dataclass(frozen=True)
class OneHot(_Labels):
    """A label as a vector with a single 1, the model's second input; `labels` is how many there are, or their names."""

    kind = "one_hot"


@dataclass(frozen=True)
class Index(_Labels):
    """A label as a whole number, the model's second input; `labels` is how many there are, or their names."""

    kind = "index"


def _checked(where: str, value: object) -> int | str | float | Part:
    if isinstance(value, (str, Part)) or (isinstance(value, (int, np.integer)) and not isinstance(value, bool)):
        return int(value) if isinstance(value, np.integer) else value
    if isinstance(value, (float, np.floating)):
        if not math.isfinite(value):
            raise InputError(f"{where} should be finite, it is {value}")
        return float(value)
    raise InputError(
        f"{where} should be an output's index or name, a Part of one, or a number like 0.22; it is {value!r:.60}"
    )
