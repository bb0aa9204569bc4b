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
    # Workers find this checkout as the tests do, also where another one is installed, by the environment that all of
    # Ray's processes inherit: with a runtime_env of its own a job would have to wait for new workers.
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("PYTHONPATH", f"{root / 'typings'}:{root}")
        ray.init(
            address="local", num_cpus=2, include_dashboard=False, object_store_memory=256 << 20, log_to_driver=False
        )
    yield
    ray.shutdown()
