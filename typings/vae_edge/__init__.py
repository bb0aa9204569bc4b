"""Variational autoencoders from TensorFlow to the edge: `vae_edge.runtime` runs bundles, `export` and `train` make them."""

from typing import Any

__all__ = ["__version__"]


def __getattr__(name: str) -> Any:
    if name != "__version__":
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    from importlib.metadata import PackageNotFoundError, version  # 15 ms, which a program that never asks does not pay

    try:
        return version("vae-edge")
    except PackageNotFoundError:
        return "0+unknown"  # the source tree on the path, installed nowhere
