/** A list of records for the kernels. What reads constants alone is run at once; the rest, when the graph runs. */

import type { Heap } from "./heap.js";
import { MAP, OPERATORS, type Operator, PACK, PRODUCT, WINDOW } from "./records.js";
import { broadcast, type View } from "./views.js";

export type Run = (list: number, count: number) => void;

/** A matrix product or a window over channels: see assembly/product.ts. */
export interface Product {
  /** Pairs of byte offsets, of each row in `x` and in `y`. */
  readonly rows: number;
  readonly count: number;
  /** Byte offsets of each run or tap from its row. */
  readonly runs: number;
  readonly segments: number;
  readonly length: number;
  readonly x: number;
  readonly weights: number;
  readonly columns: number;
  readonly bias: number;
  readonly y: number;
  readonly residual: number;
  readonly low: number;
  readonly high: number;
}

export class Program {
  private list: number[] = [];

  constructor(
    private readonly heap: Heap,
    private readonly run: Run,
  ) {}

  private add(kernel: number, fields: readonly number[]): void {
    this.list.push(this.heap.keepWords([kernel, ...fields]));
  }

  /** y = operator(a, b, c), element by element, each broadcast to y; where y has a stride of 0 it is reduced. */
  map(operator: Operator, y: View, a: View, b?: View, c?: View): void {
    const unread = { at: a.at, dims: [], strides: [] };
    const views = [y, ...[a, b ?? unread, c ?? unread].map((view) => broadcast(view, y.dims))];
    const leading = y.strides.some((stride, axis) => stride === 0 && y.dims[axis] !== 1) ? views[2]! : y;
    const axes = y.dims
      .map((size, axis) => ({ size, strides: views.map((view) => view.strides[axis]!), by: leading.strides[axis]! }))
      .filter((axis) => axis.size !== 1)
      .sort((first, second) => Math.abs(second.by) - Math.abs(first.by));
    for (let at = axes.length - 1; at > 0; at--) {
      const [outer, inner] = [axes[at - 1]!, axes[at]!];
      if (outer.strides.every((stride, index) => stride === inner.strides[index]! * inner.size)) {
        axes.splice(at - 1, 2, { ...inner, size: outer.size * inner.size });
      }
    }
    if (!axes.length) axes.push({ size: 1, strides: [4, 0, 0, 0], by: 4 });
    if (axes.some((axis) => axis.size === 0)) return;
    const loops = axes.flatMap((axis) => [axis.size, ...axis.strides]);
    this.add(MAP, [OPERATORS[operator], axes.length, ...views.map((view) => view.at), ...loops]);
  }

  product(fields: Product): void {
    this.records(PRODUCT, fields);
  }

  /** Channel by channel: `length` 1 takes the largest of the window instead of the sum. */
  window(fields: Product): void {
    this.records(WINDOW, fields);
  }

  private records(kernel: number, f: Product): void {
    if (!f.count) return;
    const limits = new Int32Array(new Float32Array([f.low, f.high]).buffer);
    this.add(kernel, [
      f.count, f.rows, f.segments, f.runs, f.length, f.x, f.weights, f.columns, f.bias, f.y, f.residual, ...limits,
    ]);
  }

  /** A matrix (K, N) into panels of eight columns at `y`. */
  pack(matrix: View, y: number): void {
    this.add(PACK, [...matrix.dims, matrix.at, ...matrix.strides, y]);
  }

  /** Runs what was added, once, and forgets it. */
  flush(): void {
    const at = this.heap.keepWords(this.list);
    this.run(at, this.list.length);
    this.list = [];
  }

  /** What runs all that was added, as often as it is called. */
  finish(): () => void {
    const at = this.heap.keepWords(this.list);
    const { run, list } = this;
    return () => run(at, list.length);
  }
}
