/** Pixels of a number of levels, each with a probability of its own. */

import { owned } from "../arrays.js";
import { InputError } from "../errors.js";
import { Purpose, words32, type Place } from "../noise/index.js";
import type { Float32Tensor, Float64Tensor, Numbers } from "../tensor.js";
import { Distribution, eventAxes, full, sum, type AxesOptions, type Family } from "./base.js";
import { checkLevels, indices, MOST_LEVELS } from "./levels.js";

/**
 * Pixels k / (levels - 1), P(k) = softmax(logits)_k.
 *
 * `logits` (B, H, W, C, levels) or (H, W, C, levels) may be -Infinity, where a level has probability 0.
 */
export class Categorical extends Distribution {
  readonly family = "categorical";
  readonly logits: Float32Array;
  readonly levels: number;

  constructor(logits: Numbers, options: AxesOptions = {}) {
    const { dims, data } = owned("logits", logits);
    super(...eventAxes("logits without their last axis", dims.slice(0, -1), options, 3));
    this.logits = data;
    this.levels = checkLevels(dims[dims.length - 1]!);
    for (let pixel = 0; pixel * this.levels < data.length; pixel++) {
      if (!Number.isFinite(this.top(pixel))) {
        throw new InputError(
          "logits should be numbers or -Infinity, one of each pixel's finite: there is a NaN, +Infinity, or a pixel " +
            "of -Infinity alone",
        );
      }
    }
  }

  /** The first level k with c_k > u c_(levels - 1), c the running sums of exp(logits_k - the largest), in float64. */
  protected writeSample(out: Float32Array, at: Place): void {
    const { levels, size } = this;
    const n = out.length / size;
    const step = this.batchShape.length === 0 ? 0 : size;
    const sums = new Float64Array(levels);
    const { data: words, stride } = words32(Purpose.PIXEL, at, n, size);
    for (let row = 0; row < n; row++) {
      for (let j = 0; j < size; j++) {
        let total = 0;
        this.eachWeight(row * step + j, (weight, k) => (sums[k] = total += weight));
        const edge = (words[row * stride + j]! + 0.5) * 2 ** -32 * total;
        let k = 0;
        while (!(sums[k]! > edge)) k++;
        out[row * size + j] = k / (levels - 1);
      }
    }
  }

  protected override writeMean(out: Float32Array): void {
    for (let i = 0; i < out.length; i++) out[i] = this.moments(i).mean;
  }

  protected override writeMode(out: Float32Array): void {
    for (let i = 0; i < out.length; i++) {
      const first = i * this.levels;
      out[i] = this.logits.subarray(first, first + this.levels).indexOf(this.top(i)) / (this.levels - 1);
    }
  }

  override variance(): Float32Tensor {
    return this.filled((out) => {
      for (let i = 0; i < out.length; i++) out[i] = this.moments(i).variance;
    });
  }

  /** log P(value) in nats; `value` is of pixels k / (levels - 1), within 1e-4. Throws InputError for others. */
  override logProb(value: Numbers): Float64Tensor {
    const { dims, data } = this.value(value);
    const k = indices(data, this.levels);
    return this.perEvent(dims, (first, parameter) =>
      sum(this.size, (j) => this.logits[(parameter + j) * this.levels + k[first + j]!]! - this.logTotal(parameter + j)),
    );
  }

  override entropy(): Float64Tensor {
    return this.perEvent([...this.batchShape, ...this.eventShape], (first) =>
      sum(this.size, (j) => {
        const logTotal = this.logTotal(first + j);
        return -this.expectation(first + j, (k) => this.logits[(first + j) * this.levels + k]! - logTotal);
      }),
    );
  }

  override klDivergence(other: Distribution): Float64Tensor {
    if (!(other instanceof Categorical)) return super.klDivergence(other);
    if (this.levels !== other.levels) {
      throw new InputError(`both should have the same levels, they have ${this.levels} and ${other.levels}`);
    }
    return this.perPair(other, (mine, theirs) =>
      sum(this.size, (j) => {
        const [a, b] = [mine + j, theirs + j];
        const shift = other.logTotal(b) - this.logTotal(a);
        const ratio = (k: number) => this.logits[a * this.levels + k]! - other.logits[b * this.levels + k]! + shift;
        return Math.max(this.expectation(a, ratio), 0); // where p and q all but agree, rounding leaves -1e-16
      }),
    );
  }

  /** The largest logit of a pixel; NaN where one is. */
  private top(pixel: number): number {
    let top = -Infinity;
    const first = pixel * this.levels;
    for (let k = 0; k < this.levels; k++) top = Math.max(top, this.logits[first + k]!);
    return top;
  }

  /** exp(logit - the largest) of each level: probabilities, times a number that is theirs all. */
  private eachWeight(pixel: number, use: (weight: number, k: number) => void): void {
    const first = pixel * this.levels;
    const top = this.top(pixel);
    for (let k = 0; k < this.levels; k++) use(Math.exp(this.logits[first + k]! - top), k);
  }

  private logTotal(pixel: number): number {
    let total = 0;
    this.eachWeight(pixel, (weight) => (total += weight));
    return this.top(pixel) + Math.log(total);
  }

  private moments(pixel: number): { mean: number; variance: number } {
    let total = 0,
      first = 0,
      second = 0;
    this.eachWeight(pixel, (weight, k) => {
      total += weight;
      first += weight * k;
    });
    const mean = first / total;
    this.eachWeight(pixel, (weight, k) => (second += weight * (k - mean) ** 2));
    const last = this.levels - 1;
    return { mean: mean / last, variance: second / total / last ** 2 };
  }

  /** sum_k p_k value_k, a level of probability 0 adding 0. */
  private expectation(pixel: number, value: (k: number) => number): number {
    const logTotal = this.logTotal(pixel);
    return sum(this.levels, (k) => {
      const p = Math.exp(this.logits[pixel * this.levels + k]! - logTotal);
      return p > 0 ? p * value(k) : 0;
    });
  }
}

export const categorical: Family = {
  name: "categorical",
  roles: ["likelihood"],
  parameters: { logits: "real" },
  settings: { levels: [2, MOST_LEVELS] },
  isLocationScale: false,
  parameterShapes: (eventShape, settings) => ({ logits: [...eventShape, settings.levels!] }),
  fromParameters(parameters, settings, eventShape) {
    const { logits } = full(this, parameters, settings, eventShape);
    return new Categorical(logits!, { eventAxes: eventShape.length });
  },
};
