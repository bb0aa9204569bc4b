"""What `evaluate` has measured, as tables and as JSON."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from vae_edge.runtime.evaluation import Cost, Figure

__all__ = ["document", "several", "single"]

# Group -> figure -> (label, a factor, how it is written).
_Row = tuple[str, float, str]
GROUPS: dict[str, dict[str, _Row]] = {
    "likelihood": {
        "nll": ("nll", 1, ".3f"),
        "elbo": ("elbo", 1, ".3f"),
        "reconstruction": ("reconstruction", 1, ".3f"),
        "kl": ("kl", 1, ".3f"),
        "active_units": ("active units", 1, ".0f"),
    },
    "reconstruction, z = the posterior's mean": {
        "cross_entropy": ("cross-entropy", 1, ".3f"),
        "wrong_pixels": ("wrong %", 100, ".3f"),
        "squared_error": ("sq. error", 1, ".5f"),
    },
    "samples": {
        "frechet": ("frechet", 1, ".3f"),
        "precision": ("precision", 1, ".3f"),
        "recall": ("recall", 1, ".3f"),
        "density": ("density", 1, ".3f"),
        "coverage": ("coverage", 1, ".3f"),
        "confidence": ("confidence", 1, ".3f"),
        "class_distance": ("class TV", 1, ".3f"),
    },
}
COST = {
    "decoder_multiply_adds": ("decoder MACs", ",.0f"),
    "parameters": ("parameters", ",.0f"),
    "bytes": ("bytes", ",.0f"),
    "microseconds": ("us/image", ",.1f"),
}


def document(found: Mapping[str, Figure]) -> dict[str, Any]:
    """The figures for JSON: a mean over images as mean and standard_error, a figure of samples as value and floor."""
    tree: dict[str, Any] = {}
    for name, figure in found.items():
        if name in GROUPS["samples"]:
            tree[name] = {"value": figure.value, "floor": figure.floor}
        elif name == "active_units":
            tree[name] = figure.value
        else:
            tree[name] = {"mean": figure.value, "standard_error": figure.standard_error}
    return tree


def single(found: Mapping[str, Figure], cost: Cost, samples: int) -> list[str]:
    """One bundle's figures, one a line."""
    lines = []
    for group, rows in GROUPS.items():
        here = [name for name in rows if name in found]
        if here:
            beside = "real images" if any(found[name].floor is not None for name in here) else ""
            lines.append(f"  {group:40}{beside:>14}".rstrip())
        for name in here:
            figure, (label, factor, form) = found[name], rows[name]
            label = f"{label} (K = {samples})" if name == "nll" else label
            line = f"    {label:22}{factor * figure.value:14{form}}"
            if figure.standard_error is not None:
                line += f" +- {factor * figure.standard_error:{form}}"
            if figure.floor is not None:
                line += f"{factor * figure.floor:14{form}}"
            lines.append(line)
    lines.append("  cost")
    return lines + [f"    {label:22}{getattr(cost, name):14{form}}" for name, (label, form) in COST.items()]


def several(
    names: Sequence[str], found: Sequence[Mapping[str, Figure]], costs: Sequence[Cost], samples: int
) -> list[str]:
    """Bundles below each other: their cost and likelihood, then reconstruction and samples."""
    likelihood, *others = GROUPS.values()
    rest = {name: row for group in others for name, row in group.items()}
    first = [["bundle", *(label for label, _ in COST.values()), *_labels(likelihood, found, samples)]]
    second = [["bundle", *_labels(rest, found, samples)]]
    for name, figures, cost in zip(names, found, costs, strict=True):
        spent = [format(getattr(cost, field), form) for field, (_, form) in COST.items()]
        first.append([name, *spent, *_cells(likelihood, found, figures)])
        second.append([name, *_cells(rest, found, figures)])
    floor = {name: figure.floor for figures in found for name, figure in figures.items() if figure.floor is not None}
    if floor:
        columns = [name for name in rest if any(name in figures for figures in found)]
        written = [format(rest[name][1] * floor[name], rest[name][2]) if name in floor else "" for name in columns]
        second.append(["(real images)", *written])
    return [*_align(first), "", *_align(second)]


def _labels(rows: Mapping[str, _Row], found: Sequence[Mapping[str, Figure]], samples: int) -> list[str]:
    shown = [name for name in rows if any(name in figures for figures in found)]
    return [f"nll (K={samples})" if name == "nll" else rows[name][0] for name in shown]


def _cells(rows: Mapping[str, _Row], found: Sequence[Mapping[str, Figure]], figures: Mapping[str, Figure]) -> list[str]:
    shown = [name for name in rows if any(name in every for every in found)]
    return [format(rows[name][1] * figures[name].value, rows[name][2]) if name in figures else "-" for name in shown]


def _align(table: list[list[str]]) -> list[str]:
    widths = [max(map(len, column)) for column in zip(*table, strict=True)]
    return [
        "  ".join(
            cell.ljust(width) if at == 0 else cell.rjust(width)
            for at, (cell, width) in enumerate(zip(row, widths, strict=True))
        ).rstrip()
        for row in table
    ]
