"""The site builds without a warning, from every page, and names every public name."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

from vae_edge import export, pictures, runtime

DOCS = Path(__file__).parents[2] / "docs"


@pytest.fixture(scope="module")
def site(tmp_path_factory):
    pytest.importorskip("sphinx")
    out = tmp_path_factory.mktemp("site")
    command = [sys.executable, "-m", "sphinx", "-W", "--keep-going", "-q", "-b", "html", str(DOCS), str(out)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=280)
    assert done.returncode == 0, done.stderr  # a dead link is a warning, and a warning an error
    return out


def test_the_site_builds_without_a_warning_and_has_every_page(site):
    pages = {path.relative_to(DOCS).with_suffix(".html") for path in DOCS.rglob("*.md")}
    assert {page for page in pages if not (site / page).is_file()} == set()


@pytest.mark.parametrize("room", [runtime, export, pictures])
def test_the_reference_has_every_public_name(site, room):
    from sphinx.util.inventory import InventoryFile

    with (site / "objects.inv").open("rb") as file:
        inventory = InventoryFile.load(file, "", lambda base, path: path)
    documented = {name for kind, names in inventory.items() if kind.startswith("py:") for name in names}
    assert {name for name in room.__all__ if f"{room.__name__}.{name}" not in documented} == set()


def test_the_page_of_the_command_line_has_every_verb_and_option(site):
    import typer

    from vae_edge.cli.app import VERBS, app

    page = (site / "reference" / "command-line.html").read_text(encoding="utf-8")
    group = typer.main.get_command(app)
    for verb in VERBS:
        assert f'id="{verb}"' in page
        for parameter in group.commands[verb].params:
            assert all(option in page for option in parameter.opts if option.startswith("--")), parameter.opts


def test_the_page_of_the_notebook_has_its_pictures(site):
    notebook = json.loads((DOCS.parent / "examples" / "tour.ipynb").read_text(encoding="utf-8"))
    outputs = [output for cell in notebook["cells"] for output in cell.get("outputs", ())]
    pictures = sum("image/png" in output.get("data", {}) for output in outputs)
    assert pictures > 0
    assert (site / "notebook.html").read_text(encoding="utf-8").count('src="data:image/png;base64') == pictures
