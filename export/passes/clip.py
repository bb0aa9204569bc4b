"""The pass that makes one Clip of tf.clip_by_value."""

from __future__ import annotations

import onnx
from onnx import numpy_helper

from vae_edge.export.passes.walk import copied, drop_unread_weights, producers, readers

__all__ = ["fuse_clip"]


def fuse_clip(model: onnx.ModelProto) -> onnx.ModelProto:
    """The model with Max(Min(x, high), low) as one Clip, which ONNX Runtime computes inside the convolution before it.

    tf2onnx writes tf.clip_by_value as the pair, which costs 3.5 % of the time of one image of `mnist` and half a
    percent of that of 256. Constants must be of one element, and nothing else may read what Min gives.
    """
    fused = copied(model)
    graph = fused.graph
    scalars = {weight.name: weight for weight in graph.initializer if set(weight.dims) <= {1}}
    made, read = producers(graph), readers(graph)
    for upper in list(graph.node):
        if upper.op_type != "Max" or len(upper.input) != 2 or upper.input[1] not in scalars:
            continue
        lower = made.get(upper.input[0])
        if lower is None or lower.op_type != "Min" or len(lower.input) != 2 or lower.input[1] not in scalars:
            continue
        if read[lower.output[0]] != 1:
            continue
        bounds = [_scalar(scalars[name], f"{upper.output[0]}_{side}") for name, side in
                  ((upper.input[1], "low"), (lower.input[1], "high"))]  # fmt: skip
        if numpy_helper.to_array(bounds[0]) > numpy_helper.to_array(bounds[1]):
            continue  # Clip leaves open what it does then
        graph.initializer.extend(bounds)
        clip = onnx.helper.make_node(
            "Clip", [lower.input[0], bounds[0].name, bounds[1].name], list(upper.output), name=upper.name
        )
        graph.node.insert(list(graph.node).index(upper), clip)
        graph.node.remove(upper)
        graph.node.remove(lower)
    drop_unread_weights(graph)
    return fused


def _scalar(weight: onnx.TensorProto, name: str) -> onnx.TensorProto:
    return numpy_helper.from_array(numpy_helper.to_array(weight).reshape(()), name)
