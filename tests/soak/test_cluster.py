"""A job on a cluster makes each row once, and the same ones, while a worker and then a node are killed."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

pytest.importorskip("ray", reason="the ray extra is not installed")

pytestmark = pytest.mark.filterwarnings(  # Ray's own
    "ignore::ResourceWarning", "ignore::DeprecationWarning", "ignore::FutureWarning"
)

ROWS = int(os.environ.get("VAE_EDGE_SOAK_ROWS", 1_000_000))  # fewer where there is less time: what was run is told


def test_a_job_survives_a_worker_and_a_node(tmp_path: Path, soak, record_property) -> None:
    if not (n := soak(0, ROWS)):
        pytest.skip("takes minutes: make soak (tests/cluster kills workers, and resumes)")
    from benchmarks.cluster.kill import killed

    found = killed(n, "mnist-tiny", tmp_path / "out")
    assert found["rows"] == n
    assert found["pixels_equal"]
    assert len(found["events"]) == 2
    assert found["nodes_left"] == 1
    record_property("result", f"{n:,} rows, each once, pixels equal; " + ", ".join(found["events"]))
