/** Products of rows with constant weights: the tables and packed weights that the kernel reads, and what follows it. */

import type { Compiler } from "../compiler.js";
import { isDense, type View } from "../views.js";

const PANEL = 8; // columns that the kernel computes at once
const LANES = 16; // channels that the window's kernel computes at once

/** One product or window of a node. `weight(column, tap, k)` gives a weight; taps are byte offsets from a row. */
export interface Pass {
  readonly key: string;
  readonly rows: readonly number[];
  readonly taps: readonly number[];
  readonly depth: number;
  readonly columns: number;
  readonly weight: (column: number, tap: number, k: number) => number;
  readonly x: number;
  readonly y: number;
  /** Which column of all the pass begins with: where its biases lie, and its part of a residual. */
  readonly first: number;
}

/** What comes behind a product in the same pass: biases, a tensor to add, limits. */
export interface Epilogue {
  readonly bias: Float32Array;
  readonly residual: View | undefined;
  readonly low: number;
  readonly high: number;
}

/** The address of a table; tables of the same words share it. */
export function table(c: Compiler, words: readonly number[]): number {
  const { heap } = c.constants;
  const at = c.constants.once(`table ${words.length} ${hash(words)}`, () => heap.keepWords(words));
  const isSame = words.every((word, index) => heap.words[(at >> 2) + index] === word);
  return isSame ? at : heap.keepWords(words);
}

function hash(words: readonly number[]): number {
  return words.reduce((sum, word) => Math.imul(sum ^ word, 0x01000193) + 1, 0x811c9dc5);
}

/** Adds a product, its weights packed once for all plans. */
export function emitProduct(c: Compiler, pass: Pass, epilogue: Epilogue): void {
  const { taps, depth, columns, weight, key } = pass;
  // taps that follow each other in memory are one run
  const runs = taps.filter((tap, at) => at === 0 || taps[at - 1]! + 4 * depth !== tap);
  const even = taps.length % Math.max(1, runs.length) === 0 && evenly(taps, depth, taps.length / runs.length);
  const starts = even ? runs : taps;
  const { heap } = c.constants;
  const weights = c.constants.once(`panels ${key}`, () => {
    const panels = Math.ceil(columns / PANEL);
    const packed = new Float32Array(panels * taps.length * depth * PANEL);
    let at = 0;
    for (let panel = 0; panel < panels; panel++) {
      for (let tap = 0; tap < taps.length; tap++) {
        for (let k = 0; k < depth; k++) {
          for (let lane = 0; lane < PANEL; lane++, at++) {
            const column = panel * PANEL + lane;
            if (column < columns) packed[at] = weight(column, tap, k);
          }
        }
      }
    }
    return heap.keepFloats(packed);
  });
  c.emit.product({
    ...shared(c, pass, epilogue, PANEL),
    runs: table(c, starts),
    segments: starts.length,
    length: starts.length ? (taps.length / starts.length) * depth : 0,
    weights,
  });
}

/** Whether the taps come in runs of `length` each. */
function evenly(taps: readonly number[], depth: number, length: number): boolean {
  return taps.every((tap, at) => at % length === 0 || taps[at - 1]! + 4 * depth === tap);
}

/** Adds a window over channels, which does not mix them; `largest` takes the maximum and has no weights. */
export function emitWindow(c: Compiler, pass: Pass, epilogue: Epilogue, largest = false): void {
  const { taps, columns, weight, key } = pass;
  const width = Math.ceil(columns / LANES) * LANES;
  const weights = largest
    ? 0
    : c.constants.once(`window ${key}`, () => {
        const packed = new Float32Array(width * taps.length);
        taps.forEach((_, tap) => {
          for (let column = 0; column < columns; column++) packed[tap * width + column] = weight(column, tap, 0);
        });
        return c.constants.heap.keepFloats(packed);
      });
  c.emit.window({
    ...shared(c, pass, epilogue, LANES),
    runs: table(c, taps),
    segments: taps.length,
    length: Number(largest),
    weights,
  });
}

function shared(c: Compiler, pass: Pass, epilogue: Epilogue, lanes: number) {
  const { columns, first, key, rows } = pass;
  const { low, high, residual } = epilogue;
  const room = Math.ceil(columns / lanes) * lanes;
  const bias = c.constants.once(`bias ${key}`, () =>
    c.constants.heap.keepFloats(epilogue.bias.subarray(first, first + columns), room),
  );
  return {
    rows: table(c, rows),
    count: rows.length / 2,
    x: pass.x,
    columns,
    bias,
    y: pass.y + 4 * first,
    residual: residual ? residual.at + 4 * first : 0,
    low,
    high,
  };
}

/**
 * What follows the product of `node`, whose output has `columns` along axis `channel` and lies in memory in `order`:
 * the name that the pass makes, and what it does.
 */
export function epilogueOf(
  c: Compiler,
  name: string,
  bias: Float32Array,
  channel: number,
  order: readonly number[],
): Epilogue & { name: string } {
  const dims = c.dims(name);
  const columns = dims[channel]!;
  let residual: View | undefined;
  const total = Float32Array.from(bias);
  const followed = c.follow(
    name,
    (constant) => {
      const axis = channel - dims.length + constant.dims.length;
      const flat = constant.dims.every((size, at) => size === 1 || (at === axis && size === columns));
      if (!flat || constant.dims.length > dims.length || residual) return false;
      const stride = constant.dims[axis] === columns && columns > 1 ? constant.strides[axis]! : 0;
      for (let at = 0; at < columns; at++) total[at]! += c.constants.heap.floats[(constant.at + at * stride) >> 2]!;
      return true;
    },
    (other) => {
      const isSame = other.dims.length === dims.length && other.dims.every((size, at) => size === dims[at]);
      if (residual || !isSame || !isDense(other, order)) return false;
      residual = other;
      return true;
    },
  );
  return { ...followed, bias: total, residual };
}

