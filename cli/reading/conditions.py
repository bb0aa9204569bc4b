"""`--label`, `--labels` and `--condition`: what a conditional bundle is given beside its events."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from vae_edge.runtime.errors import DataError, InputError

if TYPE_CHECKING:
    import numpy.typing as npt

    from vae_edge.runtime import VAE
    from vae_edge.runtime.bundle.manifest import Condition as Wanted

__all__ = ["Condition", "Given", "Label", "Labels", "resolve"]

Label = Annotated[
    str | None,
    typer.Option(
        "--label",
        metavar="LABEL[,LABEL...]",
        help="The label of a conditional bundle, by name or number; `vae-edge info` lists them.",
    ),
]
Labels = Annotated[
    str | None,
    typer.Option("--labels", metavar="FILE", help="A file of labels: .npy, or text with one a line."),
]
Condition = Annotated[
    str | None,
    typer.Option(
        "--condition",
        metavar="X,X...|FILE",
        help="The numbers that a bundle with a vector as its condition takes; .npy or .csv: a row each.",
    ),
]


MAX_RECORDED = 100  # labels, or vectors, that are listed one by one


@dataclass(frozen=True)
class Given:
    """What the VAE's methods are given beside events or latents, as their keyword arguments.

    `rows` are labels' numbers (k,) or vectors (k, size): event i has row i mod k. No `keyword`, nothing is given.
    """

    keyword: str = ""
    rows: Any = ()

    def of(self, start: int, count: int) -> dict[str, Any]:
        """The arguments for events `start` to `start + count`."""
        if not self.keyword:
            return {}
        if len(self.rows) == 1:
            return {self.keyword: self.rows[0]}
        import numpy as np

        return {self.keyword: self.rows[np.arange(start, start + count) % len(self.rows)]}

    @property
    def record(self) -> dict[str, Any]:
        """What a job writes down of it: the labels' numbers or the vectors; of more than a hundred their hash."""
        if not self.keyword:
            return {}
        if len(self.rows) <= MAX_RECORDED:
            return {self.keyword: self.rows.tolist()}
        import hashlib

        return {self.keyword: f"SHA-256 {hashlib.sha256(self.rows.data).hexdigest()}"}

    @property
    def document(self) -> dict[str, Any]:
        """What a verb's JSON says of it: the labels' numbers or the vectors, where there are no more than a hundred."""
        return {self.keyword: self.rows} if self.keyword and len(self.rows) <= MAX_RECORDED else {}


def resolve(
    vae: VAE,
    label: str | None,
    labels: str | None,
    condition: str | None,
    *,
    n: int | None = None,
    found: npt.NDArray[Any] | None = None,
) -> Given:
    """What the options give, or where they give nothing the labels `found` with the data; raises InputError.

    `n` events want one for all or one each; where it is None, any number is taken in turn.
    """
    wanted, name = vae.manifest.condition, vae.manifest.name
    options = {"--label": label, "--labels": labels, "--condition": condition}
    used = [option for option, value in options.items() if value is not None]
    if len(used) > 1:
        raise typer.BadParameter(f"{' and '.join(used)} say the same: give one of them")
    if wanted is None:
        if used:
            raise InputError(f"{name!r} takes no label and no condition: leave {used[0]} out, or use another bundle")
        return Given()
    if not wanted.is_label:
        if condition is None:
            numbers = f"{wanted.size} numbers" + (f" ({', '.join(wanted.names[:20])})" if wanted.names else "")
            raise InputError(f"{name!r} is conditional: give {numbers} by --condition")
        return _checked(Given("condition", _vectors(condition, wanted)), n)
    if condition is not None:
        raise InputError(f"{name!r} takes a label and no other condition: give --label in place of --condition")
    return _checked(Given("label", _places(name, wanted, label, labels, found)), n)


def _places(
    name: str, wanted: Wanted, label: str | None, labels: str | None, found: npt.NDArray[Any] | None
) -> npt.NDArray[Any]:
    """The numbers of the labels that are given; raises InputError that lists those there are."""
    from vae_edge.runtime import conditions

    if label is not None:
        chosen: Any = [label]
        if label not in wanted.names:  # a name may hold a comma, or be 'all'
            chosen = wanted.names if label == "all" else [each.strip() for each in label.split(",")]
    elif labels is not None:
        chosen = _lines(Path(labels))
    elif found is not None:
        chosen = found
    else:
        raise InputError(f"{name!r} is conditional: say which label by --label, {conditions.listed(wanted)}")
    try:
        return conditions.indices(wanted, chosen, len(chosen))
    except InputError as error:
        raise InputError(f"{name!r}: {error}") from error


def _lines(path: Path) -> Any:
    """The labels in a file: an array (n,) of text or whole numbers, or text with one label a line."""
    from vae_edge.pictures.files import read_array, unpack

    if path.suffix.lower() == ".npy":
        array = read_array(path)
        if array.ndim != 1 or array.dtype.kind not in "iuU" or not len(array):
            raise DataError(f"{path}: expected labels (n,), text or whole numbers; found {array.dtype} {array.shape}")
        return array
    try:
        lines = unpack(path).decode("utf-8-sig").split("\n")
    except UnicodeDecodeError as error:
        raise DataError(f"{path}: not text in UTF-8 ({error})") from error
    found = [line.strip() for line in lines if line.strip()]
    if not found:
        raise DataError(f"{path}: expected labels, one a line; it is empty")
    return found


def _vectors(condition: str, wanted: Wanted) -> npt.NDArray[Any]:
    """The vectors (k, size) of numbers parted by commas, or of a file."""
    import numpy as np

    from vae_edge.cli.reading import tables
    from vae_edge.runtime.bundle.manifest import Vector

    if condition.lower().endswith((".csv", ".npy", ".npz")):
        return tables.read([Path(condition)], Vector(wanted.size, wanted.names))[0].rows
    try:
        numbers = np.array([float(each) for each in condition.split(",")])
    except ValueError:
        numbers = np.array(np.nan)
    if numbers.shape != (wanted.size,) or not np.isfinite(numbers).all():
        raise InputError(
            f"--condition should be {wanted.size} numbers parted by commas, or a file; it is {condition!r:.60}"
        )
    return numbers[None]


def _checked(given: Given, n: int | None) -> Given:
    if n is not None and len(given.rows) not in (1, n):
        wanted = "one for all" if n == 1 else f"one for all, or one for each of {n:,}"
        raise InputError(f"{len(given.rows):,} {given.keyword}s are given: {wanted} would do")
    return given
