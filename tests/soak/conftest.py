"""Promises of `docs/promises.md`: each test has a size for `make test` and its full one, for `make soak`."""

from __future__ import annotations

import os
import subprocess
import sys
from collections import Counter
from collections.abc import Callable
from pathlib import Path

import pytest

from tests import runs

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


class Told:
    """Writes what became of each file of tests to `docs/promises.md`, with the commit.

    A test may say more than that it passed, by `record_property("result", text)`.
    """

    def __init__(self) -> None:
        self._found: dict[str, Counter[str]] = {}
        self._results: dict[str, list[str]] = {}
        self._seconds: Counter[str] = Counter()

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        file = report.nodeid.partition("::")[0]
        self._seconds[file] += report.duration
        if report.when == "call" or report.outcome != "passed":
            self._found.setdefault(file, Counter())[report.outcome] += 1
        if report.when == "call":
            self._results.setdefault(file, []).extend(
                str(value) for name, value in report.user_properties if name == "result"
            )

    def pytest_sessionfinish(self) -> None:
        rows = [
            [
                f"`{Path(file).name}`",
                runs.commit(),
                "; ".join(
                    [
                        *self._results.get(file, ()),
                        *(f"{count} {outcome}" for outcome, count in sorted(outcomes.items())),
                    ]
                ),
                f"{self._seconds[file]:,.0f} s",
            ]
            for file, outcomes in sorted(self._found.items())
        ]
        runs.publish("soak", rows)


def pytest_configure(config: pytest.Config) -> None:
    """At full size the page of promises is written."""
    if FULL and not hasattr(config, "workerinput"):  # of several processes (pytest-xdist) one writes
        config.pluginmanager.register(Told())


@pytest.fixture
def run_python() -> Callable[..., subprocess.CompletedProcess[str]]:
    """Runs a program in a process of its own."""

    def run(code: str, *arguments: object, timeout: float = 7200) -> subprocess.CompletedProcess[str]:
        command = [sys.executable, "-W", "error", "-c", code, *map(str, arguments)]
        return subprocess.run(command, capture_output=True, text=True, timeout=timeout, check=False)

    return run
