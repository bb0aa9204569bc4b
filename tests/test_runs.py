"""The tables of runs are written by what ran, a row each, and only the rows of what ran."""

from __future__ import annotations

from pathlib import Path

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
