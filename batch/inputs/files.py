"""Which source reads a file or a folder a piece at a time, and how its events come to a VAE's shape."""

from __future__ import annotations

from functools import partial
from pathlib import Path
from typing import Any

import numpy.typing as npt

from vae_edge.batch.inputs.base import Source
from vae_edge.batch.inputs.parquet import LABEL, Parquet, files_in
from vae_edge.batch.inputs.sources import Array, Convert, Pictures
from vae_edge.batch.parquet import arrow
from vae_edge.pictures.files import as_images, picture_paths, treat
from vae_edge.pictures.fitting import fit
from vae_edge.pictures.notices import Notices
from vae_edge.pictures.treatment import Treatment
from vae_edge.runtime.bundle.manifest import Image, Manifest

__all__ = ["in_pieces", "of_images"]


def in_pieces(
    place: Path,
    manifest: Manifest,
    treatment: Treatment,
    convert: Convert,
    column: str = "",
    label_column: str = "",
    notices: Notices | None = None,
    hint: str = "",
) -> Source | None:
    """The source of Parquet, a folder of pictures or an .npy, for the VAE of `manifest`; None for another kind of file.

    `convert` takes arrays to events, as `of_images` does. `column` and `label_column` are Parquet's; without the second
    a VAE that takes labels reads `label`, where there is one. `hint` goes into the message of a shape that does not
    fit. Raises DataError.
    """
    notices, event = notices or Notices(), manifest.event
    fitted = partial(_fitted, event.shape, hint)
    parquet = files_in(place) if place.is_dir() else (place,) if place.suffix.lower() == ".parquet" else ()
    if parquet:
        takes_labels = manifest.condition is not None and manifest.condition.is_label
        label = label_column or (LABEL if takes_labels and _has(parquet[0], LABEL) else "")
        return Parquet(parquet, event, convert, fitted, treatment, column, label, notices)
    if isinstance(event, Image) and place.is_dir():
        return Pictures(place, tuple(picture_paths(place)), fitted, treatment, notices)
    if place.suffix.lower() == ".npy":
        return Array(place, convert, event.shape)
    return None


def of_images(shape: tuple[int, ...], treatment: Treatment, notices: Notices | None = None, hint: str = "") -> Convert:
    """What treats arrays of images and takes them to events of this shape; it raises DataError or InputError."""
    return partial(_images, treatment, notices, shape, hint)


def _images(
    treatment: Treatment, notices: Notices | None, shape: Any, hint: str, array: npt.NDArray[Any], name: object
) -> npt.NDArray[Any]:
    return fit(treat(as_images(array, name, notices), name, treatment), name, shape, hint)


def _fitted(shape: Any, hint: str, array: npt.NDArray[Any], name: object) -> npt.NDArray[Any]:
    return fit(array, name, shape, hint)


def _has(path: Path, column: str) -> bool:
    return column in arrow().parquet.read_schema(path).names
