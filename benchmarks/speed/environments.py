"""The set-up: one virtual environment a peer, and the exchange folder with weights, inputs and graphs for all."""

from __future__ import annotations

import subprocess
import venv
from collections.abc import Sequence
from pathlib import Path

__all__ = ["HERE", "python", "set_up", "why_missing", "write_exchange"]

HERE = Path(__file__).resolve().parent
ROOT = HERE.parent.parent


def python(envs: Path, environment: str) -> Path:
    """The interpreter of an environment."""
    return envs / environment / "bin" / "python"


def why_missing(envs: Path, environment: str) -> str:
    """Why an environment cannot be used; empty where it is ready."""
    failed, ready = envs / f"{environment}.failed", envs / f"{environment}.ready"
    if ready.exists() and python(envs, environment).exists():
        return ""
    if failed.exists():
        return f"set-up failed: {failed.read_text().strip()[:300]}"
    return f"not set up: run.py setup --only {environment}"


def set_up(envs: Path, environment: str) -> str:
    """Makes the environment from its requirements; gives the reason where that fails, else nothing."""
    envs.mkdir(parents=True, exist_ok=True)
    ready, failed = envs / f"{environment}.ready", envs / f"{environment}.failed"
    for stamp in (ready, failed):
        stamp.unlink(missing_ok=True)
    venv.create(envs / environment, with_pip=True)
    pip = [str(python(envs, environment)), "-m", "pip", "install", "--quiet", "--disable-pip-version-check"]
    done = subprocess.run(
        [*pip, "--requirement", str(HERE / "requirements" / f"{environment}.txt")],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    )
    if done.returncode:
        errors = [line for line in done.stderr.splitlines() if line.startswith("ERROR")] or ["pip says nothing"]
        failed.write_text(errors[-1] + "\n")
        return errors[-1]
    ready.touch()
    return ""


def write_exchange(envs: Path, exchange: Path, models: Sequence[str]) -> str:
    """Has TensorFlow write the exchange folder; gives the reason where that fails, else nothing."""
    if reason := why_missing(envs, "tensorflow"):
        return reason
    command = [str(python(envs, "tensorflow")), str(HERE / "peers" / "exchange.py"), str(exchange), *models]
    done = subprocess.run(command, stdout=subprocess.DEVNULL, check=False)  # the converter tells of each artifact
    return f"exchange.py ended with {done.returncode}" if done.returncode else ""
