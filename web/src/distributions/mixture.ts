/** Mixtures of normals, as priors. */

import { checkFinite, isSame, owned, read, text } from "../arrays.js";
import { InputError } from "../errors.js";
import { affine, fsum, normals, Purpose, rowNorms, uniforms, type Place } from "../noise/index.js";
import type { Float32Tensor, Float64Tensor, Numbers } from "../tensor.js";
import { Distribution, LOG_2_PI, sum } from "./base.js";
import { checkTriangular, solve, squaredNorm } from "./triangular.js";

const DRAWS_AT_ONCE = 4096;

/**
 * A prior of K normals: weights (K), loc (K, L), scaleTril (K, L, L); batchShape [], eventShape [L].
 *
 * A component's covariance is T T', T being lower triangular with a positive diagonal. Draw i takes its component from
 * Purpose.COMPONENT and its noise from Purpose.PRIOR.
 */
export class Mixture extends Distribution {
  readonly family = "mixture";
  readonly weights: Float64Array;
  readonly loc: Float32Array;
  readonly scaleTril: Float32Array;
  readonly #given: Float64Array;
  readonly #edges: Float64Array;
  readonly #norms: Float64Array;
  readonly #constants: Float64Array;

  constructor(weights: Numbers, loc: Numbers, scaleTril: Numbers) {
    const given = read("weights", weights);
    const mean = owned("loc", loc);
    const tril = owned("scaleTril", scaleTril);
    const [k, size] = mean.dims;
    if (mean.dims.length !== 2 || !isSame(given.dims, [k!]) || !isSame(tril.dims, [k!, size!, size!])) {
      throw new InputError(
        "weights, loc and scaleTril should have shapes (K), (K, L) and (K, L, L), they have " +
          `${text(given.dims)}, ${text(mean.dims)} and ${text(tril.dims)}`,
      );
    }
    super([], [size!]);
    if (k === 0) throw new InputError("a Mixture should have at least one component, it has none");
    checkFinite("loc", mean.data);
    checkTriangular(tril.data, size!);
    const wide = new Float64Array(given.data);
    const total = fsum(wide); // exact, so that no component's edge depends on the order of a sum
    if (!wide.every((w) => w >= 0) || !(Math.abs(total - 1) < 1e-3)) {
      throw new InputError(`a mixture's weights should be >= 0 and sum to 1, they sum to ${total}`);
    }
    this.#given = wide;
    this.weights = wide.map((w) => w / total);
    this.loc = mean.data;
    this.scaleTril = tril.data;
    let edge = 0;
    this.#edges = this.weights.slice(0, -1).map((w) => (edge += w));
    this.#norms = rowNorms(tril.data, size!);
    this.#constants = this.weights.map(
      (w, c) =>
        Math.log(w) - (size! * LOG_2_PI) / 2 - sum(size!, (i) => Math.log(tril.data[(c * size! + i) * size! + i]!)),
    );
  }

  /**
   * The mixture with each scaleTril times `temperature`, a float32 > 0: below 1, draws keep nearer to loc.
   *
   * Throws InputError where a scaleTril is then not finite, or a diagonal not > 0, in float32.
   */
  atTemperature(temperature: number): Mixture {
    const t = Math.fround(temperature);
    const dims = [this.weights.length, this.size];
    const tril = { dims: [...dims, this.size], data: this.scaleTril.map((each) => each * t) };
    // #given again: weights that are divided by their sum a second time may change in the last bit
    return new Mixture(this.#given, { dims, data: this.loc }, tril);
  }

  /** The component of each of n draws: the number of edges <= u. */
  components(at: Place, n: number): Uint32Array {
    return Uint32Array.from(uniforms(Purpose.COMPONENT, at, n), (u) => {
      let low = 0,
        high = this.#edges.length;
      while (low < high) {
        const middle = (low + high) >> 1;
        if (this.#edges[middle]! <= u) low = middle + 1;
        else high = middle;
      }
      return low;
    });
  }

  /** z = loc_k + T_k eps: the product rounded to float32 as the contract says, then the sum. */
  protected writeSample(out: Float32Array, at: Place): void {
    const { size } = this;
    const n = out.length / size;
    const maps = { matrices: this.scaleTril, norms: this.#norms, loc: this.loc };
    for (let first = 0; first < n; first += DRAWS_AT_ONCE) {
      const count = Math.min(DRAWS_AT_ONCE, n - first);
      const here = { ...at, start: at.start + BigInt(first) };
      const k = this.components(here, count);
      const eps = normals(Purpose.PRIOR, here, count, size);
      const part = out.subarray(first * size, (first + count) * size);
      for (let i = 0; i < count; i++) {
        affine(part, eps, i * size, maps, k[i]! * size, size);
      }
    }
  }

  protected override writeMean(out: Float32Array): void {
    for (let i = 0; i < this.size; i++) out[i] = this.meanOf(i);
  }

  override variance(): Float32Tensor {
    return this.filled((out) => {
      for (let i = 0; i < this.size; i++) out[i] = this.varianceOf(i);
    });
  }

  override stddev(): Float32Tensor {
    return this.filled((out) => {
      for (let i = 0; i < this.size; i++) out[i] = Math.sqrt(this.varianceOf(i));
    });
  }

  override logProb(value: Numbers): Float64Tensor {
    const { dims, data } = this.value(value);
    const joint = new Float64Array(this.weights.length);
    return this.perEvent(dims, (first) => {
      if (data.subarray(first, first + this.size).some(Number.isNaN)) return NaN;
      joint.forEach((_, k) => (joint[k] = this.logJoint(k, data, first)));
      const top = Math.max(...joint);
      return top === -Infinity ? top : top + Math.log(joint.reduce((total, each) => total + Math.exp(each - top), 0));
    });
  }

  /** log w_k N(z; m_k, T_k T_k'), z = data[first ...]. The difference z - m first: it is exact where the two are close. */
  private logJoint(k: number, data: Float64Array, first: number): number {
    const { size, loc, scaleTril } = this;
    const row0 = k * size;
    const white = solve(
      (row, column) => scaleTril[(row0 + row) * size + column]!,
      (i) => data[first + i]! - loc[row0 + i]!,
      size,
    );
    return this.#constants[k]! - squaredNorm(white) / 2;
  }

  private meanOf(i: number): number {
    return sum(this.weights.length, (k) => this.weights[k]! * this.loc[k * this.size + i]!);
  }

  /** Var[x] = E[diag T T'] + Var[m] */
  private varianceOf(i: number): number {
    const mean = this.meanOf(i);
    return sum(this.weights.length, (k) => {
      const at = k * this.size + i;
      return this.weights[k]! * ((this.loc[at]! - mean) ** 2 + this.#norms[at]! ** 2);
    });
  }
}
