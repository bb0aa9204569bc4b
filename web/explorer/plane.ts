/** A plane through the latent space: the paper that the map is drawn on. */

import type { Point } from "./state.js";

/** All codes origin + x * axes[0] + y * axes[1]. The axes have length 1 and are orthogonal. */
export interface Plane {
  readonly origin: Float64Array;
  readonly axes: readonly [Float64Array, Float64Array];
  /** The share of the codes' variance that lies in the plane. */
  readonly explained: number;
}

/** The place of a code: its orthogonal projection. */
export function project(plane: Plane, code: ArrayLike<number>, at = 0): Point {
  let x = 0;
  let y = 0;
  for (let j = 0; j < plane.origin.length; j++) {
    const offset = code[at + j] - plane.origin[j];
    x += offset * plane.axes[0][j];
    y += offset * plane.axes[1][j];
  }
  return [x, y];
}

/** The code at `point` that differs from `base` in the plane alone. */
export function lift(plane: Plane, point: Point, base: Float32Array): Float32Array {
  const [x, y] = project(plane, base);
  return base.map((value, j) => value + (point[0] - x) * plane.axes[0][j] + (point[1] - y) * plane.axes[1][j]);
}

/** The plane of two dimensions, by their numbers. A latent of one number has a second axis of nothing. */
export function ofDimensions(codes: Float32Array, size: number, first: number, second: number): Plane {
  const axes = [first, second].map((dimension) => {
    const axis = new Float64Array(size);
    if (dimension < size) axis[dimension] = 1;
    return axis;
  });
  return finish(codes, new Float64Array(size), axes as [Float64Array, Float64Array]);
}

/** The plane of the two directions along which codes (n, size) vary most, through their mean (Pearson 1901). */
export function principal(codes: Float32Array, size: number): Plane {
  const origin = mean(codes, size);
  const first = direction(codes, origin, []);
  return finish(codes, origin, [first, direction(codes, origin, [first])]);
}

/** The mean of codes (n, size). */
export function mean(codes: Float32Array, size: number): Float64Array {
  const n = codes.length / size;
  const sum = new Float64Array(size);
  codes.forEach((value, i) => (sum[i % size] += value / n));
  return sum;
}

/** Where a covariance T T' lies in the plane: half axes and angle of its ellipse of one standard deviation. */
export function ellipse(plane: Plane, spread: (axis: Float64Array) => Float64Array): [number, number, number] {
  const [u, v] = plane.axes.map(spread);
  const [a, b, c] = [dot(u, u), dot(u, v), dot(v, v)];
  const half = (a + c) / 2;
  const root = Math.hypot((a - c) / 2, b);
  return [Math.sqrt(half + root), Math.sqrt(Math.max(0, half - root)), Math.atan2(2 * b, a - c) / 2];
}

/** The direction of most variance that is orthogonal to `others`, by power iteration. */
function direction(codes: Float32Array, origin: Float64Array, others: Float64Array[]): Float64Array {
  const size = origin.length;
  let axis = Float64Array.from(origin, (_, j) => Math.cos(j + 1));
  for (let round = 0; round < 80; round++) {
    const next = new Float64Array(size);
    for (let at = 0; at < codes.length; at += size) {
      let along = 0;
      for (let j = 0; j < size; j++) along += (codes[at + j] - origin[j]) * axis[j];
      for (let j = 0; j < size; j++) next[j] += along * (codes[at + j] - origin[j]);
    }
    for (const other of others) {
      const along = dot(next, other);
      next.forEach((_, j) => (next[j] -= along * other[j]));
    }
    const length = Math.sqrt(dot(next, next));
    if (!length) return next; // no variance is left: a latent of one number
    axis = next.map((value) => value / length);
  }
  const largest = axis.reduce((most, value) => (Math.abs(value) > Math.abs(most) ? value : most), 0);
  return largest < 0 ? axis.map((value) => -value) : axis;
}

function finish(codes: Float32Array, origin: Float64Array, axes: readonly [Float64Array, Float64Array]): Plane {
  const size = origin.length;
  const middle = mean(codes, size);
  const plane = { origin, axes, explained: 1 };
  const centre = project(plane, middle);
  let inside = 0;
  let all = 0;
  for (let at = 0; at < codes.length; at += size) {
    const [x, y] = project(plane, codes, at);
    inside += (x - centre[0]) ** 2 + (y - centre[1]) ** 2;
    for (let j = 0; j < size; j++) all += (codes[at + j] - middle[j]) ** 2;
  }
  return { ...plane, explained: all ? inside / all : 1 };
}

function dot(a: Float64Array, b: Float64Array): number {
  return a.reduce((sum, value, j) => sum + value * b[j], 0);
}
