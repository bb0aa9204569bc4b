/**
 * Sums of products that are the same on every machine: T eps of a mixture and of a full-covariance normal.
 *
 * The contract is: the correctly rounded float64 sum of the exact products, rounded to float32. A plain sum is a first
 * guess, its error is bounded, and where both ends of the bound do not round alike `fsum` decides.
 */

import { fsum } from "./fsum.js";

/** The Euclidean norm of each row of matrices, `size` numbers a row. */
export function rowNorms(matrices: ArrayLike<number>, size: number): Float64Array {
  const norms = new Float64Array(matrices.length / size);
  for (let row = 0; row < norms.length; row++) {
    let sum = 0;
    for (let at = row * size; at < (row + 1) * size; at++) sum += matrices[at]! * matrices[at]!;
    norms[row] = Math.sqrt(sum);
  }
  return norms;
}

/** Maps v -> T v + loc, one after another: the rows of each lower triangular T, their norms, and each loc. */
export interface Maps {
  readonly matrices: Float32Array;
  readonly norms: Float64Array;
  readonly loc: Float32Array;
}

/**
 * Writes T v + loc into `out` from `at` on, each in float32: the product is rounded as the contract says, then the sum.
 *
 * v are the `size` numbers of `vector` from `at` on; T and loc begin at row `from` of `maps`.
 */
export function affine(
  out: Float32Array,
  vector: Float32Array,
  at: number,
  { matrices, norms, loc }: Maps,
  from: number,
  size: number,
): void {
  // In any order, a sum of L terms is within (L - 1) 2^-53 sum |T_ij v_j| of the exact one, to first order, and
  // sum |T_ij v_j| <= |T_i| |v| (Cauchy and Schwarz). Three more terms cover the bound's own roundings.
  let squares = 0;
  for (let j = 0; j < size; j++) squares += vector[at + j]! * vector[at + j]!;
  const share = Math.sqrt(squares) * (size + 2) * 2 ** -53;
  for (let i = 0; i < size; i++) {
    const row = (from + i) * size;
    let sum = 0;
    for (let j = 0; j <= i; j++) sum += matrices[row + j]! * vector[at + j]!; // exact products in float64
    const bound = norms[from + i]! * share;
    let product = Math.fround(sum - bound);
    if (product !== Math.fround(sum + bound)) product = Math.fround(exact(matrices, row, vector, at, i + 1));
    out[at + i] = product + loc[from + i]!;
  }
}

function exact(matrices: Float32Array, row: number, vector: Float32Array, at: number, count: number): number {
  return fsum(Array.from({ length: count }, (_, j) => matrices[row + j]! * vector[at + j]!));
}
