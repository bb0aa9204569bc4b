"""The TypeScript package's own tests, run by Node: its runtime against the vectors that Python wrote."""

from __future__ import annotations

import pytest

from tests.web.conftest import run

pytestmark = pytest.mark.timeout(1200)


def test_the_typescript_package_passes_its_tests(npm):
    done = run(npm, "test")
    assert done.returncode == 0, done.stdout[-20_000:] + done.stderr
    assert "# fail 0" in done.stdout
    assert "# skipped 0" in done.stdout
