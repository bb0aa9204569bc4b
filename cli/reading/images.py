"""Images from picture files, folders, IDX files and arrays, as one array in the VAE's own shape; and their labels."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

from vae_edge.runtime.errors import InputError

if TYPE_CHECKING:
    import numpy.typing as npt

__all__ = ["labels", "read"]


def read(paths: list[str], image_shape: tuple[int, int, int]) -> npt.NDArray[Any]:
    """The images of all that lie at `paths`, (n, H, W, C), uint8, bool or float; raises DataError or InputError."""
    import numpy as np

    from vae_edge.pictures.files import read_images

    if tables := [path for path in paths if path.lower().endswith(".csv")]:
        raise InputError(f"{tables[0]}: a table, this VAE knows images: give pictures, IDX files, .npy or .npz")
    parts = [_fit(read_images(path), path, image_shape) for path in paths]
    kinds = {part.dtype.kind for part in parts}
    if len(kinds) > 1:
        raise InputError(f"{', '.join(paths)}: some hold whole numbers and some fractions; give them one at a time")
    return np.concatenate(parts)


def labels(paths: list[str]) -> npt.NDArray[Any] | None:
    """The label of each image that `read` gives, text (n,); None where one of the paths has none.

    A folder's labels are the names of its subfolders, where all of its pictures lie in some; those of an IDX file lie
    beside it (`t10k-images-idx3-ubyte.gz`, `t10k-labels-idx1-ubyte.gz`); an .npz holds them in one array (n,).
    """
    import numpy as np

    found = [_labels(Path(path)) for path in paths]
    return None if any(each is None for each in found) else np.concatenate([np.asarray(each, str) for each in found])


def _labels(path: Path) -> Any:
    from vae_edge.pictures.files import picture_paths, read_arrays, read_idx, unpack

    if path.is_dir():
        places = [picture.relative_to(path).parts for picture in picture_paths(path)]
        return [place[0] for place in places] if all(len(place) > 1 for place in places) else None
    if path.suffix.lower() == ".npz":
        arrays = list(read_arrays(path).values())
        sizes = {len(array) for array in arrays if array.ndim >= 3}
        flat = [array for array in arrays if array.ndim == 1 and array.dtype.kind in "iuU" and {len(array)} == sizes]
        return flat[0] if len(flat) == 1 else None
    beside = path.with_name(path.name.replace("images-idx3", "labels-idx1"))
    return read_idx(unpack(beside), beside) if beside != path and beside.exists() else None


def _fit(images: npt.NDArray[Any], path: str, image_shape: tuple[int, int, int]) -> npt.NDArray[Any]:
    """`images` in the VAE's shape: a grey picture saved as RGB loses its two copies, nothing else is changed."""
    if images.shape == (*image_shape, 1):  # one image (H, W, C), which a reader takes for H images of (W, C)
        images = images.reshape(1, *image_shape)
    if images.shape[1:] != image_shape and images.shape[1:] == (*image_shape[:2], 3) and image_shape[2] == 1:
        if not (images == images[..., :1]).all():
            raise InputError(f"{path}: colours, but this VAE knows grey images; convert it to grey first")
        images = images[..., :1]
    if images.shape[1:] != image_shape:
        raise InputError(
            f"{path}: images of {_size(images.shape[1:])}, this VAE knows {_size(image_shape)}: scale or crop them"
        )
    return images


def _size(shape: tuple[int, ...]) -> str:
    height, width, channels = shape
    return f"{height}x{width} pixels, {channels} {'channel' if channels == 1 else 'channels'}"
