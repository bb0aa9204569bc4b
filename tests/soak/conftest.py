"""Promises of `docs/promises.md`: each test has a size for `make test` and its full one, for `make soak`."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable

import pytest

FULL = os.environ.get("VAE_EDGE_SOAK", "0") != "0"


@pytest.fixture(scope="session")
def soak() -> Callable[[int, int], int]:
    """The size of a test: (in `make test`, in `make soak`), which sets VAE_EDGE_SOAK=1."""
    return lambda reduced, full: full if FULL else reduced


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """At full size a test may take an hour."""
    for item in items:
        if FULL and "soak" in item.path.parts:
            item.add_marker(pytest.mark.timeout(7200))


@pytest.fixture
def run_python() -> Callable[..., subprocess.CompletedProcess[str]]:
    """Runs a program in a process of its own."""

    def run(code: str, *arguments: object, timeout: float = 7200) -> subprocess.CompletedProcess[str]:
        command = [sys.executable, "-W", "error", "-c", code, *map(str, arguments)]
        return subprocess.run(command, capture_output=True, text=True, timeout=timeout, check=False)

    return run
