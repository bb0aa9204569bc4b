"""Passes over an ONNX model: each takes one and returns another that computes the same with less."""

from __future__ import annotations

import onnx

from vae_edge.export.passes.affine import fold_affine
from vae_edge.export.passes.clip import fuse_clip
from vae_edge.export.passes.gemm import fuse_gemm
from vae_edge.export.passes.names import rename
from vae_edge.export.passes.pads import mend_pads
from vae_edge.export.passes.phases import split_phases
from vae_edge.export.passes.precision import to_float32
from vae_edge.export.passes.random import random_outputs, refuse_random
from vae_edge.export.passes.shapes import fix_reshapes
from vae_edge.export.passes.walk import drop_identities, nodes

__all__ = [
    "fix_reshapes",
    "fold_affine",
    "fuse_clip",
    "fuse_gemm",
    "mend_pads",
    "nodes",
    "optimise",
    "random_outputs",
    "refuse_random",
    "rename",
    "split_phases",
    "to_float32",
]


def optimise(model: onnx.ModelProto) -> onnx.ModelProto:
    """The model after every pass that makes a graph quicker to run, with plain names; it keeps its signature.

    Raises InputError where the graph is not valid ONNX, or an output depends on random numbers.
    """
    refuse_random(model)
    faster = split_phases(fold_affine(fuse_clip(drop_identities(fix_reshapes(model)))))
    return rename(faster, [value.name for value in model.graph.input], [value.name for value in model.graph.output])
