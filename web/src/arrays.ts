/** Shapes, broadcasting and checks of dense arrays. */

import { InputError } from "./errors.js";
import type { Numbers } from "./tensor.js";

export type Shape = readonly number[];

/** How many numbers an array of that shape holds. */
export function sizeOf(shape: Shape): number {
  return shape.reduce((product, size) => product * size, 1);
}

/** "(2, 3)", as messages write a shape. */
export function text(shape: readonly (number | string)[]): string {
  return `(${shape.join(", ")})`;
}

export function isSame(a: readonly (number | string)[], b: readonly (number | string)[]): boolean {
  return a.length === b.length && a.every((size, axis) => size === b[axis]);
}

/** What a caller handed in as numbers and their shape; without one it is [length]. Throws InputError that names it. */
export function read(name: string, values: Numbers): { dims: Shape; data: ArrayLike<number> } {
  const found = values as { dims?: Shape; data?: ArrayLike<number>; length?: number } | null | undefined;
  const data = found?.data ?? (values as ArrayLike<number>);
  if (typeof data !== "object" || data === null || !Number.isSafeInteger(data.length)) {
    throw new InputError(`${name} should be numbers in row-major order, or { dims, data }; it is ${typeof values}`);
  }
  const dims = found?.data === undefined ? [data.length] : found.dims;
  if (
    !Array.isArray(dims) ||
    !dims.every((size) => Number.isSafeInteger(size) && size >= 0) ||
    sizeOf(dims) !== data.length
  ) {
    throw new InputError(
      `${name} should have dims whose product is its ${data.length} numbers, they are ${String(dims)}`,
    );
  }
  if (!ArrayBuffer.isView(data)) checkNumbers(name, data);
  return { dims, data };
}

function checkNumbers(name: string, data: ArrayLike<number>): void {
  for (let i = 0; i < data.length; i++) {
    if (typeof data[i] !== "number")
      throw new InputError(`${name} should be numbers, number ${i} is ${typeof data[i]}`);
  }
}

/** The shape to which both broadcast, as NumPy's rules say, or undefined. */
export function broadcast(a: Shape, b: Shape): number[] | undefined {
  const axes = Math.max(a.length, b.length);
  const found: number[] = [];
  for (let axis = 0; axis < axes; axis++) {
    const one = a[a.length - axes + axis] ?? 1;
    const two = b[b.length - axes + axis] ?? 1;
    if (one !== two && one !== 1 && two !== 1) return undefined;
    found.push(one === 1 ? two : one);
  }
  return found;
}

/** Whether an array of shape `from` broadcasts to `to`. */
export function fits(from: Shape, to: Shape): boolean {
  const both = broadcast(from, to);
  return both !== undefined && isSame(both, to);
}

/** The numbers of `data`, of shape `from`, written out in shape `to`; `data` itself where the shapes have one size. */
export function spread<T extends Float32Array | Float64Array>(data: T, from: Shape, to: Shape): T {
  const size = sizeOf(to);
  if (data.length === size) return data;
  const out = new (data.constructor as { new (n: number): T })(size);
  if (data.length === 1) {
    out.fill(data[0]!);
    return out;
  }
  // Axis by axis from the last: how far to step in `data` for one step in `out`
  const steps: number[] = [];
  for (let axis = to.length - 1, step = 1; axis >= 0; axis--) {
    const length = from[from.length - to.length + axis] ?? 1;
    steps[axis] = length === 1 ? 0 : step;
    step *= length;
  }
  const place = new Array<number>(to.length).fill(0);
  let at = 0;
  for (let i = 0; i < size; i++) {
    out[i] = data[at]!;
    for (let axis = to.length - 1; axis >= 0; axis--) {
      at += steps[axis]!;
      if (++place[axis]! < to[axis]!) break;
      at -= steps[axis]! * to[axis]!;
      place[axis] = 0;
    }
  }
  return out;
}

/** A copy in float32 of what a caller handed in. */
export function owned(name: string, values: Numbers): { dims: Shape; data: Float32Array } {
  const { dims, data } = read(name, values);
  return { dims: [...dims], data: new Float32Array(data) };
}

/** Throws InputError where an array holds a NaN or an infinity. */
export function checkFinite(name: string, data: ArrayLike<number>): void {
  for (let i = 0; i < data.length; i++) {
    if (!Number.isFinite(data[i]))
      throw new InputError(`${name} should be finite, there is a NaN or an infinity in it`);
  }
}

/** Throws InputError where an array holds what is not finite and > 0. */
export function checkPositive(name: string, data: ArrayLike<number>): void {
  for (let i = 0; i < data.length; i++) {
    const value = data[i]!;
    if (!(value > 0 && value < Infinity)) {
      throw new InputError(`${name} should be finite and > 0 in float32, there is ${value} in it`);
    }
  }
}
