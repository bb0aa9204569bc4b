/** Protocol Buffers' wire format: the fields of a message, each checked against a schema, and how many are read. */

import { RefusedError, refuse } from "../guard/terms.js";

/** Fields, and numbers in lists, that are read of one file; the graphs of MNIST have 600. */
export const MAX_FIELDS = 1 << 16;
const MAX_NAME = 1024;

/** Tag (field number and wire type) to name. */
export type Schema = ReadonlyMap<number, string>;
export type Field = number | Uint8Array;

const WIRES: Record<string, number> = { v: 0, b: 2, f: 5 };

/** The schema of fields written name=number and v (varint), b (bytes) or f (four bytes), or two of these. */
export function schema(fields: string): Schema {
  const found = new Map<number, string>();
  for (const field of fields.split(" ")) {
    const [, name, number, wires] = /^(\w+)=(\d+)(\w+)$/.exec(field)!;
    for (const wire of wires!) found.set((Number(number) << 3) | WIRES[wire]!, name!);
  }
  return found;
}

// Fields that are refused for what they do; every other unknown one is refused for being unknown.
const NAMED: Record<string, string> = {
  model20: "training steps",
  model25: "local functions",
  graph15: "sparse weights",
  attribute6: "a subgraph",
  attribute11: "subgraphs",
  attribute22: "a sparse tensor",
  attribute23: "sparse tensors",
  tensor3: "a tensor in segments",
  tensor6: "strings",
  tensor13: "external data",
};

/** Reads the messages of one file, up to MAX_FIELDS fields in all. */
export class Reader {
  private left = MAX_FIELDS;
  private at = 0;

  /** The fields of a message that has each at most once. */
  single(view: Uint8Array | undefined, message: string, fields: Schema): Map<string, Field> {
    const found = new Map<string, Field>();
    for (const [name, value] of this.fields(view ?? new Uint8Array(0), message, fields)) {
      if (found.has(name)) refuse(`says something twice in its ${message}`);
      found.set(name, value);
    }
    return found;
  }

  /** Name and value of each field: a signed int64 as a number for a varint, else the bytes. */
  *fields(view: Uint8Array, message: string, known: Schema): Generator<[string, Field]> {
    for (let at = 0; at < view.length; ) {
      this.count(1);
      const tag = this.varint(view, at);
      const name = known.get(tag);
      const wire = tag & 7;
      if (name === undefined) {
        const number = Math.floor(tag / 8);
        refuse(`has ${NAMED[message + number] ?? `field ${number} (wire type ${wire}) in its ${message}`}`);
      }
      at = this.at;
      if (wire === 0) {
        const value = this.varint(view, at);
        at = this.at;
        yield [name, value];
        continue;
      }
      let size = 4;
      if (wire === 2) {
        size = this.varint(view, at);
        at = this.at;
      }
      if (size < 0 || size > view.length - at) refuse(`is cut off inside its ${message}`);
      yield [name, view.subarray(at, at + size)];
      at += size;
    }
  }

  /** The int64 of a field, or those packed in it, as numbers: exact up to 2^53. */
  integers(value: Field): number[] {
    if (typeof value === "number") return [value];
    const numbers: number[] = [];
    for (let at = 0; at < value.length; at = this.at) {
      this.count(1);
      numbers.push(this.varint(value, at));
    }
    return numbers;
  }

  /** How many integers a field holds. */
  amount(value: Field): number {
    if (typeof value === "number") return 1;
    let found = 0;
    for (const byte of value) if (byte < 0x80) found++;
    this.count(found);
    return found;
  }

  /** The float32 of a field, or those packed in it. */
  floats(value: Uint8Array): number[] {
    this.count(value.length >> 2);
    if (value.length % 4) refuse("is cut off inside a number");
    const view = new DataView(value.buffer, value.byteOffset, value.length);
    return Array.from({ length: value.length >> 2 }, (_, index) => view.getFloat32(4 * index, true));
  }

  /** Counts what is read; refuses what is too much. */
  count(fields: number): void {
    this.left -= fields;
    if (this.left < 0) refuse(`has more than ${MAX_FIELDS.toLocaleString("en")} fields`);
  }

  /** The varint at `at` as a signed int64; it ends at `this.at`. */
  private varint(view: Uint8Array, at: number): number {
    let low = 0;
    for (let index = 0; index < 10 && at + index < view.length; index++) {
      const byte = view[at + index]!;
      if (index < 7) low += (byte & 0x7f) * 2 ** (7 * index);
      if (byte < 0x80) {
        this.at = at + index + 1;
        return index < 7 ? low : wide(view.subarray(at, this.at));
      }
    }
    return refuse("is cut off inside a number");
  }
}

/** A varint of eight to ten bytes. */
function wide(bytes: Uint8Array): number {
  let value = 0n;
  bytes.forEach((byte, index) => (value |= BigInt(byte & 0x7f) << BigInt(7 * index)));
  return Number(BigInt.asIntN(64, value));
}

/** A short text; what is no ASCII becomes a sign that no name has. */
export function text(value: Field | undefined): string {
  return Array.from(bytes(value).subarray(0, 64), (byte) => String.fromCharCode(byte < 0x80 ? byte : 0xfffd)).join("");
}

const UTF8 = new TextDecoder("utf-8", { fatal: true, ignoreBOM: true });

/** A name that no other bytes give: UTF-8, or what UTF-8 never gives with one character a byte. */
export function name(value: Field | undefined): string {
  const given = bytes(value);
  if (given.length > MAX_NAME) refuse(`has a name of ${given.length} bytes, at most ${MAX_NAME} are read`);
  try {
    return UTF8.decode(given);
  } catch {
    return `\ud800${String.fromCharCode(...given)}`;
  }
}

/** The bytes of a field, none where it is missing. */
export function bytes(value: Field | undefined): Uint8Array {
  return value instanceof Uint8Array ? value : new Uint8Array(0);
}

export { RefusedError, refuse };
