"""The data that `evaluate` measures bundles on: which set, which pixels, which columns, which labels."""

from __future__ import annotations

import dataclasses
import functools
import shlex
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from vae_edge.cli.reading.conditions import Given, resolve
from vae_edge.cli.reading.treatments import trained
from vae_edge.runtime.errors import DataError, InputError

if TYPE_CHECKING:
    import numpy.typing as npt

    from vae_edge.pictures.treatment import Treatment
    from vae_edge.runtime import VAE
    from vae_edge.runtime.bundle.manifest import Training
    from vae_edge.train.data import Dataset, Splits, Validation

__all__ = ["Reader", "binarisation", "conditions", "events", "recorded_name", "treatment", "validation"]

NONE = "none"  # pixels as they are


@dataclass(frozen=True)
class Reader:
    """Reads one data set once, and gives its splits.

    `how` its pixels are made black and white is 'static', 'dynamic' or 'none'. `treatment` is what is done to its
    images, `validation` the rule for its validation split; `say` is told what is noticed in the images.
    """

    source: str
    how: str
    seed: int
    data_dir: Path | None
    label_column: str
    treatment: Treatment
    validation: Validation
    say: Callable[[str], None]

    @functools.cached_property
    def splits(self) -> Splits:
        """The data set as it was read; raises DataError."""
        from vae_edge.train import data

        splits = data.read(
            self.source,
            self.data_dir,
            label_column=self.label_column,
            treatment=self.treatment,
            validation=self.validation,
            say=self.say,
        )
        splits.check_validation()
        return splits

    def read(self, split: str) -> Dataset:
        """A split, its grey pixels drawn as black or white where they are to be; raises DataError."""
        from vae_edge.train import data

        dataset = self.splits.split(split)  # type: ignore[arg-type]
        if self.how != "dynamic":  # the threshold is the bundle's own
            return dataset
        drawn = data.binarise(dataset.images, "dynamic", seed=self.seed) * 255
        return dataclasses.replace(dataset, events=drawn.astype("uint8"))

    def recorded(self, vaes: Sequence[VAE], split: str) -> Dataset:
        """A split of what the recorded name leads to, where that is what all were trained on; raises DataError.

        A path is recorded by its last part alone, which may be `mnist` or lead nowhere.
        """
        first = vaes[0].manifest
        try:
            dataset = self.read(split)
        except DataError as error:
            said = f"{first.name!r} was trained on {_training(vaes[0]).dataset!r}"
            raise DataError(f"{said}: name its data by --data ({error})") from error
        for vae in vaes:
            if _training(vae).dataset_sha256 != dataset.sha256:
                raise DataError(
                    f"{vae.manifest.name!r} was trained on another {dataset.name!r} than the one "
                    "that is found by that name: name its data by --data"
                )
        return dataset


def recorded_name(vaes: Sequence[VAE]) -> str:
    """The name of the data set that all bundles were trained on; raises InputError where --data has to say it."""
    return _agreed("--data", [_training(vae).dataset for vae in vaes])


def binarisation(vaes: Sequence[VAE], asked: str | None) -> str:
    """How the images become black and white for all bundles: as `asked`, or as they were trained; 'none': they do not.

    Raises InputError where the bundles differ, or one takes no black-and-white images that is asked to.
    """
    from vae_edge.runtime.bundle.manifest import Image

    found = []
    for vae in vaes:
        event, training = vae.manifest.event, vae.manifest.training
        if isinstance(event, Image) and event.threshold is not None:
            found.append(asked or ("dynamic" if training and training.binarize == "dynamic" else "static"))
        elif asked:
            raise InputError(
                f"--binarize is for black-and-white images, {vae.manifest.name!r} takes others: leave it out"
            )
        else:
            found.append(NONE)
    if NONE in found and len(set(found)) > 1:
        raise InputError("some of these bundles take black-and-white images and some do not: evaluate them apart")
    return _agreed("--binarize", found)


def treatment(vaes: Sequence[VAE], asked: Treatment) -> Treatment:
    """How images are read for all bundles: as `asked`, or as those that they were trained on; raises InputError."""
    if asked.options:
        return asked
    every = [trained(vae) for vae in vaes]
    if any(each != every[0] for each in every):
        flags = ", ".join(sorted({each.flags or "no option" for each in every}))
        raise InputError(f"these bundles were trained on images read with {flags}: evaluate them apart, or give one")
    return every[0]


def validation(vaes: Sequence[VAE], asked: str | None) -> Validation:
    """Which events of the training data validate for all bundles: as `asked`, or as they were trained.

    The command line in a bundle's record says it; raises InputError where the bundles differ.
    """
    return _agreed("--validation", [asked or _recorded_validation(vae) for vae in vaes])  # type: ignore[return-value]


def _recorded_validation(vae: VAE) -> str:
    """The value of --validation in the command that began the training, of several joined by '&&'."""
    training = vae.manifest.training
    try:
        words = shlex.split(training.command) if training is not None else []
    except ValueError:  # not a command line of ours
        return "auto"
    found = begun = "auto"
    for before, word in zip(["", *words], words, strict=False):
        if word == "&&":
            begun, found = found, "auto"
        elif word == "--resume":  # goes on with the run of the command before
            found = begun
        elif before == "--validation" and word in ("shuffled", "last"):
            found = word
    return found


def events(vae: VAE, dataset: Dataset) -> npt.NDArray[Any]:
    """The data set's events as a bundle takes them: a table's columns in its order. Raises InputError."""
    from vae_edge.cli.reading.tables import in_order
    from vae_edge.runtime.bundle.manifest import Vector
    from vae_edge.train.tables import Table

    event = vae.manifest.event
    if isinstance(event, Vector) != dataset.is_table:
        wanted, came = ("rows", "images") if isinstance(event, Vector) else ("images", "rows")
        raise InputError(
            f"{vae.manifest.name!r} takes {wanted}, {dataset.name} holds {came}: name other data by --data"
        )
    if isinstance(event, Vector):
        return in_order(Table(dataset.events, dataset.columns), dataset.name, event)
    return dataset.events


def conditions(vaes: Sequence[VAE], dataset: Dataset, label: str | None, condition: str | None) -> list[Given]:
    """What each bundle is given: what the options say, or the data's own labels; nothing where it takes nothing."""
    import numpy as np

    found = None if dataset.labels is None else np.asarray(dataset.label_names)[dataset.labels]
    takes = [vae.manifest.condition is not None for vae in vaes]
    given = []
    for vae, taken in zip(vaes, takes, strict=True):
        ignored = not taken and any(takes)  # the option is for the others
        options = (None, None) if ignored else (label, condition)
        given.append(resolve(vae, options[0], None, options[1], n=len(dataset), found=found))
    return given


def _training(vae: VAE) -> Training:
    training = vae.manifest.training
    if training is None:
        raise InputError(
            f"{vae.manifest.name!r} has no record of a training by vae-edge: name the data to measure it on by --data"
        )
    return training


def _agreed(option: str, said: Sequence[str]) -> str:
    """What all bundles say of their training data, where they say the same."""
    if len(set(said)) > 1:
        different = ", ".join(sorted(set(said)))
        raise InputError(f"these bundles were trained on {different}: say with {option} on what to compare them")
    return said[0]
