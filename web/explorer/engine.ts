/** The VAE as the page uses it: one code in, three pictures out. */

export type Head = "sample" | "mean" | "mode";
export const HEADS: readonly Head[] = ["sample", "mean", "mode"];

/** What a conditional model is given: the number of a label, or real numbers. */
export interface Given {
  readonly label?: number;
  readonly condition?: Float32Array;
}

/** What draws of the prior are given. */
export interface PriorGiven extends Given {
  /** 1 where nothing is said. */
  readonly temperature?: number;
}

/** q(z|x) of one event. */
export interface Posterior {
  /** The mean, (L). */
  readonly mean: Float32Array;
  /** T'a of a direction `a`, for a covariance T T': the spread along directions is made of such products. */
  spread(direction: Float64Array): Float64Array;
}

/** p(x|z) of a batch of codes. */
export interface Decoded {
  /** Pixels (B, H, W, C) in [0, 1]; member b of a sample has the noise of draw `start` + b of `seed`. */
  head(head: Head, seed: bigint, start: bigint): Float32Array;
}

/** A loaded VAE of images. */
export interface Engine {
  readonly name: string;
  /** Sentences for the foot of the page: digest, what computes, precision. */
  readonly about: string;
  readonly height: number;
  readonly width: number;
  readonly channels: number;
  /** A pixel is 1 where it is above, else 0; null where pixels stay as they are. */
  readonly threshold: number | null;
  readonly likelihood: string;
  /** Multiply-adds to encode one image and decode it. */
  readonly cost: number;
  readonly latentSize: number;
  /** "normal", "mixture", "flow", or "none": an autoencoder, which has nothing to generate from. */
  readonly prior: string;
  readonly labels: readonly string[];
  /** Names of the numbers of a vector condition; [] where it takes none. */
  readonly numbers: readonly string[];
  /** Events that the bundle brings, (B, H, W, C), and how many. */
  readonly examples: { readonly pixels: Float32Array; readonly count: number };
  encode(x: Float32Array, given: Given): Promise<Posterior>;
  /** q(z|x)'s mean of n events, (n, L). */
  encodeMeans(x: Float32Array, n: number, given: Given): Promise<Float32Array>;
  decode(z: Float32Array, n: number, given: Given): Promise<Decoded>;
  /**
   * Draws `start` to `start` + n of the prior, (n, L), of the condition where it follows one; of a standard normal
   * where there is none.
   */
  codes(n: number, seed: bigint, start: bigint, given: PriorGiven): Promise<Float32Array>;
  generate(n: number, head: Head, seed: bigint, start: bigint, given: PriorGiven): Promise<Float32Array>;
}
