/** A graph on the kernels: compiled for 1, 2, 4, ... events as they are asked for; larger batches run in parts. */

import { InputError } from "../errors.js";
import type { Graph, Tensor } from "../graph.js";
import { Order } from "../guard/buffers.js";
import { FLOAT, INT32, INT64 } from "../guard/kinds.js";
import { infer } from "../guard/size.js";
import { BATCHED, type Model } from "../guard/terms.js";
import { checkInputs, inputNames } from "../onnx/inputs.js";
import { Compiler } from "./compiler.js";
import { Constants } from "./constants.js";
import { Heap } from "./heap.js";
import { MODULE } from "./module.js";
import { CONVOLUTIONS } from "./operators/convolutions.js";
import { ELEMENTS } from "./operators/elements.js";
import { PRODUCTS } from "./operators/products.js";
import { REDUCTIONS } from "./operators/reductions.js";
import { RESIZES } from "./operators/resize.js";
import { SHAPES } from "./operators/shapes.js";
import type { Run } from "./program.js";
import { Uncovered } from "./uncovered.js";
import { count, type View } from "./views.js";

const TABLE = new Map(
  [ELEMENTS, SHAPES, REDUCTIONS, CONVOLUTIONS, PRODUCTS, RESIZES].flatMap((table) => Object.entries(table)),
);

/** The operators that the kernels compute; of some not every attribute. */
export const COVERED: readonly string[] = [...TABLE.keys()].sort();

const MAX_PART = 16; // events in one run: weights are read once for all of them
const PART_BYTES = 1 << 20; // what a run may take, so that it stays near the processor

interface Plan {
  readonly inputs: ReadonlyMap<string, View>;
  readonly outputs: ReadonlyMap<string, View>;
  readonly run: () => void;
}

let compiled: Promise<WebAssembly.Module> | undefined;

/** The kernels' module, compiled once. */
function kernels(): Promise<WebAssembly.Module> {
  compiled ??= WebAssembly.compile(Uint8Array.from(atob(MODULE), (letter) => letter.charCodeAt(0)));
  return compiled;
}

/**
 * The graph `model` on the kernels; `largest` is how many events fit in one run. Throws Uncovered where a node, or an
 * attribute of one, has no kernel.
 */
export async function compileGraph(model: Model, largest: number): Promise<Graph> {
  const heap = new Heap();
  const instance = await WebAssembly.instantiate(await kernels(), { env: { memory: heap.memory } });
  return new KernelGraph(model, heap, instance.exports["run"] as Run, largest);
}

class KernelGraph implements Graph {
  readonly backend = "kernels";
  private readonly constants: Constants;
  private readonly order: Order;
  private readonly plans = new Map<number, Plan>();
  private readonly part: number;
  private gone = false;

  constructor(
    private readonly model: Model,
    heap: Heap,
    private readonly kernel: Run,
    largest: number,
  ) {
    this.constants = new Constants(heap, model);
    this.order = new Order(model.nodes, model.outputs);
    for (const [name, type] of model.types) {
      if (![FLOAT, INT32, INT64].includes(type)) throw new Uncovered(`the input '${name}' of data type ${type}`);
    }
    // compiled at once, so that what is not covered shows here
    const one = infer(model, this.order, 1);
    const bytes = [...one.tensors].reduce(
      (sum, [name, { shape }]) => sum + (model.weights.has(name) ? 0 : 4 * shape.reduce((n, size) => n * size.n, 1)),
      0,
    );
    const fit = 2 ** Math.floor(Math.log2(Math.max(1, PART_BYTES / Math.max(1, bytes))));
    this.part = Math.min(MAX_PART, fit, largest);
    this.plan(1);
  }

  async run(inputs: Readonly<Record<string, Tensor>>): Promise<Record<string, Tensor>> {
    if (this.gone) throw new InputError("the graph was disposed of; open it again");
    const events = checkInputs(this.model, inputs);
    const one = this.plan(1);
    const outputs = [...one.outputs].map(([name, view]): [string, { dims: number[]; data: Float32Array }] => [
      name,
      { dims: [events, ...view.dims.slice(1)], data: new Float32Array(events * count(view.dims)) },
    ]);
    for (let at = 0; at < events; ) {
      const size = Math.min(this.part, 2 ** Math.floor(Math.log2(events - at)));
      const plan = this.plan(size);
      for (const [name, view] of plan.inputs) this.write(view, inputs[name]!, at);
      plan.run();
      for (const [name, { data }] of outputs) this.read(plan.outputs.get(name)!, data, at * (data.length / events));
      at += size;
    }
    return Object.fromEntries(outputs);
  }

  dispose(): void {
    this.gone = true;
    this.plans.clear();
  }

  private plan(events: number): Plan {
    const known = this.plans.get(events);
    if (known) return known;
    const { tensors, types } = infer(this.model, this.order, events);
    const compiler = new Compiler(this.constants, tensors, types, this.kernel);
    const inputs = new Map<string, View>();
    for (const name of inputNames(this.model)) inputs.set(name, compiler.input(name));
    const run = compiler.compile(TABLE, this.model.outputs);
    const outputs = new Map([...this.model.outputs].map((name) => [name, compiler.output(name)]));
    for (const name of this.model.outputs) {
      const first = tensors.get(name)?.shape[0];
      if (first?.kind !== BATCHED || first.n !== events) {
        throw new Uncovered(`the output '${name}' is not one row an event`);
      }
    }
    const plan = { inputs, outputs, run };
    this.plans.set(events, plan);
    return plan;
  }

  /** Copies the part of an input from event `at` on into the memory of a plan. */
  private write(view: View, tensor: Tensor, at: number): void {
    const size = count(view.dims);
    const from = at * count(tensor.dims.slice(1));
    const part = tensor.data.subarray(from, from + size);
    const { floats } = this.constants.heap;
    if (part instanceof BigInt64Array) part.forEach((value, index) => (floats[(view.at >> 2) + index] = Number(value)));
    else floats.set(part, view.at >> 2);
  }

  /** Copies a part's output to `at` in all of them. */
  private read(view: View, data: Float32Array, at: number): void {
    data.set(this.constants.heap.floats.subarray(view.at >> 2, (view.at >> 2) + count(view.dims)), at);
  }
}
