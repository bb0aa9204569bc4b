/** Dense arrays as the package takes and gives them: `dims`, and `data` in row-major order. */

/** What a graph, a distribution or a VAE gives. */
export interface Float32Tensor {
  readonly dims: readonly number[];
  readonly data: Float32Array;
}

/** Log-probabilities, entropies and divergences, in nats. */
export interface Float64Tensor {
  readonly dims: readonly number[];
  readonly data: Float64Array;
}

/** What the package takes: numbers in row-major order, with their shape or without it where that is clear. */
export type Numbers = ArrayLike<number> | { readonly dims: readonly number[]; readonly data: ArrayLike<number> };
