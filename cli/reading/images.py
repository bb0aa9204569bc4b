"""Images from picture files, folders, IDX files and arrays, as one array in the VAE's own shape; and their labels."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from vae_edge.runtime.errors import InputError

if TYPE_CHECKING:
    import numpy.typing as npt

    from vae_edge.pictures.notices import Notices
    from vae_edge.pictures.opening import Held
    from vae_edge.pictures.treatment import Treatment

__all__ = ["labels", "names", "read"]

_NO_LABELS = ("id", "name", "names")  # what an .npz of ours holds beside its images


def read(
    files: Sequence[Path | Held],
    image_shape: tuple[int, int, int],
    treatment: Treatment,
    notices: Notices,
    hint: str = "",
) -> list[npt.NDArray[Any]]:
    """The images of each file, (n, H, W, C), uint8, bool or float; `notices` counts what was noticed in them.

    Raises DataError, or InputError where they do not fit the VAE; `hint` are the options that its training had.
    """
    from vae_edge.pictures.files import read_images
    from vae_edge.pictures.fitting import fit

    if tables := [file for file in files if file.suffix.lower() == ".csv"]:
        raise InputError(f"{tables[0]}: a table, this VAE knows images: give pictures, IDX files, .npy or .npz")
    parts = [fit(read_images(file, treatment, notices), file, image_shape, hint) for file in files]
    if len({part.dtype.kind for part in parts}) > 1:
        every = ", ".join(map(str, files))
        raise InputError(f"{every}: some hold whole numbers and some fractions; give them one at a time")
    return parts


def names(files: Sequence[Path | Held], counts: Sequence[int]) -> list[str]:
    """The name of each image: the file of a picture, its path within a folder, or FILE:INDEX in a file of several."""
    from vae_edge.pictures.decode import PICTURES
    from vae_edge.pictures.files import picture_paths

    found: list[str] = []
    for file, count in zip(files, counts, strict=True):
        if isinstance(file, Path) and file.is_dir():
            found += [path.relative_to(file).as_posix() for path in picture_paths(file)]
        elif file.suffix.lower() in PICTURES:
            found.append(file.name)
        else:
            found += [f"{file.name}:{index}" for index in range(count)]
    return found


def labels(files: Sequence[Path | Held]) -> npt.NDArray[Any] | None:
    """The label of each image that `read` gives, text (n,); None where one of the files has none.

    A folder's labels are the names of its subfolders, where all of its pictures lie in some; those of an IDX file lie
    beside it (`t10k-images-idx3-ubyte.gz`, `t10k-labels-idx1-ubyte.gz`); an .npz holds them in one array (n,).
    """
    import numpy as np

    found = [_labels(file) for file in files]
    return None if any(each is None for each in found) else np.concatenate([np.asarray(each, str) for each in found])


def _labels(file: Path | Held) -> Any:
    from vae_edge.pictures.files import picture_paths, read_arrays, read_idx, unpack

    if isinstance(file, Path) and file.is_dir():
        places = [picture.relative_to(file).parts for picture in picture_paths(file)]
        return [place[0] for place in places] if all(len(place) > 1 for place in places) else None
    if file.suffix.lower() == ".npz":
        arrays = read_arrays(file)
        sizes = {len(array) for array in arrays.values() if array.ndim >= 3}
        flat = {
            name: array
            for name, array in arrays.items()
            if array.ndim == 1 and array.dtype.kind in "iuU" and {len(array)} == sizes and name not in _NO_LABELS
        }
        return next(iter(flat.values())) if len(flat) == 1 else None
    if not isinstance(file, Path):
        return None
    beside = file.with_name(file.name.replace("images-idx3", "labels-idx1"))
    return read_idx(unpack(beside), beside) if beside != file and beside.exists() else None
