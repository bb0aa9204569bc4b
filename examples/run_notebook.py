"""Runs examples/tour.ipynb and keeps its outputs, or with --check runs it and writes nothing."""

from __future__ import annotations

import sys
from pathlib import Path

import nbformat
from nbclient import NotebookClient

PATH = Path(__file__).with_name("tour.ipynb")


def run() -> nbformat.NotebookNode:
    """The notebook with new outputs; raises CellExecutionError where a cell fails."""
    notebook = nbformat.read(PATH, as_version=4)
    NotebookClient(
        notebook,
        timeout=120,
        record_timing=False,
        coalesce_streams=True,  # what a busy kernel prints in pieces is one output
        resources={"metadata": {"path": PATH.parent}},
    ).execute()
    del notebook.metadata["language_info"]  # it names the Python that ran it
    return notebook


if __name__ == "__main__":
    done = run()
    if "--check" not in sys.argv[1:]:
        nbformat.write(done, PATH)
