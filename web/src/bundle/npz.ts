/**
 * Small arrays in a .npz file: a ZIP archive of stored .npy members, read without trusting it.
 *
 * Only members of the names, dtypes and shapes that are asked for are taken, with as many bytes as their shape says.
 */

import { isSame, sizeOf, text, type Shape } from "../arrays.js";
import { IntegrityError } from "../errors.js";

const DTYPES = {
  "<f4": Float32Array,
  "<f2": Uint16Array,
  "|i1": Int8Array,
  "|u1": Uint8Array,
  "<i4": Int32Array,
  "<i8": BigInt64Array,
} as const;
export type Dtype = keyof typeof DTYPES;
/** "<f2" comes as its bits; `halfToFloat` reads them. */
export interface NpyArray {
  readonly dims: Shape;
  readonly data: InstanceType<(typeof DTYPES)[Dtype]>;
}

/** What a member should be; -1 in a shape is any size. */
export type Expected = Readonly<Record<string, { readonly dtype: Dtype; readonly shape: Shape }>>;

const HEADER =
  /^\x93NUMPY\x01\x00[^]{2}\{'descr': '([<|][a-z]\d)', 'fortran_order': False, 'shape': \(((?:\d{1,9}, ?)*\d{0,9})\), \} *\n/;
const MAX_HEADER = 512;
const LOCAL = 0x04034b50; // the signature of a member (APPNOTE.TXT 6.3.10, 4.3.7)
const CENTRAL = 0x02014b50; // and of the directory behind the last one

/** The arrays in `data` that are `expected`; throws IntegrityError where it holds others. `name` is the file's. */
export function parseNpz(data: Uint8Array, name: string, expected: Expected): Map<string, NpyArray> {
  const problem = (message: string) =>
    new IntegrityError(`${name} cannot be read (${message}); export the bundle again`);
  const found = members(data, problem);
  const wanted = Object.keys(expected).map((key) => `${key}.npy`);
  if (!isSame([...found.keys()].sort(), [...wanted].sort()))
    throw problem(`it should hold ${Object.keys(expected).join(", ")}`);
  return new Map(
    Object.entries(expected).map(([key, { dtype, shape }]) => [
      key,
      npy(found.get(`${key}.npy`)!, key, dtype, shape, problem),
    ]),
  );
}

type Problem = (message: string) => IntegrityError;

/** The stored members of a ZIP archive, one after another from its first byte on. */
function members(data: Uint8Array, problem: Problem): Map<string, Uint8Array> {
  const view = new DataView(data.buffer, data.byteOffset, data.byteLength);
  const signature = (at: number) => (at + 4 <= data.length ? view.getUint32(at, true) : 0);
  const found = new Map<string, Uint8Array>();
  let at = 0;
  while (signature(at) === LOCAL && at + 30 <= data.length) {
    const [flags, method] = [view.getUint16(at + 6, true), view.getUint16(at + 8, true)];
    const [crc, packed32, size32] = [14, 18, 22].map((field) => view.getUint32(at + field, true)) as [
      number,
      number,
      number,
    ];
    const nameEnd = at + 30 + view.getUint16(at + 26, true);
    const begin = nameEnd + view.getUint16(at + 28, true);
    let [packed, size] = [packed32, size32];
    if (size === 0xffffffff && packed === size && begin - nameEnd === 20 && begin <= data.length) {
      [size, packed] = [Number(view.getBigUint64(nameEnd + 4, true)), Number(view.getBigUint64(nameEnd + 12, true))];
    }
    if (flags !== 0 || method !== 0 || packed !== size || size > data.length - begin) {
      throw problem("its members should be stored, not compressed");
    }
    const name = latin(data.subarray(at + 30, nameEnd));
    const body = data.subarray(begin, begin + size);
    if (crc32(body) !== crc || found.has(name)) throw problem(`${name.slice(0, 60)} is damaged, or there twice`);
    found.set(name, body);
    at = begin + size;
  }
  if (signature(at) !== CENTRAL) throw problem("it is no ZIP archive of stored members");
  return found;
}

function npy(data: Uint8Array, key: string, dtype: Dtype, shape: Shape, problem: Problem): NpyArray {
  const header = HEADER.exec(latin(data.subarray(0, MAX_HEADER)));
  if (header === null || header[0].length !== 10 + data[8]! + 256 * data[9]!) {
    throw problem(`${key} should be in C order and of npy format 1.0`);
  }
  const dims = (header[2]!.match(/\d+/g) ?? []).map(Number);
  const fits = dims.length === shape.length && shape.every((size, axis) => size === -1 || size === dims[axis]);
  if (header[1] !== dtype || !fits)
    throw problem(`${key} should be ${dtype} ${text(shape)}, it is ${header[1]} ${text(dims)}`);
  const body = data.slice(header[0].length); // a copy, which lies where a typed array may begin
  const kind = DTYPES[dtype];
  if (body.length !== sizeOf(dims) * kind.BYTES_PER_ELEMENT) {
    throw problem(`${key} should have as many bytes as its shape ${text(dims)} says, it has ${body.length}`);
  }
  return { dims, data: new kind(body.buffer) };
}

/** A float16 of these bits. */
export function halfToFloat(bits: number): number {
  const sign = bits & 0x8000 ? -1 : 1;
  const exponent = (bits >> 10) & 31;
  const fraction = bits & 1023;
  if (exponent === 31) return fraction === 0 ? sign * Infinity : NaN;
  return exponent === 0 ? sign * fraction * 2 ** -24 : sign * (1024 + fraction) * 2 ** (exponent - 25);
}

const CRC_TABLE = Uint32Array.from({ length: 256 }, (_, byte) => {
  let crc = byte;
  for (let bit = 0; bit < 8; bit++) crc = (crc >>> 1) ^ (crc & 1 ? 0xedb88320 : 0);
  return crc;
});

function crc32(data: Uint8Array): number {
  let crc = -1;
  for (let i = 0; i < data.length; i++) crc = (crc >>> 8) ^ CRC_TABLE[(crc ^ data[i]!) & 255]!;
  return ~crc >>> 0;
}

/** Bytes as characters of the same numbers. */
function latin(bytes: Uint8Array): string {
  return Array.from(bytes, (byte) => String.fromCharCode(byte)).join("");
}
