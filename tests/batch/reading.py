"""Reads shards back, whatever wrote them, without the code that is tested."""

from __future__ import annotations

import io
import json
import tarfile
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

INDEX = "_index.json"


def rows(path: Path) -> dict[str, Any]:
    """The columns of a file of rows, in its order."""
    if path.suffix == ".parquet":
        import pyarrow.parquet as pq

        table = pq.read_table(path)
        found = {}
        for name in table.column_names:
            column = table.column(name).combine_chunks()
            tensor = getattr(column, "to_numpy_ndarray", None)
            found[name] = tensor() if tensor else np.array(column.to_pylist())
        return found
    if path.suffix == ".npz":
        with np.load(path) as arrays:
            return dict(arrays)
    found = {}
    with tarfile.open(path) as tar:
        for member in tar:
            key, _, kind = member.name.partition(".")
            data = tar.extractfile(member).read()
            if kind.endswith("png"):
                value = np.asarray(Image.open(io.BytesIO(data)))
                value = value if value.ndim == 3 else value[..., None]
                found.setdefault("image" if kind == "png" else kind[:-4], []).append(value)
                if int(key) not in found.setdefault("id", []):
                    found["id"].append(int(key))
            elif kind == "cls":
                found.setdefault("label", []).append(int(data))
            else:
                for name, value in json.loads(data).items():
                    found.setdefault(name, []).append(value)
    return {name: np.array(values) for name, values in found.items()}


def shards(folder: Path) -> dict[str, Any]:
    """The columns of all shards, in the order of their names."""
    files = sorted(path for path in folder.iterdir() if path.name != INDEX)
    parts = [rows(path) for path in files]
    return {name: np.concatenate([part[name] for part in parts]) for name in parts[0]}


def index(folder: Path) -> dict[str, Any]:
    tree: dict[str, Any] = json.loads((folder / INDEX).read_text())
    return tree


def content(folder: Path) -> dict[str, bytes]:
    """The bytes of each file but the index, which also holds the command."""
    return {path.name: path.read_bytes() for path in folder.iterdir() if path.name != INDEX}
