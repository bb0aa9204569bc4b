/** What the page knows of the latent space from the start: codes of the prior, and how active dimensions are. */

import type { Engine, Given } from "./engine.js";

export interface Codes {
  /** (n, L). */
  readonly values: Float32Array;
  /** Mean and standard deviation of each dimension over the codes, (L). */
  readonly mean: Float64Array;
  readonly deviation: Float64Array;
}

const SEED = 0n;
const BATCH = 32;
const BUDGET = 2e9; // multiply-adds: a second or less

/** Draws 0 to n of the prior; of an autoencoder, codes spread like those of its examples. */
export async function drawCodes(engine: Engine, given: Given): Promise<Codes> {
  const size = engine.latentSize;
  const n = Math.max(128, Math.min(2048, Math.floor((1 << 17) / size)));
  if (engine.prior !== "none") return describe(await engine.codes(n, SEED, 0n, given), size);
  const examples = await engine.encodeMeans(engine.examples.pixels, engine.examples.count, given);
  const { mean, deviation } = describe(examples, size);
  const noise = await engine.codes(n, SEED, 0n, given);
  return describe(
    noise.map((eps, i) => mean[i % size] + eps * deviation[i % size]),
    size,
  );
}

/**
 * The activity of each dimension: the variance over images of q(z|x)'s mean (Burda, Grosse & Salakhutdinov 2016), of
 * images that the model generates: 256, or fewer where they are expensive. A dimension that the model ignores has about 0.
 */
export async function measureActivity(engine: Engine, codes: Codes, given: Given): Promise<Float64Array> {
  const size = engine.latentSize;
  const affordable = Math.max(32, Math.floor(BUDGET / Math.max(1, engine.cost)));
  const n = Math.min(256, codes.values.length / size, affordable);
  const means = new Float32Array(n * size);
  for (let at = 0; at < n; at += BATCH) {
    const count = Math.min(BATCH, n - at);
    const decoded = await engine.decode(codes.values.slice(at * size, (at + count) * size), count, given);
    // A normal's sample may leave [0, 1], which no encoder is given.
    const images = decoded.head("sample", SEED, BigInt(at)).map((value) => Math.min(1, Math.max(0, value)));
    means.set(await engine.encodeMeans(images, count, given), at * size);
    await new Promise((resolve) => setTimeout(resolve)); // the page stays alive
  }
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
