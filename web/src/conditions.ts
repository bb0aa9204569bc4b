/** Labels and other conditions as users have them -> the tensors that a conditional graph reads. */

import { isSame, read, text } from "./arrays.js";
import type { ConditionSpec, TensorSpec } from "./bundle/schema.js";
import { InputError } from "./errors.js";
import type { Tensor } from "./graph.js";
import type { Numbers } from "./tensor.js";

/** A label by name or number, or one for each event. */
export type Label = string | number | readonly (string | number)[];

/** What a conditional model is given beside x or z. */
export interface Given {
  /** One label for all events, or one each. */
  readonly label?: Label;
  /** Real numbers (size), or (B, size). */
  readonly condition?: Numbers;
}

/** Checked conditions: the tensor of events first .. first + count that an input reads. */
export type Rows = (input: TensorSpec, first: number, count: number) => Tensor;

/**
 * The conditions of n events, or undefined where the model takes none.
 *
 * Throws InputError where the model takes no condition, another kind of it, or none was given.
 */
export function checkGiven(
  condition: ConditionSpec | null,
  { label, condition: vector }: Given,
  n: number,
): Rows | undefined {
  if (condition === null) {
    if (label !== undefined || vector !== undefined) {
      throw new InputError("this model takes no label and no condition: leave it out, or use a conditional bundle");
    }
    return undefined;
  }
  if (condition.kind !== "vector") {
    if (vector !== undefined || label === undefined) {
      throw new InputError(`this model should be given a label, ${listed(condition)}; use label`);
    }
    const places = placesOf(condition, label, n);
    return (input, first, count) =>
      labelTensor(input, condition.size, count, (i) => places[(first + i) % places.length]!);
  }
  if (label !== undefined || vector === undefined) {
    throw new InputError(`this model should be given ${condition.size} numbers an event; use condition`);
  }
  const rows = vectors(condition, vector, n);
  return (_, first, count) => ({
    dims: [count, condition.size],
    data: repeated(rows, first * condition.size, count * condition.size),
  });
}

/** The number of each event's label, or one number for all. */
function placesOf(condition: ConditionSpec, label: Label, n: number): number[] {
  if (!Array.isArray(label)) return [placeOf(condition, label)];
  if (label.length !== n) {
    throw new InputError(`labels should be one for all, or one for each of the ${n} events; they are ${label.length}`);
  }
  return label.map((each) => placeOf(condition, each));
}

/** A label by its name, its number, or its number as text. */
function placeOf(condition: ConditionSpec, label: unknown): number {
  const named = condition.names.findIndex((name) => name === label);
  if (named >= 0) return named;
  const place = typeof label === "string" && /^[0-9]{1,20}$/.test(label) ? Number(label) : label;
  if (typeof place !== "number" || !Number.isInteger(place) || place < 0 || place >= condition.size) {
    throw new InputError(`a label should be ${listed(condition)}; it is ${String(JSON.stringify(label)).slice(0, 60)}`);
  }
  return place;
}

/** The labels there are, as the end of a sentence: "one of cat, dog, or a number from 0 to 1". */
function listed({ names, size }: ConditionSpec): string {
  const more = size > 20 ? ` and ${size - 20} more` : "";
  return `one of ${names.slice(0, 20).join(", ")}${more}, or a number from 0 to ${size - 1}`;
}

function labelTensor({ dtype }: TensorSpec, size: number, count: number, place: (i: number) => number): Tensor {
  if (dtype === "int64")
    return { dims: [count], data: BigInt64Array.from({ length: count }, (_, i) => BigInt(place(i))) };
  if (dtype === "int32") return { dims: [count], data: Int32Array.from({ length: count }, (_, i) => place(i)) };
  const data = new Float32Array(count * size);
  for (let i = 0; i < count; i++) data[i * size + place(i)] = 1;
  return { dims: [count, size], data };
}

function vectors({ size }: ConditionSpec, vector: Numbers, n: number): Float32Array {
  const { dims, data } = read("condition", vector);
  const rows = new Float32Array(data);
  const isPlain = !("dims" in vector) && data.length === n * size;
  if ((!isSame(dims, [size]) && !isSame(dims, [n, size]) && !isPlain) || !rows.every(Number.isFinite)) {
    throw new InputError(
      `condition should be finite numbers of shape (${size}) or (${n}, ${size}), it has shape ${text(dims)}`,
    );
  }
  return rows;
}

/** `count` numbers from `first` on of an array that begins anew where it ends. */
function repeated(data: Float32Array, first: number, count: number): Float32Array {
  return Float32Array.from({ length: count }, (_, i) => data[(first + i) % data.length]!);
}
