/** Reductions, and the normalisations that are made of them. */

import { overOf } from "../../guard/elements.js";
import { axisOf, int, type Node } from "../../guard/terms.js";
import type { Compiler } from "../compiler.js";
import type { Operator } from "../records.js";
import { Uncovered } from "../uncovered.js";
import { count, type View } from "../views.js";

type Emit = (c: Compiler, node: Node) => void;

const axes = (from: number, to: number): Set<number> =>
  new Set(Array.from({ length: to - from }, (_, at) => from + at));

const mean = (c: Compiler, x: View, over: ReadonlySet<number>): View => {
  const size = count(x.dims.filter((_, axis) => over.has(axis)));
  return c.map("mul", c.reduce("add", x, over, 0), c.scalar(1 / size));
};

/** A reduction; `before` and `after` are what is done to its input and its output. */
const reduction =
  (operator: Operator, start: number, before?: (c: Compiler, x: View) => View, after?: Operator): Emit =>
  (c, node) => {
    const x = c.view(node.inputs[0]);
    const given = node.inputs[1] ? c.infos.get(node.inputs[1]) : undefined;
    const over = overOf(node, x.dims.length, given);
    if (!over) throw new Uncovered("a reduction over no axis");
    const made = c.reduce(operator, before ? before(c, x) : x, over, start);
    c.set(node.outputs[0]!, c.reshape(after ? c.map(after, made) : made, c.dims(node.outputs[0]!)));
  };

const square = (c: Compiler, x: View): View => c.map("mul", x, x);

const reduceMean: Emit = (c, node) => {
  const x = c.view(node.inputs[0]);
  const over = overOf(node, x.dims.length, node.inputs[1] ? c.infos.get(node.inputs[1]) : undefined);
  if (!over) throw new Uncovered("a reduction over no axis");
  c.set(node.outputs[0]!, c.reshape(mean(c, x, over), c.dims(node.outputs[0]!)));
};

const globalPool =
  (pool: (c: Compiler, x: View, over: Set<number>) => View): Emit =>
  (c, node) => {
    const x = c.view(node.inputs[0]);
    c.set(node.outputs[0]!, pool(c, x, axes(2, x.dims.length)));
  };

/** Softmax and its logarithm, over one axis, or over all from it on in opsets before 13. */
const softmax =
  (logarithm: boolean): Emit =>
  (c, node) => {
    const x = c.view(node.inputs[0]);
    const rank = x.dims.length;
    const old = c.opset < 13;
    const axis = axisOf(int(node, "axis", old ? 1 : -1), rank);
    const over = old ? axes(axis, rank) : axes(axis, axis + 1);
    const shifted = c.map("sub", x, c.reduce("max", x, over, -Infinity));
    const raised = c.map("exp", shifted);
    const sum = c.reduce("add", raised, over, 0);
    c.set(node.outputs[0]!, logarithm ? c.map("sub", shifted, c.map("log", sum)) : c.map("div", raised, sum));
  };

/** (x - mean) / sqrt(variance + epsilon) over some axes. */
function normalized(c: Compiler, node: Node, x: View, over: ReadonlySet<number>): View {
  const centred = c.map("sub", x, mean(c, x, over));
  const variance = mean(c, square(c, centred), over);
  const epsilon = c.scalar(node.floats.get("epsilon")?.[0] ?? 1e-5);
  return c.map("div", centred, c.map("sqrt", c.map("add", variance, epsilon)));
}

const layerNormalization: Emit = (c, node) => {
  if (node.outputs.slice(1).some((name) => name)) throw new Uncovered("its means and deviations");
  const x = c.view(node.inputs[0]);
  const made = normalized(c, node, x, axes(axisOf(int(node, "axis", -1), x.dims.length), x.dims.length));
  const scale = c.view(node.inputs[1]);
  c.set(
    node.outputs[0]!,
    node.inputs[2] ? c.map("affine", made, scale, c.view(node.inputs[2])) : c.map("mul", made, scale),
  );
};

/** A number of each channel as (1, C, 1, ...). */
const channels = (c: Compiler, name: string | undefined, rank: number): View => {
  const view = c.view(name);
  return c.reshape(view, Array.from({ length: rank }, (_, axis) => (axis === 1 ? count(view.dims) : 1)));
};

const instanceNormalization: Emit = (c, node) => {
  const x = c.view(node.inputs[0]);
  const rank = x.dims.length;
  const made = normalized(c, node, x, axes(2, rank));
  c.set(node.outputs[0]!, c.map("affine", made, channels(c, node.inputs[1], rank), channels(c, node.inputs[2], rank)));
};

const groupNormalization: Emit = (c, node) => {
  const x = c.view(node.inputs[0]);
  const [n, size, ...grid] = x.dims as [number, number, ...number[]];
  const groups = int(node, "num_groups", 0);
  if (c.opset < 21 || !(groups > 0) || size % groups) throw new Uncovered("scales of groups");
  const split = c.reshape(x, [n, groups, size / groups, ...grid]);
  const made = c.reshape(normalized(c, node, split, axes(2, split.dims.length)), x.dims);
  const rank = x.dims.length;
  c.set(node.outputs[0]!, c.map("affine", made, channels(c, node.inputs[1], rank), channels(c, node.inputs[2], rank)));
};

/** x scale / sqrt(variance + epsilon) + (bias - mean scale / sqrt(variance + epsilon)), of constants. */
const batchNormalization: Emit = (c, node) => {
  if (int(node, "training_mode", 0) || node.outputs.length > 1) throw new Uncovered("training");
  const x = c.view(node.inputs[0]);
  const [scale, bias, centre, variance] = node.inputs
    .slice(1)
    .map((name) => c.fixed(name, "statistics").data) as [Float32Array, Float32Array, Float32Array, Float32Array];
  const epsilon = node.floats.get("epsilon")?.[0] ?? 1e-5;
  const factor = scale.map((value, at) => value / Math.sqrt(variance[at]! + epsilon));
  const dims = x.dims.map((_, axis) => (axis === 1 ? factor.length : 1));
  const shift = bias.map((value, at) => value - centre[at]! * factor[at]!);
  c.set(
    node.outputs[0]!,
    c.map("affine", x, c.constants.upload(factor, dims), c.constants.upload(shift, dims)),
  );
};

export const REDUCTIONS: Record<string, Emit> = {
  BatchNormalization: batchNormalization,
  GlobalAveragePool: globalPool(mean),
  GlobalMaxPool: globalPool((c, x, over) => c.reduce("max", x, over, -Infinity)),
  GroupNormalization: groupNormalization,
  InstanceNormalization: instanceNormalization,
  LayerNormalization: layerNormalization,
  LogSoftmax: softmax(true),
  ReduceL1: reduction("add", 0, (c, x) => c.map("abs", x)),
  ReduceL2: reduction("add", 0, square, "sqrt"),
  ReduceMax: reduction("max", -Infinity),
  ReduceMean: reduceMean,
  ReduceMin: reduction("min", Infinity),
  ReduceProd: reduction("mul", 1),
  ReduceSum: reduction("add", 0),
  ReduceSumSquare: reduction("add", 0, square),
  Softmax: softmax(false),
};
