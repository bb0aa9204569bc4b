"""The TypeScript package's own tests, run by Node: its runtime against the vectors that Python wrote."""

from __future__ import annotations

import fcntl
import shutil
import subprocess
from pathlib import Path

import pytest

WEB = Path(__file__).parents[2] / "web"
OLDEST = 20  # of Node, as package.json says

pytestmark = pytest.mark.timeout(1200)


def run(*command: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(command, cwd=WEB, capture_output=True, text=True, check=False)


@pytest.fixture(scope="module")
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


def test_the_typescript_package_passes_its_tests(npm):
    done = run(npm, "test")
    assert done.returncode == 0, done.stdout[-20_000:] + done.stderr
    assert "# fail 0" in done.stdout
    assert "# skipped 0" in done.stdout
