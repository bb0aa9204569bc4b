"""Fills the pages that are made of something else: the command line's reference, and the notebook."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import command_line
import notebook

ROOT = Path(__file__).parents[2]
PAGES: dict[str, Callable[[], str]] = {
    "reference/command-line": command_line.page,
    "notebook": lambda: notebook.page(ROOT / "examples" / "tour.ipynb"),
}


def setup(app: Any) -> dict[str, Any]:
    """Connects the filling; Sphinx calls this."""
    app.connect("source-read", fill)
    app.connect("env-before-read-docs", lambda app, env, names: names.extend(set(PAGES) - set(names)))
    return {"parallel_read_safe": True}


def fill(app: Any, name: str, source: list[str]) -> None:
    """Appends to a page what is made for it."""
    if name in PAGES:
        source[0] += "\n" + PAGES[name]()
