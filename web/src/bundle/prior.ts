/**
 * The prior of a bundle. The arrays of a mixture are weights (K), loc (K, L), and the rows of each lower triangle.
 *
 * Where each of Y labels has weights of its own, they are (Y, K): p(z|y), mixtures of the same normals.
 * With precision fp16 loc and lower are float16; with int8 they are int8 with a step for each column.
 */

import { Mixture, Normal } from "../distributions/index.js";
import type { Stored } from "../prior.js";
import { FLOW, MIXTURE, NO_PRIOR } from "../distributions/registry.js";
import { InputError, IntegrityError } from "../errors.js";
import { Purpose } from "../noise/index.js";
import { halfToFloat, parseNpz, type Dtype, type Expected, type NpyArray } from "./npz.js";
import type { Manifest } from "./schema.js";

const STORED: Record<Manifest["precision"], Dtype> = { fp32: "<f4", fp16: "<f2", int8: "|i1" };

/**
 * p(z) of a bundle, or a mixture for each label; undefined where no arrays hold it: a flow's, an autoencoder's.
 *
 * `files` holds the bytes. Throws IntegrityError.
 */
export function openPrior(manifest: Manifest, files: ReadonlyMap<string, Uint8Array>): Stored {
  const { prior, precision, latentSize: size } = manifest;
  if (prior.family === NO_PRIOR || prior.family === FLOW) return undefined;
  if (prior.family !== MIXTURE) {
    return new Normal(new Float32Array(size), new Float32Array(size).fill(1), { purpose: Purpose.PRIOR });
  }
  const name = prior.file!.name;
  const { components, labels } = prior.constants;
  const found = mixtures(files.get(name)!, name, components!, size, precision, labels);
  return labels === undefined ? found[0] : found;
}

function mixtures(
  data: Uint8Array,
  name: string,
  k: number,
  size: number,
  precision: Manifest["precision"],
  labels?: number,
): Mixture[] {
  const width = (size * (size + 1)) / 2;
  const dtype = STORED[precision];
  const expected: Expected = {
    weights: { dtype: "<f4", shape: labels === undefined ? [k] : [labels, k] },
    loc: { dtype, shape: [k, size] },
    lower: { dtype, shape: [k, width] },
    ...(precision === "int8" && {
      loc_step: { dtype: "<f4", shape: [size] },
      lower_step: { dtype: "<f4", shape: [width] },
    }),
  };
  const found = parseNpz(data, name, expected);
  const loc = widened(found.get("loc")!, dtype, found.get("loc_step"));
  const lower = widened(found.get("lower")!, dtype, found.get("lower_step"));
  try {
    const weights = found.get("weights")!.data as Float32Array;
    const tril = { dims: [k, size, size], data: squares(lower, k, size) };
    return Array.from({ length: labels ?? 1 }, (_, label) => {
      return new Mixture(weights.subarray(label * k, (label + 1) * k), { dims: [k, size], data: loc }, tril);
    });
  } catch (error) {
    if (!(error instanceof InputError)) throw error;
    throw new IntegrityError(`${name} is no mixture (${error.message}); export the bundle again`, { cause: error });
  }
}

/** The numbers in float32: int8 times its column's step, float16 and float32 as they are. */
function widened({ data }: NpyArray, dtype: Dtype, step?: NpyArray): Float32Array {
  const stored = data as Float32Array | Uint16Array | Int8Array;
  const steps = step?.data as Float32Array | undefined;
  return Float32Array.from(stored, (value, i) =>
    steps ? value * steps[i % steps.length]! : dtype === "<f2" ? halfToFloat(value) : value,
  );
}

/** Matrices (K, L, L) of the rows of their lower triangles. */
function squares(lower: Float32Array, k: number, size: number): Float32Array {
  const out = new Float32Array(k * size * size);
  let at = 0;
  for (let row = 0; row < k * size; row++) {
    for (let column = 0; column <= row % size; column++) out[row * size + column] = lower[at++]!;
  }
  return out;
}
