"""Which code made a run or a bundle: the commit, the release, the versions of packages."""

from __future__ import annotations

import importlib.metadata
import platform
import subprocess
from pathlib import Path

import vae_edge

__all__ = ["commit", "producer", "versions"]


def commit() -> str:
    """The commit of the checkout that this code runs from, '-dirty' behind it where files differ; else 'unknown'."""
    folder = Path(__file__).parent

    def git(*arguments: str) -> str:
        done = subprocess.run(["git", "-C", str(folder), *arguments], capture_output=True, text=True, check=True)
        return done.stdout.strip()

    try:
        git("ls-files", "--error-unmatch", Path(__file__).name)  # an installed copy may lie inside a foreign checkout
        return git("rev-parse", "HEAD") + ("-dirty" if git("status", "--porcelain", "--untracked-files=no") else "")
    except (OSError, subprocess.CalledProcessError):
        return "unknown"


def producer() -> str:
    """What a bundle says that it was made by: 'vae-edge 0.2.0, commit 1333b80...', or without the commit."""
    made_by, at = f"vae-edge {vae_edge.__version__}", commit()
    return made_by if at == "unknown" else f"{made_by}, commit {at}"


def versions(*packages: str) -> dict[str, str]:
    """The versions of Python and of the packages named."""
    found = {"python": platform.python_version()}
    for package in packages:
        try:
            found[package] = importlib.metadata.version(package)
        except importlib.metadata.PackageNotFoundError:
            found[package] = "unknown"
    return found
