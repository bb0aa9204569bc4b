/** Operators on elements and reductions: how large they are, and what they make of numbers that may be sizes. */

import { INT32, INT64, ITEM_BYTES } from "./kinds.js";
import { axesOf, broadcast } from "./shapes.js";
import {
  alike, axisOf, BATCHED, BOUND, bound, type Info, int, KNOWN, known, MAX_NUMBER, MAX_NUMBERS, multiplied, need,
  type Node, ONE, product, refuse, type Size, whole,
} from "./terms.js";

/** Cast, between numbers of at most eight bytes. */
export function cast(node: Node, x: Info): Info {
  const type = int(node, "to", 0);
  if (!ITEM_BYTES.has(type)) refuse(`casts to data type ${type}, which no VAE needs`);
  const fits = (type === INT32 || type === INT64) && x.numbers?.every((size) => Math.abs(size.n) < MAX_NUMBER);
  return { shape: x.shape, numbers: fits ? x.numbers : undefined };
}

type Fold = (a: Size, b: Size) => Size | undefined;

/** Add, Sub, Mul, Div, Max, Min, Neg: on sizes too, as converters compute them. */
export function arithmetic(node: Node, ...inputs: Info[]): Info {
  const made = broadcast(node, ...inputs);
  if (made.shape.length > 1 || inputs.some((x) => !x?.numbers)) return made;
  const lists = inputs.map((x) => x.numbers!);
  const length = Math.max(...lists.map((list) => list.length));
  if (length > MAX_NUMBERS || lists.some((list) => list.length !== 1 && list.length !== length)) return made;
  const rule = node.operator === "Neg" ? negated : NUMBERS[node.operator]!;
  const numbers = Array.from({ length }, (_, at) => fold(rule, lists.map((list) => list[list.length === 1 ? 0 : at]!)));
  return { shape: made.shape, numbers: kept(numbers) };
}

function fold(rule: Fold, [first, ...others]: readonly Size[]): Size | undefined {
  if (rule === negated) return negated(first!);
  return others.reduce<Size | undefined>((sum, size) => sum && rule(sum, size), first);
}

function kept(numbers: readonly (Size | undefined)[]): Size[] | undefined {
  const fine = numbers.filter((size): size is Size => size !== undefined && Math.abs(size.n) < MAX_NUMBER);
  return fine.length === numbers.length ? fine : undefined;
}

/** A result: one that is not known has to be a bound of what is never negative, at any batch. */
function bounded(size: Size, neverNegative: boolean): Size | undefined {
  return size.kind !== BOUND || neverNegative ? size : undefined;
}

const sum: Fold = (a, b) => bounded(alike(a.n + b.n, a, b), Math.min(a.n, b.n) >= 0);

const difference: Fold = (a, b) => {
  const made = bounded(alike(a.n - b.n, a, b), false);
  return made && made.n === 0 ? known(0) : made;
};

const multiple: Fold = (a, b) => {
  const made = product([a, b]);
  return bounded(made, Math.min(a.n, b.n) >= 0 || (whole([a, b]) && made.n >= 0));
};

const quotient: Fold = (a, b) => {
  if (!whole([a, b]) || a.n < 0 || b.n <= 0) return undefined;
  if (a.kind === b.kind) return known(Math.floor(a.n / b.n)); // rounded down, as towards 0
  return bound(a.kind === BATCHED ? Math.floor(a.n / b.n) : a.n);
};

const largest: Fold = (a, b) => {
  if (whole([a, b]) && (a.kind === b.kind || a.n === 0 || b.n === 0)) return alike(Math.max(a.n, b.n), a, b);
  const [low, high] = a.n <= b.n ? [a, b] : [b, a];
  // a multiple of the batch is 1 at least
  if (high.kind === BATCHED && low.kind === KNOWN && low.n <= 1) return high;
  return bounded(bound(high.n), high.n >= 0);
};

const smallest: Fold = (a, b) => {
  if (whole([a, b]) && (a.kind === b.kind || a.n === 0 || b.n === 0)) return alike(Math.min(a.n, b.n), a, b);
  return bounded(bound(Math.min(a.n, b.n)), Math.min(a.n, b.n) >= 0);
};

const negated = (a: Size): Size | undefined => (a.kind === BOUND ? undefined : { n: -a.n, kind: a.kind });

const NUMBERS: Record<string, Fold> = {
  Add: sum, Div: quotient, Max: largest, Min: smallest, Mul: multiple, Sub: difference,
};

/** The axes that a reduction is over; undefined where it leaves all as they are. */
export function overOf(node: Node, rank: number, input?: Info): Set<number> | undefined {
  const empty = input?.shape.length === 1 && input.shape[0]!.kind === KNOWN && input.shape[0]!.n === 0;
  need(!input || !node.ints.has("axes"));
  const axes = (empty ? node.ints.get("axes") : axesOf(node, input)) ?? [];
  if (!axes.length && int(node, "noop_with_empty_axes", 0)) return undefined;
  if (!axes.length) return new Set(Array.from({ length: rank }, (_, axis) => axis));
  return new Set(axes.map((axis) => axisOf(axis, rank)));
}

/** A reduction over axes, which an attribute names in older opsets; without names over all. */
export function reduce(node: Node, x: Info, input?: Info): Info {
  const over = overOf(node, x.shape.length, input);
  return over ? reduced(x, over, int(node, "keepdims", 1) !== 0) : { shape: x.shape };
}

function reduced(x: Info, over: ReadonlySet<number>, keep: boolean): Info {
  if (!whole(x.shape) || x.shape.some((size) => size.n === 0)) {
    // ONNX Runtime reduces what is empty in other ways
    if (!keep) refuse("reduces axes away of what may be empty");
    return { shape: x.shape.map((size) => bound(Math.max(1, size.n))) };
  }
  if (keep) return { shape: x.shape.map((size, axis) => (over.has(axis) ? ONE : size)) };
  return { shape: x.shape.filter((_, axis) => !over.has(axis)) };
}

/** ReduceProd and ReduceSum, of sizes too. */
export function reduceNumbers(node: Node, x: Info, input?: Info): Info {
  const made = reduce(node, x, input);
  if (!x.numbers?.length || x.shape.length !== 1 || multiplied(made.shape) !== 1) return made;
  return { shape: made.shape, numbers: kept([fold(node.operator === "ReduceProd" ? multiple : sum, x.numbers)]) };
}

/** ArgMax and ArgMin, along one axis. */
export function argReduce(node: Node, x: Info): Info {
  return reduced(x, new Set([axisOf(int(node, "axis", 0), x.shape.length)]), int(node, "keepdims", 1) !== 0);
}

/** LayerNormalization: the tensor, and where they are asked for the means and inverse deviations. */
export function layerNorm(node: Node, x: Info): Info[] {
  const axis = axisOf(int(node, "axis", -1), x.shape.length);
  const small = { shape: x.shape.map((size, at) => (at < axis ? size : ONE)) };
  return [{ shape: x.shape }, small, small].slice(0, node.outputs.length);
}

/** DynamicQuantizeLinear: integers, one scale, one zero point. */
export const dynamicQuantize = (_: Node, x: Info): Info[] => [{ shape: x.shape }, { shape: [] }, { shape: [] }];

/** One scale for all of `x`, or one a channel; in blocks is refused. */
export function dequantize(node: Node, x: Info, scale: Info, zeroPoint?: Info): Info {
  const alikeSizes = (a: readonly Size[], b: readonly Size[]): boolean =>
    a.length === b.length && a.every((size, axis) => size.n === b[axis]!.n);
  need(!int(node, "block_size", 0));
  if (multiplied(scale.shape) !== 1 || scale.shape.length > 1) {
    need(alikeSizes(scale.shape, [x.shape[axisOf(int(node, "axis", 1), x.shape.length)]!]));
  }
  need(!zeroPoint || alikeSizes(zeroPoint.shape, scale.shape));
  return { shape: x.shape };
}
