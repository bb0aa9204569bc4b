/**
 * The operators that a graph may use, each with a rule for how large its output can be.
 *
 * A rule takes what is known of its inputs to what is known of its outputs: upper bounds of their sizes, or the sizes
 * themselves. It is exact in how many axes there are. All bounds grow with their inputs, so that a bound stays a bound
 * down the graph. Rules throw Misfit where a node does not fit what it reads, and RefusedError on a size that the graph
 * would compute in a way that has no rule.
 */

import * as elements from "./elements.js";
import * as parts from "./parts.js";
import * as products from "./products.js";
import * as shapes from "./shapes.js";
import type { Info, Node } from "./terms.js";
import * as windows from "./windows.js";

// Each rule reads its own number of tensors, and states which; the table cannot.
type Rule = (node: Node, ...inputs: any[]) => Info | Info[];

interface Entry {
  readonly rule: Rule;
  readonly least: number;
  readonly most: number;
}

const entries = (rule: Rule, least: number, most: number, operators: string): [string, Entry][] =>
  operators.split(" ").map((operator) => [operator, { rule, least, most }]);

const MANY = Infinity;
const ONNX = new Map<string, Entry>([
  ...entries(
    shapes.broadcast, 1, MANY,
    "Abs Acos Acosh And Asin Asinh Atan Atanh Ceil Celu Clip Cos Cosh Elu Equal Erf Exp Floor Gelu Greater " +
      "GreaterOrEqual HardSigmoid HardSwish IsInf IsNaN LeakyRelu Less LessOrEqual Log Mean Mish Not Or PRelu Pow " +
      "Reciprocal Relu Round Selu Sigmoid Sign Sin Sinh Softplus Softsign Sqrt Sum Tan Tanh ThresholdedRelu Where Xor",
  ),
  ...entries(
    shapes.same, 1, MANY,
    "BatchNormalization CumSum GroupNormalization InstanceNormalization LogSoftmax LpNormalization " +
      "MeanVarianceNormalization ScatterElements ScatterND Softmax Trilu",
  ),
  ...entries(
    elements.reduce, 1, 2,
    "ReduceL1 ReduceL2 ReduceLogSum ReduceLogSumExp ReduceMax ReduceMean ReduceMin ReduceSumSquare",
  ),
  ...entries(elements.arithmetic, 1, MANY, "Add Div Max Min Mul Neg Sub"),
  ...entries(elements.argReduce, 1, 1, "ArgMax ArgMin"),
  ...entries(elements.dequantize, 2, 3, "DequantizeLinear QuantizeLinear"),
  ...entries(elements.reduceNumbers, 1, 2, "ReduceProd ReduceSum"),
  ...entries(products.matmul, 2, MANY, "MatMul MatMulInteger QLinearMatMul"),
  ...entries(windows.convolution, 2, MANY, "Conv ConvInteger QLinearConv"),
  ...entries(windows.pool, 1, 1, "AveragePool MaxPool"),
  ...entries(windows.poolAll, 1, 1, "GlobalAveragePool GlobalMaxPool"),
  ...entries(elements.cast, 1, 1, "Cast"),
  ...entries(parts.concat, 1, MANY, "Concat"),
  ...entries(shapes.constant, 0, 0, "Constant"),
  ...entries(shapes.filled, 1, 1, "ConstantOfShape"),
  ...entries(windows.convolutionBack, 2, 3, "ConvTranspose"),
  ...entries(shapes.depthToSpace, 1, 1, "DepthToSpace"),
  ...entries(elements.dynamicQuantize, 1, 1, "DynamicQuantizeLinear"),
  ...entries(products.einsum, 1, 2, "Einsum"),
  ...entries(shapes.expand, 2, 2, "Expand"),
  ...entries(shapes.flatten, 1, 1, "Flatten"),
  ...entries(parts.gather, 2, 2, "Gather"),
  ...entries(parts.gatherElements, 2, 2, "GatherElements"),
  ...entries(parts.gatherNd, 2, 2, "GatherND"),
  ...entries(products.gemm, 2, 3, "Gemm"),
  ...entries(shapes.identity, 1, 1, "Identity"),
  ...entries(elements.layerNorm, 2, 3, "LayerNormalization"),
  ...entries(parts.oneHot, 3, 3, "OneHot"),
  ...entries(parts.pad, 2, 4, "Pad"),
  ...entries(shapes.ranged, 3, 3, "Range"),
  ...entries(shapes.reshape, 2, 2, "Reshape"),
  ...entries(windows.resize, 1, 4, "Resize"),
  ...entries(shapes.shapeOf, 1, 1, "Shape"),
  ...entries(shapes.sizeOf, 1, 1, "Size"),
  ...entries(parts.slices, 3, 5, "Slice"),
  ...entries(shapes.spaceToDepth, 1, 1, "SpaceToDepth"),
  ...entries(parts.split, 1, 2, "Split"),
  ...entries(shapes.squeeze, 1, 2, "Squeeze"),
  ...entries(parts.tile, 2, 2, "Tile"),
  ...entries(shapes.transpose, 1, 1, "Transpose"),
  ...entries(shapes.unsqueeze, 1, 2, "Unsqueeze"),
]);
/** What ONNX Runtime's own optimiser and quantiser write. */
const MICROSOFT = new Map<string, Entry>([
  ...entries(windows.convolution, 2, MANY, "FusedConv"),
  ...entries(products.gemm, 2, 3, "FusedGemm"),
  ...entries(shapes.broadcast, 1, 1, "Gelu"),
]);

export const RULES: ReadonlyMap<string, Entry> = new Map([...MICROSOFT, ...ONNX]);
export const DOMAINS: ReadonlyMap<string, ReadonlyMap<string, Entry>> = new Map([
  ["", ONNX],
  ["ai.onnx", ONNX],
  ["com.microsoft", MICROSOFT],
]);

/**
 * How many tensors of an operator's largest size ONNX Runtime may hold while it runs, beside its inputs and outputs:
 * functions that it takes apart, axes that it transposes before and after, and integers that it sums in 32 bits.
 */
export const INSIDE: ReadonlyMap<string, number> = new Map([
  ["Celu", 3], ["Conv", 0], ["ConvInteger", 2], ["ConvTranspose", 0], ["Einsum", 3], ["FusedConv", 0], ["Gelu", 3],
  ["GroupNormalization", 4], ["HardSwish", 3], ["LogSoftmax", 2], ["LpNormalization", 2],
  ["MeanVarianceNormalization", 4], ["Mish", 3], ["QLinearConv", 3], ["QLinearMatMul", 1], ["ReduceLogSumExp", 1],
  ["Softmax", 2],
]);
