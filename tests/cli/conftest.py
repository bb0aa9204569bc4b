from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner, Result

from vae_edge.cli.app import app
from vae_edge.runtime.session import Session

Invoke = Callable[..., Result]


@pytest.fixture
def vae_edge() -> Invoke:
    """Runs a command line in this process."""

    def invoke(*arguments: object, env: dict[str, str] | None = None) -> Result:
        return CliRunner().invoke(app, [str(argument) for argument in arguments], catch_exceptions=False, env=env)

    return invoke


@pytest.fixture
def process() -> Callable[..., subprocess.CompletedProcess[str]]:
    """Runs a command line in a process of its own; `before` is Python that runs first, `after` at its end."""

    def run(*arguments: object, before: str = "", after: str = "", **options: Any) -> subprocess.CompletedProcess[str]:
        code = f"import sys, atexit\n{before}\n"
        if after:
            code += f"atexit.register(lambda: exec({after!r}))\n"
        code += "from vae_edge.cli.main import main\nmain()"
        environment = {key: value for key, value in os.environ.items() if key != "VAE_EDGE_DEBUG"}
        return subprocess.run(
            [sys.executable, "-c", code, *map(str, arguments)],
            capture_output=True,
            text=True,
            timeout=120,
            env=environment,
            **options,
        )

    return run


@pytest.fixture
def built(monkeypatch: pytest.MonkeyPatch) -> list[tuple[str, dict[str, str], int]]:
    """The sessions that are built: name, provider options, threads."""
    found = []
    build = Session._build

    def note(self: Session, provider: str) -> object:
        found.append((self._name, self._options, self._threads))
        return build(self, provider)

    monkeypatch.setattr(Session, "_build", note)
    return found


@pytest.fixture(scope="session")
def one_line() -> Callable[[str], str]:
    """Gives a text without its line end, having made sure that it is one line."""

    def check(text: str) -> str:
        assert text.endswith("\n"), text
        assert text.count("\n") == 1, text
        return text[:-1]

    return check


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty folder, which is the current one."""
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.fixture(scope="session")
def tiny() -> Path:
    """The bundle of two hand-made graphs: images of 6 x 4 x 1, a latent of 3."""
    return Path(__file__).parents[1] / "runtime" / "tiny"
