/** Standard normals under the seed contract: Box and Muller's, rounded correctly to float32. */

import { exactNormal } from "./exact.js";
import { later, words, type Place, type Purpose } from "./words.js";

const ANGLE_STEP = 2 * Math.PI * 2 ** -32; // c of the contract: times a half word this is an angle, one float64 product
const WORDS_AT_ONCE = 1 << 12; // temporaries of 64 KiB stay in the L2 cache

// A float64 carries 29 bits more than a float32; a float32 result is in doubt where they are within DOUBT of a tie.
const TIE = 1 << 28;
const BEYOND_FLOAT32 = (1 << 29) - 1;
const DOUBT = 64;

/**
 * n draws of `size` standard normals, bit for bit the same on every platform (Box and Muller 1958).
 *
 * Each word gives two. No two platforms' `Math.log` have the same last bits, so each float64 is put to Ziv's rounding
 * test (1991): where its float32 could round either way (one in four million) it is computed again in BigInt.
 */
export function normals(purpose: Purpose, at: Place, n: number, size: number): Float32Array {
  const out = new Float32Array(n * size);
  const perDraw = Math.ceil(size / 2);
  const stride = 8 * Math.ceil(perDraw / 4); // in halves
  const rows = Math.max(1, Math.floor(WORDS_AT_ONCE / perDraw));
  for (let first = 0; first < n; first += rows) {
    const count = Math.min(rows, n - first);
    const raw = words(purpose, later(at, first), count, perDraw);
    for (let row = 0; row < count; row++) {
      write(out, (first + row) * size, size, raw, row * stride);
    }
  }
  return out;
}

const wide = new Float64Array(2);
const bits = new Uint32Array(wide.buffer); // the lower half of each float64 first

/** Writes `size` normals from `place` on, of the halves of words from `from` on. */
function write(out: Float32Array, place: number, size: number, raw: Uint32Array, from: number): void {
  for (let k = 0; k < size; k += 2) {
    const low = raw[from + k]!;
    const high = raw[from + k + 1]!;
    const radius = Math.sqrt(-2 * Math.log((high + 1) * 2 ** -32)); // u1 = (high + 1) / 2^32 in (0, 1]
    const angle = low * ANGLE_STEP;
    wide[0] = radius * Math.cos(angle);
    wide[1] = radius * Math.sin(angle);
    out[place + k] = isInDoubt(bits[0]!) ? exactNormal(high, low * ANGLE_STEP, false) : wide[0]!;
    if (k + 1 < size) out[place + k + 1] = isInDoubt(bits[2]!) ? exactNormal(high, low * ANGLE_STEP, true) : wide[1]!;
  }
}

/** Whether a float64 with these lower 32 bits lies so near the middle of two float32 that its own error matters. */
export function isInDoubt(lower: number): boolean {
  return ((lower - TIE + DOUBT) & BEYOND_FLOAT32) < 2 * DOUBT;
}
