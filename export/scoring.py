"""Fits what `vae.score` judges by: the density of training events' statistics, and a threshold on events held out."""

from __future__ import annotations

import dataclasses
import math
import warnings
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from vae_edge.export import card, resealing
from vae_edge.runtime import VAE, InputError
from vae_edge.runtime.bundle import scores as stored
from vae_edge.runtime.bundle.manifest import File, Manifest, Scores
from vae_edge.runtime.distributions.mixture import Mixture
from vae_edge.runtime.scoring.fit import Fit, raw_features
from vae_edge.runtime.scoring.scorer import DRAWS

__all__ = ["FILE", "HELD_OUT", "LEARNED", "RATE", "Fitted", "Sample", "fit", "write"]

FILE = "scores.npz"
RATE = 0.01  # of the events that are like the training data, the share that is called unusual
LEARNED, HELD_OUT = 12_000, 12_000  # events that are scored at most, for the density and for the threshold
CHUNK = 512  # events scored at once

# Left out of the density: KL is what entropy and log p(z) are together, for draws that share their noise.
_REDUNDANT = frozenset({"kl"})
_COMPONENTS = (1, 8, 24)  # tried; the one is taken under which the events left out are likeliest
_LEFT_OUT = 5  # one event of so many chooses the number of components
_ROWS = 8  # events a component has for each feature, at least
_MOST_FEATURES = 256  # a component has a covariance of them
_FLOOR = 1e-3  # added to each feature's variance, which is about 1

Float64 = npt.NDArray[np.float64]
Array = npt.NDArray[Any]
Progress = Callable[[str, int], Callable[[int], None]]


@dataclass(frozen=True)
class Sample:
    """Events of one split, as `VAE.score` takes them; `given` are their labels or conditions, as it is given them."""

    events: Array
    given: dict[str, Array] = dataclasses.field(default_factory=dict)

    def __len__(self) -> int:
        return len(self.events)

    def thinned(self, most: int) -> Sample:
        """At most that many of them, evenly over their order: files may lie sorted by class."""
        places = np.arange(min(most, len(self))) * len(self) // min(most, len(self))
        return Sample(self.events[places], {name: rows[places] for name, rows in self.given.items()})


@dataclass(frozen=True)
class Fitted:
    """What the manifest says of a fit, and the bytes of its file."""

    scores: Scores
    data: bytes


def fit(
    vae: VAE,
    learned: Sample,
    held_out: Sample,
    *,
    rate: float = RATE,
    draws: int = DRAWS,
    dataset: str = "",
    dataset_sha256: str = "",
    command: str = "",
    progress: Progress = lambda step, count: lambda done: None,
) -> Fitted:
    """A fit of scores for the bundle of `vae`.

    The density is that of the `learned` events; a share `rate` of the `held_out` ones, which should be like them and
    new to the model, comes out above the threshold. Of 1 / `rate` events or fewer, the highest is the threshold, and
    the manifest says which rate that is. `progress` counts events. Raises InputError where there are too few.
    """
    if not 0 < rate < 1:
        raise InputError(f"rate should be above 0 and below 1, it is {rate}")
    learned, held_out = learned.thinned(LEARNED), held_out.thinned(HELD_OUT)
    both = progress("fit scores", len(learned) + len(held_out))
    statistics, codes = _measured(vae, learned, draws, both)
    tested, tested_codes = _measured(vae, held_out, draws, both)
    names = [name for name in statistics if name not in _REDUNDANT and np.ptp(statistics[name]) > 0]
    size = len(names) + vae.latent_size
    with_codes = size <= _MOST_FEATURES and len(learned) >= _ROWS * size
    if len(learned) < _ROWS * len(names):
        raise InputError(
            f"scores are fitted to {_ROWS * len(names)} events or more, there are {len(learned)}; fit the bundle to "
            "more of them by `vae-edge score --fit --bundle BUNDLE --data MORE`"
        )
    raw = raw_features(statistics, codes if with_codes else None, names)
    shift, scale = _location_and_scale(raw)
    density = _density((raw - shift) / scale)
    arrays = stored.Arrays(shift, scale, density)
    data = stored.render(arrays)
    blank = Scores(
        file=File.of(FILE, data),
        statistics=tuple(names),
        codes=with_codes,
        components=len(density.weights),
        draws=draws,
        threshold=0.0,
        threshold_without_label=None,
        false_positive_rate=max(rate, 1 / (len(held_out) + 1)),
        events=len(learned),
        held_out=len(held_out),
        dataset=dataset,
        dataset_sha256=dataset_sha256,
        command=command,
    )
    judge = Fit(blank, arrays)
    without = None
    if vae.labels:
        unlabelled, codes = _measured(vae, Sample(held_out.events), draws, lambda done: None)
        without = _threshold(judge.value(unlabelled, codes), rate)
    limit = _threshold(judge.value(tested, tested_codes), rate)
    return Fitted(dataclasses.replace(blank, threshold=limit, threshold_without_label=without), data)


def write(path: str | Path, fitted: Fitted, digest: str) -> Manifest:
    """Puts a fit into the bundle at `path`, in the place of one that is there, and returns its new manifest.

    `digest` is that of the manifest that was fitted: a bundle that has changed since is left alone (IntegrityError).
    All that is there before is whole until the new bundle takes its place (OutputError).
    """
    return resealing.reseal(
        path,
        digest,
        lambda said: dataclasses.replace(said, scores=fitted.scores),
        {FILE: fitted.data},
        lambda said, text: card.with_scores(text, said),
    )


def _measured(
    vae: VAE, sample: Sample, draws: int, advance: Callable[[int], None]
) -> tuple[dict[str, Float64], npt.NDArray[np.float32]]:
    """The statistics of all events by name, and the means of their posteriors."""
    parts = []
    for at in range(0, len(sample), CHUNK):
        here = slice(at, at + CHUNK)
        given: dict[str, Any] = {name: rows[here] for name, rows in sample.given.items()}
        found = vae.score(sample.events[here], draws=draws, **given)
        parts.append((found.statistics, found.codes))
        advance(len(found))
    names = parts[0][0]
    statistics = {name: np.concatenate([part[name] for part, _ in parts]) for name in names}
    return statistics, np.concatenate([codes for _, codes in parts])


def _location_and_scale(raw: Float64) -> tuple[npt.NDArray[np.float32], npt.NDArray[np.float32]]:
    """The median of each feature, and its scale: that of a normal with the same quartiles, or where these are one the
    standard deviation.
    """
    low, middle, high = np.percentile(raw, [25, 50, 75], axis=0)
    scale = (high - low) / 1.349
    scale = np.where(scale > 0, scale, raw.std(axis=0))
    return middle.astype(np.float32), np.maximum(scale, 1e-6).astype(np.float32)


def _density(features: Float64) -> Mixture:
    """The mixture of normals of full covariance, with as many components as make events that are left out likeliest."""
    rest, left_out = _parted(features)
    most = max(1, len(rest) // (_ROWS * features.shape[1]))
    tried = {count: _mixture(rest, count) for count in _COMPONENTS if count <= most}
    chosen = max(tried.values(), key=lambda mixture: float(mixture.score(left_out)))
    order = np.argsort(-chosen.weights_)
    weights = chosen.weights_[order] / chosen.weights_.sum()
    tril = np.linalg.cholesky(chosen.covariances_[order])
    return Mixture(weights, chosen.means_[order], tril.astype(np.float32))


def _parted(features: Float64) -> tuple[Float64, Float64]:
    is_left_out = np.arange(len(features)) % _LEFT_OUT == 0
    return features[~is_left_out], features[is_left_out]


def _mixture(features: Float64, components: int) -> Any:
    from sklearn.exceptions import ConvergenceWarning
    from sklearn.mixture import GaussianMixture

    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)  # a mixture that still moves a little is as good
        found = GaussianMixture(components, reg_covar=_FLOOR, tol=1e-2, max_iter=40, random_state=0)
        return found.fit(features)


def _threshold(values: Sequence[float] | Float64, rate: float) -> float:
    """The value that a new event of the same kind exceeds with probability `rate`: the rate (n + 1)-th highest."""
    ranked = np.sort(np.asarray(values))[::-1]
    return float(ranked[max(1, math.floor(rate * (len(ranked) + 1))) - 1])
