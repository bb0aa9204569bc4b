/** A normal in fixed-point arithmetic of 200 bits, for the one in four million that float64 leaves in doubt. */

const BITS = 200n;
const ONE = 1n << BITS;

/** The first or second normal of a word, r cos a or r sin a, r = sqrt(-2 log((high + 1) / 2^32)), rounded to float64. */
export function exactNormal(high: number, angle: number, second: boolean): number {
  const radius = squareRoot((-2n * logarithm(high + 1)) << BITS);
  const turn = circular(fixed(angle), second);
  const product = radius * turn; // 400 bits behind the point, more than enough to round once
  return Number(product) * 2 ** -400;
}

/** A float64 in fixed point, exactly: above 2^-67, as angles are, it has no bits beyond 2^-120. */
function fixed(value: number): bigint {
  return BigInt(value * 2 ** 120) << (BITS - 120n);
}

/** log(m / 2^32) of an integer m in 1 .. 2^32. */
function logarithm(m: number): bigint {
  const length = BigInt(m.toString(2).length - 1);
  const fraction = (BigInt(m) << BITS) >> length; // m = fraction x 2^length, exactly: in [1, 2)
  return inverseTangent(fraction - ONE, fraction + ONE) + (length - 32n) * inverseTangent(1n, 3n);
}

/** 2 artanh(a / b) = 2 (x + x^3 / 3 + x^5 / 5 + ...): the logarithm of (b + a) / (b - a). */
function inverseTangent(a: bigint, b: bigint): bigint {
  const x = (a << BITS) / b;
  const square = (x * x) >> BITS;
  let power = x;
  let sum = 0n;
  for (let k = 1n; power > 0n; k += 2n) {
    sum += power / k;
    power = (power * square) >> BITS;
  }
  return 2n * sum;
}

/** sin a or cos a by Taylor's series; a is at most 2 pi, so that its largest term is below 100. */
function circular(a: bigint, isSine: boolean): bigint {
  const square = (a * a) >> BITS;
  let term = isSine ? a : ONE;
  let sum = 0n;
  for (let k = isSine ? 2n : 1n; term !== 0n; k += 2n) {
    sum += term;
    term = -((term * square) >> BITS) / (k * (k + 1n));
  }
  return sum;
}

/** The integer square root, by Newton's iteration from above. */
function squareRoot(value: bigint): bigint {
  if (value === 0n) return 0n;
  let root = 1n << BigInt((value.toString(2).length + 2) >> 1);
  for (;;) {
    const next = (root + value / root) >> 1n;
    if (next >= root) return root;
    root = next;
  }
}
