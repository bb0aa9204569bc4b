"""Two plugins of pytest: one learns which tests execute which lines, one runs chosen tests, the quickest first."""

from __future__ import annotations

import json
import os
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

LEARN, CHOOSE = "VAE_EDGE_MUTANTS_LEARN", "VAE_EDGE_MUTANTS_CHOOSE"  # a file to write, a file to read


class Learning:
    """Writes what was seen: {"seconds": {test or file of tests: s}, "lines": {file in `room`: {line: [test]}}}.

    The seconds of a file are those that its collection took, its imports among them.
    """

    def __init__(self, room: Path, target: Path) -> None:
        import coverage

        self._room, self._target, self._seconds = room, target, dict[str, float]()
        self._coverage = coverage.Coverage(include=[f"{room}/*"], data_file=None, config_file=False)
        self._coverage.start()

    @pytest.hookimpl(wrapper=True)
    def pytest_make_collect_report(self, collector: pytest.Collector) -> Iterator[None]:
        begun = time.perf_counter()
        result = yield
        if isinstance(collector, pytest.Module):
            self._seconds[collector.nodeid] = time.perf_counter() - begun
        return result

    @pytest.hookimpl(wrapper=True)
    def pytest_runtest_protocol(self, item: pytest.Item) -> Iterator[None]:
        self._coverage.switch_context(item.nodeid)
        result = yield
        self._coverage.switch_context("")
        return result

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        self._seconds[report.nodeid] = self._seconds.get(report.nodeid, 0.0) + report.duration

    def pytest_sessionfinish(self, exitstatus: int) -> None:
        self._coverage.stop()
        data = self._coverage.get_data()
        lines = {
            os.path.relpath(file, self._room): {
                line: sorted(tests - {""})
                for line, each in data.contexts_by_lineno(file).items()
                if (tests := set(each))
            }
            for file in data.measured_files()
        }
        self._target.write_text(json.dumps({"seconds": self._seconds, "lines": lines}))


class Choosing:
    """Runs the tests that a file names, one a line, in its order."""

    def __init__(self, chosen: list[str]) -> None:
        self._places = {name: place for place, name in enumerate(chosen)}

    def pytest_collection_modifyitems(self, items: list[Any]) -> None:
        items[:] = sorted(
            (item for item in items if item.nodeid in self._places), key=lambda item: self._places[item.nodeid]
        )


def pytest_configure(config: pytest.Config) -> None:
    """Takes its orders from the environment: an option would have to be known before the plugin is."""
    if target := os.environ.get(LEARN):
        config.pluginmanager.register(Learning(Path(os.environ["VAE_EDGE_MUTANTS_ROOM"]), Path(target)))
    if chosen := os.environ.get(CHOOSE):
        config.pluginmanager.register(Choosing(Path(chosen).read_text().splitlines()))
