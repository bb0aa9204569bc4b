/**
 * What the guard knows of a graph: sizes, tensors and nodes, and how sizes are joined.
 *
 * A size is an upper bound, unless it is known. Arithmetic that forgets to say so gives a bound, and never a wrong
 * certainty.
 */

/** Numbers in a tensor that can be a shape. */
export const MAX_NUMBERS = 16;
/** The result of arithmetic on sizes stays below, in int32 too. */
export const MAX_NUMBER = 2 ** 31;

/** Why a graph is refused, as the end of a sentence. */
export class RefusedError extends Error {}

export function refuse(reason: string): never {
  throw new RefusedError(reason);
}

/** A node that does not fit what it reads. */
export class Misfit extends Error {}

/** Throws Misfit unless `holds`. */
export function need(holds: boolean): asserts holds {
  if (!holds) throw new Misfit();
}

/** BOUND: `n` or less, never negative. KNOWN: exactly `n`. BATCHED: a multiple of the batch, `n` at the largest. */
export const BOUND = 0;
export const KNOWN = 1;
export const BATCHED = 2;
export interface Size {
  readonly n: number;
  readonly kind: 0 | 1 | 2;
}

export const bound = (n: number): Size => ({ n, kind: BOUND });
export const known = (n: number): Size => ({ n, kind: KNOWN });
export const batched = (n: number): Size => ({ n, kind: BATCHED });
export const ONE = known(1);

/** What is known of a tensor: its largest shape, and its values where they are few and may be sizes or scales. */
export interface Info {
  readonly shape: readonly Size[];
  readonly numbers?: readonly Size[] | undefined;
  readonly floats?: readonly number[] | undefined;
}

/** A tensor in the file: its bytes, or the fields that hold its numbers. */
export interface Stored extends Info {
  readonly dims: readonly number[];
  /** ONNX's number of its data type. */
  readonly type: number;
  readonly raw: Uint8Array;
  readonly typed: readonly (number | Uint8Array)[];
}

export interface Node {
  readonly operator: string;
  readonly inputs: readonly string[];
  readonly outputs: readonly string[];
  readonly ints: Map<string, readonly number[]>;
  readonly floats: Map<string, readonly number[]>;
  readonly texts: Map<string, string>;
  readonly tensors: Map<string, Stored>;
}

/** A graph as it was read; a size of an input is null where the file leaves it open, as it should for the batch. */
export interface Model {
  readonly opset: number;
  readonly nodes: readonly Node[];
  readonly inputs: ReadonlyMap<string, readonly (number | null)[]>;
  /** ONNX's number of each input's data type. */
  readonly types: ReadonlyMap<string, number>;
  readonly weights: ReadonlyMap<string, Stored>;
  readonly outputs: ReadonlySet<string>;
}

/** An attribute of one integer. */
export function int(node: Node, name: string, otherwise: number): number {
  const given = node.ints.get(name);
  if (given === undefined) return otherwise;
  need(given.length > 0);
  return given[0]!;
}

/** `index` counted from the front; Misfit where there is no such axis. */
export function axisOf(index: number, rank: number): number {
  need(index >= -rank && index < rank);
  return index < 0 ? index + rank : index;
}

/** The one of several, or Misfit where it is missing. */
export function given<T>(value: T | undefined): T {
  need(value !== undefined);
  return value;
}

export const multiplied = (sizes: readonly Size[]): number => sizes.reduce((total, size) => total * size.n, 1);

/** Whether all are known, of the batch or not: then none of them is 0 unless it says so. */
export const whole = (sizes: readonly Size[]): boolean => sizes.every((size) => size.kind !== BOUND);

/** The numbers, known or bounded. */
export function sizesOf(tensor: Info): readonly Size[] {
  return tensor.numbers ?? refuse("computes a size in a way that cannot be bounded");
}

/** The numbers; refused where one is only bounded or depends on the batch. */
export function exact(tensor: Info): number[] {
  return sizesOf(tensor).map((size) =>
    size.kind === KNOWN ? size.n : refuse("computes a size in a way that cannot be bounded"),
  );
}

/** The product; known where all are, and where the batch is in it at most once. */
export function product(sizes: readonly Size[]): Size {
  const n = multiplied(sizes);
  const batches = sizes.filter((size) => size.kind === BATCHED).length;
  if (!whole(sizes) || batches > 1) return bound(n);
  return batches ? batched(n) : known(n);
}

/** The size of an axis that several tensors are broadcast along, where 1 fits all. */
export function joined(sizes: readonly Size[]): Size {
  const others = sizes.filter((size) => size.kind !== KNOWN || size.n !== 1);
  if (!others.length) return ONE;
  const largest = others.reduce((a, b) => (b.n > a.n ? b : a)); // not a 1 that is as large as a batch of 1
  const mixed = others.some((size) => size.kind !== others[0]!.kind) || others[0]!.kind === BOUND;
  return mixed || sizes.some((size) => size.n === 0) ? bound(largest.n) : largest;
}

/** The size of an axis that has to be the same in several tensors. */
export function equal(sizes: readonly Size[]): Size {
  const [first] = sizes as [Size];
  const same = sizes.every((size) => size.kind === first.kind && size.n === first.n);
  return same && first.kind !== BOUND ? first : bound(Math.max(...sizes.map((size) => size.n)));
}

/** `n`, a sum or difference of `sizes`, known where all of them are, and all of the batch or none; 0 is both. */
export function alike(n: number, ...sizes: readonly Size[]): Size {
  const kinds = new Set(sizes.filter((size) => size.kind !== KNOWN || size.n !== 0).map((size) => size.kind));
  if (kinds.size === 0) return known(n);
  return kinds.size === 1 ? { n, kind: [...kinds][0]! } : bound(n);
}
