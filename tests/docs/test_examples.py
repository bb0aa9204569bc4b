"""Every command and snippet of the README, of docs/ and of the help texts runs, in its order, offline.

Python of a page runs in one namespace, its shell commands in one folder, which holds the stand-ins for a reader's own
files and nothing else; the README has an empty one. `shell` says what is shortened. What cannot run says why in a
comment in front of it, `<!-- not run: ... -->`, and is reported as skipped.
"""

from __future__ import annotations

import contextlib
import importlib.util
import io
import shutil
from pathlib import Path

import pytest
import typer

from tests.docs import shell
from tests.docs.snippets import PROSE, Snippet, of_help, of_page
from vae_edge.cli.app import VERBS, app
from vae_edge.cli.verbs import bench

ROOT = Path(__file__).parents[2]
pytestmark = pytest.mark.timeout(900)  # on a busy machine; alone the longest takes a minute
PAGES = [ROOT / "README.md", ROOT / "CONTRIBUTING.md", *sorted((ROOT / "docs").rglob("*.md"))]
PAGES += sorted((ROOT / "benchmarks").glob("*/README.md"))
JAVASCRIPT = ROOT / "docs" / "javascript.md"
PAGES.remove(JAVASCRIPT)

if importlib.util.find_spec("tensorflow") is None:  # the report's header says so
    pytest.skip("the examples train and export", allow_module_level=True)


def blocks(path: Path) -> list[Snippet]:
    return [snippet for snippet in of_page(path) if snippet.language not in PROSE]


def runs_elsewhere(path: Path, snippet: Snippet) -> bool:
    """Whether tests/web/test_javascript_page.py runs it: it runs the README and the page on JavaScript."""
    return snippet.language == "js" and (path.name == "README.md" or snippet.text in JAVASCRIPT.read_text("utf-8"))


@pytest.fixture(scope="module")
def stand_ins(tmp_path_factory) -> Path:
    from tests.docs import stand_ins

    folder = tmp_path_factory.mktemp("stand-ins") / "all"
    folder.mkdir()
    stand_ins.write(folder)
    return folder


@pytest.fixture
def folder(stand_ins, tmp_path, monkeypatch) -> Path:
    """The current folder, without a home, a cache or a network."""
    from tests.docs.stand_ins import as_published

    here = tmp_path / "here"
    here.mkdir()
    monkeypatch.chdir(here)
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    as_published(monkeypatch, stand_ins)
    monkeypatch.setattr(bench, "SIZES", (1,))
    monkeypatch.setattr(bench, "ROUNDS", 1)
    return here


def fill(folder: Path, stand_ins: Path) -> None:
    shutil.copytree(stand_ins, folder, dirs_exist_ok=True, ignore=shutil.ignore_patterns("data"))


def run_python(snippet: Snippet, path: Path, namespace: dict[str, object]) -> None:
    source = "\n" * (snippet.line - 1) + snippet.text  # so that a traceback names the page's line
    with contextlib.redirect_stdout(io.StringIO()):
        exec(compile(source, str(path), "exec"), namespace)


@pytest.mark.parametrize("path", PAGES, ids=lambda path: str(path.relative_to(ROOT)))
def test_the_blocks_of_a_page_are_of_a_kind_that_is_run_or_say_why_not(path):
    for snippet in blocks(path):
        known = snippet.language in ("python", "sh") or (snippet.language != "indented" and bool(snippet.not_run))
        assert known or runs_elsewhere(path, snippet), (
            f"{path.name}, line {snippet.line}: {snippet.language!r} is not run"
        )


@pytest.mark.parametrize("path", [path for path in PAGES if blocks(path)], ids=lambda path: str(path.relative_to(ROOT)))
def test_a_page_runs(path, folder, stand_ins):
    namespace: dict[str, object] = {"__name__": "__main__"}
    if path.name != "README.md":
        fill(folder, stand_ins)
    if path.name == "your-own-model.md":
        from tests.docs.stand_ins import OWN_MODEL

        exec(OWN_MODEL, namespace)
    for snippet in blocks(path):
        if snippet.not_run or snippet.language == "js":
            continue
        if snippet.language == "python":
            run_python(snippet, path, namespace)
        else:
            shell.run(snippet, folder)


NOT_RUN = [(path, snippet) for path in PAGES for snippet in blocks(path) if snippet.not_run]


@pytest.mark.parametrize(("path", "snippet"), NOT_RUN, ids=lambda value: getattr(value, "stem", ""))
def test_what_is_not_run_is_reported(path, snippet):
    if snippet.language == "python":
        compile(snippet.text, str(path), "exec")
    pytest.skip(f"{path.name}, line {snippet.line}: {snippet.not_run}")


def prepare(folder: Path) -> None:
    """What the examples of `export` read, and TensorFlow makes: a run, and a model in two .keras files."""
    from tests.docs.stand_ins import OWN_MODEL

    shutil.rmtree(folder / "my-bundle")  # which is to be made
    exec(OWN_MODEL, {})
    train = "vae-edge train --data digits --likelihood bernoulli --network mlp --width 16 --latent 2 --out runs/mnist"
    shell.run(Snippet("the run to export", 1, "sh", train), folder)


def help_of(verb: str) -> str:
    group = typer.main.get_command(app)
    return (group.commands[verb] if verb else group).help or ""


@pytest.mark.parametrize("verb", ["", *VERBS])
def test_the_examples_of_a_help_text_run(verb, folder, stand_ins):
    fill(folder, stand_ins)
    if verb == "export":
        prepare(folder)
    snippet = of_help(verb, help_of(verb))
    assert list(shell.commands(snippet.text)), "a verb has examples"
    shell.run(snippet, folder)
