"""Which operators of a bundle's graphs the page's own kernels lack."""

from __future__ import annotations

import json
from importlib import resources

from vae_edge.runtime.bundle import Bundle
from vae_edge.runtime.bundle.guard import reader

__all__ = ["missing"]


def missing(bundle: Bundle) -> list[str]:
    """The names of operators in either graph that have no kernel, sorted; the page needs onnxruntime-web for them.

    `operators.json` is written from the kernels' own table when the page is built. The kernels lack some attributes of
    some operators: the page finds that out, and says so.
    """
    graphs = (reader.read(bundle[graph.file]) for graph in bundle.manifest.graphs.values())
    return sorted({node.operator for graph in graphs for node in graph.nodes} - _covered())


def _covered() -> set[str]:
    return set(json.loads(resources.files("vae_edge.cli.explorer").joinpath("operators.json").read_text("utf-8")))
