"""The tables of `docs/promises.md` that tell of runs: the command that ran something writes its row, nobody else."""

from __future__ import annotations

import subprocess
from pathlib import Path

__all__ = ["commit", "publish"]

ROOT = Path(__file__).parents[1]
PAGE = ROOT / "docs" / "promises.md"


def publish(table: str, rows: list[list[object]], page: Path = PAGE) -> None:
    """Puts rows into the table below `<!-- table: ... -->`; each replaces the row of the same first cell."""
    lines = page.read_text().splitlines()
    head = next(at for at, line in enumerate(lines) if line.startswith(f"<!-- {table}:")) + 2
    begin = head + 2
    end = next((at for at in range(begin, len(lines)) if not lines[at].startswith("|")), len(lines))
    kept = {line.split("|")[1].strip(): line for line in lines[begin:end]}
    for row in rows:
        kept[str(row[0])] = "| " + " | ".join(map(str, row)) + " |"
    lines[begin:end] = kept.values()
    page.write_text("\n".join(lines) + "\n")


def commit() -> str:
    """The commit of the code that runs, with a + where files differ from it; '?' without git."""
    try:
        found = subprocess.run(["git", "rev-parse", "--short=7", "HEAD"], cwd=ROOT, capture_output=True, text=True)
        changed = subprocess.run(
            ["git", "status", "--porcelain", "--", "*.py"], cwd=ROOT, capture_output=True, text=True
        )
    except OSError:
        return "?"
    return (found.stdout.strip() or "?") + ("+" if changed.stdout.strip() else "")
