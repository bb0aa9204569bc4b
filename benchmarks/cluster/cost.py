"""What a job costs: beside one process that streams the same rows to Parquet, of one worker beside two, in memory.

Start-up is taken out by two sizes: what counts is (T(large) - T(small)) / (large - small), the time a row.
"""

from __future__ import annotations

import json
import os
import shutil
import statistics
import subprocess
import sys
import tempfile
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import psutil

__all__ = ["cost", "memory"]

STORE = 1 << 30  # bytes of shared memory


def cost(bundle: str, small: int, large: int, rounds: int) -> dict[str, Any]:
    """The medians of `rounds` rounds, each of which times every way once, in another order."""
    ways = {
        "one process, 2 CPUs": lambda n: _single(bundle, n, 2),
        "Ray, 2 workers, 2 CPUs": lambda n: _ray(bundle, n, 2, "0,1"),
        "two processes, a CPU each": lambda n: _pair(bundle, n),
        "one process, 1 CPU": lambda n: _single(bundle, n, 1),
        "Ray, 1 worker, 1 CPU": lambda n: _ray(bundle, n, 1, "0"),
    }
    rows: dict[str, list[float]] = {name: [] for name in ways}
    for number in range(rounds):
        names = list(ways) if number % 2 == 0 else list(reversed(ways))
        for name in names:
            first, second = ways[name](small), ways[name](large)
            rows[name].append((second["seconds"] - first["seconds"]) / (large - small) * 1e6)
            print(f"{name}: {rows[name][-1]:.1f} us a row", file=sys.stderr, flush=True)

    def ratio(slower: str, faster: str) -> dict[str, Any]:
        """Of each round, since a shared machine's speed changes from one to the next, and their median."""
        each = [a / b for a, b in zip(rows[slower], rows[faster], strict=True)]
        return {"median": round(statistics.median(each), 3), "rounds": [round(value, 3) for value in each]}

    return {
        "small": small,
        "large": large,
        "microseconds_a_row": {name: [round(each, 2) for each in found] for name, found in rows.items()},
        "overhead": ratio("Ray, 2 workers, 2 CPUs", "one process, 2 CPUs"),
        "scaling_1_to_2": ratio("Ray, 1 worker, 1 CPU", "Ray, 2 workers, 2 CPUs"),
        "what_the_second_cpu_is_worth": ratio("one process, 1 CPU", "two processes, a CPU each"),
        "cpus": os.cpu_count(),
        "load_before": [round(each, 1) for each in os.getloadavg()],
    }


def memory(bundle: str, sizes: list[int]) -> dict[str, Any]:
    """The highest resident memory of driver and workers, in MB, and the seconds, of jobs of several sizes."""
    return {f"{n}": _ray(bundle, n, 2, "0,1") for n in sizes}


def _single(bundle: str, n: int, cpus: int) -> dict[str, Any]:
    return _child("single", bundle, n, cpus, ",".join(map(str, range(cpus))))


def _pair(bundle: str, n: int) -> dict[str, Any]:
    """Two plain processes at once, half of the rows and a CPU each: what the hardware gives, nothing shared."""
    with ThreadPoolExecutor(2) as pool:
        halves = list(pool.map(lambda cpu: _child("single", bundle, n // 2, 1, cpu), ("0", "1")))
    return {"seconds": max(half["seconds"] for half in halves)}


def _ray(bundle: str, n: int, workers: int, cpus: str) -> dict[str, Any]:
    return _child("ray", bundle, n, workers, cpus)


def _child(what: str, bundle: str, n: int, count: int, cpus: str) -> dict[str, Any]:
    """A way in a process of its own, and with all that it starts on these CPUs alone."""
    command = [
        "taskset",
        "--cpu-list",
        cpus,
        sys.executable,
        "-m",
        "benchmarks.cluster.cost",
        what,
        bundle,
        str(n),
        str(count),
    ]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode:
        raise SystemExit(f"{' '.join(command)} failed:\n{done.stderr[-3000:]}")
    found: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
    return found


def single(bundle: str, n: int, threads: int, out: Path) -> dict[str, Any]:
    """One process: the rows of `VAE.stream`, in files of the size and the settings that Ray's have."""
    import numpy as np
    import pyarrow as pa
    import pyarrow.dataset

    from vae_edge.batch import parquet
    from vae_edge.batch.columns import Column
    from vae_edge.cluster.running import rows_of_a_file
    from vae_edge.runtime import VAE

    vae = VAE.load(bundle, threads=threads)
    columns = (Column("id", "int64"), Column("part", "int64"), Column("image", "float32", vae.event_shape))
    layout, size = parquet.schema(columns), rows_of_a_file(columns)
    options = pyarrow.dataset.ParquetFileFormat().make_write_options(
        compression="zstd", use_dictionary=["id", "part"], write_statistics=["id", "part"]
    )
    next(iter(vae.stream(256, head="sample", seed=1)))
    began, held, at = time.perf_counter(), [], 0
    for images in vae.stream(n, head="sample", seed=1):
        ids = np.arange(at, at + len(images))
        held.append(parquet.table({"id": ids, "part": ids // 256, "image": images}, columns, layout))
        at += len(images)
        if at % size == 0 or at == n:
            pyarrow.dataset.write_dataset(
                pa.concat_tables(held), out, format="parquet", file_options=options,
                basename_template=f"{at}-{{i}}.parquet", existing_data_behavior="overwrite_or_ignore",
            )  # fmt: skip
            held = []
    return {"seconds": time.perf_counter() - began, "driver_mb": _peak_of_this()}


def on_ray(bundle: str, n: int, workers: int, out: Path) -> dict[str, Any]:
    """A job on a Ray cluster of as many CPUs as workers, on this machine."""
    import ray

    from vae_edge import cluster

    os.environ["RAY_USAGE_STATS_ENABLED"] = "0"
    ray.init(address="local", num_cpus=workers, include_dashboard=False, object_store_memory=STORE, log_to_driver=False)
    peaks = {"worker": 0, "writer": 0}
    threading.Thread(target=_watch, args=(peaks,), daemon=True).start()
    cluster.generate(bundle, n=256 * workers, head="sample", seed=1, out=out.with_name("warm"))
    began = time.perf_counter()
    done = cluster.generate(bundle, n=n, head="sample", seed=1, out=out, concurrency=workers)
    seconds = time.perf_counter() - began
    ray.shutdown()
    return {
        "seconds": round(seconds, 2), "files": done.files, "driver_mb": _peak_of_this(),
        "worker_mb": peaks["worker"] >> 20, "writer_mb": peaks["writer"] >> 20,
    }  # fmt: skip


def _watch(peaks: dict[str, int]) -> None:
    """Private memory of the largest worker and the largest process that writes; shared memory is Ray's store."""
    this = psutil.Process()
    while True:
        for process in this.children(recursive=True):
            try:
                title, used = " ".join(process.cmdline()), process.memory_info()
            except psutil.Error:
                continue
            kind = "worker" if "MapWorker" in title else "writer" if "ray::Write" in title else ""
            if kind:
                peaks[kind] = max(peaks[kind], used.rss - used.shared)
        time.sleep(0.5)


def _peak_of_this() -> int:
    import resource

    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss >> 10


if __name__ == "__main__":
    what, bundle, n, count = sys.argv[1], sys.argv[2], int(sys.argv[3]), int(sys.argv[4])
    folder = Path(tempfile.mkdtemp(prefix="vae-edge-cluster-"))
    try:
        found = (single if what == "single" else on_ray)(bundle, n, count, folder / "out")
    finally:
        shutil.rmtree(folder, ignore_errors=True)
    print(json.dumps(found))
