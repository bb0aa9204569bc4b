"""Results of a comparison, kept in a folder with the commit that measured them: each is measured once."""

from __future__ import annotations

import json
import re
import sys
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import Any

from vae_edge.runtime import atomic
from vae_edge.runtime.errors import RunError
from vae_edge.train.provenance import commit

__all__ = ["Row", "as_json", "expect_clean", "row", "say"]

Row = dict[str, Any]

FORMAT = 2  # of a row; a row of another format is measured anew


def row(folder: Path, key: Mapping[str, Any], make: Callable[[], Row]) -> Row:
    """The row in `folder` that has this key, or else a new one, which is written there.

    Its `commit` is the one that measured it.
    """
    path, key = folder / "row.json", {"format": FORMAT, **key}
    if path.is_file():
        stored = json.loads(path.read_bytes())
        if stored["key"] == key:
            return dict(stored["row"])
    measured = make() | {"commit": commit()}
    folder.mkdir(parents=True, exist_ok=True)
    atomic.write_bytes(path, as_json({"key": key, "row": measured}))
    return measured


def expect_clean(commits: Iterable[str]) -> None:
    """Raises RunError where a result was measured by code that no commit holds."""
    if dirty := [each for each in commits if not re.fullmatch("[0-9a-f]{40}", each)]:
        raise RunError(f"measured at {', '.join(dirty)}: commit first, then measure it anew in another --out")


def as_json(tree: object) -> bytes:
    """The tree as a file's bytes."""
    return json.dumps(tree, indent=2, allow_nan=False).encode() + b"\n"


def say(text: str) -> None:
    """A line on stderr."""
    print(text, file=sys.stderr, flush=True)
