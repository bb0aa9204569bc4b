"""The tables of runs are written by what ran, a row each, and only the rows of what ran."""

from __future__ import annotations

import runpy
from pathlib import Path
from types import SimpleNamespace

import pytest

from tests import runs

PAGE = """# Promises

<!-- soak: written by make soak -->

| test | commit | result |
|---|---|---|
| `a` | 1111111 | 3 passed |
| `b` | 1111111 | 4 passed |

<!-- fuzz: written by make fuzz -->

| reader | commit | found |
|---|---|---|

The end.
"""


@pytest.fixture
def page(tmp_path: Path) -> Path:
    path = tmp_path / "page.md"
    path.write_text(PAGE)
    return path


def test_a_row_takes_the_place_of_its_own_and_no_other(page):
    runs.publish("soak", [["`b`", "2222222", "1 failed"], ["`c`", "2222222", "5 passed"]], page)
    changed = PAGE.replace("| `b` | 1111111 | 4 passed |", "| `b` | 2222222 | 1 failed |\n| `c` | 2222222 | 5 passed |")
    assert page.read_text() == changed


def test_an_empty_table_is_filled(page):
    runs.publish("fuzz", [["npz", "2222222", "nothing"]], page)
    assert page.read_text() == PAGE.replace("|\n\nThe end", "|\n| npz | 2222222 | nothing |\n\nThe end")


def test_the_page_has_both_tables():
    for table in ("soak", "fuzz"):
        before = runs.PAGE.read_text()
        runs.publish(table, [])
        assert runs.PAGE.read_text() == before


def test_a_commit_is_named():
    assert len(runs.commit().rstrip("+")) in (1, 7)


def test_a_soak_says_what_its_tests_have_measured_and_how_many_passed(monkeypatch):
    told = runpy.run_path(str(Path(__file__).parent / "soak" / "conftest.py"))["Told"]()
    for when, outcome, properties in (
        ("setup", "passed", []),
        ("call", "passed", [("result", "9 swaps"), ("other", "no")]),
        ("teardown", "passed", [("result", "9 swaps")]),
        ("call", "failed", []),
        ("setup", "skipped", []),
    ):
        report = SimpleNamespace(nodeid="tests/soak/test_a.py::b", when=when, outcome=outcome, duration=0.4)
        report.user_properties = properties
        told.pytest_runtest_logreport(report)
    rows: list[list[object]] = []
    monkeypatch.setattr(runs, "commit", lambda: "1234567")
    monkeypatch.setattr(runs, "publish", lambda table, found: rows.extend(found))
    told.pytest_sessionfinish()
    assert rows == [["`test_a.py`", "1234567", "9 swaps; 1 failed; 1 passed; 1 skipped", "2 s"]]
