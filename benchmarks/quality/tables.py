"""The results as markdown tables, and their places in a page."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Any

from benchmarks.quality.published import PUBLISHED
from vae_edge.runtime.errors import OutputError

__all__ = ["BASELINES", "DYNAMIC", "dynamic", "insert", "static"]

BASELINES, DYNAMIC = "results", "dynamic"  # where the tables stand in the page

_HEADER = (
    "model",
    "latents",
    "epochs (best)",
    "CPU minutes",
    "batch, step size of Adam",
    "parameters",
    "decoder, multiply-adds",
    "-ELBO",
    "NLL",
    "Frechet distance",
    "precision, recall",
    "-ELBO that its author reports",
)


def static(results: Mapping[str, Any]) -> str:
    """The table of baselines and bundles, the least NLL first; last, what could not be run, and why."""
    done = sorted((row for row in results["rows"] if "figures" in row), key=lambda row: row["figures"]["nll"])
    lines = [_line(_HEADER), _line(["---"] * len(_HEADER)), *(_line(_cells(row)) for row in done)]
    lines += [
        _line([_name(row), str(row["latent"]), f"not run: {row['reason']}"] + [""] * (len(_HEADER) - 3))
        for row in results["rows"]
        if "figures" not in row
    ]
    notes = [_conditions(results, done[0]["figures"])] if done else []
    return "\n".join([*lines, "", *notes])


def dynamic(results: Mapping[str, Any]) -> str:
    """A table for each data set: published figures, and that of our bundle, if it was measured."""
    return "\n\n".join(f"### {name}\n{_dynamic(name, results.get(name))}" for name in PUBLISHED)


def insert(page: str, text: str, place: str) -> str:
    """`page` with `text` between the two marks of `place`; raises OutputError where it has none."""
    begin, end = f"<!-- {place}: begin -->", f"<!-- {place}: end -->"
    if page.count(begin) != 1 or page.count(end) != 1:
        raise OutputError(f"the page should hold {begin} and {end} once each; put them where the tables belong")
    return re.sub(f"{begin}.*?{end}", lambda _: f"{begin}\n{text.strip()}\n{end}", page, flags=re.DOTALL)


def _dynamic(name: str, ours: Mapping[str, Any] | None) -> str:
    rows = [(entry.nll, entry.model, f"{entry.nll:.2f}", entry.source) for entry in PUBLISHED[name]]
    if ours:
        measured = f"K = {ours['samples']:,}, {ours['images']:,} images, measured at {', '.join(ours['commits'])}"
        source = f"`{ours['command']}`, {measured}"
        rows.append((ours["nll"], f"**{ours['name']}**, ours", f"{ours['nll']:.2f} +- {ours['error']:.2f}", source))
    header = ["model", "NLL, nats", "source"]
    return "\n".join([_line(header), _line(["---"] * 3), *(_line(row[1:]) for row in sorted(rows, reverse=True))])


def _conditions(results: Mapping[str, Any], figures: Mapping[str, Any]) -> str:
    """On what the figures were measured, in sentences."""
    settings, real = results["settings"], figures["real"]
    agreement = " and ".join(f"{value:.1e} ({name})" for name, value in results["agreement"].items())
    return (
        f"Learned from {settings['train_images']:,} images, the epoch chosen on {settings['validation_images']:,}, "
        f"seed {settings['seed']}. -ELBO by one z an image on {figures['elbo_images']:,} test images, NLL by K = "
        f"{figures['nll_samples']:,} importance samples on the first {figures['nll_images']:,}; nats an image, +- one "
        f"standard error. Real images in the place of samples get a Frechet distance of {real['frechet']:.2f}, "
        f"precision {real['precision']:.2f} and recall {real['recall']:.2f}. On a bundle of ours this evaluation and "
        f"`vae_edge.runtime.evaluation.likelihood` differ by {agreement} nats. Measured at "
        f"{', '.join(results['commits'])}."
    )


def _cells(row: Mapping[str, Any]) -> list[str]:
    figures = row["figures"]
    return [
        _name(row),
        str(row["latent"]),
        f"{row.get('epochs', '')} ({row['best_epoch']})".strip(),
        f"{row['cpu_minutes']:.0f}" if "cpu_minutes" in row else "",
        f"{row['batch']}, {row['learning_rate']:g}" if "batch" in row else f"`{row['command']}`",
        f"{row['parameters']:,}",
        f"{row['decoder_multiply_adds'] / 1e6:.2f} M",
        f"{figures['negative_elbo']:.2f} +- {figures['negative_elbo_error']:.2f}",
        f"{figures['nll']:.2f} +- {figures['nll_error']:.2f}",
        f"{figures['frechet']:.1f}",
        f"{figures['precision']:.2f}, {figures['recall']:.2f}",
        row.get("result", ""),
    ]


def _name(row: Mapping[str, Any]) -> str:
    if row["ours"]:
        return f"**{row['name']}**, ours"
    trainer = f", {row['trainer']}" if row.get("trainer", "Keras") != "Keras" else ""
    return f"[{row['name']}]({row['source']}): {row['title']}{trainer}"


def _line(cells: Sequence[str]) -> str:
    return f"| {' | '.join(cells)} |"
