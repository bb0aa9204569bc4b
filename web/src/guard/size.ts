/**
 * What a graph costs to run: memory, and how many events fit in one run. Nothing runs for it.
 *
 * A chain of Concat(x, x) or an Expand asks for terabytes with a hundred bytes of modest sizes. Here each operator's
 * rule (`rules`) is followed down the graph, for as many events as the runtime takes at once, and the tensors that it
 * makes are put into buffers (`buffers`).
 */

import { Buffers, Order } from "./buffers.js";
import { checkDivision, FLOAT, isWide, typesOf } from "./kinds.js";
import { INSIDE, RULES } from "./rules.js";
import {
  batched, bound, given, type Info, known, type Model, multiplied, need, type Node, RefusedError, refuse, type Size,
} from "./terms.js";
import { weightsAt } from "./windows.js";

/** Events that the runtime puts into one run. */
export const MAX_BATCH = 256;
/** Elements of four bytes that one run may hold at once: 2 GiB of float32. */
export const MAX_ELEMENTS_ALIVE = 2 ** 29;

const LANES = 16; // ONNX Runtime fills channels up to 16 where it convolves
const CONVOLUTIONS = ["Conv", "ConvInteger", "ConvTranspose", "FusedConv", "QLinearConv"];
const IN_LANES = [...CONVOLUTIONS, "AveragePool", "GlobalAveragePool", "GlobalMaxPool", "MaxPool"];

/** The largest power of two of events up to MAX_BATCH whose run stays within the limit, and what that run holds. */
export interface Cost {
  readonly batch: number;
  readonly elements: number;
}

/** A run of a batch: elements held at once, and what is known of every tensor. */
export interface Run {
  readonly elements: number;
  readonly tensors: ReadonlyMap<string, Info>;
  readonly types: ReadonlyMap<string, number>;
}

class TooLarge extends RefusedError {}

/** The cost of a graph; throws RefusedError where a node has no bound, or one event does not fit. */
export function cost(model: Model, maxElements = MAX_ELEMENTS_ALIVE): Cost {
  const order = new Order(model.nodes, model.outputs);
  for (let batch = MAX_BATCH; ; batch /= 2) {
    try {
      return { batch, elements: infer(model, order, batch, maxElements).elements };
    } catch (error) {
      if (!(error instanceof TooLarge)) throw error;
      if (batch === 1) refuse(`${error.message} for one event; the option maxElements raises the limit`);
    }
  }
}

/** A run of up to `batch` events; throws RefusedError where a node has no bound, or the run passes the limit. */
export function infer(model: Model, order: Order, batch: number, limit = MAX_ELEMENTS_ALIVE): Run {
  const tensors = new Map<string, Info>();
  const types = new Map<string, number>();
  for (const [name, dims] of model.inputs) {
    tensors.set(name, { shape: dims.map((size, axis) => first(size, axis, batch)) });
    types.set(name, model.types.get(name) ?? FLOAT);
  }
  for (const [name, weight] of model.weights) {
    tensors.set(name, weight);
    types.set(name, weight.type);
  }
  const fixed = new Set(["", ...model.weights.keys()]); // what does not depend on an input: made once, and kept
  const buffers = new Buffers(order);
  let inside = 0;
  // Weights are kept as they are, and once more as they are packed; inputs are the caller's.
  for (const [name, tensor] of tensors) {
    const size = wide(multiplied(tensor.shape), types.get(name)!);
    buffers.keep(model.weights.has(name) ? 2 * size : size);
  }
  model.nodes.forEach((node, index) => {
    const { operator } = node;
    let made: Info[];
    try {
      const inputs = node.inputs.map((name) => (name ? given(tensors.get(name)) : undefined));
      while (inputs.length && !inputs.at(-1)) inputs.pop();
      const kept = node.inputs.map((name) => types.get(name) ?? 0);
      const { rule, least, most } = given(RULES.get(operator));
      need(inputs.length >= least && inputs.length <= most && inputs.slice(0, least).every((x) => x));
      if (operator === "Div") checkDivision(inputs, kept[0]!);
      made = [rule(node, ...inputs)].flat();
      need(made.length === node.outputs.length && Boolean(node.outputs[0])); // a node gives its first output
      const more = INSIDE.get(operator);
      if (more !== undefined) inside = Math.max(inside, wide(more * held(inputs, made[0]!), kept[0]!));
      if (more !== undefined && CONVOLUTIONS.includes(operator)) {
        inside = Math.max(inside, wide(more * held(inputs, made[0]!) + patches(node, inputs, made[0]!), kept[0]!));
      }
      typesOf(node, kept).forEach((type, at) => {
        if (at < node.outputs.length) types.set(node.outputs[at]!, type);
      });
    } catch (error) {
      if (error instanceof RefusedError) throw error;
      throw new RefusedError(`has a ${operator} that does not fit what it reads`, { cause: error });
    }
    const names = node.outputs.filter((name) => name);
    if (new Set(node.outputs).size !== node.outputs.length || names.some((name) => tensors.has(name))) {
      refuse(`makes '${node.outputs.join(", ").slice(0, 60)}' twice`);
    }
    const stays = operator === "Shape" || operator === "Size" || node.inputs.every((name) => fixed.has(name));
    made.forEach((tensor, at) => {
      const name = node.outputs[at]!;
      if (tensor.shape.length > 8) refuse(`asks ${operator} for a tensor of more than eight axes`);
      const size = wide(elements(tensor, operator), types.get(name) ?? 0);
      if (stays) {
        fixed.add(name);
        buffers.keep(size);
      } else buffers.make(index, name, size);
      if (name) tensors.set(name, tensor);
    });
    const total = buffers.elements + inside;
    if (!(total <= limit)) {
      const shapes = made.map((tensor) => `[${tensor.shape.map((size) => size.n)}]`).join(" and ");
      throw new TooLarge(
        `asks ${operator} for ${shapes.slice(0, 80)}, with which ${total.toLocaleString("en")} elements are held at ` +
          `once, where ${limit.toLocaleString("en")} are allowed,`,
      );
    }
  });
  return { elements: buffers.elements + inside, tensors, types };
}

/** The shape of an input: the first axis is the batch, whatever size is written. */
function first(size: number | null, axis: number, batch: number): Size {
  if (axis === 0) return size === null ? batched(batch) : bound(Math.max(batch, size));
  return size === null ? bound(MAX_BATCH) : known(size);
}

/** How many elements a tensor takes, one at least. */
function elements(tensor: Info, operator: string): number {
  const lanes = tensor.shape.length === 4 && IN_LANES.includes(operator);
  return tensor.shape.reduce((total, { n }, axis) => {
    const size = lanes && axis === 1 ? Math.ceil(n / LANES) * LANES : n;
    return total * (size || 1);
  }, 1);
}

/** Elements of four bytes: those of eight count twice, and shorter ones are not counted as less. */
const wide = (count: number, type: number): number => (isWide(type) ? 2 * count : count);

/** The elements of the largest tensor at an operator. */
function held(inputs: readonly (Info | undefined)[], made: Info): number {
  return Math.max(...[made, ...inputs].map((x) => (x ? multiplied(x.shape) : 0)));
}

/** The patches of one image unfolded, and a convolution's input and output once more with the channels in groups. */
function patches(node: Node, inputs: readonly (Info | undefined)[], made: Info): number {
  const x = given(inputs[0]);
  const weights = given(inputs[weightsAt(node)]);
  const grid = (node.operator === "ConvTranspose" ? x : made).shape.slice(2);
  const unfolded = multiplied([...weights.shape.slice(1), ...grid]);
  return unfolded + elements(x, node.operator) + elements(made, node.operator);
}
