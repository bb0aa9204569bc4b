/** The numbers of a tensor that a graph stores, as float32: how the kernels compute, whatever the file's type. */

import { BOOL, DOUBLE, FLOAT, FLOAT16, INT32, INT64, INT8 } from "../guard/kinds.js";
import type { Stored } from "../guard/terms.js";
import { Reader } from "./protobuf.js";

/** Float32 values of a stored tensor; doubles and large integers are rounded to it. */
export function values(stored: Stored): Float32Array {
  const total = stored.dims.reduce((product, size) => product * size, 1);
  if (!stored.raw.length && stored.typed.length) return typed(stored, total);
  const { raw, type } = stored;
  const view = new DataView(raw.buffer, raw.byteOffset, raw.length);
  if (type === FLOAT) {
    // a copy: the file's bytes need not be aligned
    return new Float32Array(raw.slice().buffer);
  }
  const read = READERS[type];
  return Float32Array.from({ length: total }, (_, at) => (read ? read(view, at) : view.getUint8(at)));
}

const READERS: Record<number, (view: DataView, at: number) => number> = {
  [INT8]: (view, at) => view.getInt8(at),
  [INT32]: (view, at) => view.getInt32(4 * at, true),
  [INT64]: (view, at) => Number(view.getBigInt64(8 * at, true)),
  [BOOL]: (view, at) => (view.getUint8(at) ? 1 : 0),
  [FLOAT16]: (view, at) => half(view.getUint16(2 * at, true)),
  [DOUBLE]: (view, at) => view.getFloat64(8 * at, true),
};

/** Numbers in fields of their own instead of bytes. */
function typed(stored: Stored, total: number): Float32Array {
  const reader = new Reader();
  const numbers = stored.typed.flatMap((part) => {
    if (stored.type === FLOAT) return reader.floats(part as Uint8Array);
    if (stored.type !== DOUBLE) return reader.integers(part);
    const bytes = part as Uint8Array;
    const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.length);
    return Array.from({ length: bytes.length / 8 }, (_, at) => view.getFloat64(8 * at, true));
  });
  return Float32Array.from({ length: total }, (_, at) =>
    stored.type === FLOAT16 ? half(numbers[at]!) : numbers[at]!,
  );
}

/** The value of a float16's bits. */
function half(bits: number): number {
  const sign = bits & 0x8000 ? -1 : 1;
  const exponent = (bits >> 10) & 31;
  const fraction = bits & 0x3ff;
  if (exponent === 31) return fraction ? NaN : sign * Infinity;
  return sign * (exponent ? (1 + fraction / 1024) * 2 ** (exponent - 15) : fraction * 2 ** -24);
}
