"""What `evaluate` has measured, as tables and as JSON."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from vae_edge.runtime.evaluation.metrics import LIKELIHOOD, RECONSTRUCTION, SAMPLES, Metric

if TYPE_CHECKING:
    from vae_edge.runtime.evaluation.figures import Cost, Figure

__all__ = ["document", "several", "single"]

GROUPS = {
    "likelihood": LIKELIHOOD,
    "reconstruction, z = the posterior's mean": RECONSTRUCTION,
    "samples": SAMPLES,
}
COST = {
    "decoder_multiply_adds": ("decoder MACs", ",.0f"),
    "parameters": ("parameters", ",.0f"),
    "bytes": ("bytes", ",.0f"),
    "microseconds": ("us", ",.1f"),  # an event: an image, or a row
}


def document(found: Mapping[str, Figure]) -> dict[str, Any]:
    """The figures for JSON: a mean over events as mean and standard_error; of samples value, mode and floor."""
    tree: dict[str, Any] = {}
    for name, figure in found.items():
        if name in SAMPLES:
            tree[name] = {"value": figure.value, "mode": figure.mode, "floor": figure.floor}
        elif name == "active_units":
            tree[name] = figure.value
        else:
            tree[name] = {"mean": figure.value, "standard_error": figure.standard_error}
    return tree


def single(found: Mapping[str, Figure], cost: Cost, samples: int, generated: int, event: str = "image") -> list[str]:
    """One bundle's figures, one a line; `event` is what an event is called."""
    lines = []
    for group, rows in GROUPS.items():
        here = [name for name in rows if name in found]
        if here:
            columns = [("head sample", any(found[name].mode is not None for name in here))]
            columns += [
                ("head mode", columns[0][1]),
                ("real images", any(found[name].floor is not None for name in here)),
            ]
            title = f"{group} (N = {generated:,})" if group == "samples" else group
            lines.append(f"  {title:24}{''.join(f'{head:>14}' for head, shown in columns if shown)}".rstrip())
        for name in here:
            figure, number = found[name], rows[name].number
            label = f"{rows[name].label} (K = {samples})" if name == "nll" else rows[name].label
            line = f"    {label:22}{number(figure.value):>14}"
            if figure.standard_error is not None:
                line += f" +- {number(figure.standard_error)}"
            for beside in (figure.mode, figure.floor):
                line += "" if beside is None else f"{number(beside):>14}"
            lines.append(line)
    lines.append("  cost")
    return lines + [f"    {_priced(name, event):22}{getattr(cost, name):14{form}}" for name, (_, form) in COST.items()]


def several(
    names: Sequence[str],
    found: Sequence[Mapping[str, Figure]],
    costs: Sequence[Cost],
    samples: int,
    generated: int,
    event: str = "image",
) -> list[str]:
    """Bundles below each other: their cost and likelihood, then reconstruction and samples."""
    likelihood, *others = GROUPS.values()
    rest = {name: row for group in others for name, row in group.items()}
    first = [["bundle", *(_priced(name, event) for name in COST), *_labels(likelihood, found, samples)]]
    drawn = f", {generated:,} samples" if any("frechet" in figures for figures in found) else ""
    second = [[f"bundle{drawn}", *_labels(rest, found, samples)]]
    floor: dict[str, float] = {}
    for name, figures, cost in zip(names, found, costs, strict=True):
        spent = [format(getattr(cost, field), form) for field, (_, form) in COST.items()]
        values = {key: figure.value for key, figure in figures.items()}
        error = figures["nll"].standard_error if "nll" in figures else None
        first.append([name, *spent, *_cells(likelihood, found, values, nll_error=error)])
        second.append([name, *_cells(rest, found, values)])
        if mode := {key: figure.mode for key, figure in figures.items() if figure.mode is not None}:
            second.append([f"{name}, head mode", *_cells(rest, found, mode, absent="")])
        floor |= {key: figure.floor for key, figure in figures.items() if figure.floor is not None}
    if floor:
        second.append(["(real images)", *_cells(rest, found, floor, absent="")])
    return [*_align(first), "", *_align(second)]


def _priced(name: str, event: str) -> str:
    """The label of a cost."""
    label, _ = COST[name]
    return f"{label}/{event}" if name == "microseconds" else label


def _labels(rows: Mapping[str, Metric], found: Sequence[Mapping[str, Figure]], samples: int) -> list[str]:
    shown = [name for name in rows if any(name in figures for figures in found)]
    return [f"nll (K={samples})" if name == "nll" else rows[name].label for name in shown]


def _cells(
    rows: Mapping[str, Metric],
    found: Sequence[Mapping[str, Figure]],
    values: Mapping[str, float],
    absent: str = "-",
    nll_error: float | None = None,
) -> list[str]:
    cells = []
    for name in (name for name in rows if any(name in every for every in found)):
        cells.append(rows[name].number(values[name]) if name in values else absent)
        if name == "nll" and nll_error is not None:
            cells[-1] += f" +- {rows[name].number(nll_error)}"
    return cells


def _align(table: list[list[str]]) -> list[str]:
    widths = [max(map(len, column)) for column in zip(*table, strict=True)]
    return [
        "  ".join(
            cell.ljust(width) if at == 0 else cell.rjust(width)
            for at, (cell, width) in enumerate(zip(row, widths, strict=True))
        ).rstrip()
        for row in table
    ]
