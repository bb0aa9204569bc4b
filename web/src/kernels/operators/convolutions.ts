/** Convolutions, transposed convolutions and pools, with the channels innermost in memory. */

import { int, type Node } from "../../guard/terms.js";
import { listOf, paddingOf } from "../../guard/windows.js";
import type { Compiler } from "../compiler.js";
import { Uncovered } from "../uncovered.js";
import { sliced, type View } from "../views.js";
import { emitProduct, emitWindow, epilogueOf, type Pass } from "./panels.js";

type Emit = (c: Compiler, node: Node) => void;

/** Along one axis: output `outs[i]` reads the input at `bases[i] + tap.at` with the kernel's weight `tap.kernel`. */
interface Phase {
  readonly outs: readonly number[];
  readonly bases: readonly number[];
  readonly taps: readonly { readonly kernel: number; readonly at: number }[];
}

/** Places of windows in one run: their table is 8 bytes each. */
const MAX_ROWS = 1 << 22;

const range = (length: number): number[] => Array.from({ length }, (_, at) => at);

/** Axes N, C, H, W with the channels innermost. */
const CHANNELS_LAST = [0, 2, 3, 1];

/** Three axes as four, of which the third is 1. */
const square = (view: View): View =>
  view.dims.length === 4
    ? view
    : {
        ...view,
        dims: [view.dims[0]!, view.dims[1]!, 1, view.dims[2]!],
        strides: [view.strides[0]!, view.strides[1]!, 0, view.strides[2]!],
      };

/** Sizes of the two axes of windows; an axis that is not there has `otherwise`. */
const pair = (values: readonly number[], otherwise: number): [number, number] =>
  values.length === 2 ? [values[0]!, values[1]!] : [otherwise, values[0]!];

interface Geometry {
  readonly grid: [number, number];
  readonly out: [number, number];
  readonly kernel: [number, number];
  readonly strides: [number, number];
  readonly dilations: [number, number];
  readonly before: [number, number];
}

/** The sizes of a node with windows; `back` for a transposed convolution. */
function geometry(c: Compiler, node: Node, kernelDims: readonly number[], back = false): Geometry {
  const dims = c.dims(node.inputs[0]!);
  const axes = dims.length - 2;
  if (axes !== 1 && axes !== 2) throw new Uncovered(`${axes} axes`);
  const out = c.dims(node.outputs[0]!).slice(2);
  const kernel = node.ints.get("kernel_shape") ?? kernelDims;
  const [strides, dilations] = [listOf(node, "strides", axes, 1), listOf(node, "dilations", axes, 1)];
  const padding = paddingOf(node);
  const written = padding === "NOTSET" ? (node.ints.get("pads") ?? []).slice(0, axes) : [];
  const before = range(axes).map((axis) => {
    if (!padding.startsWith("SAME") && !(back && node.ints.has("output_shape"))) return written[axis] ?? 0;
    const [from, to] = back ? [out[axis]!, dims[axis + 2]!] : [dims[axis + 2]!, out[axis]!];
    const reach = (kernel[axis]! - 1) * dilations[axis]! + 1;
    const total = Math.max(0, (to - 1) * strides[axis]! + reach - from);
    return padding === "SAME_LOWER" ? Math.ceil(total / 2) : Math.floor(total / 2);
  });
  if ([...strides, ...dilations].some((step) => step < 1)) throw new Uncovered("a step of 0");
  return {
    grid: pair(dims.slice(2), 1),
    out: pair(out, 1),
    kernel: pair(kernel, 1),
    strides: pair(strides, 1),
    dilations: pair(dilations, 1),
    before: pair(before, 0),
  };
}

/** The places of a convolution or pool along one axis: one phase. */
const forward = (g: Geometry, axis: 0 | 1): Phase[] => [
  {
    outs: range(g.out[axis]),
    bases: range(g.out[axis]).map((out) => out * g.strides[axis] - g.before[axis]),
    taps: range(g.kernel[axis]).map((kernel) => ({ kernel, at: kernel * g.dilations[axis] })),
  },
];

/** Those of a transposed convolution: outputs that are a stride apart meet the same weights, which is a phase. */
const backward = (g: Geometry, axis: 0 | 1): Phase[] =>
  range(g.strides[axis]).map((phase) => {
    const outs = range(g.out[axis]).filter((out) => out % g.strides[axis] === phase);
    const taps = range(g.kernel[axis])
      .map((kernel) => ({ kernel, at: (phase + g.before[axis] - kernel * g.dilations[axis]) / g.strides[axis] }))
      .filter((tap) => Number.isInteger(tap.at));
    return { outs, bases: outs.map((out) => (out - phase) / g.strides[axis]), taps: taps.sort((a, b) => a.at - b.at) };
  });

/** How far the phases reach before and past an axis of `size`. */
function reach(phases: readonly Phase[], size: number): [number, number] {
  const ends = phases
    .filter((phase) => phase.outs.length && phase.taps.length)
    .flatMap(({ bases, taps }) => [bases[0]! + taps[0]!.at, bases.at(-1)! + taps.at(-1)!.at]);
  return [Math.max(0, -Math.min(0, ...ends)), Math.max(0, Math.max(0, ...ends) - (size - 1))];
}

/** The input with its channels innermost, and `value` around it where windows reach out. */
function surrounded(c: Compiler, x: View, rows: readonly Phase[], columns: readonly Phase[], value: number): View {
  const [n, channels, h, w] = x.dims as [number, number, number, number];
  const [[top, bottom], [left, right]] = [reach(rows, h), reach(columns, w)];
  if (!(top || bottom || left || right)) return c.packed(x, CHANNELS_LAST);
  const dims = [n, channels, top + h + bottom, left + w + right];
  // What surrounds is written once: nothing else lies in this memory, and convolutions of the same sizes share it.
  const key = `surrounded ${dims} ${top} ${left} ${h} ${w} ${value}`;
  const total = dims.reduce((product, size) => product * size, 1);
  const { heap } = c.constants;
  const at = c.constants.once(key, () => {
    const address = heap.keep(4 * total + 64);
    if (value) heap.floats.fill(value, address >> 2, (address >> 2) + total);
    return address;
  });
  const stride = 4 * channels;
  const y: View = { at, dims, strides: [stride * dims[2]! * dims[3]!, 4, stride * dims[3]!, stride] };
  c.emit.map("copy", sliced(sliced(y, 2, top, h), 3, left, w), x);
  // from here on places are counted from the corner of the input
  return { ...y, at: at + top * y.strides[2]! + left * y.strides[3]! };
}

/** Byte offsets of each row in the input and in the output, over the batch. */
function rowsOf(x: View, y: View, down: Phase, across: Phase): number[] {
  const places = x.dims[0]! * down.outs.length * across.outs.length;
  if (places > MAX_ROWS) throw new Uncovered(`${places.toLocaleString("en")} places at once`);
  const rows: number[] = [];
  for (let image = 0; image < x.dims[0]!; image++) {
    down.outs.forEach((oy, a) => {
      across.outs.forEach((ox, b) => {
        rows.push(
          image * x.strides[0]! + down.bases[a]! * x.strides[2]! + across.bases[b]! * x.strides[3]!,
          image * y.strides[0]! + oy * y.strides[2]! + ox * y.strides[3]!,
        );
      });
    });
  }
  return rows;
}

const tapsOf = (x: View, down: Phase, across: Phase): number[] =>
  down.taps.flatMap((a) => across.taps.map((b) => a.at * x.strides[2]! + b.at * x.strides[3]!));

/** Runs `pass` for each pair of phases. */
function eachPhase(
  downs: readonly Phase[],
  acrosses: readonly Phase[],
  pass: (down: Phase, across: Phase, key: string, kernels: readonly [number, number][]) => void,
): void {
  downs.forEach((down, a) => {
    acrosses.forEach((across, b) => {
      const kernels = down.taps.flatMap((t) => across.taps.map((s): [number, number] => [t.kernel, s.kernel]));
      if (down.outs.length && across.outs.length) pass(down, across, `${a} ${b}`, kernels);
    });
  });
}

const memoryOrder = (rank: number): number[] => (rank === 4 ? CHANNELS_LAST : [0, 2, 1]);

/** Conv, FusedConv without an activation, and ConvTranspose. */
const convolution =
  (back: boolean): Emit =>
  (c, node) => {
    if (node.texts.has("activation")) throw new Uncovered("an activation inside");
    const weights = c.fixed(node.inputs[1]!, "weights");
    const out = node.outputs[0]!;
    const dims = c.dims(out);
    const columns = dims[1]!;
    const group = int(node, "group", 1);
    const depth = c.dims(node.inputs[0]!)[1]! / group;
    const each = columns / group;
    const g = geometry(c, node, weights.dims.slice(2), back);
    const [height, width] = g.kernel;
    const expected = back ? [depth * group, each] : [columns, depth];
    const sizes = [...expected, ...(dims.length === 4 ? [height, width] : [width])];
    if (sizes.some((size, axis) => size !== weights.dims[axis])) throw new Uncovered("weights that do not fit");
    const stored = node.inputs[2] ? c.fixed(node.inputs[2], "biases").data : undefined;
    const order = memoryOrder(dims.length);
    const epilogue = epilogueOf(c, out, stored ?? new Float32Array(columns), 1, order);
    const [downs, acrosses] = back
      ? [backward(g, 0), backward(g, 1)]
      : [forward(g, 0), forward(g, 1)];
    const x = surrounded(c, square(c.view(node.inputs[0])), downs, acrosses, 0);
    const made = c.fresh(dims, order);
    const y = square(made);
    const apart = depth === 1 && each === 1;
    eachPhase(downs, acrosses, (down, across, phase, kernels) => {
      const rows = rowsOf(x, y, down, across);
      const taps = tapsOf(x, down, across);
      const at = (first: number, second: number, tap: number): number => {
        const [row, column] = kernels[tap]!;
        return weights.data[((first * weights.dims[1]! + second) * height + row) * width + column]!;
      };
      const shared = { rows, taps, y: y.at };
      const name = `${c.key} ${phase}`;
      if (apart) {
        const weight = (column: number, tap: number): number => at(column, 0, tap);
        emitWindow(c, { ...shared, key: name, depth, columns, weight, x: x.at, first: 0 }, epilogue);
        return;
      }
      for (let part = 0; part < group; part++) {
        const weight = (column: number, tap: number, k: number): number =>
          back ? at(part * depth + k, column, tap) : at(part * each + column, k, tap);
        const pass: Pass = {
          ...shared, key: `${name} ${part}`, depth, columns: each, weight,
          x: x.at + 4 * part * depth, first: part * each,
        };
        emitProduct(c, pass, epilogue);
      }
    });
    c.set(epilogue.name, made);
  };

/** MaxPool and AveragePool. */
const pool =
  (largest: boolean): Emit =>
  (c, node) => {
    if (node.outputs.length > 1) throw new Uncovered("the places of the largest");
    const out = node.outputs[0]!;
    const dims = c.dims(out);
    const g = geometry(c, node, []);
    const [downs, acrosses] = [forward(g, 0), forward(g, 1)];
    const start = largest ? -Infinity : 0;
    const x = surrounded(c, square(c.view(node.inputs[0])), downs, acrosses, start);
    const made = c.fresh(dims, memoryOrder(dims.length));
    const y = square(made);
    const channels = dims[1]!;
    const [down, across] = [downs[0]!, acrosses[0]!];
    const taps = tapsOf(x, down, across);
    const every = !largest && (int(node, "count_include_pad", 0) !== 0 || isInside(g));
    emitWindow(
      c,
      {
        key: c.key,
        rows: rowsOf(x, y, down, across),
        taps,
        depth: 1,
        columns: channels,
        weight: () => (every ? 1 / taps.length : 1),
        x: x.at,
        y: y.at,
        first: 0,
      },
      { bias: new Float32Array(channels).fill(start), residual: undefined, low: -Infinity, high: Infinity },
      largest,
    );
    if (largest || every) return c.set(out, made);
    // each place has its own number of pixels that are not padding
    const inside = (phase: Phase, size: number): number[] =>
      phase.bases.map((base) => phase.taps.filter(({ at }) => base + at >= 0 && base + at < size).length);
    const [rows, columns] = [inside(down, g.grid[0]), inside(across, g.grid[1])];
    const shares = rows.flatMap((a) => columns.map((b) => 1 / (a * b)));
    c.set(out, c.map("mul", made, c.constants.upload(shares, [1, 1, ...dims.slice(2)])));
  };

/** Whether no window reaches out of the image. */
const isInside = (g: Geometry): boolean =>
  ([0, 1] as const).every((axis) => reach(forward(g, axis), g.grid[axis]).every((size) => size === 0));

export const CONVOLUTIONS: Record<string, Emit> = {
  AveragePool: pool(false),
  Conv: convolution(false),
  ConvTranspose: convolution(true),
  MaxPool: pool(true),
};

