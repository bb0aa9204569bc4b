"""A job during which a worker process and then a node are killed."""

from __future__ import annotations

import os
import shutil
import signal
import threading
import time
from pathlib import Path
from typing import Any

import psutil
import ray
from ray.cluster_utils import Cluster

from benchmarks.cluster import check
from vae_edge import cluster as jobs
from vae_edge.batch.columns import Column
from vae_edge.cluster.running import rows_of_a_file

__all__ = ["killed"]

STORE = 512 << 20  # bytes of shared memory a node


def killed(n: int, bundle: str, out: Path) -> dict[str, Any]:
    """What became of a job of n images on two nodes of a CPU each, its rows compared with a single process's.

    A worker is killed when a quarter of the files is there, and the second node, with all that runs on it, when half
    of them are.
    """
    shutil.rmtree(out, ignore_errors=True)
    shutil.rmtree(out.with_name(out.name + ".checkpoint"), ignore_errors=True)
    nodes = Cluster(initialize_head=True, head_node_args={"num_cpus": 1, "object_store_memory": STORE})
    second = nodes.add_node(num_cpus=1, object_store_memory=STORE)
    ray.init(address=nodes.address, log_to_driver=False)
    events: list[str] = []
    watcher = threading.Thread(target=_watch, args=(nodes, second, n, out, events), daemon=True)
    watcher.start()
    try:
        outcome = jobs.generate(bundle, n=n, head="sample", seed=5, out=out)
        left = [str(node["NodeID"])[:8] for node in ray.nodes() if node["Alive"]]
    finally:
        ray.shutdown()
        nodes.shutdown()
    rows = check.written(out, n)
    same = rows == check.single(bundle, n, "sample", 5)
    return {
        "rows": outcome.rows, "files": outcome.files, "seconds": round(outcome.seconds, 1), "events": events,
        "nodes_left": len(left), "pixels_equal": same,
    }  # fmt: skip


def _watch(nodes: Cluster, second: Any, n: int, out: Path, events: list[str]) -> None:
    expected = n / rows_of_a_file((Column("image", "float32", (28, 28, 1)),))
    began = time.monotonic()
    _wait_for(out, expected / 4)
    victims = [process for process in psutil.Process().children(recursive=True) if _is_worker(process)]
    os.kill(victims[0].pid, signal.SIGKILL)
    events.append(f"{time.monotonic() - began:.0f} s: killed a worker, one of {len(victims)}")
    _wait_for(out, expected / 2)
    nodes.remove_node(second, allow_graceful=False)
    events.append(f"{time.monotonic() - began:.0f} s: killed the second node")


def _wait_for(out: Path, files: float) -> None:
    while len(list(out.glob("*.parquet"))) < files:
        time.sleep(0.2)


def _is_worker(process: psutil.Process) -> bool:
    try:
        return "MapWorker(MapBatches(Worker))" in " ".join(process.cmdline())
    except psutil.Error:
        return False
