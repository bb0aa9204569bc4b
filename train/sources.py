"""Where data sets come from: MNIST's two kinds, scikit-learn's digits, or what lies at a path; each with its labels."""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from vae_edge.pictures.files import (
    as_images,
    digest,
    picture_paths,
    read_array,
    read_arrays,
    read_images,
    to_bytes,
    treat,
)
from vae_edge.pictures.notices import Notices, Say
from vae_edge.pictures.treatment import PLAIN, Treatment
from vae_edge.runtime.errors import DataError, MissingExtra
from vae_edge.train import mnist
from vae_edge.train.tables import Table, as_table, read_csv

__all__ = ["Part", "Source", "find", "shuffled"]

# MNIST's own share: 10,000 of 70,000 test.
TEST_SHARE = 1 / 7

# Images (n, H, W, C) uint8 or rows (n, d) float64, and for each the index of its label's name, (n,), or None.
Part = tuple[npt.NDArray[Any], npt.NDArray[np.int64] | None]


@dataclass(frozen=True)
class Source:
    """A data set: its training and test `parts`, the SHA-256 of both, and the names of labels and columns, or ().

    `has_test` says whether the set came with a test part of its own. `published` is 'mnist', 'fashion-mnist' or
    'digits' where the content is that of the published set, whatever the set is called here; else ''.
    """

    name: str
    parts: tuple[Part, Part]
    sha256: str
    label_names: tuple[str, ...] = ()
    columns: tuple[str, ...] = ()
    has_test: bool = False
    published: str = ""


def find(
    source: str | Path,
    data_dir: str | Path | None = None,
    *,
    download: bool = True,
    label_column: str = "",
    treatment: Treatment = PLAIN,
    say: Say | None = None,
) -> Source:
    """The set `source`: 'mnist', 'fashion-mnist', 'digits', or a path. `label_column` is for a .csv. Raises DataError.

    A path is an IDX folder, an .npz, a folder of images (one subfolder a class gives labels), an .npy or a .csv.
    `treatment` is what is done to images; `say` is told what was noticed in them.
    """
    path = Path(source)
    if label_column and path.suffix.lower() != ".csv":
        raise DataError(f"{source}: a label column belongs to a .csv; leave --label-column out")
    notices = Notices()
    found = _found(path, str(source), data_dir, download, label_column, treatment, notices)
    if found.columns or found.parts[0][0].ndim == 2:
        if treatment.options:
            raise DataError(f"{source}: a table, {treatment.flags} is for images: leave it out")
    elif say is not None:
        notices.tell(say, treatment)
    return found


def shuffled(n: int) -> npt.NDArray[np.int64]:
    """A fixed shuffle of n events: their indices, (n,). Files are often sorted by class."""
    return np.argsort(np.random.Philox(key=0).random_raw(n), kind="stable")


def _found(
    path: Path,
    source: str,
    data_dir: str | Path | None,
    download: bool,
    label_column: str,
    treatment: Treatment,
    notices: Notices,
) -> Source:
    if source in mnist.SETS:
        published = mnist.SETS[source]
        parts = _treated(mnist.load(data_dir, published, download=download), source, treatment)
        return Source(
            published.name, parts, published.sha256, published.labels, has_test=True, published=published.name
        )
    if source == "digits":
        pixels, labels = _digits()
        found = _shuffled("digits", treat(pixels, source, treatment), labels, mnist.DIGITS)
        return dataclasses.replace(found, published=source)
    if path.is_dir():
        return _from_folder(path, treatment, notices)
    if path.suffix.lower() == ".csv":
        return _from_table(path, read_csv(path, label_column))
    if path.suffix == ".npy" and (array := read_array(path)).ndim == 2:
        return _from_table(path, as_table(array, path))
    if path.suffix == ".npz":
        arrays = read_arrays(path)
        if {"x_train", "x_test"} <= arrays.keys():
            return _from_keras(path, arrays, treatment, notices)
    if not path.exists():
        raise DataError(
            f"{path}: no such data set; give mnist, fashion-mnist, digits, an IDX folder, an .npz, a folder of images, "
            "or a table (.npy, .csv)"
        )
    return _shuffled(path.name, to_bytes(read_images(path, treatment, notices), path), None, ())


def _treated(parts: tuple[Part, Part], name: object, treatment: Treatment) -> tuple[Part, Part]:
    """Both parts with their images as uint8, treated."""
    (images, labels), (test, test_labels) = parts
    return (
        (to_bytes(treat(images, name, treatment), name), labels),
        (to_bytes(treat(test, name, treatment), name), test_labels),
    )


def _shuffled(
    name: str,
    events: npt.NDArray[Any],
    labels: npt.NDArray[np.int64] | None,
    label_names: tuple[str, ...],
    columns: tuple[str, ...] = (),
    *,
    hash_labels: bool = True,
) -> Source:
    """Splits a set that has no test part: it gets the last seventh of a fixed shuffle; files are often sorted."""
    order = shuffled(len(events))
    cut = len(events) - round(len(events) * TEST_SHARE)
    parts = [(events[some], None if labels is None else labels[some]) for some in (order[:cut], order[cut:])]
    sha256 = _digest(parts if hash_labels else [(values, None) for values, _ in parts])
    return Source(name, (parts[0], parts[1]), sha256, label_names, columns)


def _digest(parts: list[Part]) -> str:
    return digest(*(array for part in parts for array in part if array is not None))


def _digits() -> tuple[npt.NDArray[np.uint8], npt.NDArray[np.int64]]:
    """scikit-learn's 1,797 digits (UCI, 8x8, 0..16), each scaled to 24x24 and set into 28x28 as MNIST's are."""
    try:
        from sklearn.datasets import load_digits
    except ImportError as error:
        raise MissingExtra("the data set digits needs scikit-learn: pip install 'vae-edge[train]'") from error
    small, labels = load_digits(return_X_y=True)
    small = small.reshape(-1, 8, 8) / 16.0
    # Bilinear, by one matrix along each side; sample centres as in pictures.
    centres = np.clip((np.arange(24) + 0.5) / 3 - 0.5, 0, 7)
    low = np.minimum(centres.astype(int), 6)
    weights = np.zeros((24, 8))
    weights[np.arange(24), low] = 1 - (centres - low)
    weights[np.arange(24), low + 1] = centres - low
    large = np.einsum("ij,njk,lk->nil", weights, small, weights)
    pixels = np.zeros((len(small), 28, 28, 1), np.uint8)
    pixels[:, 2:26, 2:26, 0] = np.rint(large * 255)
    return pixels, labels.astype(np.int64)


def _from_folder(path: Path, treatment: Treatment, notices: Notices) -> Source:
    """An IDX folder, or pictures; where these lie in two or more subfolders and nowhere else, those are the labels."""
    if mnist.is_folder(path):
        stored = mnist.read_folder(path)
        published = mnist.name_of(stored[0][0])
        parts = _treated(stored, path, treatment)
        names, indices = _named(np.concatenate([labels for _, labels in parts if labels is not None]))
        cut = len(parts[0][0])
        together = ((parts[0][0], indices[:cut]), (parts[1][0], indices[cut:]))
        return Source(path.name, together, _digest(list(parts)), names, has_test=True, published=published)
    images = to_bytes(read_images(path, treatment, notices), path)
    places = [found.relative_to(path).parts for found in picture_paths(path)]
    folders = sorted({place[0] for place in places})
    if min(map(len, places)) == 1 or len(folders) == 1:
        return _shuffled(path.name, images, None, ())
    labels = np.array([folders.index(place[0]) for place in places], np.int64)
    # The digest is of the images, as it was before folders had labels: older runs go on. Images lie sorted by folder,
    # so that one in another folder stands in another place.
    return _shuffled(path.name, images, labels, tuple(folders), hash_labels=False)


def _from_table(path: Path, table: Table) -> Source:
    names, labels = ((), None) if table.labels is None else _named(table.labels)
    return _shuffled(path.name, table.rows, labels, names, table.columns)


def _from_keras(path: Path, arrays: dict[str, npt.NDArray[Any]], treatment: Treatment, notices: Notices) -> Source:
    """The layout of Keras's data sets: x_train, y_train, x_test, y_test; images, or the rows of a table."""
    events = [arrays["x_train"], arrays["x_test"]]
    published = ""
    if all(array.ndim == 2 for array in events):
        values: list[npt.NDArray[Any]] = [as_table(array, path).rows for array in events]
    else:
        images = [as_images(events[0], path, notices), as_images(events[1], path)]
        published = mnist.name_of(images[0])
        values = [to_bytes(treat(each, path, treatment), path) for each in images]
    given = [arrays.get("y_train"), arrays.get("y_test")]
    names, indices = _labels_of(given, [len(array) for array in values])
    whole = [
        index if y is None or y.dtype.kind not in "iufb" else y.astype(np.int64)
        for y, index in zip(given, indices, strict=True)
    ]
    sha256 = _digest(list(zip(values, whole, strict=True)))
    both = ((values[0], indices[0]), (values[1], indices[1]))
    return Source(path.name, both, sha256, names, has_test=True, published=published)


def _labels_of(
    given: list[npt.NDArray[Any] | None], sizes: list[int]
) -> tuple[tuple[str, ...], list[npt.NDArray[np.int64] | None]]:
    """The names and the indices in y_train and y_test, where both hold one whole number or text an event."""
    flat = [y.ravel() for y in given if y is not None and y.ndim <= 2]
    if [len(y) for y in flat] != sizes:
        return (), [None, None]
    both = np.concatenate(flat)
    if both.dtype.kind == "f" and np.array_equal(both, np.rint(both)):
        both = both.astype(np.int64)
    if both.dtype.kind not in "iubU":
        return (), [None, None]
    names, indices = _named(both)
    return names, [indices[: sizes[0]], indices[sizes[0] :]]


def _named(labels: npt.NDArray[Any]) -> tuple[tuple[str, ...], npt.NDArray[np.int64]]:
    """The labels' names in order, numbers by their size, and for each label the index of its name."""
    if labels.dtype.kind == "U" and all(text.removeprefix("-").isdecimal() for text in labels):
        labels = labels.astype(np.int64)
    names, indices = np.unique(labels, return_inverse=True)
    return tuple(str(name) for name in names), indices.astype(np.int64)
