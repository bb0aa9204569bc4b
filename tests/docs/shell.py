"""Runs the shell commands of a page, in order. `vae-edge` runs in this process, which imports TensorFlow once.

Some things differ from what a reader does, so that it takes seconds: training takes one epoch (two where a run is
extended), `bench` measures one size for a hundredth of a second, `evaluate` takes 20 samples and 50 generated images,
and no more than 1,000 images are generated.
"""

from __future__ import annotations

import os
import re
import shlex
import subprocess
import sys
import tomllib
from collections.abc import Iterator
from pathlib import Path

from typer.testing import CliRunner

from tests.docs.snippets import Snippet
from vae_edge.cli.app import app

__all__ = ["commands", "run"]

ROOT = Path(__file__).parents[2]
OF_A_SHELL = re.compile(r"[|<>*$]")  # what needs a real shell


def commands(text: str) -> Iterator[str]:
    """The commands of a block, one by one, without comments; lines that end in a backslash are joined."""
    for line in re.sub(r"\\\n\s*", " ", text).splitlines():
        line = _without_comment(line).strip()
        if OF_A_SHELL.search(line):
            yield line
        else:
            yield from filter(None, (part.strip() for part in re.split(r"&&|;", line)))


def run(snippet: Snippet, folder: Path) -> None:
    """Runs each command of a block in `folder`, the current one; fails where one does not exit with 0."""
    for command in commands(snippet.text):
        try:
            _run(command, folder)
        except AssertionError as error:
            raise AssertionError(f"{snippet.where}, line {snippet.line}: {command}\n{error}") from None


def _run(command: str, folder: Path) -> None:
    name, *arguments = shlex.split(command)
    if OF_A_SHELL.search(command):
        _check(["bash", "-euo", "pipefail", "-c", command], folder)
    elif name == "vae-edge" and "--ray" in arguments:
        pass  # tests/cluster/test_tasks.py runs the examples of help texts that need a cluster
    elif name == "vae-edge":
        done = CliRunner().invoke(app, shortened(arguments), catch_exceptions=False)
        elsewhere = "cuda" in arguments and "cuda" in done.output.lower()  # an error that names it, where there is none
        assert done.exit_code == 0 or elsewhere, f"exit code {done.exit_code}:\n{done.output}"
    elif name == "make":
        _check(["make", "--dry-run", *arguments], ROOT)
    elif name == "npm":
        assert arguments[0] in ("install", "ci", "run", "test", "pack"), arguments  # needs a network: not run
    elif name == "pip":
        _installs(arguments)
    else:
        _check([name, *arguments], folder)


def shortened(arguments: list[str]) -> list[str]:
    """A command line of `vae-edge` that does the same in less time."""
    verb = arguments[0]
    if verb == "train" and "--help" not in arguments:
        fewer = "1" if "--resume" not in arguments else "2" if "--epochs" in arguments else ""
        return [*_without(arguments, "--epochs"), *(["--epochs", fewer] if fewer else [])]
    if verb == "bench":
        return [*arguments, "--seconds", "0.01"]
    if verb == "evaluate":
        return [*_without(arguments, "--samples"), "--samples", "20", "--generated", "50"]
    if verb == "generate" and "--n" in arguments:
        place = arguments.index("--n") + 1
        return [*arguments[:place], str(min(1_000, int(arguments[place]))), *arguments[place + 1 :]]
    return arguments


def _without(arguments: list[str], option: str) -> list[str]:
    if option not in arguments:
        return arguments
    place = arguments.index(option)
    return [*arguments[:place], *arguments[place + 2 :]]


def _without_comment(line: str) -> str:
    return re.sub(r"(^|\s)#.*$", "", line)


def _check(command: list[str], folder: Path) -> None:
    environment = os.environ | {"PATH": f"{_bin(folder)}{os.pathsep}{os.environ['PATH']}"}
    done = subprocess.run(command, cwd=folder, env=environment, capture_output=True, text=True, timeout=120)
    assert done.returncode == 0, f"exit code {done.returncode}:\n{done.stdout}{done.stderr}"


def _bin(folder: Path) -> Path:
    """A folder with `vae-edge` and `python`, of the interpreter that runs the tests."""
    path = folder.parent / "bin"
    if not path.exists():
        path.mkdir()
        for name, what in (("vae-edge", "-m vae_edge.cli"), ("python", "")):
            (path / name).write_text(f'#!/bin/sh\nexec {shlex.quote(sys.executable)} {what} "$@"\n')
            (path / name).chmod(0o755)
    return path


def _installs(arguments: list[str]) -> None:
    """`pip install` is not run; what it names has to be there."""
    assert arguments[0] == "install"
    extras = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["optional-dependencies"]
    for argument in arguments[1:]:
        if match := re.fullmatch(r"(?:\.|vae-edge|[\w./*-]+\.whl)\[([\w,]+)\]", argument):
            unknown = set(match[1].split(",")) - set(extras)
            assert not unknown, f"no such extra: {', '.join(unknown)}"
