/** Compiles a graph for one number of events: operators ask it for their inputs and for memory, and add records. */

import { FLOAT, INT32, INT64 } from "../guard/kinds.js";
import type { Info, Node } from "../guard/terms.js";
import type { Constants } from "./constants.js";
import { Pool } from "./heap.js";
import { Program, type Run } from "./program.js";
import type { Operator } from "./records.js";
import { Uncovered } from "./uncovered.js";
import { broadcast, count, dense, isDense, orderOf, reshaped, type View } from "./views.js";

/** The operator and attributes at work, and what they may ask for. */
export class Compiler {
  private readonly program: Program;
  private readonly once: Program; // what is computed of constants, as soon as it is compiled
  private readonly pool: Pool;
  private readonly views = new Map<string, View>();
  private readonly readers = new Map<string, number[]>();
  private readonly done = new Set<number>();
  private index = -1;
  private folding = false;

  constructor(
    readonly constants: Constants,
    readonly infos: ReadonlyMap<string, Info>,
    private readonly types: ReadonlyMap<string, number>,
    run: Run,
  ) {
    this.program = new Program(constants.heap, run);
    this.once = new Program(constants.heap, run);
    this.pool = new Pool(constants.heap);
    constants.model.nodes.forEach((node, index) => {
      for (const name of node.inputs) {
        const readers = this.readers.get(name);
        if (readers) readers.push(index);
        else this.readers.set(name, [index]);
      }
    });
  }

  /** What tells the node at work from all others. */
  get key(): string {
    return String(this.index);
  }

  get opset(): number {
    return this.constants.model.opset;
  }

  get emit(): Program {
    return this.folding ? this.once : this.program;
  }

  /** Compiles all nodes by `table`; returns what runs them, and leaves each output in row-major order. */
  compile(table: ReadonlyMap<string, (c: Compiler, node: Node) => void>, outputs: Iterable<string>): () => void {
    const { nodes } = this.constants.model;
    nodes.forEach((node, index) => {
      this.index = index;
      if (this.done.has(index) || node.outputs.every((name) => this.constants.has(name) || this.isSize(name))) return;
      const operator = table.get(node.operator);
      if (!operator) throw new Uncovered("no kernel computes it", node.operator);
      this.folding = node.inputs.every((name) => this.constants.has(name));
      try {
        operator(this, node);
      } catch (error) {
        if (error instanceof Uncovered && !error.operator) throw new Uncovered(error.what, node.operator);
        throw error;
      }
      if (this.folding) this.once.flush();
      this.folding = false;
      this.pool.release(index);
    });
    for (const name of outputs) this.views.set(name, this.packed(this.output(name)));
    return this.program.finish();
  }

  /** Where an output lies. */
  output(name: string): View {
    if (!this.isReal(name)) throw new Uncovered(`the output '${name}' of integers`);
    return this.view(name);
  }

  /** The sizes of a tensor, as the guard inferred them. */
  dims(name: string): number[] {
    const info = this.infos.get(name);
    if (!info || info.shape.some((size) => size.kind === 0)) throw new Uncovered("a size that is only known in a run");
    return info.shape.map((size) => size.n);
  }

  type(name: string): number {
    return this.types.get(name) ?? FLOAT;
  }

  isReal(name: string): boolean {
    return this.type(name) !== INT32 && this.type(name) !== INT64;
  }

  /** Integers that are known before the graph runs, or undefined. */
  integers(name: string | undefined): number[] | undefined {
    if (!name) return undefined;
    const info = this.infos.get(name);
    if (info?.numbers?.every((size) => size.kind !== 0)) return info.numbers.map((size) => size.n);
    const stored = this.constants.numbers(name);
    return stored && !this.isReal(name) ? [...stored.data] : undefined;
  }

  /** A constant's numbers; `what` says in an error what has to be constant. */
  fixed(name: string, what: string): { dims: readonly number[]; data: Float32Array } {
    const found = this.constants.numbers(name);
    if (!found) throw new Uncovered(`${what} that the graph computes`);
    return found;
  }

  /** One number that is constant, or `otherwise` where the input is left out. */
  number(name: string | undefined, otherwise: number): number {
    if (!name) return otherwise;
    const { data } = this.fixed(name, "a limit");
    if (data.length !== 1) throw new Uncovered("a list of limits");
    return data[0]!;
  }

  has(name: string): boolean {
    return this.views.has(name) || this.constants.has(name);
  }

  view(name: string | undefined): View {
    const found = name ? (this.views.get(name) ?? this.constants.view(name)) : undefined;
    if (found) return found;
    const sizes = name ? this.integers(name) : undefined;
    if (!name || !sizes) throw new Uncovered("an input that is left out");
    return this.constants.upload(sizes, this.dims(name));
  }

  /** Says what holds an output. */
  set(name: string, view: View): void {
    if (!name) return;
    const dims = this.dims(name);
    if (dims.length !== view.dims.length || dims.some((size, axis) => size !== view.dims[axis])) {
      throw new Error(`the kernels made [${view.dims}] for '${name}' where the guard inferred [${dims}]`);
    }
    if (this.folding) {
      this.constants.views.set(name, { ...view, buffer: undefined });
      return;
    }
    this.views.set(name, view);
    if (view.buffer) view.buffer.until = Math.max(view.buffer.until, this.lastReader(name));
  }

  private lastReader(name: string): number {
    if (this.constants.model.outputs.has(name)) return Infinity;
    return Math.max(this.index, this.readers.get(name)?.at(-1) ?? 0);
  }

  private isSize(name: string): boolean {
    const info = this.infos.get(name);
    return !this.isReal(name) && Boolean(info?.numbers?.every((size) => size.kind !== 0));
  }

  /** Memory for a tensor whose axes lie in `order`, until the node's outputs are read. */
  fresh(dims: readonly number[], order?: readonly number[]): View {
    const strides = dense(dims, order);
    if (this.folding) return { at: this.constants.heap.keep(4 * count(dims) + 64), dims, strides };
    const buffer = this.pool.take(count(dims), this.index);
    return { at: buffer.at, dims, strides, buffer };
  }

  /** Memory for a graph's input, which stays. */
  input(name: string): View {
    const dims = this.dims(name);
    const view = { at: this.constants.heap.keep(4 * count(dims) + 64), dims, strides: dense(dims) };
    this.views.set(name, view);
    return view;
  }

  scalar(value: number): View {
    const key = `scalar ${Object.is(value, -0) ? "-0" : value}`;
    const at = this.constants.once(key, () => this.constants.heap.keepFloats([value]));
    return { at, dims: [], strides: [] };
  }

  /** operator(a, b, c) in memory of its own, laid out as the first of them that is as large. */
  map(operator: Operator, a: View, b?: View, c?: View): View {
    const given = [a, b, c].filter((view) => view !== undefined);
    const rank = Math.max(...given.map((view) => view.dims.length));
    const dims = Array.from({ length: rank }, (_, axis) => {
      const sizes = given.map((view) => view.dims[axis - rank + view.dims.length] ?? 1);
      return sizes.find((size) => size !== 1) ?? 1;
    });
    const like = given.find((view) => count(view.dims) === count(dims) && view.dims.length === rank && count(dims) > 1);
    const y = this.fresh(dims, like && isDense(like, orderOf(like)) ? orderOf(like) : undefined);
    this.emit.map(operator, y, a, b, c);
    return y;
  }

  /** The tensor with its axes in `order` in memory, row-major unless said: itself where it is so already. */
  packed(view: View, order?: readonly number[]): View {
    if (isDense(view, order)) return view;
    const y = this.fresh(view.dims, order);
    this.emit.map("copy", y, view);
    return y;
  }

  /** The tensor in other sizes, copied only where it must be. */
  reshape(view: View, dims: readonly number[]): View {
    return reshaped(view, dims) ?? { ...this.packed(view), dims, strides: dense(dims) };
  }

  /** `operator` over the axes of `over`, which stay as 1; `start` is where it begins. */
  reduce(operator: Operator, x: View, over: ReadonlySet<number>, start: number): View {
    const y = this.fresh(x.dims.map((size, axis) => (over.has(axis) ? 1 : size)));
    this.emit.map("copy", y, this.scalar(start));
    const target = broadcast(y, x.dims);
    this.emit.map(operator, target, target, x);
    return y;
  }

  /**
   * What follows a node and can be done in the same pass: Add of a constant (`bias` says whether it fits) or of a
   * tensor (`residual` likewise), then Relu or Clip. Returns the name of what the pass makes; the nodes in between are
   * done.
   */
  follow(
    name: string,
    bias: (constant: View) => boolean,
    residual: (other: View) => boolean,
  ): { name: string; low: number; high: number } {
    const { nodes } = this.constants.model;
    for (;;) {
      const readers = this.readers.get(name) ?? [];
      const next = nodes[readers[0] ?? -1];
      if (this.folding || readers.length !== 1 || !next || this.constants.model.outputs.has(name)) break;
      if (next.operator === "Add") {
        const other = next.inputs[0] === name ? next.inputs[1]! : next.inputs[0]!;
        if (!this.has(other)) break;
        if (!(this.constants.has(other) ? bias(this.view(other)) : residual(this.view(other)))) break;
      } else if (next.operator === "Relu" || next.operator === "Clip") {
        const [, low, high] = next.inputs;
        const fits = next.inputs[0] === name && [low, high].every((limit) => !limit || this.constants.has(limit));
        if (!fits) break;
        this.done.add(readers[0]!);
        name = next.outputs[0]!;
        if (next.operator === "Relu") return { name, low: 0, high: Infinity };
        return { name, low: this.number(low, -Infinity), high: this.number(high, Infinity) };
      } else break;
      this.done.add(readers[0]!);
      name = next.outputs[0]!;
    }
    return { name, low: -Infinity, high: Infinity };
  }
}

