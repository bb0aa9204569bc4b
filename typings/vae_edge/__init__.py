"""The package that the rooms are parts of; beside this file, links to them, for mypy and for a run without installing."""

from typing import Any

__all__ = ["__version__"]


def __getattr__(name: str) -> Any:
    if name != "__version__":
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    from importlib.metadata import version  # when it is asked for: importing a room should cost nothing else

    return version("vae-edge")
