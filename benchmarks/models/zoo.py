"""Ten kinds of VAE as people build them, small, with random weights.

Each function gives the keyword arguments of `vae_edge.export.export` for one. What stands in them beside the model and
its examples is what its user has to say.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from benchmarks.models.keras_models import colour, conditional, convolutional, functional, grey, table
from benchmarks.models.parts import Arguments
from benchmarks.models.stored import files, onnx_files
from benchmarks.models.tfp_models import probabilistic_layers, subclassed

__all__ = ["MODELS", "Arguments", "build"]

MODELS: dict[str, Callable[..., Arguments]] = {
    "convolutional": convolutional,
    "functional": functional,
    "probabilistic layers": probabilistic_layers,
    "subclassed": subclassed,
    "colour": colour,
    "conditional": conditional,
    "files": files,
    "table": table,
    "grey": grey,
    "onnx": onnx_files,
}


def build() -> Arguments:
    """The first of them: what `PYTHONPATH=. vae-edge export benchmarks/models/zoo.py:build` exports, from the root."""
    return convolutional(Path())
