"""The folder that a job writes: Ray's Parquet files, and a record of what their rows depend on.

out/_job.json        the record; begins with _, as readers of Parquet leave out what does
out/*.parquet        rows, in any order of files
out.checkpoint/      Ray's: which parts are written; gone when the job is done
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.dataset
import pyarrow.parquet as pq
from pyarrow import fs

from vae_edge.runtime.errors import OutputError, RunError

__all__ = ["Output", "locate"]

RECORD = "_job.json"


def locate(place: str) -> tuple[fs.FileSystem, str]:
    """The file system of a path or a URI (s3://, gs://, hdfs://, file://), and the path within it."""
    filesystem, path = fs.FileSystem.from_uri(place if "://" in place else str(Path(place).absolute()))
    return filesystem, path


@dataclass(frozen=True)
class Output:
    """A folder on a file system that all nodes of the cluster see."""

    filesystem: fs.FileSystem
    path: str

    @classmethod
    def at(cls, out: str) -> Output:
        """The output at a path or URI; raises OutputError."""
        try:
            return cls(*locate(out))
        except (pa.ArrowInvalid, OSError) as error:
            raise OutputError(
                f"{out}: not a place that can be written ({error}); give a folder, or s3://..."
            ) from error

    @property
    def checkpoint(self) -> str:
        """Where Ray keeps what is done. Beside the folder: within it, Ray's own cleaning would find it."""
        return f"{self.path.rstrip('/')}.checkpoint"

    def begin(self, record: dict[str, Any], *, resume: bool) -> bool:
        """Makes the folder, or takes up the job in it; returns whether that job is done already.

        Raises OutputError for a folder that holds something, RunError where another job lies there.
        """
        if resume and (found := self._read()) is not None:
            asked = json.loads(json.dumps(record))
            if differing := sorted(
                key for key in asked.keys() | found.keys() - {"rows"} if asked.get(key) != found.get(key)
            ):
                told = "; ".join(f"{key}: {found.get(key)!r:.60}, {asked.get(key)!r:.60}" for key in differing)
                raise RunError(
                    f"{self.path}: was begun as another job ({told}; recorded, asked for): resume with the recorded "
                    "one, or write into another folder"
                )
            return "rows" in found
        if self._files():
            raise OutputError(
                f"{self.path}: holds files already: go on with resume, where it is the same job, or name another folder"
            )
        self.filesystem.create_dir(self.path, recursive=True)
        if self.filesystem.get_file_info(self.checkpoint).type != fs.FileType.NotFound:
            self.filesystem.delete_dir(self.checkpoint)  # of rows that lay here once
        self._write(record)
        return False

    def count(self) -> tuple[int, int]:
        """How many rows lie in how many files, by the files' footers."""
        files = [path for path in self._files() if path.endswith(".parquet")]
        if not files:
            return 0, 0
        found = pyarrow.dataset.dataset(files, filesystem=self.filesystem, format="parquet")
        return found.count_rows(), len(files)

    def committed(self) -> int:
        """How many rows Ray's checkpoint lists: those of files that were written as a whole."""
        found = self.filesystem.get_file_info(fs.FileSelector(self.checkpoint, allow_not_found=True))
        files = [each.path for each in found if not each.path.endswith(".pending.parquet")]
        return sum(pq.read_metadata(path, filesystem=self.filesystem).num_rows for path in files)

    def finish(self, expected: int) -> tuple[int, int]:
        """Counts rows and files, and records that the job is done; raises RunError where rows are missing."""
        rows, files = self.count()
        if rows != expected:
            raise RunError(f"{self.path}: expected {expected:,} rows, there are {rows:,}: write into another folder")
        self._write({**(self._read() or {}), "rows": rows})
        return rows, files

    def _files(self) -> list[str]:
        found = self.filesystem.get_file_info(fs.FileSelector(self.path, recursive=True, allow_not_found=True))
        return [each.path for each in found if each.type == fs.FileType.File]

    def _read(self) -> dict[str, Any] | None:
        place = f"{self.path}/{RECORD}"
        if self.filesystem.get_file_info(place).type == fs.FileType.NotFound:
            return None
        with self.filesystem.open_input_stream(place) as stream:
            found: dict[str, Any] = json.loads(stream.read())
        return found

    def _write(self, record: dict[str, Any]) -> None:
        part = f"{self.path}/{RECORD}.part"
        with self.filesystem.open_output_stream(part) as stream:
            stream.write(json.dumps(record, indent=2).encode())
        self.filesystem.move(part, f"{self.path}/{RECORD}")
