"""Pictures in folders, each read where it is encoded."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa

from vae_edge.cluster.inputs.base import Found
from vae_edge.pictures.decode import read_picture
from vae_edge.pictures.files import picture_paths
from vae_edge.pictures.treatment import PLAIN, Treatment
from vae_edge.runtime.errors import DataError

__all__ = ["Pictures"]


@dataclass(frozen=True)
class Pictures:
    """The pictures of a folder that all nodes see, by their `names` within it; each goes into the output as `name`."""

    folder: str
    names: tuple[str, ...]
    treatment: Treatment = PLAIN

    @classmethod
    def of(cls, folder: str, treatment: Treatment) -> Pictures:
        """The pictures of the folder and its subfolders, sorted by path; raises DataError for none."""
        root = Path(folder).absolute()
        return cls(str(root), tuple(path.relative_to(root).as_posix() for path in picture_paths(root)), treatment)

    @property
    def count(self) -> int:
        """How many pictures there are."""
        return len(self.names)

    def open(self) -> Pictures:
        """Itself: nothing is kept open."""
        return self

    def read(self, start: int, stop: int) -> Found:
        """Pictures `start` to `stop`, uint8; raises DataError where one cannot be read or they differ in shape."""
        names = self.names[start:stop]
        pictures = [read_picture(Path(self.folder, name), self.treatment) for name in names]
        for name, picture in zip(names, pictures, strict=True):
            if picture.shape != pictures[0].shape:
                raise DataError(
                    f"{Path(self.folder, name)}: {picture.shape}, but {names[0]} is {pictures[0].shape}: give a "
                    "treatment that makes them alike"
                )
        return Found(np.stack(pictures), kept={"name": pa.array(names)})

    def record(self) -> dict[str, Any]:
        """The folder's name, the number of pictures, and how they are read."""
        return {"inputs": [Path(self.folder).name], "rows_of_inputs": [self.count], "treatment": self.treatment.options}
