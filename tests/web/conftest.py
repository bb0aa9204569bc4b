"""Pages in Debian's Chromium, driven by `web/test-browser`; without Node or Chromium these tests skip, and say so."""

from __future__ import annotations

import base64
import fcntl
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
OLDEST = 20  # of Node, as package.json says
CHROMIUM = os.environ.get("CHROMIUM", "/usr/bin/chromium")

Browse = Callable[..., dict[str, Any]]


def run(*command: str) -> subprocess.CompletedProcess[str]:
    """A command's outcome, in web/."""
    return subprocess.run(command, cwd=WEB, capture_output=True, text=True, check=False)


@pytest.fixture(scope="session")
def npm() -> str:
    """npm, in a checkout that has its packages; the test is skipped where Node or npm is absent or too old."""
    npm, node = shutil.which("npm"), shutil.which("node")
    if npm is None or node is None:
        pytest.skip("node or npm is absent: install Debian's nodejs and npm")
    version = run(node, "--version").stdout.strip()
    if int(version.lstrip("v").split(".")[0]) < OLDEST:
        pytest.skip(f"node is {version}, the package needs {OLDEST} or later")
    with (WEB / ".install.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)  # two test runs at once would install into one folder
        if is_stale():
            done = run(npm, "ci", "--no-audit", "--no-fund")
            assert done.returncode == 0, f"npm ci failed: is a registry in reach?\n{done.stdout}{done.stderr}"
    return npm


def is_stale() -> bool:
    """Whether the packages are absent, or older than the lock file."""
    installed = WEB / "node_modules" / ".package-lock.json"  # npm writes it last
    return not installed.exists() or installed.stat().st_mtime < (WEB / "package-lock.json").stat().st_mtime


@pytest.fixture(scope="session")
def node(npm: str) -> str:
    """Node, with the packages of web/package.json installed."""
    found = shutil.which("node")
    assert found is not None
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

    def play(scenario: str, timeout: float = 240, **options: object) -> dict[str, Any]:
        arguments = [node, "test-browser/run.mjs", browser, scenario, json.dumps(options, default=str)]
        done = subprocess.run(arguments, cwd=WEB, capture_output=True, text=True, timeout=timeout)
        assert done.returncode == 0, done.stderr
        found: dict[str, Any] = json.loads(done.stdout)
        return found

    return play


def npy(text: str) -> npt.NDArray[Any]:
    """The array of an .npy file that came as base64."""
    array: npt.NDArray[Any] = np.load(io.BytesIO(base64.b64decode(text)), allow_pickle=False)
    return array
