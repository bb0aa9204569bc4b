/** What the page knows of the latent space before anybody touches it: codes of the prior, and how active dimensions are. */

import type { Engine, Given } from "./engine.js";

export interface Codes {
  /** (n, L). */
  readonly values: Float32Array;
  /** Mean and standard deviation of each dimension over the codes, (L). */
  readonly mean: Float64Array;
  readonly deviation: Float64Array;
}

const SEED = 0n;

/** Draws 0 to n of the prior; of an autoencoder, codes spread like those of its examples. */
export async function drawCodes(engine: Engine, given: Given): Promise<Codes> {
  const size = engine.latentSize;
  const n = Math.max(128, Math.min(2048, Math.floor((1 << 17) / size)));
  if (engine.prior !== "none") return describe(engine.codes(n, SEED, 0n), size);
  const examples = await engine.encodeMeans(engine.examples.pixels, engine.examples.count, given);
  const { mean, deviation } = describe(examples, size);
  const noise = engine.codes(n, SEED, 0n);
  return describe(noise.map((eps, i) => mean[i % size] + eps * deviation[i % size]), size);
}

/**
 * The activity of each dimension: the variance over images of q(z|x)'s mean (Burda, Grosse & Salakhutdinov 2016), of 256 images
 * that the model generates. A dimension that the model ignores has about 0.
 */
export async function measureActivity(engine: Engine, codes: Codes, given: Given): Promise<Float64Array> {
  const size = engine.latentSize;
  const n = Math.min(256, codes.values.length / size);
  const decoded = await engine.decode(codes.values.subarray(0, n * size), n, given);
  // A normal's sample may leave [0, 1], which no encoder is given.
  const images = decoded.head("sample", SEED, 0n).map((value) => Math.min(1, Math.max(0, value)));
  const means = await engine.encodeMeans(images, n, given);
  return describe(means, size).deviation.map((value) => value * value);
}

function describe(values: Float32Array, size: number): Codes {
  const n = values.length / size;
  const mean = new Float64Array(size);
  const square = new Float64Array(size);
  values.forEach((value, i) => (mean[i % size] += value / n));
  values.forEach((value, i) => (square[i % size] += (value - mean[i % size]) ** 2 / n));
  return { values, mean, deviation: square.map(Math.sqrt) };
}
