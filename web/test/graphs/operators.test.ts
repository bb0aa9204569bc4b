/** Each operator of the kernels gives what onnxruntime-web gives, for the attributes that networks use. */

import assert from "node:assert/strict";
import test from "node:test";
import { COVERED } from "../../src/kernels/graph.js";
import { type Attribute, type Bytes, field, model, node, raw, tensor, type Type, value } from "./onnx.js";
import { compared, dice } from "./reference.js";

interface Weight {
  readonly dims: readonly number[];
  readonly data?: readonly number[];
  readonly type?: Type;
  /** Random numbers are in [low, high]. */
  readonly low?: number;
  readonly high?: number;
}
interface Step {
  readonly operator: string;
  /** Inputs: the name of an input or an earlier output, or a weight. */
  readonly reads: readonly (string | Weight)[];
  readonly attributes?: Readonly<Record<string, Attribute>>;
  readonly outputs?: readonly string[];
  readonly domain?: string;
}

/** Sizes without the batch of the inputs that steps may read. */
const INPUTS: Record<string, { dims: readonly number[]; type?: Type }> = {
  x: { dims: [6, 7, 10] },
  s: { dims: [6, 9] },
  z: { dims: [12] },
  k: { dims: [], type: "int64" },
};

function build(steps: readonly Step[], opset: number, seed: number): Bytes {
  const random = dice(seed);
  const weights: Bytes[] = [];
  const used = new Set<string>();
  const nodes = steps.map((step, index) => {
    const names = step.reads.map((read) => {
      if (typeof read === "string") {
        used.add(read);
        return read;
      }
      const { dims, type = "float", low = -1, high = 1 } = read;
      const length = dims.reduce((product, size) => product * size, 1);
      const data = read.data ?? Array.from({ length }, () => low + (high - low) * random());
      const name = `w${weights.length}`;
      weights.push(tensor(name, dims, raw(type, data), type));
      return name;
    });
    const outputs = step.outputs ?? [index === steps.length - 1 ? "y" : `t${index}`];
    return node(step.operator, names, outputs, step.attributes, step.domain);
  });
  const last = steps.at(-1)!.outputs ?? ["y"];
  return model({
    opset,
    nodes,
    inputs: Object.entries(INPUTS)
      .filter(([name]) => used.has(name))
      .map(([name, { dims, type }]) => value(name, ["batch", ...dims], type)),
    outputs: last.filter((name) => name).map((name) => field(1, name)), // whatever shape they have
    weights,
  });
}

const w = (...dims: number[]): Weight => ({ dims });
const positive = (...dims: number[]): Weight => ({ dims, low: 0.2, high: 2 });
const i = (...data: number[]): Weight => ({ dims: [data.length], data, type: "int64" });
const scalar = (number: number, type: Type = "float"): Weight => ({ dims: [], data: [number], type });
const f = (...data: number[]): Weight => ({ dims: [data.length], data });

const one = (operator: string, reads: readonly (string | Weight)[], attributes: Readonly<Record<string, Attribute>> = {}): Step[] => [
  { operator, reads, attributes },
];
/** The positive numbers that Log and its like take. */
const positives = (operator: string): Step[] => [
  { operator: "Abs", reads: ["x"] },
  { operator: "Add", reads: ["t0", scalar(0.001)] },
  { operator, reads: ["t1"] },
];

const CASES: Record<string, Step[][]> = {
  Abs: [one("Abs", ["x"])],
  Add: [one("Add", ["x", w(6, 1, 1)]), one("Add", ["x", "x"]), one("Add", [w(10), "x"]), one("Add", ["z", scalar(3)])],
  And: [[
    { operator: "Greater", reads: ["x", scalar(0)] },
    { operator: "Less", reads: ["x", scalar(1)] },
    { operator: "And", reads: ["t0", "t1"] },
    { operator: "Cast", reads: ["t2"], attributes: { to: 1 } },
  ]],
  AveragePool: [
    one("AveragePool", ["x"], { kernel_shape: [2, 3], strides: [2, 2] }),
    one("AveragePool", ["x"], { kernel_shape: [3, 3], pads: [1, 1, 1, 1] }),
    one("AveragePool", ["x"], { kernel_shape: [3, 3], pads: [1, 0, 1, 2], count_include_pad: 1 }),
    one("AveragePool", ["x"], { kernel_shape: [3, 3], strides: [2, 2], auto_pad: "SAME_UPPER" }),
    one("AveragePool", ["s"], { kernel_shape: [3], pads: [1, 1] }),
  ],
  BatchNormalization: [one("BatchNormalization", ["x", w(6), w(6), w(6), positive(6)], { epsilon: { float: 0.01 } })],
  Cast: [
    [{ operator: "Cast", reads: ["x"], attributes: { to: 6 } }, { operator: "Cast", reads: ["t0"], attributes: { to: 1 } }],
    [{ operator: "Cast", reads: ["k"], attributes: { to: 1 } }],
    [{ operator: "Cast", reads: ["x"], attributes: { to: 9 } }, { operator: "Cast", reads: ["t0"], attributes: { to: 1 } }],
  ],
  Ceil: [one("Ceil", ["x"])],
  Celu: [one("Celu", ["x"], { alpha: { float: 0.7 } })],
  Clip: [one("Clip", ["x", scalar(-1), scalar(0.5)]), one("Clip", ["x", "", scalar(1)]), one("Clip", ["x"])],
  Concat: [one("Concat", ["x", "x"], { axis: 1 }), one("Concat", ["z", "z", "z"], { axis: -1 })],
  Constant: [[
    { operator: "Constant", reads: [], attributes: { value: { tensor: tensor("", [10], raw("float", [...Array(10).keys()])) } } },
    { operator: "Mul", reads: ["x", "t0"] },
  ], [
    { operator: "Constant", reads: [], attributes: { value_float: { float: 2.5 } } },
    { operator: "Mul", reads: ["x", "t0"] },
  ]],
  ConstantOfShape: [[
    { operator: "Shape", reads: ["z"] },
    { operator: "ConstantOfShape", reads: ["t0"], attributes: { value: { tensor: tensor("", [1], raw("float", [2])) } } },
    { operator: "Add", reads: ["t1", "z"] },
  ]],
  Conv: [
    one("Conv", ["x", w(8, 6, 3, 3), w(8)], { pads: [1, 1, 1, 1] }),
    one("Conv", ["x", w(5, 6, 1, 1)]),
    one("Conv", ["x", w(3, 6, 3, 2)], { strides: [2, 3], pads: [0, 2, 1, 0] }),
    one("Conv", ["x", w(6, 1, 3, 3), w(6)], { group: 6, pads: [1, 1, 1, 1] }),
    one("Conv", ["x", w(12, 1, 3, 3)], { group: 6, strides: [2, 2] }),
    one("Conv", ["x", w(9, 2, 3, 3), w(9)], { group: 3, pads: [1, 1, 1, 1] }),
    one("Conv", ["x", w(7, 6, 2, 3)], { dilations: [2, 3] }),
    one("Conv", ["x", w(17, 6, 3, 3)], { auto_pad: "SAME_UPPER", strides: [2, 2] }),
    one("Conv", ["x", w(4, 6, 4, 4)], { auto_pad: "SAME_LOWER" }),
    one("Conv", ["s", w(8, 6, 3), w(8)], { pads: [1, 1], strides: [2] }),
    [
      { operator: "Conv", reads: ["x", w(6, 6, 3, 3), w(6)], attributes: { pads: [1, 1, 1, 1] } },
      { operator: "Add", reads: ["x", "t0"] },
      { operator: "Relu", reads: ["t1"] },
      { operator: "Conv", reads: ["t2", w(6, 6, 1, 1)] },
      { operator: "Add", reads: ["t3", "t2"] },
      { operator: "Clip", reads: ["t4", scalar(-1), scalar(2)] },
    ],
    [
      { operator: "Conv", reads: ["x", w(5, 6, 3, 3)] },
      { operator: "Add", reads: ["t0", w(1, 5, 1, 1)] },
      { operator: "LeakyRelu", reads: ["t1"] },
    ],
  ],
  ConvTranspose: [
    one("ConvTranspose", ["x", w(6, 4, 3, 3), w(4)], { strides: [2, 2], pads: [0, 0, 1, 1] }),
    one("ConvTranspose", ["x", w(6, 5, 2, 2)], { strides: [2, 2] }),
    one("ConvTranspose", ["x", w(6, 3, 3, 3)], { pads: [1, 1, 1, 1] }),
    one("ConvTranspose", ["x", w(6, 3, 4, 4)], { strides: [2, 2], pads: [1, 1, 1, 1], output_padding: [1, 0] }),
    one("ConvTranspose", ["x", w(6, 2, 1, 1)], { strides: [3, 2] }),
    one("ConvTranspose", ["x", w(6, 2, 3, 3), w(6)], { group: 3, strides: [2, 2] }),
    one("ConvTranspose", ["x", w(6, 3, 3, 2)], { dilations: [2, 1], strides: [1, 2] }),
    one("ConvTranspose", ["s", w(6, 4, 4), w(4)], { strides: [2], pads: [1, 1] }),
    one("ConvTranspose", ["x", w(6, 1, 2, 2), w(6)], { group: 6, strides: [2, 2] }),
  ],
  DepthToSpace: [[
    { operator: "Conv", reads: ["x", w(12, 6, 1, 1)] },
    { operator: "DepthToSpace", reads: ["t0"], attributes: { blocksize: 2 } },
  ], [
    { operator: "Conv", reads: ["x", w(12, 6, 1, 1)] },
    { operator: "DepthToSpace", reads: ["t0"], attributes: { blocksize: 2, mode: "CRD" } },
  ]],
  DequantizeLinear: [[
    { operator: "QuantizeLinear", reads: ["x", scalar(0.05), scalar(131, "uint8")] },
    { operator: "DequantizeLinear", reads: ["t0", scalar(0.05), scalar(131, "uint8")] },
  ], [
    { operator: "DequantizeLinear", reads: [{ dims: [8, 6, 1, 1], type: "int8", low: -100, high: 100 }, positive(8)], attributes: { axis: 0 } },
    { operator: "Conv", reads: ["x", "t0"] },
  ]],
  Div: [one("Div", ["x", positive(6, 1, 1)]), one("Div", [scalar(2), "z"])],
  Elu: [one("Elu", ["x"]), one("Elu", ["x"], { alpha: { float: 0.5 } })],
  Equal: [[
    { operator: "Round", reads: ["x"] },
    { operator: "Equal", reads: ["t0", scalar(1)] },
    { operator: "Cast", reads: ["t1"], attributes: { to: 1 } },
  ]],
  Erf: [one("Erf", ["x"])],
  Exp: [one("Exp", ["x"])],
  Expand: [[
    { operator: "Unsqueeze", reads: ["s", i(2)] },
    { operator: "Expand", reads: ["t0", i(1, 1, 5, 1)] },
    { operator: "Relu", reads: ["t1"] },
  ]],
  Flatten: [one("Flatten", ["x"]), one("Flatten", ["x"], { axis: -3 }), [
    { operator: "Conv", reads: ["x", w(12, 6, 1, 1)] },
    { operator: "Flatten", reads: ["t0"] },
  ]],
  Floor: [one("Floor", ["x"])],
  Gather: [
    one("Gather", ["x", i(3, 0, 1, 2, -1)], { axis: 1 }),
    one("Gather", ["z", scalar(4, "int64")], { axis: 1 }),
    [{ operator: "Gather", reads: [w(4, 5), "k"] }],
  ],
  Gelu: [[{ operator: "Gelu", reads: ["x"], domain: "com.microsoft" }]],
  Gemm: [
    one("Gemm", ["z", w(12, 7), w(7)]),
    one("Gemm", ["z", w(17, 12), w(17)], { transB: 1, alpha: { float: 0.5 }, beta: { float: 2 } }),
    one("Gemm", ["z", w(12, 3)]),
    one("Gemm", ["z", w(12, 3), scalar(0.25)]),
  ],
  GlobalAveragePool: [one("GlobalAveragePool", ["x"]), [
    { operator: "Conv", reads: ["x", w(12, 6, 1, 1)] },
    { operator: "GlobalAveragePool", reads: ["t0"] },
  ]],
  GlobalMaxPool: [one("GlobalMaxPool", ["x"])],
  Greater: [[
    { operator: "Greater", reads: ["x", scalar(0.5)] },
    { operator: "Cast", reads: ["t0"], attributes: { to: 1 } },
  ]],
  GreaterOrEqual: [[
    { operator: "Round", reads: ["x"] },
    { operator: "GreaterOrEqual", reads: ["t0", scalar(1)] },
    { operator: "Cast", reads: ["t1"], attributes: { to: 1 } },
  ]],
  GroupNormalization: [],
  HardSigmoid: [one("HardSigmoid", ["x"]), one("HardSigmoid", ["x"], { alpha: { float: 0.3 }, beta: { float: 0.1 } })],
  HardSwish: [one("HardSwish", ["x"])],
  Identity: [[{ operator: "Identity", reads: ["x"] }, { operator: "Relu", reads: ["t0"] }]],
  InstanceNormalization: [one("InstanceNormalization", ["x", w(6), w(6)])],
  LayerNormalization: [
    one("LayerNormalization", ["x", w(10), w(10)]),
    one("LayerNormalization", ["x", w(7, 10)], { axis: 2, epsilon: { float: 0.001 } }),
  ],
  LeakyRelu: [one("LeakyRelu", ["x"]), one("LeakyRelu", ["x"], { alpha: { float: 0.2 } })],
  Less: [[
    { operator: "Less", reads: ["x", w(10)] },
    { operator: "Cast", reads: ["t0"], attributes: { to: 1 } },
  ]],
  LessOrEqual: [[
    { operator: "Round", reads: ["x"] },
    { operator: "LessOrEqual", reads: ["t0", scalar(1)] },
    { operator: "Cast", reads: ["t1"], attributes: { to: 1 } },
  ]],
  Log: [positives("Log")],
  LogSoftmax: [one("LogSoftmax", ["x"]), one("LogSoftmax", ["x"], { axis: 1 })],
  MatMul: [
    one("MatMul", ["z", w(12, 31)]),
    one("MatMul", ["x", w(10, 4)]),
    [{ operator: "Transpose", reads: ["x"], attributes: { perm: [0, 1, 3, 2] } }, { operator: "MatMul", reads: ["x", "t0"] }],
    [
      { operator: "MatMul", reads: ["z", w(12, 9)] },
      { operator: "Add", reads: ["t0", w(9)] },
      { operator: "Relu", reads: ["t1"] },
    ],
    [
      { operator: "MatMul", reads: ["z", w(12, 9)] },
      { operator: "Add", reads: ["t0", w(1, 9)] },
      { operator: "Sigmoid", reads: ["t1"] },
      { operator: "MatMul", reads: ["z", w(12, 9)] },
      { operator: "Add", reads: ["t2", "t3"] },
    ],
  ],
  Max: [one("Max", ["x", scalar(0.5), w(10)])],
  MaxPool: [
    one("MaxPool", ["x"], { kernel_shape: [2, 2], strides: [2, 2] }),
    one("MaxPool", ["x"], { kernel_shape: [3, 2], pads: [1, 0, 1, 1] }),
    one("MaxPool", ["x"], { kernel_shape: [2, 2], strides: [2, 2], auto_pad: "SAME_UPPER" }),
    one("MaxPool", ["s"], { kernel_shape: [3] }),
    one("MaxPool", ["x"], { kernel_shape: [2, 2], dilations: [2, 3] }),
  ],
  Min: [one("Min", ["x", w(7, 1)])],
  Mish: [],
  Mul: [one("Mul", ["x", w(7, 1)]), one("Mul", ["x", "x"])],
  Neg: [one("Neg", ["x"])],
  Not: [[
    { operator: "Less", reads: ["x", scalar(0)] },
    { operator: "Not", reads: ["t0"] },
    { operator: "Cast", reads: ["t1"], attributes: { to: 1 } },
  ]],
  OneHot: [one("OneHot", ["k", scalar(4, "int64"), f(0, 1)]), one("OneHot", ["k", scalar(5, "int64"), f(-1, 2)], { axis: 1 })],
  Or: [[
    { operator: "Greater", reads: ["x", scalar(1)] },
    { operator: "Less", reads: ["x", scalar(-1)] },
    { operator: "Or", reads: ["t0", "t1"] },
    { operator: "Cast", reads: ["t2"], attributes: { to: 1 } },
  ]],
  PRelu: [one("PRelu", ["x", w(6, 1, 1)])],
  Pad: [
    one("Pad", ["x", i(0, 0, 1, 2, 0, 0, 3, 0)]),
    one("Pad", ["x", i(0, 1, 0, 0, 0, 0, 0, 1), scalar(2)]),
    one("Pad", ["x", i(0, 0, -1, 2, 0, 0, 1, -2)]),
    one("Pad", ["x", i(0, 0, 2, 1, 0, 0, 1, 3)], { mode: "reflect" }),
    one("Pad", ["x", i(0, 0, 2, 1, 0, 0, 0, 3)], { mode: "edge" }),
  ],
  Pow: [2, 3, 1].map((power) => one("Pow", ["x", scalar(power)])),
  QuantizeLinear: [[
    { operator: "QuantizeLinear", reads: ["x", scalar(0.1), scalar(-3, "int8")] },
    { operator: "DequantizeLinear", reads: ["t0", scalar(0.1), scalar(-3, "int8")] },
  ]],
  Reciprocal: [positives("Reciprocal")],
  ReduceL1: [one("ReduceL1", ["x"], { axes: [1, 3] })],
  ReduceL2: [one("ReduceL2", ["x"], { axes: [-1], keepdims: 0 })],
  ReduceMax: [one("ReduceMax", ["x"], { axes: [2] })],
  ReduceMean: [one("ReduceMean", ["x"], { axes: [2, 3], keepdims: 0 }), one("ReduceMean", ["x"], { axes: [1] }), [
    { operator: "Conv", reads: ["x", w(12, 6, 1, 1)] },
    { operator: "ReduceMean", reads: ["t0"], attributes: { axes: [2, 3] } },
  ]],
  ReduceMin: [one("ReduceMin", ["x"], { axes: [3], keepdims: 0 })],
  ReduceProd: [one("ReduceProd", ["x"], { axes: [1] })],
  ReduceSum: [one("ReduceSum", ["x", i(1, 2)]), one("ReduceSum", ["z", i(-1)], { keepdims: 0 })],
  ReduceSumSquare: [one("ReduceSumSquare", ["x"], { axes: [3] })],
  Relu: [one("Relu", ["x"])],
  Reshape: [one("Reshape", ["x", i(-1, 42, 10)]), one("Reshape", ["x", i(0, 3, 2, -1)]), [
    { operator: "Conv", reads: ["x", w(12, 6, 1, 1)] },
    { operator: "Reshape", reads: ["t0", i(-1, 12, 70)] },
    { operator: "Reshape", reads: ["t1", i(-1, 840)] },
  ]],
  Resize: [
    one("Resize", ["x", "", f(1, 1, 2, 2)], { mode: "nearest", coordinate_transformation_mode: "asymmetric", nearest_mode: "floor" }),
    one("Resize", ["x", "", f(1, 1, 3, 2)], { mode: "nearest" }),
    one("Resize", ["x", "", f(1, 1, 2, 2)], { mode: "linear" }),
    one("Resize", ["x", "", f(1, 1, 2, 2)], { mode: "linear", coordinate_transformation_mode: "align_corners" }),
    one("Resize", ["x", "", f(1, 1, 2, 1.5)], { mode: "linear", coordinate_transformation_mode: "pytorch_half_pixel" }),
    one("Resize", ["x", "", f(1, 1, 0.5, 2)], { nearest_mode: "ceil" }),
    one("Resize", ["x", "", f(1, 1, 2, 0.7)], { nearest_mode: "round_prefer_ceil" }),
  ],
  Round: [one("Round", ["x"])],
  Selu: [one("Selu", ["x"])],
  Sigmoid: [one("Sigmoid", ["x"])],
  Sign: [one("Sign", ["x"])],
  Slice: [
    one("Slice", ["x", i(1, 2), i(5, -1), i(1, 3)]),
    one("Slice", ["x", i(0), i(100), i(3), i(3)]),
    one("Slice", ["x", i(-1), i(-1000), i(2), i(-1)]),
    one("Slice", ["x", i(9), i(-1000), i(3), i(-1)]), // from the last on
    one("Slice", ["x", i(6, 1000), i(-1000, -1000), i(2, 3), i(-1, -1)]),
  ],
  Softmax: [one("Softmax", ["x"]), one("Softmax", ["x"], { axis: 1 })],
  Softplus: [one("Softplus", ["x"])],
  Softsign: [one("Softsign", ["x"])],
  SpaceToDepth: [[
    { operator: "Pad", reads: ["x", i(0, 0, 0, 0, 0, 0, 1, 0)] },
    { operator: "SpaceToDepth", reads: ["t0"], attributes: { blocksize: 2 } },
  ]],
  Split: [[
    { operator: "Split", reads: ["z"], attributes: { axis: 1 }, outputs: ["a", "b"] },
    { operator: "Sub", reads: ["a", "b"] },
  ], [
    { operator: "Split", reads: ["x", i(1, 2, 3)], attributes: { axis: 1 }, outputs: ["a", "b", "c"] },
    { operator: "Concat", reads: ["c", "a", "b"], attributes: { axis: 1 } },
  ]],
  Sqrt: [positives("Sqrt")],
  Squeeze: [[
    { operator: "Slice", reads: ["x", i(2), i(3), i(1)] },
    { operator: "Squeeze", reads: ["t0", i(1)] },
  ]],
  Sub: [one("Sub", ["x", w(10)]), one("Sub", [w(6, 7, 10), "x"])],
  Sum: [one("Sum", ["x", w(10), w(7, 1)])],
  Tanh: [one("Tanh", ["x"])],
  Tile: [one("Tile", ["x", i(1, 2, 1, 3)])],
  Transpose: [one("Transpose", ["x"], { perm: [0, 2, 3, 1] }), [
    { operator: "Conv", reads: ["x", w(12, 6, 1, 1)] },
    { operator: "Transpose", reads: ["t0"], attributes: { perm: [0, 2, 3, 1] } },
  ]],
  Unsqueeze: [[{ operator: "Unsqueeze", reads: ["z", i(1, -1)] }, { operator: "Relu", reads: ["t0"] }]],
  Where: [[
    { operator: "Less", reads: ["x", scalar(0)] },
    { operator: "Where", reads: ["t0", "x", w(10)] },
  ]],
};

/** Cases that need another opset than 17. */
const OTHERS: Record<string, [number, Step[]][]> = {
  Gelu: [[20, one("Gelu", ["x"])], [20, one("Gelu", ["x"], { approximate: "tanh" })]],
  GroupNormalization: [[21, one("GroupNormalization", ["x", w(6), w(6)], { num_groups: 3 })]],
  Mish: [[18, one("Mish", ["x"])]],
  ReduceMean: [[18, one("ReduceMean", ["x", i(2, 3)])]],
  ReduceSum: [[11, one("ReduceSum", ["x"], { axes: [1] })]],
  Resize: [[18, one("Resize", ["x", "", f(2, 2)], { axes: [2, 3] })], [18, one("Resize", ["x", "", "", i(11, 4)], { axes: [2, 3] })]],
  Softmax: [[11, one("Softmax", ["x"], { axis: 2 })]],
  Split: [[18, [
    { operator: "Split", reads: ["x"], attributes: { axis: 3, num_outputs: 2 }, outputs: ["a", "b"] },
    { operator: "Mul", reads: ["a", "b"] },
  ]]],
  Squeeze: [[11, [
    { operator: "Unsqueeze", reads: ["x"], attributes: { axes: [1] } },
    { operator: "Squeeze", reads: ["t0"], attributes: { axes: [1] } },
    { operator: "Relu", reads: ["t1"] },
  ]]],
  Pad: [[18, one("Pad", ["x", i(1, 2), "", i(-1)])]],
};

for (const operator of COVERED) {
  test(`${operator} gives what onnxruntime-web gives`, async () => {
    const cases = [
      ...(CASES[operator] ?? []).map((steps): [number, Step[]] => [17, steps]),
      ...(OTHERS[operator] ?? []),
    ];
    assert.ok(cases.length, `there is no case for ${operator}`);
    for (const [index, [opset, steps]] of cases.entries()) {
      const worst = await compared(build(steps, opset, index), index);
      assert.ok(worst <= 1e-5, `case ${index}: ${worst}`);
    }
  });
}
