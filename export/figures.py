"""Figures of a bundle: those measured after its export are put into its manifest and its card, sealed again."""

from __future__ import annotations

import dataclasses
import re
from collections.abc import Mapping
from pathlib import Path

from vae_edge.export import resealing
from vae_edge.runtime.bundle.manifest import Manifest
from vae_edge.runtime.evaluation.metrics import ERROR, FLOOR, MEMBERS, METRICS, MODE, NLL_SAMPLES

__all__ = ["section", "write"]

_HEADING = "## Figures"
_SECTION = re.compile(rf"^{_HEADING}\n.*?(?=^## |\Z)", re.MULTILINE | re.DOTALL)


def section(said: Manifest) -> str:
    """The card's section on figures: those of the manifest's metrics, and the parity that export measured."""
    found = said.metrics
    rows = [
        f"| {_title(name, found)} | {_number(name, value)}{_beside(name, ERROR, found, ' +- ')} "
        f"| {_beside(name, MODE, found)} | {_beside(name, FLOOR, found)} |"
        for name, value in sorted(found.items(), key=lambda item: _place(item[0]))
        if not name.endswith((FLOOR, MODE, ERROR)) and name not in (NLL_SAMPLES, MEMBERS)
    ]
    table = [
        "Computed on test events by the runtime on these graphs; likelihoods are of one event. Figures of samples are",
        "of the head sample; beside stands what the head mode gets, and what training events get.",
        "",
        "| figure | | head mode | real |",
        "|---|---|---|---|",
        *rows,
        "",
    ]
    parity = [f"| {name} | {f'{value:.1e}' if value else '0'} |" for name, value in said.parity.items()]
    return "\n".join(
        [
            _HEADING,
            *(table if rows else ["None was measured: `vae-edge evaluate` does it, on your own events.", ""]),
            "Largest difference from the model that was exported, |difference| / max(1, |value|), over the examples,",
            "the means of their posteriors, and draws of the prior:",
            "",
            "| output | largest difference |",
            "|---|---|",
            *parity,
            "",
            "",
        ]
    )


def write(path: str | Path, metrics: Mapping[str, float], digest: str) -> Manifest:
    """Puts `metrics` into the bundle at `path`, over those of the same names, and returns its new manifest.

    `digest` is that of the manifest that was measured: a bundle that has changed since is left alone (IntegrityError).
    All that is there before is whole until the new bundle takes its place (OutputError).
    """
    return resealing.reseal(
        path,
        digest,
        lambda said: dataclasses.replace(said, metrics=dict(said.metrics) | dict(metrics)),
        {},
        lambda said, text: _SECTION.sub(lambda _: section(said), text, count=1),
    )


def _place(name: str) -> int:
    return list(METRICS).index(name) if name in METRICS else len(METRICS)


def _title(name: str, metrics: Mapping[str, float]) -> str:
    title = METRICS[name].title if name in METRICS else name.replace("_", " ")
    beside = {"nll": ("K", NLL_SAMPLES), "members_nll": ("M", MEMBERS)}
    letter, count = beside.get(name, ("", ""))
    return f"{title}, {letter} = {metrics[count]:,.0f}" if count in metrics else title


def _number(name: str, value: float) -> str:
    return METRICS[name].text(value) if name in METRICS else f"{value:.4g}"


def _beside(name: str, suffix: str, metrics: Mapping[str, float], before: str = "") -> str:
    """The metric that goes with another, by its suffix."""
    value = metrics.get(name + suffix)
    return "" if value is None else f"{before}{_number(name, value)}"
