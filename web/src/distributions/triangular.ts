/** Lower triangular matrices: the square roots of covariances, of mixtures and of full-covariance normals. */

import { checkFinite } from "../arrays.js";
import { InputError } from "../errors.js";

/** A normal N(loc, T T') of `size` numbers: where its loc begins, and the function of T's entries. */
export interface Member {
  readonly loc: (i: number) => number;
  readonly tril: (row: number, column: number) => number;
}

/** Throws InputError unless the matrices of `size` rows are finite, lower triangular and of positive diagonal. */
export function checkTriangular(matrices: Float32Array, size: number): void {
  checkFinite("scaleTril", matrices);
  for (let row = 0; row * size < matrices.length; row++) {
    const diagonal = row % size;
    if (!(matrices[row * size + diagonal]! > 0))
      throw new InputError("scaleTril should have a diagonal > 0 in float32");
    for (let column = diagonal + 1; column < size; column++) {
      if (matrices[row * size + column] !== 0) {
        throw new InputError("scaleTril should be lower triangular, something stands above its diagonal");
      }
    }
  }
}

/** T^-1 v by forward substitution, as exact as the single matrix element (Higham 2002, section 8.1). */
export function solve(tril: Member["tril"], vector: (row: number) => number, size: number): Float64Array {
  const found = new Float64Array(size);
  for (let row = 0; row < size; row++) {
    let known = 0;
    for (let column = 0; column < row; column++) known += tril(row, column) * found[column]!;
    found[row] = (vector(row) - known) / tril(row, row);
  }
  return found;
}

/** |v|^2; Infinity where it is beyond float64, also where infinities of both signs met on the way. */
export function squaredNorm(vector: Float64Array): number {
  const sum = vector.reduce((total, x) => total + x * x, 0);
  return Number.isNaN(sum) ? Infinity : sum;
}

/**
 * KL(N(p) || N(q)) in nats.
 *
 * With M = S^-1 T, m its diagonal and z = S^-1 (loc_p - loc_q), it is half of
 * sum_i (m_i^2 - 1 - 2 log m_i) + sum_(i > j) M_ij^2 + |z|^2. No term is negative, and all are 0 where the two agree.
 */
export function divergence(p: Member, q: Member, size: number): number {
  let total = squaredNorm(solve(q.tril, (i) => p.loc(i) - q.loc(i), size));
  for (let column = 0; column < size; column++) {
    const m = solve(q.tril, (row) => (row < column ? 0 : p.tril(row, column)), size);
    for (let row = column + 1; row < size; row++) total += m[row]! ** 2;
    const logRatio = Math.log(p.tril(column, column)) - Math.log(q.tril(column, column));
    total += Math.expm1(2 * logRatio) - 2 * logRatio; // expm1 keeps its digits where the two are close
  }
  return total / 2;
}
