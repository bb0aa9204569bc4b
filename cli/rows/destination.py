"""Where rows go: a folder of shards (`--format`), or one file, FILE.parquet or FILE.tar."""

from __future__ import annotations

import os
import shlex
import sys
import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Self

import typer

from vae_edge.cli.options import one_of
from vae_edge.cli.progress import Progress
from vae_edge.cli.writing.destination import Destination
from vae_edge.runtime.errors import InputError

if TYPE_CHECKING:
    from vae_edge.batch.columns import Batch, Columns
    from vae_edge.cli.output import Console
    from vae_edge.cli.rows.jobs import OfStream
    from vae_edge.runtime import VAE

__all__ = ["Dtype", "Format", "ImageColumn", "Resume", "RowsPerShard", "RowsTo"]

FORMATS = ("parquet", "npz", "tar")
FILES = {".parquet": "parquet", ".tar": "tar"}

Format = Annotated[
    str | None,
    typer.Option(
        "--format",
        metavar="parquet|npz|tar",
        callback=one_of(*FORMATS),
        help="Write FOLDER/ as shards of rows with an index: Parquet, .npz, or tar in WebDataset's layout.",
    ),
]
RowsPerShard = Annotated[
    int | None,
    typer.Option("--rows-per-shard", min=1, max=10**9, metavar="N", help="Rows of a shard.", show_default="64 MB"),
]
Dtype = Annotated[
    str | None,
    typer.Option(
        "--dtype",
        metavar="uint8|float32",
        callback=one_of("uint8", "float32"),
        help="Pixels of rows: 0 to 255, or exactly what the head gives.",
        show_default="uint8; float32 in .npz",
    ),
]

ImageColumn = Annotated[
    str,
    typer.Option("--column", metavar="NAME", help="The column of Parquet that holds the images.", show_default="image"),
]
Resume = Annotated[bool, typer.Option("--resume", help="Make the shards that are missing in FOLDER/, no others.")]


@dataclass(frozen=True)
class RowsTo:
    """A folder of shards, or one file where `is_folder` is False, of the format `kind`."""

    path: Path
    kind: str
    is_folder: bool
    per_shard: int | None = None
    dtype: str | None = None
    force: bool = False
    resume: bool = False

    @classmethod
    def asked(
        cls,
        out: str | None,
        kind: str | None,
        per_shard: int | None,
        dtype: str | None = None,
        *,
        force: bool = False,
        resume: bool = False,
    ) -> Self | None:
        """What `--out` and `--format` name; None where that is no rows. Raises BadParameter, and OutputError.

        A file is checked to be writable now, before any work is done for it.
        """
        path = Path(out or "")
        of_file = FILES.get(path.suffix.lower()) if out and not out.endswith(("/", os.sep)) else None
        if of_file and not path.is_dir():
            if kind not in (None, of_file):
                raise typer.BadParameter(f"expected --out FOLDER/, got {out!r}", param_hint="--format")
            if resume or per_shard:
                flag = "--resume" if resume else "--rows-per-shard"
                raise typer.BadParameter("expected --format and --out FOLDER/: a file is one whole", param_hint=flag)
            Destination(path, "array").check()
            return cls(path, of_file, False, dtype=dtype)
        if kind is None:
            for flag, value in (("--rows-per-shard", per_shard), ("--dtype", dtype)):
                if value is not None:
                    raise typer.BadParameter("is for rows: give --format, or --out FILE.parquet", param_hint=flag)
            return None
        if not out or (path.suffix and not path.is_dir() and not out.endswith(("/", os.sep))):
            raise typer.BadParameter(f"expected --out FOLDER/ beside it, got {out!r}", param_hint="--format")
        return cls(path, kind, True, per_shard, dtype, force, resume)

    def pixels(self, event_shape: tuple[int, ...]) -> str:
        """The dtype of an event's numbers; raises InputError where a table's should be pixels."""
        if len(event_shape) == 1:
            if self.dtype == "uint8":
                raise InputError("--dtype uint8 is for pixels, this bundle is of the rows of a table: leave it out")
            if self.kind == "tar":
                raise InputError("a tar holds pictures, this bundle is of the rows of a table: write Parquet or .npz")
            return "float32"
        if self.kind == "tar":
            if self.dtype == "float32":
                raise InputError("a tar holds pictures, of uint8: write Parquet or .npz for --dtype float32")
            if event_shape[2] not in (1, 3, 4):
                raise InputError(f"a picture has 1, 3 or 4 channels, these images have {event_shape[2]}: write Parquet")
        return self.dtype or ("float32" if self.kind == "npz" else "uint8")

    def finish(self, console: Console, job: OfStream, verb: str, **options: Any) -> None:
        """Writes the rows of a job that reads a stream, and says so; `options` are what they depend on beside it."""
        from vae_edge.cli.rows.jobs import recorded

        began = time.perf_counter()
        stream = job.stream
        record = recorded(job.vae, verb=verb, **options, **stream.record(), **job.given.record)
        written = self.write(verb, job.columns, stream.count, record, job.batches)
        stream.end()
        self.tell(console, job.vae, stream.count, written, time.perf_counter() - began, job.columns, record)

    def tell(
        self, console: Console, vae: VAE, n: int, written: int, seconds: float, columns: Columns, record: dict[str, Any]
    ) -> None:
        """Says what was written: a line, and the verb's result."""
        told = f"{n:,} rows" if written == n else f"{written:,} of {n:,} rows, the others were there"
        console.say(
            f"wrote {self.path}: {told} of {', '.join(column.name for column in columns)}, from {vae.manifest.name} on "
            f"{vae.provider}, {seconds:.2f} s"
        )
        console.result(
            {
                "out": self.path,
                "kind": self.kind,
                "n": n,
                "written": written,
                "columns": {each.name: {"dtype": each.dtype, "shape": each.shape} for each in columns},
                "provider": vae.provider,
                "seconds": round(seconds, 4),
                **record,
            }
        )

    def write(
        self,
        what: str,
        columns: Columns,
        n: int,
        record: dict[str, Any],
        make: Callable[[range], Iterable[Batch]],
    ) -> int:
        """Writes rows 0 to n, which `make` gives by stretches, and says how many were made now.

        `record` is all that they depend on. Raises OutputError, and what `make` raises.
        """
        with Progress(what, n, "rows") as progress:
            if not self.is_folder:
                from vae_edge.batch import files

                files.write(self.path, self.kind, columns, record, make(range(n)), progress.advance)
                return n
            from vae_edge.batch.shards import Shards, rows_per_shard

            shards = Shards(
                self.path, self.kind, columns, n, self.per_shard or rows_per_shard(columns), record,
                command=shlex.join(["vae-edge", *sys.argv[1:]]), force=self.force, resume=self.resume,
            )  # fmt: skip
            return shards.write(make, progress.begin, progress.advance)
