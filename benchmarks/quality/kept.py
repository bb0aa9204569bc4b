"""What a comparison has measured so far, kept in a folder: each figure is measured once."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from vae_edge.runtime import atomic

__all__ = ["Row", "as_json", "row", "say"]

Row = dict[str, Any]


def row(folder: Path, key: Mapping[str, Any], make: Callable[[], Row]) -> Row:
    """The row that lies in `folder` under this key, or a new one, which is put there."""
    path = folder / "row.json"
    if path.is_file():
        found = json.loads(path.read_bytes())
        if found["key"] == dict(key):
            return dict(found["row"])
    made = make()
    folder.mkdir(parents=True, exist_ok=True)
    atomic.write_bytes(path, as_json({"key": dict(key), "row": made}))
    if figures := made.get("figures"):
        say(f"{folder.name}: {json.dumps(figures)}")
    return made


def as_json(tree: object) -> bytes:
    """The tree as a file's bytes."""
    return json.dumps(tree, indent=2, allow_nan=False).encode() + b"\n"


def say(text: str) -> None:
    """A line on stderr."""
    print(text, file=sys.stderr, flush=True)
