"""`VAE.score`: statistics of events, and where the bundle has a fit, one number for how unusual each is."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import numpy.typing as npt

from vae_edge.runtime import noise
from vae_edge.runtime.bundle import scores as stored
from vae_edge.runtime.bundle.schema import Condition
from vae_edge.runtime.bundle.validation import MAX_DRAWS
from vae_edge.runtime.conditions import check as conditions_of
from vae_edge.runtime.errors import InputError, IntegrityError
from vae_edge.runtime.model import Model
from vae_edge.runtime.scoring.doubt import doubt
from vae_edge.runtime.scoring.fit import Fit
from vae_edge.runtime.scoring.statistics import Meter, Statistics

__all__ = ["DRAWS", "Score", "Scorer"]

Array = npt.NDArray[Any]
Float32 = npt.NDArray[np.float32]
Float64 = npt.NDArray[np.float64]

DRAWS = 16  # of z an event


@dataclass(frozen=True)
class Score:
    """How unlike its training data a model finds each of B events.

    `statistics` are float64 (B,) by name; `vae_edge.runtime.scoring.statistics.STATISTICS` says what each is.
    `surprise`, float32 (B, *event_shape) in nats and >= 0, says where an event does not fit: how much less likely each
    number is than the likeliest one at its place, log p(y|z*) - log p(x|z*) with z* the posterior's mean and y the mode
    of p(x|z*). It has no unit, so that columns of a table compare. `codes` float32 (B, L) are z*. `labels` int64 (B,)
    are the numbers of the labels that events were scored under, None where the model takes none.

    With a fit in the bundle, `value` (B,) joins all of them into one number, higher for what is more unusual, and
    `is_unusual` says where it is above the `threshold`. Without one these raise InputError. They stand in `combined`
    and `limit`, None without a fit; `lacking` says why there is none.

    With members, `aleatoric` and `epistemic`, float32 (B, *event_shape) in nats, part what p(x|z*) leaves open at each
    place (`vae_edge.runtime.distributions.ensemble`): what every member finds open, and the mutual information of a
    number and of the member, high where members disagree. Their sums stand among the statistics. None without.
    """

    statistics: dict[str, Float64]
    surprise: Float32
    codes: Float32
    labels: npt.NDArray[np.int64] | None = None
    combined: Float64 | None = None
    limit: float | None = None
    lacking: str = ""
    aleatoric: Float32 | None = None
    epistemic: Float32 | None = None

    def __len__(self) -> int:
        return len(self.surprise)

    @property
    def value(self) -> Float64:
        """How unusual each event is, float64 (B,): -log density of its statistics among those of training events.

        Up to a constant; higher is more unusual. Raises InputError where the bundle has no fit.
        """
        if self.combined is None:
            raise InputError(self.lacking)
        return self.combined

    @property
    def threshold(self) -> float:
        """The value above which an event is unusual; raises InputError where the bundle has no fit."""
        if self.limit is None:
            raise InputError(self.lacking)
        return self.limit

    @property
    def is_unusual(self) -> npt.NDArray[np.bool_]:
        """Whether each event is unusual, bool (B,); raises InputError where the bundle has no fit."""
        return self.value > self.threshold


class Scorer:
    """Scores the events of one model; built when it is first asked."""

    def __init__(self, model: Model) -> None:
        """Raises IntegrityError where the bundle's fit is damaged, or of another model."""
        manifest = model.bundle.manifest
        self._model, self._condition, self._name = model, manifest.condition, manifest.name
        self._meter = Meter(model)
        self._fit: Fit | None = None
        if (scores := manifest.scores) is not None:
            if odd := set(scores.statistics) - set(self._meter.names):
                raise IntegrityError(
                    f"{scores.file.name} should be of statistics that {manifest.name!r} has, it is also of "
                    f"{', '.join(sorted(odd))}: fit the scores again"
                )
            size = len(scores.statistics) + scores.codes * manifest.latent_size
            arrays = stored.parse(model.bundle[scores.file], scores.file.name, scores.components, size)
            self._fit = Fit(scores, arrays)

    def score(
        self,
        checked: Array,
        label: Any = None,
        condition: Any = None,
        draws: int | None = None,
        seed: int = 0,
        members: int | None = None,
    ) -> Score:
        """The score of events that `events.check` gave; the other arguments as for `VAE.score`."""
        seed = noise.check_seed(seed)
        usual = DRAWS if self._fit is None else self._fit.scores.draws
        draws = usual if draws is None else draws
        if not isinstance(draws, int) or isinstance(draws, bool) or not 1 <= draws <= MAX_DRAWS:
            raise InputError(f"draws should be a whole number from 1 to {MAX_DRAWS:,}, it is {draws!r:.60}")
        said, guessed = self._condition, False
        if said is not None and said.is_label and label is None and condition is None:
            label, guessed = self._likeliest(checked, said), True
        given = conditions_of(said, label, condition, len(checked))
        found = self._meter.measure(checked, given, draws, seed)
        labels = None
        if said is not None and said.is_label and given is not None:
            labels = given.argmax(axis=1) if said.kind == "one_hot" else given.astype(np.int64)
        score = self._joined(found, labels, guessed, draws)
        if members is None:
            return score
        more = doubt(self._model, checked, found.codes, given, members)
        statistics = score.statistics | more.values
        return replace(score, statistics=statistics, aleatoric=more.aleatoric, epistemic=more.epistemic)

    def _joined(self, found: Statistics, labels: Any, guessed: bool, draws: int) -> Score:
        parts = (found.values, found.surprise, found.codes, labels)
        if self._fit is None:
            how = f"vae-edge score --fit --bundle {self._name}"
            return Score(*parts, lacking=f"{self._name!r} has no fit to say what is unusual: make one by `{how}`, or "
                         "use the statistics")  # fmt: skip
        scores = self._fit.scores
        if draws != scores.draws:
            return Score(*parts, lacking=f"the fit of {self._name!r} is of {scores.draws} draws: leave draws out")
        limit = scores.threshold_without_label if guessed else scores.threshold
        if limit is None:
            return Score(*parts, lacking=f"the fit of {self._name!r} is for events with labels: give label=")
        return Score(*parts, combined=self._fit.value(found.values, found.codes), limit=limit)

    def _likeliest(self, checked: Array, condition: Condition) -> npt.NDArray[np.int64]:
        """The number of the label under which each event has the highest bound on log p(x, z*), (B,)."""
        bounds = [
            self._meter.bound(checked, conditions_of(condition, number, None, len(checked)))
            for number in range(condition.size)
        ]
        best: npt.NDArray[np.int64] = np.argmax(bounds, axis=0)
        return best
