"""Explorer's pages for tests, and what their addresses say."""

from __future__ import annotations

import base64
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
from typer.testing import CliRunner

from vae_edge.cli.app import app

__all__ = ["code", "drawing", "make"]


def make(bundle: str | Path, out: Path) -> Path:
    """The page that `vae-edge explore` writes of a bundle."""
    done = CliRunner().invoke(app, ["explore", str(bundle), "--out", str(out)], catch_exceptions=False)
    assert done.exit_code == 0, done.stderr
    return out


def code(fragment: dict[str, str]) -> npt.NDArray[Any]:
    """The code (1, L) in a page's address."""
    return np.frombuffer(_bytes(fragment["z"]), "<f4")[None]


def drawing(fragment: dict[str, str]) -> npt.NDArray[Any]:
    """The black-and-white drawing (1, 28, 28, 1) in a page's address."""
    bits = np.unpackbits(np.frombuffer(_bytes(fragment["x"]), np.uint8), bitorder="little")
    return bits[: 28 * 28].reshape(1, 28, 28, 1).astype(np.float32)


def _bytes(text: str) -> bytes:
    return base64.urlsafe_b64decode(text + "=" * (-len(text) % 4))
