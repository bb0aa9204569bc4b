"""The pass that makes one Gemm of a dense layer."""

from __future__ import annotations

import onnx

from vae_edge.export.passes.walk import copied, producers, readers

__all__ = ["fuse_gemm"]


def fuse_gemm(model: onnx.ModelProto) -> onnx.ModelProto:
    """The model with MatMul(x, w) + b as one Gemm, for x of two axes. ONNX Runtime has an integer Gemm too.

    tf2onnx writes a dense layer as the pair. In float32 there is nothing to gain (within 1 %, `mnist`), so only what is
    quantised goes through here. Weights and bias must be constants, and nothing else may read what MatMul gives.
    """
    fused = copied(model)
    graph = fused.graph
    axes = {weight.name: len(weight.dims) for weight in graph.initializer}
    made, read = producers(graph), readers(graph)
    for add in list(graph.node):
        product = made.get(add.input[0]) if add.op_type == "Add" else None
        if product is None or product.op_type != "MatMul" or axes.get(add.input[1]) != 1:
            continue
        # Keras writes a product of more axes with other operators; a batch of matrices would have weights of three.
        if axes.get(product.input[1]) != 2 or read[product.output[0]] != 1:
            continue
        gemm = onnx.helper.make_node("Gemm", [*product.input, add.input[1]], list(add.output), name=add.name)
        graph.node.insert(list(graph.node).index(add), gemm)
        graph.node.remove(add)
        graph.node.remove(product)
    return fused
