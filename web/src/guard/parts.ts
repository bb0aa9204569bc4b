/** How large what operators take from axes, or put beside them, can be: Concat, Slice, Gather, Pad and their like. */

import { noNegative } from "./shapes.js";
import {
  alike, axisOf, bound, equal, exact, given, type Info, int, KNOWN, known, MAX_NUMBERS, need, type Node, product,
  type Size, sizesOf, whole,
} from "./terms.js";

/** Concat along one axis. */
export function concat(node: Node, ...inputs: Info[]): Info {
  const rank = given(inputs[0]).shape.length;
  const axis = axisOf(given(node.ints.get("axis")?.[0]), rank);
  need(inputs.every((x) => x && x.shape.length === rank));
  const sizes = inputs[0]!.shape.map((_, at) => equal(inputs.map((x) => x.shape[at]!)));
  const along = inputs.map((x) => x.shape[axis]!);
  sizes[axis] = alike(along.reduce((sum, size) => sum + size.n, 0), ...along);
  const listed = rank === 1 && sizes[0]!.n <= MAX_NUMBERS && inputs.every((x) => x.numbers);
  return { shape: sizes, numbers: listed ? inputs.flatMap((x) => sizesOf(x)) : undefined };
}

/** Split: sizes as an input, as an attribute in older opsets, or equal parts. */
export function split(node: Node, x: Info, input?: Info): Info[] {
  const axis = axisOf(int(node, "axis", 0), x.shape.length);
  const parts = node.outputs.length;
  need(!input || !node.ints.has("split"));
  let sizes = input ? exact(input).map(known) : node.ints.get("split")?.map(known);
  const size = x.shape[axis]!;
  if (!sizes) {
    need(int(node, "num_outputs", parts) === parts);
    const part = Math.ceil(size.n / parts); // the last may be smaller
    const even = size.kind === KNOWN && part * parts === size.n;
    sizes = Array.from({ length: parts }, () => (even ? known(part) : bound(part)));
  }
  need(sizes.length === parts && sizes.every((part) => part.n >= 0));
  const listed = x.shape.length === 1 && whole(sizes) ? x.numbers : undefined;
  let at = 0;
  return sizes.map((part) => {
    at += part.n;
    const shape = x.shape.map((other, index) => (index === axis ? part : other));
    return { shape, numbers: listed?.slice(at - part.n, at) };
  });
}

/** Which axes a Slice cuts, and how. */
export function cutsOf(
  rank: number, starts: Info, ends: Info, axes?: Info, steps?: Info,
): { axis: number; start: number; end: number; step: number }[] {
  const [from, to] = [exact(starts), exact(ends)];
  const along = (axes ? exact(axes) : from.map((_, index) => index)).map((axis) => axisOf(axis, rank));
  const by = steps ? exact(steps) : along.map(() => 1);
  need([to, along, by].every((list) => list.length === from.length) && new Set(along).size === along.length);
  need(by.every((step) => step !== 0));
  return along.map((axis, index) => ({ axis, start: from[index]!, end: to[index]!, step: by[index]! }));
}

/** Slice; where a cut depends on the batch, what it leaves is bounded by the axis. */
export function slices(_: Node, x: Info, starts: Info, ends: Info, axes?: Info, steps?: Info): Info {
  const cuts = cutsOf(x.shape.length, starts, ends, axes, steps);
  const sizes = [...x.shape];
  for (const cut of cuts) sizes[cut.axis] = cutSize(sizes[cut.axis]!, cut.start, cut.end, cut.step);
  const [first] = cuts;
  if (!x.numbers || x.shape.length !== 1 || cuts.length !== 1 || first!.step < 1) return { shape: sizes };
  const [start, length] = forwards(x.numbers.length, first!.start, first!.end, first!.step);
  return { shape: sizes, numbers: Array.from({ length }, (_, at) => x.numbers![start + at * first!.step]!) };
}

/** Where a slice forwards begins in an axis of `size`, and how many it takes. */
export function forwards(size: number, start: number, end: number, step: number): [number, number] {
  const [from, to] = [start, end].map((at) => Math.min(size, Math.max(0, at < 0 ? at + size : at))) as [number, number];
  return [from, Math.max(0, Math.ceil((to - from) / step))];
}

/** Whether a slice takes a whole axis of `size` or less backwards. */
export function isReversal(size: number, start: number, end: number, step: number): boolean {
  return step === -1 && (start === -1 || start >= size - 1) && end < -size;
}

/** How much of an axis a slice leaves. */
function cutSize(size: Size, start: number, end: number, step: number): Size {
  // backwards Python's ends are not ONNX's: all of it, or the axis bounds
  if (step < 0) return isReversal(size.n, start, end, step) ? size : bound(size.n);
  const [, length] = forwards(size.n, start, end, step);
  if (size.kind === KNOWN) return known(length);
  if (start === 0 && step === 1 && end >= size.n) return size;
  // [-5:3] is longer where the axis is shorter
  return bound(start >= 0 || end < 0 || end >= size.n ? length : size.n);
}

/** Gather along one axis. */
export function gather(node: Node, x: Info, indices: Info): Info {
  const axis = axisOf(int(node, "axis", 0), x.shape.length);
  let numbers: readonly Size[] | undefined;
  if (x.shape.length === 1 && x.numbers && indices.numbers) {
    numbers = exact(indices).map((index) => x.numbers![axisOf(index, x.numbers!.length)]!);
    if (numbers.length > MAX_NUMBERS) numbers = undefined;
  }
  return { shape: [...x.shape.slice(0, axis), ...indices.shape, ...x.shape.slice(axis + 1)], numbers };
}

/** GatherElements: one element for each index. */
export function gatherElements(_: Node, x: Info, indices: Info): Info {
  need(x.shape.length === indices.shape.length);
  return { shape: indices.shape };
}

/** GatherND: what lies at each tuple of indices. */
export function gatherNd(node: Node, x: Info, indices: Info): Info {
  const batch = int(node, "batch_dims", 0);
  const width = given(indices.shape.at(-1));
  need(width.kind === KNOWN && batch >= 0 && batch < indices.shape.length);
  need(width.n >= 1 && width.n <= x.shape.length - batch);
  return { shape: [...indices.shape.slice(0, -1), ...x.shape.slice(batch + width.n)] };
}

/** Tile: each axis so many times. */
export function tile(_: Node, x: Info, repeats: Info): Info {
  const times = noNegative(sizesOf(repeats));
  need(times.length === x.shape.length);
  return { shape: x.shape.map((size, axis) => product([size, times[axis]!])) };
}

/** OneHot: one axis more, of the size `depth`. */
export function oneHot(node: Node, indices: Info, depth: Info, values: Info): Info {
  const sizes = noNegative(sizesOf(depth));
  need(sizes.length === 1 && values !== undefined);
  const axis = axisOf(int(node, "axis", -1), indices.shape.length + 1);
  return { shape: [...indices.shape.slice(0, axis), sizes[0]!, ...indices.shape.slice(axis)] };
}

/** Pad, of any mode; a negative number cuts. */
export function pad(_: Node, x: Info, pads: Info, _value?: Info, axes?: Info): Info {
  const along = (axes ? exact(axes) : x.shape.map((_, axis) => axis)).map((axis) => axisOf(axis, x.shape.length));
  const sizes = [...x.shape];
  const amounts = sizesOf(pads);
  need(amounts.length === 2 * along.length && new Set(along).size === along.length);
  along.forEach((axis, index) => {
    let both = [sizes[axis]!, amounts[index]!, amounts[index + along.length]!];
    const kinds = new Set(both.filter((size) => size.n !== 0).map((size) => size.kind));
    if (!whole(both) || kinds.size > 1) {
      // what is cut off may be less where the batch is smaller
      both = both.map((cut, at) => (at === 0 || cut.kind === KNOWN ? cut : { ...cut, n: Math.max(0, cut.n) }));
    }
    const total = Math.max(0, both.reduce((sum, size) => sum + size.n, 0));
    sizes[axis] = alike(total, ...both);
  });
  return { shape: sizes };
}
