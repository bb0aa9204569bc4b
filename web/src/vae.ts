/** The VAE in TypeScript: two graphs, a prior, and the heads of the likelihood. */

import type { EventSpec, Manifest } from "./bundle/schema.js";
import { VaeEdgeError } from "./errors.js";
import type { Backend } from "./graph.js";
import type { GraphOptions } from "./graphs.js";
import type { Float32Tensor, Float64Tensor, Numbers } from "./tensor.js";

/** What makes an event of p(x|z): one draw, the mean, or the likeliest value. */
export type Head = "sample" | "mean" | "mode";

/** A whole number: a seed in 0 .. 2^64 - 1, or the number of a draw. Past 2^53 it is a bigint or a decimal string. */
export type Whole = number | bigint | string;

/** A label by name or number, or one for each event. */
export type Label = string | number | readonly (string | number)[];

/** The files of a bundle by name, "manifest.json" among them. */
export type Files = Readonly<Record<string, Uint8Array | ArrayBuffer | Blob>>;

export interface LoadOptions extends GraphOptions {
  /** The digest that the manifest should have, 64 hexadecimal digits: the bundle is this one, or an error. */
  readonly digest?: string;
  /** The most bytes that a file may have; 64 MiB where nothing is said. */
  readonly maxFileBytes?: number;
  /** In place of the global `fetch`. */
  readonly fetch?: typeof fetch;
}

/** What a conditional model is given beside x or z. */
export interface Given {
  readonly label?: Label;
  readonly condition?: Numbers;
}

export interface GenerateOptions extends Given {
  readonly head?: Head;
  readonly seed?: Whole;
  readonly start?: Whole;
}

export interface StreamOptions extends GenerateOptions {
  readonly batchSize?: number;
}

export interface ReconstructOptions extends GenerateOptions {
  /** Which z is decoded: the mean of q(z|x), or one sample of it. */
  readonly latent?: "mean" | "sample";
}

export interface SampleOptions {
  readonly seed: Whole;
  readonly start?: Whole;
  readonly stream?: Whole;
  /** How many draws, () where nothing is said. */
  readonly sampleShape?: number | readonly number[];
}

/** What every distribution promises, with the names of TensorFlow Probability's in camelCase. */
export interface Distribution {
  readonly family: string;
  readonly batchShape: readonly number[];
  readonly eventShape: readonly number[];
  sample(options: SampleOptions): Float32Tensor;
  mean(): Float32Tensor;
  mode(): Float32Tensor;
  variance(): Float32Tensor;
  stddev(): Float32Tensor;
  logProb(value: Numbers): Float64Tensor;
  entropy(): Float64Tensor;
  klDivergence(other: Distribution): Float64Tensor;
}

function pending(): never {
  throw new VaeEdgeError("not written yet");
}

export class VAE {
  declare readonly manifest: Manifest;
  /** What computes the graphs. */
  declare readonly backend: Backend;
  declare readonly event: EventSpec;
  /** L, the size of z. */
  declare readonly latentSize: number;
  /** [H, W, C] of images, [size] of vectors. */
  declare readonly eventShape: readonly number[];
  /** The names of a conditional model's labels; [] where it takes none. */
  declare readonly labels: readonly string[];
  /** p(z); an autoencoder has none, which is an InputError. */
  declare readonly prior: Distribution;

  /** The VAE of a bundle: a folder's URL (in Node also a path), or its files. */
  static async load(_source: string | URL | Files, _options: LoadOptions = {}): Promise<VAE> {
    return pending();
  }

  /** Events as the model knows them, (B, ...eventShape): what `logProb` of a decoded distribution takes. */
  prepare(_x: Numbers): Float32Tensor {
    return pending();
  }

  /** q(z|x) of each event. */
  async encode(_x: Numbers, _given: Given = {}): Promise<Distribution> {
    return pending();
  }

  /** p(x|z) of each latent vector (B, L). */
  async decode(_z: Numbers, _given: Given = {}): Promise<Distribution> {
    return pending();
  }

  /** n new events, (n, ...eventShape): events start to start + n of this seed's endless series. */
  async generate(_n: number, _options: GenerateOptions = {}): Promise<Float32Tensor> {
    return pending();
  }

  /** The events of `generate` in batches; memory does not grow with n. */
  stream(_n: Whole, _options: StreamOptions = {}): AsyncIterableIterator<Float32Tensor> {
    return pending();
  }

  /** Each event through z and back, (B, ...eventShape). */
  async reconstruct(_x: Numbers, _options: ReconstructOptions = {}): Promise<Float32Tensor> {
    return pending();
  }

  /** (steps, ...eventShape): from event a to event b in equal steps between the means of their posteriors. */
  async interpolate(_a: Numbers, _b: Numbers, _steps: number, _options: GenerateOptions = {}): Promise<Float32Tensor> {
    return pending();
  }

  /** Frees both graphs; the VAE cannot run afterwards. */
  dispose(): void {
    pending();
  }
}
