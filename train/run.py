"""A run's folder: what was asked for, where it stands, and the best weights so far.

    run.json         the configuration, the command line, the commit, the data set's SHA-256, versions
    checkpoint.npz   everything that the next step depends on, after the last whole epoch
    best.npz         the weights with the best validation ELBO, or with objective iwae or a finish the best bound
    kept.npz         some training and validation events: what export needs where the data has been moved
    history.csv      a row an epoch; tensorboard/ holds the same

Each file is replaced whole or not at all. Paths stand in run.json as they are on this machine; no bundle holds them.
"""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from vae_edge.runtime import atomic, locks
from vae_edge.runtime.bundle.manifest import Condition, Image, Vector
from vae_edge.runtime.errors import InputError, RunError
from vae_edge.train.config import Config
from vae_edge.train.data import Dataset

__all__ = ["Diverged", "Record", "Run", "restore"]

Arrays = list[npt.NDArray[Any]]


class Diverged(RunError):
    """The bound that a run is judged by has become NaN or infinite."""


@dataclass(frozen=True)
class Record:
    """What run.json holds.

    `config` names the likelihood and the network that were learned, never 'auto'; `event` is what the networks read, as
    the manifest holds it (of a table in standard units by its shift and scale); `labels` are the names of a conditional
    model's labels, or (); `dataset` is the set's name, `dataset_sha256` that of its content, and `images` the number of
    training images or rows; `command` is the command line that learns the same weights, `commit` and `versions` are
    the code and the packages that learned them; `data_dir` is the absolute path of the folder with mnist's or
    fashion-mnist's files, or '' where none was named.
    """

    config: Config
    event: Image | Vector
    labels: tuple[str, ...]
    dataset: str
    dataset_sha256: str
    images: int
    command: str
    commit: str
    versions: dict[str, str]
    data_dir: str = ""

    @property
    def event_shape(self) -> tuple[int, ...]:
        """(H, W, C) or (size,)."""
        return self.event.shape

    @property
    def condition(self) -> Condition | None:
        """The label, one-hot, of a conditional model."""
        return Condition("one_hot", len(self.labels), self.labels) if self.labels else None

    def expect(self, dataset: Dataset) -> None:
        """Raises RunError where `dataset` is not the one that the run has learned from."""
        things = "rows" if isinstance(self.event, Vector) else "images"
        if dataset.sha256 != self.dataset_sha256:
            raise RunError(
                f"{dataset.name}: the run has learned from other {things} (SHA-256 {self.dataset_sha256[:12]}..., "
                f"these have {dataset.sha256[:12]}...); restore those, name their place by --data, or train again into "
                "another folder"
            )
        if self.labels and dataset.label_names != self.labels:
            raise RunError(
                f"{dataset.name}: the run has learned the labels {', '.join(self.labels)}, here they are "
                f"{', '.join(dataset.label_names)}; restore those, or train again into another folder"
            )


@dataclass(frozen=True)
class Run:
    """The run's folder at `path`; each file is read when it is needed."""

    path: Path

    @property
    def exists(self) -> bool:
        """Whether a run was begun here."""
        return (self.path / "run.json").is_file()

    def expect_free(self) -> None:
        """Raises RunError where the folder holds files that are not of a run: a run's would lie among them."""
        try:
            found = sorted(path.name for path in self.path.iterdir() if not atomic.is_temporary(path.name))
        except FileNotFoundError:
            return
        except NotADirectoryError as error:
            raise RunError(f"{self.path}: is a file, not a folder; name another folder") from error
        if found and not self.exists:
            raise RunError(
                f"{self.path}: holds files that are not of a run ({found[0]}{', ...' if found[1:] else ''}); "
                "name a new folder by --out"
            )

    def begin(self, record: Record) -> None:
        """Makes the folder and writes run.json."""
        self.path.mkdir(parents=True, exist_ok=True)
        atomic.write_bytes(self.path / "run.json", json.dumps(asdict(record), indent=2).encode() + b"\n")

    @contextmanager
    def locked(self) -> Iterator[None]:
        """Makes the folder and holds its lock; raises RunError where another training holds it.

        The kernel releases the lock when the process ends.
        """
        self.path.mkdir(parents=True, exist_ok=True)
        with locks.open_folder(self.path) as descriptor:
            is_free = True
            if descriptor is not None:
                with suppress(OSError):  # a file system without locks
                    is_free = locks.acquire(descriptor)
            if not is_free:
                raise RunError(f"{self.path}: another training writes into it; let it end, or name another folder")
            yield

    def record(self) -> Record:
        """What run.json says; raises RunError where there is none or it is damaged."""
        path = self.path / "run.json"
        try:
            tree = json.loads(path.read_bytes())
            config = Config.from_json(json.dumps(tree.pop("config")))
            event = _event(tree.pop("event") if "event" in tree else _image(*tree.pop("image_shape")))
            return Record(config=config, event=event, labels=tuple(tree.pop("labels", ())), **tree)
        except FileNotFoundError as error:
            raise RunError(
                f"{self.path}: no run lies here (run.json is missing); make one with vae-edge train"
            ) from error
        except (OSError, ValueError, TypeError, KeyError, AttributeError, InputError) as error:
            raise RunError(f"{path}: not a run of this release ({error}); train again into another folder") from error

    def save(self, name: str, arrays: Arrays, note: dict[str, Any]) -> None:
        """Replaces the file `name`.npz by `arrays`, in order, and a `note` of JSON values."""
        named: dict[str, Any] = {f"{index:04d}": array for index, array in enumerate(arrays)}
        with atomic.replacing(self.path / f"{name}.npz") as stream:
            np.savez(stream, note=np.array(json.dumps(note)), **named)

    def load(self, name: str) -> tuple[Arrays, dict[str, Any]] | None:
        """The arrays and the note of `name`.npz, or None where there is none yet; RunError where it is damaged."""
        path = self.path / f"{name}.npz"
        try:
            with path.open("rb") as stream, np.load(stream, allow_pickle=False) as archive:
                note: dict[str, Any] = json.loads(str(archive["note"]))
                return [archive[key] for key in sorted(archive.files) if key != "note"], note
        except FileNotFoundError:
            return None
        except Exception as error:  # zipfile, zlib, json and numpy raise a dozen kinds on damaged input
            raise RunError(f"{path}: damaged ({error}); remove it, and --resume begins from what is left") from error

    def write_history(self, rows: list[dict[str, float]]) -> None:
        """Replaces history.csv by `rows`, one an epoch."""
        text = io.StringIO(newline="")
        writer = csv.DictWriter(text, list(rows[0]), lineterminator="\n")
        writer.writeheader()
        writer.writerows(rows)
        atomic.write_bytes(self.path / "history.csv", text.getvalue().encode())


def restore(variables: list[Any], arrays: Arrays, path: Path) -> None:
    """Assigns `arrays` to Keras variables; raises RunError where their shapes are those of another network."""
    shapes, found = [tuple(v.shape) for v in variables], [a.shape for a in arrays]
    if shapes != found:
        raise RunError(f"{path}: holds the weights of another network ({len(found)} arrays, expected {len(shapes)})")
    for variable, array in zip(variables, arrays, strict=True):
        variable.assign(array)


def _event(tree: dict[str, Any]) -> Image | Vector:
    if tree["kind"] == Image.kind:
        return Image(**tree)
    lists = {key: tuple(tree[key]) for key in ("names", "shift", "scale")}
    return Vector(**(tree | lists))


def _image(height: int, width: int, channels: int) -> dict[str, Any]:
    """The event of a run of release 0.1, which knew black-and-white images alone."""
    return {"kind": Image.kind, "height": height, "width": width, "channels": channels, "threshold": 0.5}
