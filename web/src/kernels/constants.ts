/** What a graph's plans share: its weights, what is computed of weights alone, and the tables made of them. */

import type { Model, Stored } from "../guard/terms.js";
import { values } from "../onnx/values.js";
import type { Heap } from "./heap.js";
import { count, dense, isDense, type View } from "./views.js";

/** What stays the same for any number of events: weights and what is computed of weights alone. */
export class Constants {
  readonly views = new Map<string, View>();
  private readonly data = new Map<string, Float32Array>();
  private readonly kept = new Map<string, number>();

  constructor(
    readonly heap: Heap,
    readonly model: Model,
  ) {}

  has(name: string): boolean {
    return name === "" || this.views.has(name) || this.model.weights.has(name);
  }

  /** A stored or computed constant in memory. */
  view(name: string): View | undefined {
    const made = this.views.get(name);
    if (made) return made;
    const stored = this.model.weights.get(name);
    if (!stored) return undefined;
    const view = this.upload(this.stored(name, stored), stored.dims);
    this.views.set(name, view);
    return view;
  }

  /** A constant's numbers in row-major order. */
  numbers(name: string): { dims: readonly number[]; data: Float32Array } | undefined {
    const made = this.views.get(name);
    if (made) return { dims: made.dims, data: this.gather(made) };
    const stored = this.model.weights.get(name);
    return stored && { dims: stored.dims, data: this.stored(name, stored) };
  }

  upload(data: ArrayLike<number>, dims: readonly number[]): View {
    return { at: this.heap.keepFloats(data), dims, strides: dense(dims) };
  }

  /** The address of what `make` puts into memory, once for each key. */
  once(key: string, make: () => number): number {
    const at = this.kept.get(key) ?? make();
    this.kept.set(key, at);
    return at;
  }

  private stored(name: string, stored: Stored): Float32Array {
    const data = this.data.get(name) ?? values(stored);
    this.data.set(name, data);
    return data;
  }

  private gather(view: View): Float32Array {
    if (isDense(view)) return this.heap.floats.slice(view.at >> 2, (view.at >> 2) + count(view.dims));
    const out: number[] = [];
    const walk = (at: number, axis: number): void => {
      if (axis === view.dims.length) out.push(this.heap.floats[at >> 2]!);
      else for (let index = 0; index < view.dims[axis]!; index++) walk(at + index * view.strides[axis]!, axis + 1);
    };
    walk(view.at, 0);
    return Float32Array.from(out);
  }
}
