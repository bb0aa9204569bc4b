"""`vae_edge.__version__` is the installed package's, and asking costs nobody who does not ask."""

from __future__ import annotations

import importlib.metadata
import re
import subprocess
import sys

import pytest

import vae_edge


def test_the_version_is_the_packages() -> None:
    assert vae_edge.__version__ == importlib.metadata.version("vae-edge")
    assert re.fullmatch(r"\d+\.\d+\.\d+\S*", vae_edge.__version__)


def test_a_source_tree_that_is_not_installed_says_so(monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(name: str) -> str:
        raise importlib.metadata.PackageNotFoundError(name)

    monkeypatch.setattr(importlib.metadata, "version", fail)
    assert vae_edge.__version__ == "0+unknown"


def test_importing_the_package_imports_nothing() -> None:
    code = "import sys; before = set(sys.modules); import vae_edge; print(*sorted(set(sys.modules) - before))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, timeout=60)
    assert {name.partition(".")[0] for name in done.stdout.split()} <= {"vae_edge"} | sys.stdlib_module_names
    assert "importlib.metadata" not in done.stdout.split()


def test_other_names_are_attribute_errors() -> None:
    with pytest.raises(AttributeError, match="no attribute 'nothing'"):
        _ = vae_edge.nothing
