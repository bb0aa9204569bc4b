"""Files and folders that a page names are there."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
NAMED = re.compile(r"`([\w./-]+(?:\.py|\.md|\.json|/))`")
ELSEWHERE = {"out/site/", "public/mnist/"}  # what a reader makes


def everything() -> set[str]:
    rooms = ("runtime", "batch", "cluster", "pictures", "train", "export", "cli")
    others = ("web/src", "docs", "tests", "benchmarks", "examples")
    paths = [path for room in rooms + others for path in (ROOT / room, *(ROOT / room).rglob("*"))]
    paths += [*ROOT.iterdir(), ROOT / "typings" / "vae_edge"]
    return {f"/{path.relative_to(ROOT).as_posix()}{'/' if path.is_dir() else ''}" for path in paths}


@pytest.mark.parametrize("page", ["docs/architecture.md", "CONTRIBUTING.md", "README.md"])
def test_what_a_page_names_is_there(page):
    named = set(NAMED.findall((ROOT / page).read_text("utf-8"))) - ELSEWHERE
    here = everything()
    assert {name for name in named if not any(path.endswith(f"/{name}") for path in here)} == set()
    assert page == "README.md" or named
