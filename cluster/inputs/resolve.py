"""From what a user names to a source of events."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path, PurePosixPath
from typing import TYPE_CHECKING

from pyarrow import fs

from vae_edge.cluster.inputs.arrays import Arrays
from vae_edge.cluster.inputs.folders import Pictures
from vae_edge.cluster.inputs.parquet import Parquet
from vae_edge.cluster.output import locate
from vae_edge.pictures.decode import PICTURES
from vae_edge.pictures.treatment import Treatment
from vae_edge.runtime.errors import DataError, InputError

if TYPE_CHECKING:
    from vae_edge.cluster.inputs.base import Source
    from vae_edge.runtime import VAE

__all__ = ["source"]

PARQUET, ARRAYS = (".parquet",), (".npz", ".npy")
KINDS = (PARQUET, ARRAYS, PICTURES)


def source(
    vae: VAE, place: str, *, column: str, label_column: str, keep: Sequence[str], treatment: Treatment
) -> Source:
    """The events at a path or URI: of Parquet, of pictures, or of arrays. Raises DataError or InputError."""
    filesystem, path = locate(place)
    files = _files(filesystem, path)
    kinds = {suffixes: [file for file in files if PurePosixPath(file).suffix.lower() in suffixes] for suffixes in KINDS}
    kinds = {suffixes: found for suffixes, found in kinds.items() if found}
    if len(kinds) != 1:
        came = "several of them" if kinds else "none"
        raise DataError(
            f"{place}: expected files of Parquet, pictures, .npz or .npy, found {came}; name a folder of one"
        )
    ((suffixes, found),) = kinds.items()
    names = getattr(vae.manifest.event, "names", ())
    if suffixes == PARQUET:
        return Parquet.of(
            filesystem, found, names, vae.event_shape, column=column, label=label_column, keep=keep,
            treatment=treatment,
        )  # fmt: skip
    if not isinstance(filesystem, fs.LocalFileSystem):
        raise InputError(
            f"{place}: pictures and arrays are read from folders that all nodes see; Parquet also from URIs"
        )
    if column or label_column or keep:
        raise InputError(f"{place}: column, label_column and keep are for Parquet: leave them out")
    if suffixes == ARRAYS:
        if treatment.options:
            raise InputError(f"{place}: a treatment is for pictures: leave it out")
        return Arrays.of(tuple(found))
    if not Path(path).is_dir():
        raise InputError(f"{place}: one picture is no work for a cluster: name a folder, or use vae-edge encode")
    return Pictures.of(path, treatment)


def _files(filesystem: fs.FileSystem, path: str) -> list[str]:
    """The files at a path, sorted; those whose name begins with _ or . are no data."""
    info = filesystem.get_file_info(path)
    if info.type == fs.FileType.NotFound:
        raise DataError(f"{path}: nothing lies there; give a file, a folder, or a URI such as s3://bucket/folder")
    if info.type == fs.FileType.File:
        return [path]
    found = filesystem.get_file_info(fs.FileSelector(path, recursive=True))
    return sorted(each.path for each in found if each.type == fs.FileType.File and each.base_name[0] not in "._")
