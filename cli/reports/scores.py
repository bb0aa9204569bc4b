"""Scores as they are written: lines of a table, objects of JSON, and a picture of the most unusual events."""

from __future__ import annotations

import csv
import heapq
import io
import json
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    import numpy.typing as npt

    from vae_edge.runtime import Score

__all__ = ["Gallery", "csv_lines", "json_lines", "rows_of"]

_BRIGHT = 0.995  # of the surprise that is shown, the share up to white
_DIGITS = 6


def rows_of(score: Score, names: list[str], columns: tuple[str, ...], labels: tuple[str, ...]) -> list[dict[str, Any]]:
    """What is written of each event: name, value where there is one, statistics, and the columns of a table.

    `columns` are those of a table, () of images; `labels` the names of a conditional model's labels.
    """
    rows = []
    for place, name in enumerate(names):
        row: dict[str, Any] = {"name": name}
        if score.labels is not None:
            row["label"] = labels[score.labels[place]]
        if score.combined is not None:
            row |= {"value": _short(score.value[place]), "is_unusual": bool(score.is_unusual[place])}
        row |= {key: _short(values[place]) for key, values in score.statistics.items()}
        if columns:
            surprise = score.surprise[place]
            row["odd_column"] = columns[int(surprise.argmax())]
            row |= {f"surprise {column}": _short(value) for column, value in zip(columns, surprise, strict=True)}
        rows.append(row)
    return rows


def csv_lines(batches: Iterator[list[dict[str, Any]]]) -> Iterator[bytes]:
    """The lines of a .csv (RFC 4180), its header first, a batch at a time."""
    for number, rows in enumerate(batches):
        text = io.StringIO()
        writer = csv.writer(text, lineterminator="\n")
        if number == 0:
            writer.writerow(rows[0])
        writer.writerows([_cell(value) for value in row.values()] for row in rows)
        yield text.getvalue().encode()


def json_lines(batches: Iterator[list[dict[str, Any]]], head: dict[str, Any]) -> Iterator[bytes]:
    """One JSON document: `head`, and behind it `events`, an object each on a line of its own."""
    yield json.dumps(head)[:-1].encode() + b', "events": [\n'
    separator = b""
    for rows in batches:
        yield separator + ",\n".join(json.dumps(row, allow_nan=False) for row in rows).encode()
        separator = b",\n"
    yield b"\n]}\n"


@dataclass
class Gallery:
    """Keeps the `most` unusual of all events that it is shown: by value, without a fit by misfit."""

    most: int
    _kept: list[tuple[float, int, Any]] = field(default_factory=list)

    def add(self, score: Score, images: npt.NDArray[Any], again: npt.NDArray[Any], start: int) -> None:
        """Some events as the model knows them, and their reconstructions; the first is number `start` of all."""
        order = score.statistics["misfit"] if score.combined is None else score.combined
        for place, value in enumerate(np.nan_to_num(order, nan=np.inf)):
            parts = {"image": images[place].copy(), "reconstruction": again[place].copy()}
            maps = {"surprise": score.surprise, "open": score.aleatoric, "disagreed": score.epistemic}
            parts |= {name: found[place].copy() for name, found in maps.items() if found is not None}
            kept = (float(value), -start - place, parts)
            if len(self._kept) < self.most:
                heapq.heappush(self._kept, kept)
            elif kept[:2] > self._kept[0][:2]:
                heapq.heapreplace(self._kept, kept)

    def places(self) -> list[int]:
        """The numbers of the events kept, the most unusual first."""
        return [-place for _, place, _ in sorted(self._kept, reverse=True)]

    def rows(self) -> dict[str, npt.ArrayLike]:
        """Images, reconstructions, and maps that are light where high, the most unusual first, for a sheet.

        The maps are the surprise, and with members what each of them finds open and what they disagree of.
        """
        kept = [parts for _, _, parts in sorted(self._kept, reverse=True)]
        rows = {name: np.stack([parts[name] for parts in kept]) for name in kept[0]}
        pictures = ("image", "reconstruction")
        return {name: each if name in pictures else _light(each) for name, each in rows.items()}


def _light(values: npt.NDArray[Any]) -> npt.NDArray[Any]:
    """A map (n, H, W, C) as grey of as many channels, in [0, 1]; a negative density's entropy is dark."""
    shown = np.nan_to_num(values, posinf=1e6).mean(axis=3, keepdims=True)
    bright = max(float(np.quantile(shown, _BRIGHT)), 1e-6)
    shown = np.broadcast_to(np.clip(shown / bright, 0, 1), values.shape)
    if values.shape[3] == 4:  # opaque
        shown = np.concatenate([shown[..., :3], np.ones_like(shown[..., :1])], axis=3)
    return shown


def _short(value: Any) -> float | None:
    """A number with six digits; None where it is not finite."""
    number = float(value)
    return float(f"{number:.{_DIGITS}g}") if np.isfinite(number) else None


def _cell(value: Any) -> Any:
    return {True: "yes", False: "no"}[value] if isinstance(value, bool) else "" if value is None else value
