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
  const counter = parts(first);
  const [key0Low, key0High] = parts(keys[0]);
  const [key1Low, key1High] = parts(keys[1]);
  for (let at = 0; at < out.length; at += 8) {
    // The words 0 to 3: the lower and the upper half of each. A counter's words 2 and 3 are 0.
    let [aLow, aHigh, bLow, bHigh] = counter;
    let [cLow, cHigh, dLow, dHigh] = [0, 0, 0, 0];
    let [k0Low, k0High, k1Low, k1High] = [key0Low, key0High, key1Low, key1High];
    for (let round = 0; round < ROUNDS; round++) {
      // The middle and the upper parts of M0 x word 0 and of M1 x word 2, by halves
      const p0 = upper(aLow, M0_LOW);
      const p1 = Math.imul(aLow, M0_HIGH);
      const p2 = Math.imul(aHigh, M0_LOW);
      const p3 = Math.imul(aHigh, M0_HIGH);
      const p4 = upper(aLow, M0_HIGH);
      const p5 = upper(aHigh, M0_LOW);
      const pCarry = carry(p0, p1, p2, 0);
      const q0 = upper(cLow, M1_LOW);
      const q1 = Math.imul(cLow, M1_HIGH);
      const q2 = Math.imul(cHigh, M1_LOW);
      const q3 = Math.imul(cHigh, M1_HIGH);
      const q4 = upper(cLow, M1_HIGH);
      const q5 = upper(cHigh, M1_LOW);
      const qCarry = carry(q0, q1, q2, 0);
      const pTop = upper(aHigh, M0_HIGH) + carry(p3, p4, p5, pCarry);
      const qTop = upper(cHigh, M1_HIGH) + carry(q3, q4, q5, qCarry);
      const pLow = Math.imul(aLow, M0_LOW);
      const qLow = Math.imul(cLow, M1_LOW);

      aLow = (q3 + q4 + q5 + qCarry) ^ bLow ^ k0Low;
      aHigh = qTop ^ bHigh ^ k0High;
      bLow = qLow;
      bHigh = (q0 + q1 + q2) | 0;
      cLow = (p3 + p4 + p5 + pCarry) ^ dLow ^ k1Low;
      cHigh = pTop ^ dHigh ^ k1High;
      dLow = pLow;
      dHigh = (p0 + p1 + p2) | 0;

      k0High = (k0High + WEYL0_HIGH + carry(k0Low, WEYL0_LOW, 0, 0)) | 0;
      k0Low = (k0Low + WEYL0_LOW) | 0;
      k1High = (k1High + WEYL1_HIGH + carry(k1Low, WEYL1_LOW, 0, 0)) | 0;
      k1Low = (k1Low + WEYL1_LOW) | 0;
    }
    out[at] = aLow;
    out[at + 1] = aHigh;
    out[at + 2] = bLow;
    out[at + 3] = bHigh;
    out[at + 4] = cLow;
    out[at + 5] = cHigh;
    out[at + 6] = dLow;
    out[at + 7] = dHigh;
    for (let part = 0; part < 4; part++) {
      counter[part] = (counter[part]! + 1) | 0;
      if (counter[part] !== 0) break;
    }
  }
}

type Four = [number, number, number, number];

/** The four parts of 32 bits of a number below 2^128, the lowest first. */
function parts(value: bigint): Four {
  return [0n, 32n, 64n, 96n].map((shift) => Number(BigInt.asIntN(32, value >> shift))) as Four;
}

/** What a sum of three unsigned integers of 32 bits, and a carry, has above its lower 32 bits. */
function carry(a: number, b: number, c: number, d: number): number {
  return (((a >>> 0) + (b >>> 0) + (c >>> 0) + d) / 2 ** 32) | 0;
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
