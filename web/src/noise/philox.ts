/**
 * Philox4x64-10, the counter-based generator of Salmon et al. 2011, by integers of 32 bits.
 *
 * JavaScript has no fast integers of 64 bits, so that a word is two halves of 32, and a product of two halves is
 * summed from products of 16 bits each, none of which passes 2^32.
 */

// The published constants: multipliers for the words 0 and 2 of a counter, and what each round adds to the key.
const M0_HIGH = 0xd2e7470e | 0;
const M0_LOW = 0xe14c6c93 | 0;
const M1_HIGH = 0xca5a8263 | 0;
const M1_LOW = 0x95121157 | 0;
const WEYL0_HIGH = 0x9e3779b9 | 0;
const WEYL0_LOW = 0x7f4a7c15 | 0;
const WEYL1_HIGH = 0xbb67ae85 | 0;
const WEYL1_LOW = 0x84caa73b | 0;
const ROUNDS = 10;

/**
 * Fills `out` with the words of the counters `first`, `first` + 1, ...: a block of four words each, the lower half of a
 * word before the upper. `out.length` is a multiple of 8; `first` is below 2^128.
 */
export function philox(out: Uint32Array, keys: readonly [bigint, bigint], first: bigint): void {
  const [a, b, c, d] = halves(first);
  let n0 = a, n1 = b, n2 = c, n3 = d; // the counter's 128 lower bits
  const [key0, key1, key2, key3] = [...halves(keys[0]).slice(0, 2), ...halves(keys[1]).slice(0, 2)] as Four;
  for (let at = 0; at < out.length; at += 8) {
    let c0l = n0, c0h = n1, c1l = n2, c1h = n3, c2l = 0, c2h = 0, c3l = 0, c3h = 0;
    let k0l = key0, k0h = key1, k1l = key2, k1h = key3;
    for (let round = 0; round < ROUNDS; round++) {
      // (high, low) = M0 x word 0
      let mid = upper(c0l, M0_LOW);
      let x = Math.imul(c0l, M0_HIGH);
      let y = Math.imul(c0h, M0_LOW);
      let sum = (mid + x) | 0;
      let carry = less(sum, mid);
      const p0l = Math.imul(c0l, M0_LOW);
      const p0h = (sum + y) | 0;
      carry += less(p0h, sum);
      let z = Math.imul(c0h, M0_HIGH);
      let top = upper(c0h, M0_HIGH);
      sum = (z + carry) | 0;
      top += less(sum, z);
      x = upper(c0l, M0_HIGH);
      z = (sum + x) | 0;
      top += less(z, sum);
      y = upper(c0h, M0_LOW);
      const q0l = (z + y) | 0;
      const q0h = (top + less(q0l, z)) | 0;
      // (high, low) = M1 x word 2
      mid = upper(c2l, M1_LOW);
      x = Math.imul(c2l, M1_HIGH);
      y = Math.imul(c2h, M1_LOW);
      sum = (mid + x) | 0;
      carry = less(sum, mid);
      const p1l = Math.imul(c2l, M1_LOW);
      const p1h = (sum + y) | 0;
      carry += less(p1h, sum);
      z = Math.imul(c2h, M1_HIGH);
      top = upper(c2h, M1_HIGH);
      sum = (z + carry) | 0;
      top += less(sum, z);
      x = upper(c2l, M1_HIGH);
      z = (sum + x) | 0;
      top += less(z, sum);
      y = upper(c2h, M1_LOW);
      const q1l = (z + y) | 0;
      const q1h = (top + less(q1l, z)) | 0;

      c0l = q1l ^ c1l ^ k0l;
      c0h = q1h ^ c1h ^ k0h;
      c1l = p1l;
      c1h = p1h;
      c2l = q0l ^ c3l ^ k1l;
      c2h = q0h ^ c3h ^ k1h;
      c3l = p0l;
      c3h = p0h;

      sum = (k0l + WEYL0_LOW) | 0;
      k0h = (k0h + WEYL0_HIGH + less(sum, k0l)) | 0;
      k0l = sum;
      sum = (k1l + WEYL1_LOW) | 0;
      k1h = (k1h + WEYL1_HIGH + less(sum, k1l)) | 0;
      k1l = sum;
    }
    out[at] = c0l;
    out[at + 1] = c0h;
    out[at + 2] = c1l;
    out[at + 3] = c1h;
    out[at + 4] = c2l;
    out[at + 5] = c2h;
    out[at + 6] = c3l;
    out[at + 7] = c3h;
    n0 = (n0 + 1) | 0;
    if (n0 === 0) {
      n1 = (n1 + 1) | 0;
      if (n1 === 0) {
        n2 = (n2 + 1) | 0;
        if (n2 === 0) n3 = (n3 + 1) | 0;
      }
    }
  }
}

type Four = [number, number, number, number];

/** The four parts of 32 bits of a number below 2^128, the lowest first. */
function halves(value: bigint): Four {
  return [0n, 32n, 64n, 96n].map((shift) => Number(BigInt.asIntN(32, value >> shift))) as Four;
}

/** 1 where a < b as unsigned integers, else 0: the carry of a sum b + something that came out as a. */
function less(a: number, b: number): number {
  return a >>> 0 < b >>> 0 ? 1 : 0;
}

/** The upper 32 bits of the product of two unsigned integers of 32 bits. */
function upper(a: number, b: number): number {
  const aLow = a & 0xffff;
  const aHigh = a >>> 16;
  const bLow = b & 0xffff;
  const bHigh = b >>> 16;
  const cross = (Math.imul(aHigh, bLow) + (Math.imul(aLow, bLow) >>> 16)) | 0;
  const middle = (Math.imul(aLow, bHigh) + (cross & 0xffff)) | 0;
  return (Math.imul(aHigh, bHigh) + (cross >>> 16) + (middle >>> 16)) | 0;
}
