"""JavaScript in docs/javascript.md, docs/tasks/browser.md and the README runs: in Node, and in a page with a worker."""

from __future__ import annotations

import re
import shutil
import subprocess
from pathlib import Path

import numpy as np
import pytest

from tests.docs.snippets import Snippet, of_page
from tests.web.conftest import WEB, Browse
from vae_edge.runtime import VAE, bundle

ROOT = WEB.parent
PAGES = [ROOT / name for name in ("docs/javascript.md", "docs/tasks/browser.md", "README.md")]
BLOCKS = [block for page in PAGES for block in of_page(page) if block.language in ("js", "html") and not block.not_run]
NAME = re.compile(r"(?://|<!--) (\w+\.(?:js|html))")
pytestmark = pytest.mark.timeout(300)


def name_of(block: Snippet) -> str | None:
    """The file that a block's first line says it is."""
    match = NAME.match(block.text)
    return match and match[1]


@pytest.fixture(scope="module")
def app(node: str, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of an app that has installed the package, beside a bundle."""
    folder = tmp_path_factory.mktemp("app")
    package = folder / "node_modules" / "vae-edge"
    package.mkdir(parents=True)
    shutil.copy(WEB / "package.json", package)
    tsc = WEB / "node_modules" / "typescript" / "bin" / "tsc"
    command = [node, tsc, "-p", "tsconfig.build.json", "--outDir", package / "dist"]
    subprocess.run(command, cwd=WEB, check=True, timeout=240)
    for name in ("onnxruntime-web", "onnxruntime-common", "esbuild", "@esbuild"):
        (folder / "node_modules" / name).symlink_to(WEB / "node_modules" / name)
    shutil.copytree(bundle.locate("mnist"), folder / "mnist")
    return folder


@pytest.mark.parametrize(
    "block", [block for block in BLOCKS if name_of(block) is None], ids=lambda block: f"{block.where}:{block.line}"
)
def test_a_snippet_runs_in_node(node: str, app: Path, block: Snippet):
    (app / "snippet.mjs").write_text(block.text)
    done = subprocess.run([node, "snippet.mjs"], cwd=app, capture_output=True, text=True, timeout=120)
    assert done.returncode == 0, f"{block.where}, line {block.line}:\n{done.stderr}"
    assert done.stdout


def test_the_page_with_a_worker_draws_what_python_draws(browse: Browse, app: Path, tmp_path: Path):
    """Bundled without onnxruntime-web, which is optional."""
    names = {name: block.text for block in BLOCKS if (name := name_of(block))}
    assert set(names) == {"index.html", "app.js", "worker.js"}
    source, public = tmp_path / "source", tmp_path / "public"
    shutil.copytree(app / "node_modules" / "vae-edge", source / "node_modules" / "vae-edge")
    for name, text in names.items():
        (source / name).write_text(text)
    esbuild = [app / "node_modules/esbuild/bin/esbuild", "app.js", "worker.js", "--bundle", "--format=esm"]
    subprocess.run([*esbuild, f"--outdir={public}", "--log-level=error"], cwd=source, check=True, timeout=60)
    shutil.copy(source / "index.html", public)
    shutil.copytree(app / "mnist", public / "mnist")
    found = browse("app", folder=public)
    assert found["problems"] == []
    expected = VAE.load("mnist", provider="cpu").generate(1, head="sample", seed=3).reshape(-1)
    np.testing.assert_array_equal(found["pixels"], expected)


def test_every_block_is_run_or_says_why_not():
    blocks = of_page(PAGES[0])
    assert {block.language for block in blocks} <= {"js", "html", "sh"}
    commands = [line for block in blocks if block.language == "sh" for line in block.text.splitlines()]
    assert commands == ["cd web", "npm ci", "npm run build", "npm pack"]  # which the fixture stands in for
