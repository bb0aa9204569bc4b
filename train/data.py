"""Data sets, their splits, and black-and-white pixels as a VAE sees them."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
import numpy.typing as npt

from vae_edge.pictures.notices import Say
from vae_edge.pictures.treatment import PLAIN, Treatment
from vae_edge.runtime import noise
from vae_edge.runtime.errors import DataError, InputError
from vae_edge.train import sources

if TYPE_CHECKING:
    from vae_edge.train.config import Config

__all__ = [
    "Binarisation",
    "Dataset",
    "Split",
    "Splits",
    "Validation",
    "binarise",
    "load",
    "load_for",
    "read",
    "read_for",
]

Split = Literal["train", "validation", "test", "all"]
Binarisation = Literal["static", "dynamic"]
Validation = Literal["auto", "shuffled", "last"]

VALIDATION_SHARE = 1 / 12  # MNIST's own: 5,000 of its 60,000 training images


@dataclass(frozen=True)
class Dataset:
    """One split of the data set `name`.

    `events` are images (n, H, W, C), uint8 in [0, 255], or a table's rows (n, d), float64 in their own units. `labels`
    (n,) are indices into `label_names`, or None; `columns` are the names of a table's columns, or (). `sha256` is that
    of the whole set, all splits. `published` is 'mnist', 'fashion-mnist' or 'digits' where the images are those of that
    set, untreated, by whatever name they were found; else ''.
    """

    name: str
    events: npt.NDArray[Any]
    labels: npt.NDArray[np.int64] | None
    sha256: str
    label_names: tuple[str, ...] = ()
    columns: tuple[str, ...] = ()
    published: str = ""

    def __len__(self) -> int:
        return len(self.events)

    @property
    def is_table(self) -> bool:
        """Whether the events are rows of numbers."""
        return self.events.ndim == 2

    @property
    def images(self) -> npt.NDArray[np.uint8]:
        """The events of a set of images, uint8 (n, H, W, C); raises DataError where it is a table."""
        if self.is_table:
            raise DataError(f"{self.name}: a table of {self.events.shape[1]} columns, images were expected")
        return self.events


@dataclass(frozen=True)
class Splits:
    """A data set that was read once, and gives each of its splits. `load` says how it is split.

    `found` is the set with its training and test part, and `validation` the rule for the validation split.
    `changes_pixels` says that a treatment has made other images of it.
    """

    found: sources.Source
    validation: Validation = "auto"
    changes_pixels: bool = False

    def split(self, split: Split) -> Dataset:
        """One split, as a copy; raises DataError where it would be empty, InputError where there is no such split."""
        _expect_split(split)
        found = self.found
        shuffle = found.has_test and not self._is_mnist and self.validation != "last"
        events, labels = _select(found.parts, split, shuffle)
        if not len(events):
            what, count = "rows" if events.ndim == 2 else "images", sum(len(part) for part, _ in found.parts)
            raise DataError(f"{found.name}: too few {what} for a {split} split, {count}: give a few hundred at least")
        names = found.label_names if labels is not None else ()
        published = "" if self.changes_pixels else found.published
        return Dataset(found.name, np.ascontiguousarray(events), labels, found.sha256, names, found.columns, published)

    def check_validation(self) -> None:
        """Raises DataError where `validation` asks for a rule that the set does not follow."""
        if self._is_mnist and self.validation == "shuffled":
            raise DataError(
                f"{self.found.name}: its last 5,000 training images validate: leave --validation shuffled out"
            )
        if not self.found.has_test and self.validation == "last":
            raise DataError(
                f"{self.found.name}: has no test split of its own, so it is shuffled as a whole before it is split: "
                "leave --validation last out"
            )

    @property
    def _is_mnist(self) -> bool:
        return self.found.has_test and bool(self.found.published)


def read(
    source: str | Path,
    data_dir: str | Path | None = None,
    *,
    download: bool = True,
    label_column: str = "",
    treatment: Treatment = PLAIN,
    validation: Validation = "auto",
    say: Say | None = None,
) -> Splits:
    """All splits of a data set; its files are read now, and not again. Parameters and errors are those of `load`."""
    found = sources.find(source, data_dir, download=download, label_column=label_column, treatment=treatment, say=say)
    return Splits(found, validation, treatment.changes_pixels)


def load(
    source: str | Path,
    split: Split = "train",
    data_dir: str | Path | None = None,
    *,
    download: bool = True,
    label_column: str = "",
    treatment: Treatment = PLAIN,
    validation: Validation = "auto",
    say: Say | None = None,
) -> Dataset:
    """One split of the data set `source`: 'mnist', 'fashion-mnist', 'digits', or a path.

    'train' and 'validation' part the training events: a twelfth validates. Of a set with a test split of its own it is
    the last one of a fixed shuffle, since files often lie sorted by class, or with `validation` 'last' in the set's own
    order; of MNIST and Fashion-MNIST always the last 5,000. A set without a test split is shuffled as a whole, and its
    last seventh tests. 'all' is every event. The column `label_column` of a .csv holds its labels. `treatment` is what
    is done to images, and `say` is told what was noticed in them. The published sets' files are looked for in
    `data_dir`, and fetched where they are not found and `download` is true. Raises DataError, also where the set does
    not follow the rule `validation`, or InputError for a `split` that there is not.
    """
    _expect_split(split)
    splits = read(
        source,
        data_dir,
        download=download,
        label_column=label_column,
        treatment=treatment,
        validation=validation,
        say=say,
    )
    splits.check_validation()
    return splits.split(split)


def read_for(config: Config, data_dir: str | Path | None = None, say: Say | None = None) -> Splits:
    """All splits of the data set that a configuration names, its images treated as it says; raises DataError."""
    return read(
        config.data,
        data_dir,
        label_column=config.label_column,
        treatment=config.treatment,
        validation=config.validation,
        say=say,
    )


def load_for(config: Config, split: Split, data_dir: str | Path | None = None) -> Dataset:
    """One split of the data set that a configuration names, its images treated as it says; raises DataError."""
    return read_for(config, data_dir).split(split)


def _expect_split(split: str) -> None:
    if split not in ("train", "validation", "test", "all"):
        raise InputError(f"split should be train, validation, test or all, it is {split!r}")


def binarise(images: npt.NDArray[np.uint8], how: Binarisation = "static", *, seed: int = 0) -> npt.NDArray[np.float32]:
    """The uint8 pixels of `images` as float32 of the same shape, 0 or 1.

    `how` is 'static', 1 where pixel / 255 > 0.5, or 'dynamic', 1 with probability pixel / 255. Dynamic draws are by the
    seed contract: pixel j of image i is a function of (seed, i, j).
    """
    if how == "static":
        return (np.asarray(images, np.float32) / np.float32(255) > 0.5).astype(np.float32)
    flat = images.reshape(len(images), -1)
    words = noise.words16(seed, noise.Purpose.IMAGE, 0, *flat.shape)
    # P(word < p * 2**16) = p, where 255 p is whole and so p * 2**16 is not: rounded, by at most 2**-17
    drawn = words < np.rint(flat * (65536 / 255)).astype(np.uint32)
    return drawn.astype(np.float32).reshape(images.shape)


def _select(parts: tuple[sources.Part, sources.Part], split: Split, shuffle: bool) -> sources.Part:
    (events, labels), test = parts
    if split == "test":
        return test
    if split == "all":
        joined = None if labels is None or test[1] is None else np.concatenate([labels, test[1]])
        return np.concatenate([events, test[0]]), joined
    order = sources.shuffled(len(events)) if shuffle else np.arange(len(events))
    cut = len(events) - round(len(events) * VALIDATION_SHARE)
    chosen = order[:cut] if split == "train" else order[cut:]
    return events[chosen], None if labels is None else labels[chosen]
