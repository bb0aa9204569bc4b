/** MatMul and Gemm. */

import { int, type Node } from "../../guard/terms.js";
import type { Compiler } from "../compiler.js";
import { Uncovered } from "../uncovered.js";
import { broadcast, count, transposed, type View } from "../views.js";
import { emitProduct, epilogueOf, table } from "./panels.js";

type Emit = (c: Compiler, node: Node) => void;

const PANEL = 8;
const MAX_MATRICES = 4096;

/** Byte offsets of each row of `x` and `y`, over all their axes but the last. */
function rowsOf(x: View, y: View): number[] {
  const rows: number[] = [];
  const walk = (axis: number, from: number, to: number): void => {
    if (axis === x.dims.length - 1) rows.push(from, to);
    else {
      for (let index = 0; index < x.dims[axis]!; index++) {
        walk(axis + 1, from + index * x.strides[axis]!, to + index * y.strides[axis]!);
      }
    }
  };
  walk(0, 0, 0);
  return rows;
}

/** The tensor with the numbers of each row side by side. */
const inRows = (c: Compiler, x: View): View => (x.strides.at(-1) === 4 || x.dims.at(-1) === 1 ? x : c.packed(x));

/** x (..., K) by constant weights (K, N), and what follows. `scale` multiplies the weights. */
function dense(
  c: Compiler, out: string, x: View, weight: (k: number, column: number) => number, depth: number, bias: Float32Array,
): void {
  const dims = c.dims(out);
  const columns = dims.at(-1)!;
  const order = dims.map((_, axis) => axis);
  const epilogue = epilogueOf(c, out, bias, dims.length - 1, order);
  const rows = inRows(c, x);
  const y = c.fresh(dims);
  emitProduct(
    c,
    {
      key: c.key,
      rows: rowsOf(rows, y),
      taps: [0],
      depth,
      columns,
      weight: (column, _, k) => weight(k, column),
      x: rows.at,
      y: y.at,
      first: 0,
    },
    epilogue,
  );
  c.set(epilogue.name, y);
}

/** a (..., M, K) by b (..., K, N), both of them computed: each matrix of b is packed in every run. */
function computed(c: Compiler, out: string, a: View, b: View): void {
  const dims = c.dims(out);
  const [outer, [, columns]] = [dims.slice(0, -2), dims.slice(-2) as [number, number]];
  const depth = a.dims.at(-1)!;
  if (count(outer) > MAX_MATRICES) throw new Uncovered(`${count(outer)} matrices at once`);
  const y = c.fresh(dims);
  const left = inRows(c, broadcast(a, [...outer, ...a.dims.slice(-2)]));
  const right = broadcast(b, [...outer, ...b.dims.slice(-2)]);
  const panels = c.fresh([Math.ceil(columns / PANEL) * PANEL, depth]);
  const bias = c.constants.once(`no bias ${columns}`, () => c.constants.heap.keep(4 * columns + 64));
  const visit = (view: View, index: number): View => {
    let [at, rest] = [view.at, index];
    for (let axis = outer.length - 1; axis >= 0; axis--) {
      at += (rest % outer[axis]!) * view.strides[axis]!;
      rest = Math.floor(rest / outer[axis]!);
    }
    return { at, dims: view.dims.slice(-2), strides: view.strides.slice(-2) };
  };
  const runs = table(c, [0]);
  for (let index = 0; index < count(outer); index++) {
    const [x, w, to] = [visit(left, index), visit(right, index), visit(y, index)];
    c.emit.pack(w, panels.at);
    const rows = rowsOf(x, to);
    c.emit.product({
      rows: table(c, rows),
      count: rows.length / 2,
      runs,
      segments: 1,
      length: depth,
      x: x.at,
      weights: panels.at,
      columns,
      bias,
      y: to.at,
      residual: 0,
      low: -Infinity,
      high: Infinity,
    });
  }
  c.set(out, y);
}

const matmul: Emit = (c, node) => {
  const [a, b] = node.inputs as [string, string];
  const out = node.outputs[0]!;
  const weights = c.dims(b).length === 2 ? c.constants.numbers(b) : undefined;
  if (!weights) return computed(c, out, c.view(a), c.view(b));
  const [depth, columns] = weights.dims as [number, number];
  dense(c, out, c.view(a), (k, column) => weights.data[k * columns + column]!, depth, new Float32Array(columns));
};

/** alpha A B + beta C. */
const gemm: Emit = (c, node) => {
  const [a, b, bias] = node.inputs as [string, string, string | undefined];
  const out = node.outputs[0]!;
  const number = (name: string): number => node.floats.get(name)?.[0] ?? 1;
  const x = int(node, "transA", 0) ? transposed(c.view(a), [1, 0]) : c.view(a);
  const [alpha, beta] = [number("alpha"), number("beta")];
  const weights = c.constants.numbers(b);
  const columns = c.dims(out)[1]!;
  const given = bias ? c.constants.numbers(bias) : undefined;
  // biases of each column, or one of all
  const size = given?.data.length ?? 0;
  const flat = !bias || ([1, columns].includes(size) && (given!.dims.at(-1) ?? 1) === size);
  if (!weights || !flat) throw new Uncovered("weights or biases that the graph computes");
  const turned = int(node, "transB", 0);
  const depth = x.dims[1]!;
  const total = Float32Array.from({ length: columns }, (_, at) => (given ? beta * given.data[at % size]! : 0));
  const at = (k: number, column: number): number => weights.data[turned ? column * depth + k : k * columns + column]!;
  dense(c, out, x, (k, column) => alpha * at(k, column), depth, total);
};

export const PRODUCTS: Record<string, Emit> = { Gemm: gemm, MatMul: matmul };
