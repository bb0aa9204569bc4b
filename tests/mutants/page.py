"""The page that a run of mutants writes: how many died, and what is thought of those that did not."""

from __future__ import annotations

import json
from collections import Counter
from pathlib import Path
from typing import Any

__all__ = ["judged", "render"]

JUDGED = Path(__file__).parent / "judged.json"

Row = dict[str, Any]


def judged() -> dict[tuple[str, str, str], str]:
    """(file, line before, line after) -> why that mutant is equivalent: no caller can tell it from the code."""
    return {(row["file"], row["before"], row["after"]): row["why"] for row in json.loads(JUDGED.read_text())}


def render(rows: list[Row], seed: int, equivalent: dict[tuple[str, str, str], str], commit: str = "") -> str:
    """The page, as Markdown; `commit` is that of the code."""
    alive = [row for row in rows if row["fate"] == "survived"]
    same = [row for row in alive if _change(row) in equivalent]
    open_ones = [row for row in alive if _change(row) not in equivalent]
    dead, counted = len(rows) - len(alive), len(rows) - len(same)
    lines = [
        "# Mutants of `runtime/`",
        "",
        f"Of {len(rows)} small changes of the code at {commit or 'some commit'} (seed {seed}), one at a time, "
        f"{dead} were noticed by a test. {len(same)} survived and were judged equivalent: no caller can tell them from "
        f"the code. {len(open_ones)} survived and are not: **{100 * dead / max(1, counted):.1f} % of {counted} died**.",
        "",
        "`make mutants` writes this page; `python -m tests.mutants --help` says how to take another sample. A survivor "
        "is read, and gets a test or a line in `judged.json`. So the figure of a seed rises once its survivors were "
        "read. A new seed shows how many mutants the tests notice at first sight.",
        "",
        "| kind | mutants | killed | of these by a hang | equivalent | survived |",
        "|---|---|---|---|---|---|",
    ]
    for kind in sorted({row["kind"] for row in rows}):
        fates = Counter(
            "equivalent" if row["fate"] == "survived" and _change(row) in equivalent else row["fate"]
            for row in rows
            if row["kind"] == kind
        )
        killed = fates["killed"] + fates["timeout"]
        total = sum(fates.values())
        lines.append(
            f"| {kind} | {total} | {killed} | {fates['timeout']} | {fates['equivalent']} | {fates['survived']} |"
        )
    lines += ["", "## Survived", ""]
    lines += [item for row in open_ones for item in _item(row, "")] or ["None."]
    lines += ["", "## Judged equivalent", ""]
    lines += [item for row in same for item in _item(row, equivalent[_change(row)])] or ["None."]
    return "\n".join(lines) + "\n"


def _change(row: Row) -> tuple[str, str, str]:
    return row["file"], row["before"], row["after"]


def _item(row: Row, why: str) -> list[str]:
    return [f"- `{row['file']}`: {why}", "", "      " + row["before"], "      " + row["after"], ""]
