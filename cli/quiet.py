"""TensorFlow, imported without its greeting."""

from __future__ import annotations

import os
from pathlib import Path

__all__ = ["import_tensorflow"]


def import_tensorflow(*, greet: bool) -> None:
    """Imports TensorFlow; what it writes to stderr meanwhile, a dozen lines that no log level keeps off, is dropped."""
    if greet:
        import tensorflow

        return
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
    saved = os.dup(2)
    try:
        with Path(os.devnull).open("wb") as nowhere:
            os.dup2(nowhere.fileno(), 2)
        import tensorflow  # noqa: F401
    finally:
        os.dup2(saved, 2)
        os.close(saved)
