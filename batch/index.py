"""The index of a folder of shards: what the rows are, and each shard's rows, size and hash, as `_index.json`.

Names that begin with _ are left out by pyarrow, Spark and Ray where they read a folder.
"""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from vae_edge.batch.columns import Columns
from vae_edge.runtime.errors import OutputError

__all__ = ["INDEX", "Index", "Shard", "read"]

INDEX = "_index.json"
SCHEMA = 1


@dataclass(frozen=True)
class Shard:
    """A file of `rows` rows, the first of which is row `start` of the job; its size in bytes and SHA-256."""

    file: str
    start: int
    rows: int
    bytes: int
    sha256: str


@dataclass
class Index:
    """What a folder of shards holds, or will hold.

    `rows` is how many rows the whole job has, `record` all that they depend on, `command` the one that made them. Where
    `complete` is False the job was interrupted, or still runs.
    """

    rows: int
    rows_per_shard: int
    format: str
    columns: Columns
    record: dict[str, Any]
    command: str = ""
    complete: bool = False
    shards: dict[str, Shard] = field(default_factory=dict)

    def render(self) -> bytes:
        """The index as a file."""
        tree = {
            "schema": SCHEMA,
            "complete": self.complete,
            "command": self.command,
            **self.job(),
            "shards": [asdict(shard) for shard in sorted(self.shards.values(), key=lambda shard: shard.start)],
        }
        return json.dumps(tree, indent=1).encode() + b"\n"

    def job(self) -> dict[str, Any]:
        """What tells one job from another: all but what is done of it."""
        columns = {each.name: {"dtype": each.dtype, "shape": list(each.shape)} for each in self.columns}
        job = {
            "rows": self.rows,
            "rows_per_shard": self.rows_per_shard,
            "format": self.format,
            "columns": columns,
            "record": self.record,
        }
        tree: dict[str, Any] = json.loads(json.dumps(job))  # as it comes back: tuples are lists there
        return tree


def read(folder: Path) -> dict[str, Any] | None:
    """The index in a folder as a JSON tree; None where there is none. Raises OutputError where it is damaged."""
    path = folder / INDEX
    try:
        tree = json.loads(path.read_bytes())
        shards = [Shard(**each) for each in tree["shards"]]
    except FileNotFoundError:
        return None
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise OutputError(f"{path}: expected the index of a folder of shards ({error}): name another folder") from error
    if tree.get("schema") != SCHEMA:
        raise OutputError(f"{path}: expected schema {SCHEMA}, it has {tree.get('schema')!r:.20}: name another folder")
    return {**tree, "shards": {shard.file: shard for shard in shards}}
