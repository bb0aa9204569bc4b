"""The pass that makes constants of the shapes that Reshape computes."""

from __future__ import annotations

import numpy as np
import onnx
from onnx import numpy_helper

from vae_edge.export.passes.walk import constants, copied, drop_unread

__all__ = ["fix_reshapes"]


def fix_reshapes(model: onnx.ModelProto) -> onnx.ModelProto:
    """The model with a constant shape in each Reshape whose result has at most one axis of free size.

    Keras reads the batch off a tensor and puts the shape together from it: five nodes where [-1, 1568] says the same.
    """
    fixed = copied(model)
    graph = fixed.graph
    inferred = onnx.shape_inference.infer_shapes(fixed, data_prop=True).graph
    values = {value.name: value.type.tensor_type for value in (*inferred.value_info, *inferred.output)}
    known = constants(graph)
    for node in graph.node:
        kind = values.get(node.output[0])
        if node.op_type != "Reshape" or node.input[1] in known or kind is None or not kind.HasField("shape"):
            continue
        sizes = [dim.dim_value if dim.HasField("dim_value") else -1 for dim in kind.shape.dim]
        if sizes.count(-1) > 1 or 0 in sizes:
            continue
        name = f"{node.output[0]}_shape"
        graph.initializer.append(numpy_helper.from_array(np.asarray(sizes, np.int64), name))
        del node.attribute[:]  # allowzero
        node.input[1] = name
    drop_unread(graph)
    return fixed
