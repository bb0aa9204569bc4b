"""The operators that a graph may use, each with a rule for how large its output can be.

A rule takes what is known of a node's inputs, and gives what is known of its outputs: their sizes, or upper bounds of
them. The number of axes is exact. All bounds grow with their inputs, so that a bound stays a bound down the graph.
Rules raise ValueError, KeyError, IndexError, ... where a node does not fit its inputs, and RefusedError where a size
cannot be bounded.
"""

from __future__ import annotations

from collections.abc import Callable

from vae_edge.runtime.bundle.guard import elements, parts, products, shapes, windows
from vae_edge.runtime.bundle.guard.terms import Tensor

__all__ = ["DOMAINS", "INSIDE", "RULES", "Rule"]

Rule = Callable[..., "Tensor | list[Tensor]"]


def _rules(rule: Rule, operators: str) -> dict[str, Rule]:
    return dict.fromkeys(operators.split(), rule)


_ELEMENTWISE = _rules(
    shapes.broadcast,
    "Abs Acos Acosh And Asin Asinh Atan Atanh Ceil Celu Clip Cos Cosh Elu Equal Erf Exp Floor Gelu Greater "
    "GreaterOrEqual HardSigmoid HardSwish IsInf IsNaN LeakyRelu Less LessOrEqual Log Mean Mish Not Or PRelu Pow "
    "Reciprocal Relu Round Selu Sigmoid Sign Sin Sinh Softplus Softsign Sqrt Sum Tan Tanh ThresholdedRelu Where "
    "Xor",
)
_SAME = _rules(
    shapes.same,
    "BatchNormalization CumSum GroupNormalization InstanceNormalization LogSoftmax LpNormalization "
    "MeanVarianceNormalization ScatterElements ScatterND Softmax Trilu",
)
_REDUCTIONS = _rules(
    elements.reduce,
    "ReduceL1 ReduceL2 ReduceLogSum ReduceLogSumExp ReduceMax ReduceMean ReduceMin ReduceSumSquare",
)
_ONNX: dict[str, Rule] = {
    **_ELEMENTWISE,
    **_SAME,
    **_REDUCTIONS,
    **_rules(elements.arithmetic, "Add Div Max Min Mul Neg Sub"),
    **_rules(elements.arg_reduce, "ArgMax ArgMin"),
    **_rules(elements.dequantize, "DequantizeLinear QuantizeLinear"),
    **_rules(elements.reduce_numbers, "ReduceProd ReduceSum"),
    **_rules(products.matmul, "MatMul MatMulInteger QLinearMatMul"),
    **_rules(windows.convolution, "Conv ConvInteger QLinearConv"),
    **_rules(windows.pool, "AveragePool MaxPool"),
    **_rules(windows.pool_all, "GlobalAveragePool GlobalMaxPool"),
    "Cast": elements.cast,
    "Concat": parts.concat,
    "Constant": shapes.constant,
    "ConstantOfShape": shapes.filled,
    "ConvTranspose": windows.convolution_back,
    "DepthToSpace": shapes.depth_to_space,
    "DynamicQuantizeLinear": elements.dynamic_quantize,
    "Einsum": products.einsum,
    "Expand": shapes.expand,
    "Flatten": shapes.flatten,
    "Gather": parts.gather,
    "GatherElements": parts.gather_elements,
    "GatherND": parts.gather_nd,
    "Gemm": products.gemm,
    "Identity": shapes.identity,
    "LayerNormalization": elements.layer_norm,
    "OneHot": parts.one_hot,
    "Pad": parts.pad,
    "Range": shapes.ranged,
    "Reshape": shapes.reshape,
    "Resize": windows.resize,
    "Shape": shapes.shape_of,
    "Size": shapes.size_of,
    "Slice": parts.slices,
    "SpaceToDepth": shapes.space_to_depth,
    "Split": parts.split,
    "Squeeze": shapes.squeeze,
    "Tile": parts.tile,
    "Transpose": shapes.transpose,
    "Unsqueeze": shapes.unsqueeze,
}
# What ONNX Runtime's own optimiser and quantiser write.
_MICROSOFT: dict[str, Rule] = {
    "FusedConv": windows.convolution,
    "FusedGemm": products.gemm,
    "Gelu": shapes.broadcast,
}
RULES = _ONNX | _MICROSOFT
DOMAINS = {"": _ONNX.keys(), "ai.onnx": _ONNX.keys(), "com.microsoft": _MICROSOFT.keys()}

# How many tensors of an operator's largest size ONNX Runtime may hold while it runs, beside its inputs and outputs:
# functions that it takes apart, axes that it transposes before and after, and integers that it sums in 32 bits.
# What every convolution takes besides is in `size`.
INSIDE = {
    "Celu": 3,
    "Conv": 0,
    "ConvInteger": 2,
    "ConvTranspose": 0,
    "Einsum": 3,
    "FusedConv": 0,
    "Gelu": 3,
    "GroupNormalization": 4,
    "HardSwish": 3,
    "LogSoftmax": 2,
    "LpNormalization": 2,
    "MeanVarianceNormalization": 4,
    "Mish": 3,
    "QLinearConv": 3,
    "QLinearMatMul": 1,
    "ReduceLogSumExp": 1,
    "Softmax": 2,
}
