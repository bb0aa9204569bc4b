/** The map's ground: which codes are shown as pictures, and which code lies at a point between them. */

import { lift, project, type Plane } from "./plane.js";
import type { Ground, Point } from "./state.js";

/** The part of the plane that the map shows, in units of the codes. */
export interface View {
  readonly left: number;
  readonly right: number;
  readonly bottom: number;
  readonly top: number;
}

/** Codes that stand at points of the map. */
export interface Landscape {
  readonly codes: Float32Array;
  readonly points: readonly Point[];
  /** The side of a picture, in units of the codes. */
  readonly cell: number;
  /** The code at any point; `base` is the current code. */
  at(point: Point, base: Float32Array): Float32Array;
}

/** The view of `aspect` (width / height) that holds nearly all of the codes. */
export function viewOf(plane: Plane, codes: Float32Array, aspect: number): View {
  const size = plane.origin.length;
  const places = Array.from({ length: codes.length / size }, (_, i) => project(plane, codes, i * size));
  const [x, y] = [0, 1].map((axis) => {
    const sorted = places.map((place) => place[axis]).sort((a, b) => a - b);
    const low = sorted[Math.floor(sorted.length * 0.01)];
    const high = sorted[Math.floor(sorted.length * 0.99)];
    return { middle: (low + high) / 2, half: Math.max(0.5, (high - low) / 2) * 1.15 };
  });
  const half = Math.max(y.half, x.half / aspect);
  return {
    left: x.middle - half * aspect,
    right: x.middle + half * aspect,
    bottom: y.middle - half,
    top: y.middle + half,
  };
}

/** The landscape of a view of `columns` pictures a row. */
export function survey(
  ground: Ground,
  plane: Plane,
  codes: Float32Array,
  view: View,
  columns: number,
  base: Float32Array,
): Landscape {
  const cell = (view.right - view.left) / columns;
  const rows = Math.round((view.top - view.bottom) / cell);
  const size = plane.origin.length;
  if (ground === "slice" || size <= 2) {
    const points = Array.from({ length: rows * columns }, (_, i): Point => [
      view.left + ((i % columns) + 0.5) * cell,
      view.top - (Math.floor(i / columns) + 0.5) * cell,
    ]);
    const values = new Float32Array(points.length * size);
    points.forEach((point, i) => values.set(lift(plane, point, base), i * size));
    return { codes: values, points, cell, at: (point, current) => lift(plane, point, current) };
  }
  const picked = pick(plane, codes, view, cell);
  const values = new Float32Array(picked.length * size);
  picked.forEach((index, i) => values.set(codes.subarray(index * size, (index + 1) * size), i * size));
  const points = picked.map((index) => project(plane, codes, index * size));
  return { codes: values, points, cell, at: (point) => blend(plane, values, points, cell, point) };
}

/** About one code a cell, those nearest to a cell's centre first: pictures lie neither on each other nor on the edge. */
function pick(plane: Plane, codes: Float32Array, view: View, cell: number): number[] {
  const size = plane.origin.length;
  const found: { index: number; x: number; y: number; off: number }[] = [];
  for (let index = 0; index < codes.length / size; index++) {
    const [px, py] = project(plane, codes, index * size);
    const [x, y] = [(px - view.left) / cell, (view.top - py) / cell];
    const isInside = Math.min(x, y, (view.right - view.left) / cell - x, (view.top - view.bottom) / cell - y) > 0.5;
    if (isInside) found.push({ index, x, y, off: Math.hypot((x % 1) - 0.5, (y % 1) - 0.5) });
  }
  const picked: typeof found = [];
  for (const one of found.sort((a, b) => a.off - b.off)) {
    if (picked.every((other) => Math.hypot(other.x - one.x, other.y - one.y) > 0.75)) picked.push(one);
  }
  return picked.map(({ index }) => index);
}

/**
 * The code at a point between codes that lie off the plane: their mean, weighted by 1 / distance^6 (Shepard 1968), moved
 * into place within the plane. On a picture it is that picture's code.
 */
function blend(plane: Plane, codes: Float32Array, points: readonly Point[], cell: number, point: Point): Float32Array {
  const size = plane.origin.length;
  const sum = new Float64Array(size);
  let total = 0;
  for (let i = 0; i < points.length; i++) {
    const distance = ((points[i][0] - point[0]) ** 2 + (points[i][1] - point[1]) ** 2) / cell ** 2;
    if (distance < 1e-6) return codes.slice(i * size, (i + 1) * size);
    const weight = distance ** -3;
    total += weight;
    for (let j = 0; j < size; j++) sum[j] += weight * codes[i * size + j];
  }
  return lift(
    plane,
    point,
    Float32Array.from(sum, (value) => (total ? value / total : 0)),
  );
}
