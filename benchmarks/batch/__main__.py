"""How fast rows are written, beside a bare stream, and what memory a job takes: tables for README.md.

    python -m benchmarks.batch speed  [--bundle mnist] [--rows 100000] [--repeats 3]
    python -m benchmarks.batch memory [--bundle tests/runtime/tiny] [--rows 100000 1000000 10000000]

Each measurement is a process of its own, which times its work without its start.
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import subprocess
import sys
import tempfile
from pathlib import Path

ROOT = Path(__file__).parents[2]

# A process: argv are a kind of work, the bundle, how many rows, where they go, and what is read.
WORK = """
import contextlib, io, json, resource, sys, time
import numpy, onnxruntime, pyarrow.parquet, pyarrow.fs, PIL.Image
from vae_edge.cli.app import app
from vae_edge.cli.rows import jobs
from vae_edge.cli.verbs import generate, reconstruct
from vae_edge.runtime import VAE

kind, bundle, rows, out, source = sys.argv[1:]
options = ["--bundle", bundle, "--json"]
generate = ["generate", "--n", rows, "--head", "sample", *options]
commands = {
    "parquet": [*generate, "--format", "parquet", "--out", out + "/"],
    "npz": [*generate, "--format", "npz", "--out", out + "/"],
    "tar": [*generate, "--format", "tar", "--out", out + "/"],
    "one .npy": [*generate, "--out", out + ".npy"],
    "folder of PNG": [*generate, "--out", out + "/"],
    "encode": ["encode", source, "--format", "parquet", "--out", out + "/", *options],
    "reconstruct": ["reconstruct", source, "--format", "parquet", "--out", out + "/", *options],
}
wall, cpu = time.perf_counter(), time.process_time()
if kind == "bare stream":
    for _ in VAE.load(bundle).stream(int(rows), head="sample", seed=0):
        pass
else:
    with contextlib.redirect_stdout(io.StringIO()), contextlib.redirect_stderr(io.StringIO()):
        try:
            app(commands[kind])
        except SystemExit as error:
            assert not error.code, error.code
wall, cpu = time.perf_counter() - wall, time.process_time() - cpu
peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
print(json.dumps({"wall": wall, "cpu": cpu, "peak": peak}))
"""

WRITERS = ("parquet", "npz", "tar", "one .npy")
READERS = ("encode", "reconstruct")


def measure(kind: str, bundle: str, rows: int, out: Path, source: Path | str = "") -> dict[str, float]:
    command = [sys.executable, "-c", WORK, kind, bundle, str(rows), str(out), str(source)]
    done = subprocess.run(command, capture_output=True, text=True, check=False, cwd=ROOT)
    if done.returncode:
        raise SystemExit(f"{kind} of {rows:,} rows failed:\n{done.stderr}")
    found: dict[str, float] = json.loads(done.stdout.splitlines()[-1])
    return found


def size(path: Path) -> int:
    files = path.rglob("*") if path.is_dir() else [path.with_name(path.name + ".npy")]
    return sum(file.stat().st_size for file in files if file.exists())


def speed(bundle: str, rows: int, repeats: int) -> None:
    """Rows a second by the wall clock and microseconds of CPU a row, each the median of the repeats, kinds in turn."""
    kinds = ("bare stream", *WRITERS, "folder of PNG", *READERS)
    found: dict[str, list[dict[str, float]]] = {kind: [] for kind in kinds}
    with tempfile.TemporaryDirectory(dir=os.environ.get("TMPDIR")) as folder:
        sizes = {}
        source = Path(folder, "source")
        measure("parquet", bundle, rows, source)
        for repeat in range(repeats):
            for kind in kinds:
                n, out = (
                    rows // 10 if kind == "folder of PNG" else rows,
                    Path(folder, f"{kind} {repeat}".replace(" ", "-")),
                )
                result = measure(kind, bundle, n, out, source)
                found[kind].append({"rate": n / result["wall"], "cpu": result["cpu"] / n * 1e6})
                sizes[kind] = size(out) / n if kind != "bare stream" else 0
                print(f"{kind}: {n / result['wall']:,.0f} rows/s", file=sys.stderr)
    bare = statistics.median(each["rate"] for each in found["bare stream"])
    print(
        f"| {bundle}, {rows:,} rows | rows/s | time beside a bare stream | CPU a row | bytes a row |\n|---|---|---|---|---|"  # noqa: E501
    )
    for kind, results in found.items():
        rate, cpu = (statistics.median(each[name] for each in results) for name in ("rate", "cpu"))
        print(f"| {kind} | {rate:,.0f} | {bare / rate:.2f} | {cpu:.1f} us | {sizes[kind]:,.0f} |")


def memory(bundle: str, sizes: list[int], most: int) -> None:
    """The largest resident set of a process, in MiB, by rows; a tar of over `most` rows is left out, it takes long."""
    print(f"| peak MiB, {bundle} | {' | '.join(f'{rows:,} rows' for rows in sizes)} |\n|---|{'---|' * len(sizes)}")
    with tempfile.TemporaryDirectory(dir=os.environ.get("TMPDIR")) as folder:
        sources = {rows: Path(folder, f"parquet-{rows}") for rows in sizes}
        for kind in ("bare stream", *WRITERS, *READERS):
            peaks = []
            for rows, source in sources.items():
                if kind == "tar" and rows > most:
                    peaks.append("-")
                    continue
                out = Path(folder, f"{kind}-{rows}".replace(" ", "-"))
                peaks.append(f"{measure(kind, bundle, rows, out, source)['peak']:.0f}")
                if kind != "parquet":  # which the readers read
                    subprocess.run(["rm", "-rf", str(out), f"{out}.npy"], check=True)
            print(f"| {kind} | {' | '.join(peaks)} |", flush=True)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("table", choices=("speed", "memory"))
    parser.add_argument("--bundle")
    parser.add_argument("--rows", type=int, nargs="+")
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument("--most", type=int, default=10**6, help="rows of a tar whose memory is measured, at most")
    given = parser.parse_args()
    if given.table == "speed":
        speed(given.bundle or "mnist", (given.rows or [100_000])[0], given.repeats)
    else:
        memory(given.bundle or "tests/runtime/tiny", given.rows or [10**5, 10**6, 10**7], given.most)


if __name__ == "__main__":
    main()
