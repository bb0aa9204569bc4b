"""A Ray cluster of two CPUs on this machine, for the tests of this folder; without Ray they skip, and say so."""

from __future__ import annotations

import importlib.util
from collections.abc import Iterator
from pathlib import Path

import pytest

if importlib.util.find_spec("ray") is None:
    collect_ignore_glob = ["test_*.py"]


@pytest.fixture(scope="session")
def cluster_of_two(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """Two CPUs in all, which two workers take whole."""
    import os

    import ray

    os.environ["RAY_USAGE_STATS_ENABLED"] = "0"
    os.environ["RAY_ACCEL_ENV_VAR_OVERRIDE_ON_ZERO"] = "0"  # else Ray warns that this will be the default
    root = Path(__file__).parents[2]
    # Workers find this checkout as the tests do, also where another one is installed.
    ray.init(
        address="local", num_cpus=2, include_dashboard=False, object_store_memory=256 << 20, log_to_driver=False,
        runtime_env={"env_vars": {"PYTHONPATH": f"{root / 'typings'}:{root}"}},
    )  # fmt: skip
    yield
    ray.shutdown()
