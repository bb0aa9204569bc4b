"""Pages in Debian's Chromium, driven by `web/test-browser`; without Node or Chromium these tests skip, and say so."""

from __future__ import annotations

import base64
import io
import json
import os
import shutil
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest

WEB = Path(__file__).parents[2] / "web"
CHROMIUM = os.environ.get("CHROMIUM", "/usr/bin/chromium")

Browse = Callable[..., dict[str, Any]]


@pytest.fixture(scope="session")
def node() -> str:
    """Node, with the packages of web/package.json installed beside our sources."""
    found = shutil.which("node")
    if found is None:
        pytest.skip("there is no node: install Node 20, then npm ci in web/")
    if not (WEB / "node_modules" / "playwright-core").exists():
        pytest.skip("web/node_modules lacks playwright-core: npm ci in web/")
    return found


@pytest.fixture(scope="session")
def browser(node: str) -> Iterator[str]:
    """The address of a running Chromium."""
    if not Path(CHROMIUM).exists():
        pytest.skip(f"there is no {CHROMIUM}: apt-get install chromium, or set CHROMIUM to another build of it")
    with subprocess.Popen(
        [node, "test-browser/serve.mjs"], cwd=WEB, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as server:
        assert server.stdin is not None
        assert server.stdout is not None
        yield server.stdout.readline().strip()
        server.stdin.close()


@pytest.fixture(scope="session")
def browse(node: str, browser: str) -> Browse:
    """Runs a scenario of web/test-browser and gives what it returns."""

    def run(scenario: str, **options: object) -> dict[str, Any]:
        arguments = [node, "test-browser/run.mjs", browser, scenario, json.dumps(options, default=str)]
        done = subprocess.run(arguments, cwd=WEB, capture_output=True, text=True, timeout=240)
        assert done.returncode == 0, done.stderr
        found: dict[str, Any] = json.loads(done.stdout)
        return found

    return run


def npy(text: str) -> npt.NDArray[Any]:
    """The array of an .npy file that came as base64."""
    array: npt.NDArray[Any] = np.load(io.BytesIO(base64.b64decode(text)), allow_pickle=False)
    return array
