"""The page without a bundle, which the Python package carries, is what `web/explorer` builds."""

from __future__ import annotations

import subprocess
from importlib import resources
from pathlib import Path

import pytest

from tests.web.conftest import WEB


@pytest.mark.parametrize("name", ["template.html", "operators.json"])
def test_a_rebuild_gives_the_same_bytes(node: str, tmp_path: Path, name: str):
    done = subprocess.run([node, "explorer/build.mjs", tmp_path], cwd=WEB, capture_output=True, text=True, timeout=120)
    assert done.returncode == 0, done.stderr
    committed = resources.files("vae_edge.cli.explorer").joinpath(name).read_bytes()
    assert (tmp_path / name).read_bytes() == committed, "the page is older than its sources: npm run explorer in web/"


def test_the_sources_have_the_types_that_they_say(node: str):
    tsc = WEB / "node_modules" / "typescript" / "bin" / "tsc"
    done = subprocess.run([node, tsc, "-p", "explorer"], cwd=WEB, capture_output=True, text=True, timeout=240)
    assert done.returncode == 0, done.stdout
