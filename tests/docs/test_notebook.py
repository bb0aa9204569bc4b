"""The notebook runs from top to bottom, and is committed with what its cells give."""

from __future__ import annotations

import importlib.util
import os
import sys
from pathlib import Path

import pytest

pytest.importorskip("nbclient")
pytest.importorskip("matplotlib")

EXAMPLES = Path(__file__).parents[2] / "examples"


@pytest.fixture(scope="module")
def notebooks(tmp_path_factory):
    """The notebook as it is committed, and as it comes out now."""
    spec = importlib.util.spec_from_file_location("run_notebook", EXAMPLES / "run_notebook.py")
    program = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(program)
    import nbformat

    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("PYTHONPATH", os.pathsep.join(filter(None, sys.path)))
        patch.setenv("IPYTHONDIR", str(tmp_path_factory.mktemp("ipython")))
        return nbformat.read(EXAMPLES / "tour.ipynb", as_version=4), program.run()


def outputs(notebook, kind):
    found = [output for cell in notebook.cells for output in cell.get("outputs", ())]
    return [each for each in found if (each.output_type == "display_data") == (kind == "pictures")]


def test_it_runs_and_draws_the_pictures_that_are_committed(notebooks):
    committed, now = notebooks
    assert [cell.source for cell in committed.cells] == [cell.source for cell in now.cells]
    drawn = len(outputs(now, "pictures"))
    assert drawn == len(outputs(committed, "pictures")) >= 7


def test_it_prints_what_is_committed(notebooks):
    committed, now = notebooks

    def shapes(notebook):
        texts = [each.get("text") or each.data["text/plain"] for each in outputs(notebook, "text")]
        return [text.splitlines()[0].split(".")[0] for text in texts]  # digits after a point may differ by rounding

    assert shapes(committed) == shapes(now)


def test_it_is_small():
    assert (EXAMPLES / "tour.ipynb").stat().st_size < 200_000
