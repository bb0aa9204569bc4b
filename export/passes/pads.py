"""The pass that mends the padding of transposed convolutions."""

from __future__ import annotations

import onnx
from onnx import helper

from vae_edge.export.passes.walk import attributes, copied

__all__ = ["mend_pads"]


def mend_pads(model: onnx.ModelProto) -> onnx.ModelProto:
    """The model with output_padding in each ConvTranspose whose pads tf2onnx made negative.

    Where TensorFlow's output is larger than stride * (input - 1) + kernel, the surplus lies behind it.
    """
    mended = copied(model)
    for node in mended.graph.node:
        if node.op_type != "ConvTranspose":
            continue
        said = attributes(node)
        pads = list(said.get("pads", []))
        if min(pads, default=0) >= 0:
            continue
        axes = len(pads) // 2
        extra = list(said.get("output_padding", [0] * axes))
        for axis in range(axes):
            total = pads[axis] + pads[axis + axes]
            if total < 0:
                pads[axis], pads[axis + axes], extra[axis] = 0, 0, extra[axis] - total
        kept = [entry for entry in node.attribute if entry.name not in ("pads", "output_padding")]
        changed = [helper.make_attribute(name, values) for name, values in (("pads", pads), ("output_padding", extra))]
        del node.attribute[:]
        node.attribute.extend([*kept, *changed])
    return mended
