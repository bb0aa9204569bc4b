/** Tensors in memory: an address, sizes, and a stride for each axis. Most shape operators only make another view. */

import { Uncovered } from "./uncovered.js";

/** What a view lies in. `until` is the index of the last node that reads it. */
export interface Buffer {
  readonly at: number;
  readonly bytes: number;
  until: number;
}

/** Float32 at `at` (a byte address); strides are in bytes, 0 where an axis repeats one element. */
export interface View {
  readonly at: number;
  readonly dims: readonly number[];
  readonly strides: readonly number[];
  readonly buffer?: Buffer | undefined;
}

export const count = (dims: readonly number[]): number => dims.reduce((product, size) => product * size, 1);

/** Strides of a dense tensor whose axes lie in memory in the order `order`, outermost first. */
export function dense(dims: readonly number[], order: readonly number[] = dims.map((_, axis) => axis)): number[] {
  const strides = dims.map(() => 0);
  let stride = 4;
  for (const axis of [...order].reverse()) {
    strides[axis] = stride;
    stride *= dims[axis]!;
  }
  return strides;
}

/** The axes of a view by their place in memory, outermost first. */
export function orderOf(view: View): number[] {
  return view.dims.map((_, axis) => axis).sort((a, b) => view.strides[b]! - view.strides[a]! || a - b);
}

/** Whether the elements lie side by side, in row-major order, or in `order`. */
export function isDense(view: View, order?: readonly number[]): boolean {
  const strides = dense(view.dims, order);
  return view.dims.every((size, axis) => size === 1 || view.strides[axis] === strides[axis]);
}

/** The view broadcast to `dims`. */
export function broadcast(view: View, dims: readonly number[]): View {
  const skip = dims.length - view.dims.length;
  const strides = dims.map((size, axis) => {
    const own = view.dims[axis - skip] ?? 1;
    if (own !== 1 && own !== size) throw new Uncovered("sizes that do not broadcast");
    return own === 1 ? 0 : view.strides[axis - skip]!;
  });
  return { ...view, dims, strides };
}

export function transposed(view: View, order: readonly number[]): View {
  return { ...view, dims: order.map((axis) => view.dims[axis]!), strides: order.map((axis) => view.strides[axis]!) };
}

/** `length` elements of one axis from `start` on, `step` apart. */
export function sliced(view: View, axis: number, start: number, length: number, step = 1): View {
  const stride = view.strides[axis]!;
  return {
    ...view,
    at: length ? view.at + start * stride : view.at,
    dims: replaced(view.dims, axis, length),
    strides: replaced(view.strides, axis, stride * step),
  };
}

export function replaced(list: readonly number[], axis: number, value: number): number[] {
  return list.map((other, index) => (index === axis ? value : other));
}

/** The view in other sizes without moving an element, or undefined where they lie too far apart. */
export function reshaped(view: View, dims: readonly number[]): View | undefined {
  if (count(view.dims) === 0) return { ...view, dims, strides: dense(dims) };
  // runs of axes that lie in memory as one
  const runs: { size: number; stride: number }[] = [];
  view.dims.forEach((size, axis) => {
    if (size === 1) return;
    const stride = view.strides[axis]!;
    const last = runs.at(-1);
    if (last && last.stride === stride * size) {
      last.size *= size;
      last.stride = stride;
    } else runs.push({ size, stride });
  });
  const strides: number[] = [];
  let run = runs.pop();
  let left = run?.size ?? 1;
  for (const size of [...dims].reverse()) {
    if (size === 1) {
      strides.unshift(0);
      continue;
    }
    if (left === 1) {
      run = runs.pop();
      left = run?.size ?? 1;
    }
    if (!run || left % size) return undefined;
    strides.unshift((run.stride * run.size) / left);
    left /= size;
  }
  return { ...view, dims, strides };
}
