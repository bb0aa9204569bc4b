"""`evaluate --against`: how well a bundle's scores tell another data set from its own."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from vae_edge.cli.progress import Progress

if TYPE_CHECKING:
    from vae_edge.runtime import VAE
    from vae_edge.runtime.evaluation.detection import Detection

__all__ = ["COMBINED", "document", "measure", "table"]

COMBINED = "value"
CHUNK = 512

Float64 = npt.NDArray[np.float64]


@dataclasses.dataclass(frozen=True)
class Found:
    """The figures by statistic, `value` first where there is one; and which share of each set is unusual."""

    figures: Mapping[str, Detection]
    false_positives: float | None
    true_positives: float | None


def measure(
    vae: VAE, ordinary: npt.NDArray[Any], strange: npt.NDArray[Any], given: Mapping[str, Any], seed: int
) -> Found:
    """Scores both sets alike, with the same `given`: a label that only one of them has would tell them apart."""
    from vae_edge.runtime.evaluation.detection import detection

    with Progress("score", len(ordinary) + len(strange)) as progress:
        usual, above = _scored(vae, ordinary, given, seed, progress)
        other, found = _scored(vae, strange, given, seed, progress)
    figures = {name: detection(usual[name], other[name], seed=seed) for name in usual}
    if COMBINED not in figures:
        return Found(figures, None, None)
    return Found(figures, float(above.mean()), float(found.mean()))


def table(found: Found, who: str, own: str, other: str) -> list[str]:
    """The figures, one statistic a line, the best first, and behind `combined`."""
    lines = [f"{who}: {other} against {own}; AUROC, and false positives at 95 % true ones; 95 % intervals"]
    ranked = sorted(found.figures.items(), key=lambda item: (item[0] != COMBINED, -item[1].auroc))
    for name, each in ranked:
        low, high = each.auroc_interval
        least, most = each.fpr95_interval
        label = "combined" if name == COMBINED else name
        lines.append(
            f"  {label:16}{each.auroc:8.4f} ({low:.4f} to {high:.4f}){each.fpr95:10.2%} ({least:.2%} to {most:.2%})"
        )
    if found.true_positives is not None:
        shares = f"{found.false_positives:.2%} of {own}, {found.true_positives:.2%} of {other}"
        lines.append(f"  above the threshold: {shares}")
    return lines


def document(found: Found) -> dict[str, Any]:
    """The figures for JSON."""
    return {
        "unusual": None if found.true_positives is None else [found.false_positives, found.true_positives],
        "detection": {name: dataclasses.asdict(each) for name, each in found.figures.items()},
    }


def _scored(
    vae: VAE, events: npt.NDArray[Any], given: Mapping[str, Any], seed: int, progress: Progress
) -> tuple[dict[str, Float64], npt.NDArray[np.bool_]]:
    from vae_edge.runtime.evaluation.detection import oriented

    parts, unusual = [], []
    for at in range(0, len(events), CHUNK):
        score = vae.score(events[at : at + CHUNK], seed=seed, **given)
        value = {} if score.combined is None else {COMBINED: score.value}
        unusual += [] if score.combined is None else [score.is_unusual]
        parts.append(value | oriented(score.statistics))
        progress.advance(len(score))
    whole = {name: np.concatenate([part[name] for part in parts]) for name in parts[0]}
    return whole, np.concatenate(unusual) if unusual else np.zeros(0, bool)
