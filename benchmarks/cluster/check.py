"""Whether the rows of a job are those of a single process: each id once, each part's pixels to the bit."""

from __future__ import annotations

import hashlib
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pyarrow.parquet as pq

from vae_edge.cluster.tasks import PART
from vae_edge.runtime import VAE

__all__ = ["single", "written"]


def single(bundle: str, n: int, head: str, seed: int) -> list[str]:
    """The SHA-256 of each part's pixels, as `VAE.stream` makes them in this process on one thread."""
    vae = VAE.load(bundle, threads=1)
    return [_digest(images) for images in vae.stream(n, head=head, seed=seed)]


def written(out: Path, n: int) -> list[str]:
    """The SHA-256 of each part's pixels in a job's files; raises AssertionError unless each id is there once."""
    digests: dict[int, str] = {}
    seen = np.zeros(n, bool)
    for path in sorted(out.glob("*.parquet")):
        table = pq.read_table(path)
        ids, parts = table["id"].to_numpy(), table["part"].to_numpy()
        assert len(np.unique(ids)) == len(ids), f"{path}: an id twice"
        assert not seen[ids].any(), f"{path}: ids of another file"
        seen[ids] = True
        images = np.concatenate([chunk.to_numpy_ndarray() for chunk in table["image"].chunks])
        for part in np.unique(parts):
            rows = parts == part
            expected = np.arange(part * PART, min((part + 1) * PART, n))
            assert np.array_equal(ids[rows], expected), f"{path}: part {part} is not whole"
            digests[int(part)] = _digest(images[rows])
    assert seen.all(), f"{(~seen).sum():,} of {n:,} rows are missing"
    return [digests[part] for part in range(len(digests))]


def _digest(images: npt.NDArray[np.float32]) -> str:
    return hashlib.sha256(np.ascontiguousarray(images).data).hexdigest()
