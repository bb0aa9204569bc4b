/** Operators on elements: activations, arithmetic, comparisons, quantisation. */

import { BOOL, FLOAT, FLOAT16, INT8, UINT8 } from "../../guard/kinds.js";
import { int, type Node } from "../../guard/terms.js";
import type { Compiler } from "../compiler.js";
import type { Operator } from "../records.js";
import { Uncovered } from "../uncovered.js";
import type { View } from "../views.js";

type Emit = (c: Compiler, node: Node) => void;
type Formula = (c: Compiler, x: View, alpha: (otherwise: number, name?: string) => View) => View;

/** An operator of one input, as a formula; `alpha` gives an attribute as a number in memory. */
const unary =
  (formula: Formula): Emit =>
  (c, node) => {
    if (!c.isReal(node.inputs[0]!)) throw new Uncovered("integers");
    const alpha = (otherwise: number, name = "alpha"): View => c.scalar(node.floats.get(name)?.[0] ?? otherwise);
    c.set(node.outputs[0]!, formula(c, c.view(node.inputs[0]), alpha));
  };

const plain = (operator: Operator): Emit => unary((c, x) => c.map(operator, x));
const clamp = (c: Compiler, x: View, low: number, high: number): View =>
  c.map("clamp", x, c.scalar(low), c.scalar(high));

const gelu: Emit = (c, node) => {
  const x = c.view(node.inputs[0]);
  const half = c.map("mul", x, c.scalar(0.5));
  const inner =
    node.texts.get("approximate") === "tanh"
      ? // sqrt(2 / pi) (x + 0.044715 x^3)
        c.map(
          "tanh",
          c.map("mul", x, c.map("affine", c.map("mul", x, x), c.scalar(0.0356774081), c.scalar(0.7978845608))),
        )
      : c.map("erf", c.map("mul", x, c.scalar(Math.SQRT1_2)));
  c.set(node.outputs[0]!, c.map("affine", inner, half, half));
};

/** An operator of two inputs or more, from left to right. */
const binary =
  (operator: Operator): Emit =>
  (c, node) => {
    if (operator === "div" && !c.isReal(node.inputs[0]!)) throw new Uncovered("a division of integers");
    const [first, ...others] = node.inputs.map((name) => c.view(name));
    const made = others.reduce((sum, x) => c.map(operator, sum, x), first!);
    c.set(node.outputs[0]!, others.length ? made : c.map("copy", made));
  };

/** A comparison; `swapped` reads its inputs the other way round. */
const compare =
  (operator: Operator, swapped = false): Emit =>
  (c, node) => {
    const [a, b] = node.inputs.map((name) => c.view(name)) as [View, View];
    c.set(node.outputs[0]!, swapped ? c.map(operator, b, a) : c.map(operator, a, b));
  };

const clip: Emit = (c, node) => {
  const [x, low, high] = node.inputs;
  c.set(node.outputs[0]!, clamp(c, c.view(x), c.number(low, -Infinity), c.number(high, Infinity)));
};

const power: Emit = (c, node) => {
  const x = c.view(node.inputs[0]);
  const exponent = c.number(node.inputs[1], NaN);
  const square = (): View => c.map("mul", x, x);
  const made: Record<string, () => View> = {
    "1": () => c.map("copy", x),
    "2": square,
    "3": () => c.map("mul", square(), x),
    "0.5": () => c.map("sqrt", x),
    "-0.5": () => c.map("div", c.scalar(1), c.map("sqrt", x)),
    "-1": () => c.map("div", c.scalar(1), x),
  };
  const formula = made[String(exponent)];
  if (!formula) throw new Uncovered(`a power of ${exponent}`);
  c.set(node.outputs[0]!, formula());
};

/** Cast: all types are float32 in memory, so only what becomes an integer changes. */
const cast: Emit = (c, node) => {
  const to = int(node, "to", 0);
  const x = c.view(node.inputs[0]);
  const real = [FLOAT, FLOAT16].includes(to);
  if (to === BOOL) c.set(node.outputs[0]!, c.map("sub", c.scalar(1), c.map("equal", x, c.scalar(0))));
  else c.set(node.outputs[0]!, real ? x : c.map("trunc", x));
};

/** A scale or zero point of each channel as (1, C, 1, ...), or of all. */
function perChannel(c: Compiler, node: Node, at: number): View {
  if (!node.inputs[at]) return c.scalar(0);
  const view = c.view(node.inputs[at]);
  const rank = c.dims(node.inputs[0]!).length;
  const axis = (int(node, "axis", 1) + rank) % rank;
  const one = view.dims.length === 0 || view.dims[0] === 1;
  const sizes = Array.from({ length: rank }, (_, at) => (at === axis ? view.dims[0]! : 1));
  return c.reshape(view, one ? [] : sizes);
}

const quantize: Emit = (c, node) => {
  const type = node.inputs[2] ? c.type(node.inputs[2]) : UINT8;
  if (type !== UINT8 && type !== INT8) throw new Uncovered(`quantising to data type ${type}`);
  const whole = c.map("quantize", c.view(node.inputs[0]), perChannel(c, node, 1), perChannel(c, node, 2));
  c.set(node.outputs[0]!, type === INT8 ? clamp(c, whole, -128, 127) : clamp(c, whole, 0, 255));
};

const dequantize: Emit = (c, node) =>
  c.set(node.outputs[0]!, c.map("dequantize", c.view(node.inputs[0]), perChannel(c, node, 1), perChannel(c, node, 2)));

export const ELEMENTS: Record<string, Emit> = {
  Abs: plain("abs"),
  Add: binary("add"),
  And: binary("mul"),
  Cast: cast,
  Ceil: plain("ceil"),
  Celu: unary((c, x, alpha) => c.map("mul", c.map("elu", c.map("div", x, alpha(1)), c.scalar(1)), alpha(1))),
  Clip: clip,
  DequantizeLinear: dequantize,
  Div: binary("div"),
  Elu: unary((c, x, alpha) => c.map("elu", x, alpha(1))),
  Equal: compare("equal"),
  Erf: plain("erf"),
  Exp: plain("exp"),
  Floor: plain("floor"),
  Gelu: gelu,
  Greater: compare("less", true),
  GreaterOrEqual: compare("lessOrEqual", true),
  HardSigmoid: unary((c, x, alpha) => clamp(c, c.map("affine", x, alpha(0.2), alpha(0.5, "beta")), 0, 1)),
  HardSwish: unary((c, x) => c.map("mul", x, clamp(c, c.map("affine", x, c.scalar(1 / 6), c.scalar(0.5)), 0, 1))),
  LeakyRelu: unary((c, x, alpha) => c.map("leaky", x, alpha(0.01))),
  Less: compare("less"),
  LessOrEqual: compare("lessOrEqual"),
  Log: plain("log"),
  Max: binary("max"),
  Min: binary("min"),
  Mish: unary((c, x) => c.map("mul", x, c.map("tanh", c.map("softplus", x)))),
  Mul: binary("mul"),
  Neg: plain("neg"),
  Not: (c, node) => c.set(node.outputs[0]!, c.map("sub", c.scalar(1), c.view(node.inputs[0]))),
  Or: binary("max"),
  PRelu: (c, node) => c.set(node.outputs[0]!, c.map("leaky", c.view(node.inputs[0]), c.view(node.inputs[1]))),
  Pow: power,
  QuantizeLinear: quantize,
  Reciprocal: unary((c, x) => c.map("div", c.scalar(1), x)),
  Relu: unary((c, x) => c.map("max", x, c.scalar(0))),
  Round: plain("round"),
  Selu: unary((c, x, alpha) =>
    c.map("mul", c.map("elu", x, alpha(1.6732632)), alpha(1.0507010, "gamma")),
  ),
  Sigmoid: plain("sigmoid"),
  Sign: unary((c, x) => c.map("sub", c.map("less", c.scalar(0), x), c.map("less", x, c.scalar(0)))),
  Softplus: plain("softplus"),
  Softsign: unary((c, x) => c.map("div", x, c.map("add", c.map("abs", x), c.scalar(1)))),
  Sqrt: plain("sqrt"),
  Sub: binary("sub"),
  Sum: binary("add"),
  Tanh: plain("tanh"),
  Where: (c, node) => {
    const [a, b, d] = node.inputs.map((name) => c.view(name)) as [View, View, View];
    c.set(node.outputs[0]!, c.map("where", a, b, d));
  },
};
