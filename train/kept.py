"""Some events that a run keeps beside its weights, so that it can be exported when its data is gone."""

from __future__ import annotations

from pathlib import Path
from typing import Any, Literal

import numpy as np

from vae_edge.runtime import atomic
from vae_edge.runtime.errors import DataError, RunError
from vae_edge.train import data
from vae_edge.train.data import Dataset
from vae_edge.train.run import Record

__all__ = ["keep", "load", "load_or_read"]

Part = Literal["train", "validation"]

MOST = {"train": 1024, "validation": 1000}  # what int8 is calibrated on, and what a precision's loss is measured on
LEAST, MAX_BYTES = 64, 1 << 24  # events and bytes of a split, uncompressed: of large images fewer are kept


def keep(run: Path, splits: dict[Part, Dataset]) -> None:
    """Writes kept.npz: the first events of each split, with their labels."""
    arrays: dict[str, Any] = {}
    for split, dataset in splits.items():
        fitting = MAX_BYTES // max(1, dataset.events[0].nbytes)
        n = min(MOST[split], max(LEAST, fitting))
        arrays[split] = dataset.events[:n]
        if dataset.labels is not None:
            arrays[f"{split}_labels"] = dataset.labels[:n]
    with atomic.replacing(run / "kept.npz") as file:
        np.savez_compressed(file, **arrays)


def load(run: Path, record: Record, split: Part) -> Dataset:
    """The events that a run kept; raises DataError where it kept none, as runs of release 0.1 did."""
    try:
        with (run / "kept.npz").open("rb") as stream, np.load(stream, allow_pickle=False) as arrays:
            events = arrays[split]
            labels = arrays[f"{split}_labels"] if f"{split}_labels" in arrays.files else None
    except FileNotFoundError as error:
        raise DataError(f"{run}: keeps no events of its own; give the place of its data by --data") from error
    except Exception as error:  # zipfile, zlib and numpy raise a dozen kinds on damaged input
        raise RunError(f"{run / 'kept.npz'}: damaged ({error}); give the place of the run's data by --data") from error
    columns = getattr(record.event, "names", ())
    return Dataset(record.dataset, events, labels, record.dataset_sha256, record.labels, columns)


def load_or_read(run: Path, record: Record, split: Part, data_dir: str | Path | None = None) -> Dataset:
    """The events of a split that the run kept, at most 1,000; where it kept none, that split of its data.

    So the data is not read again for a few pictures. Raises DataError where there are neither kept events nor data,
    RunError where the data is no longer what the run has learned from.
    """
    try:
        return load(run, record, split)
    except (DataError, RunError):  # a run of release 0.1, or a damaged file
        found = data.load_for(record.config, split, data_dir or record.data_dir or None)
        record.expect(found)
        return found
