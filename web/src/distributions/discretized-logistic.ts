/** Logistic distributions rounded to the levels of a pixel (Kingma et al. 2016; Salimans et al. 2017). */

import { checkFinite, checkPositive, fits, owned, spread, text } from "../arrays.js";
import { InputError } from "../errors.js";
import { logisticQuantiles, Purpose, words16, type Place } from "../noise/index.js";
import type { Float32Tensor, Float64Tensor, Numbers } from "../tensor.js";
import { Distribution, eventAxes, full, sum, type AxesOptions, type Family } from "./base.js";
import { checkLevels, indices, MOST_LEVELS, roundToEven } from "./levels.js";
import * as rounded from "./rounded-logistic.js";

export interface LevelsOptions extends AxesOptions {
  readonly levels?: number;
}

/**
 * Pixels k / (levels - 1): a logistic draw of `loc` and `scale`, rounded to the nearest level.
 *
 * `loc` (B, H, W, C) or (H, W, C) and `scale` > 0, which broadcasts to it, are in pixels: all levels span [0, 1].
 */
export class DiscretizedLogistic extends Distribution {
  readonly family = "discretized_logistic";
  readonly loc: Float32Array;
  readonly scale: Float32Array;
  readonly levels: number;

  constructor(loc: Numbers, scale: Numbers, options: LevelsOptions = {}) {
    const mean = owned("loc", loc);
    const width = owned("scale", scale);
    super(...eventAxes("loc", mean.dims, options, 3));
    if (!fits(width.dims, mean.dims)) {
      throw new InputError(`scale should broadcast to loc, ${text(mean.dims)}, it has ${text(width.dims)}`);
    }
    checkFinite("loc", mean.data);
    checkPositive("scale", width.data);
    this.loc = mean.data;
    this.scale = spread(width.data, width.dims, mean.dims);
    this.levels = checkLevels(options.levels ?? 256);
  }

  /** x = loc + scale * t, t the logistic quantile of the pixel's 16-bit word; then to a level. All in float32. */
  protected writeSample(out: Float32Array, at: Place): void {
    const { loc, scale, size } = this;
    const n = out.length / size;
    const step = this.batchShape.length === 0 ? 0 : size;
    const last = this.levels - 1;
    const table = logisticQuantiles();
    const { data: words, stride } = words16(Purpose.PIXEL, at, n, size);
    for (let row = 0; row < n; row++) {
      for (let j = 0; j < size; j++) {
        const x = Math.fround(
          Math.fround(table[words[row * stride + j]!]! * scale[row * step + j]!) + loc[row * step + j]!,
        );
        out[row * size + j] = roundToEven(Math.min(Math.max(Math.fround(x * last), 0), last)) / last;
      }
    }
  }

  protected override writeMean(out: Float32Array): void {
    this.writeLevels(out, rounded.mean);
  }

  protected override writeMode(out: Float32Array): void {
    this.writeLevels(out, rounded.mode);
  }

  private writeLevels(out: Float32Array, levelOf: (m: number, s: number, last: number) => number): void {
    const last = this.levels - 1;
    for (let i = 0; i < out.length; i++) out[i] = levelOf(this.loc[i]! * last, this.scale[i]! * last, last) / last;
  }

  /** Var[x], of shape batchShape + eventShape: a sum over all levels. */
  override variance(): Float32Tensor {
    return this.filled((out) => {
      for (let i = 0; i < out.length; i++) {
        const centre = Math.min(Math.max(this.loc[i]!, 0), 1);
        let first = 0,
          second = 0;
        for (let k = 0; k < this.levels; k++) {
          const x = k / (this.levels - 1) - centre;
          const p = Math.exp(this.logMass(k, i));
          first += p * x;
          second += p * x * x;
        }
        out[i] = second - first * first;
      }
    });
  }

  /** log P(value) in nats; `value` is of pixels k / (levels - 1), within 1e-4. Throws InputError for others. */
  override logProb(value: Numbers): Float64Tensor {
    const { dims, data } = this.value(value);
    const k = indices(data, this.levels);
    return this.perEvent(dims, (first, parameter) => sum(this.size, (j) => this.logMass(k[first + j]!, parameter + j)));
  }

  /** -E[log P(x)] in nats, of shape batchShape: a sum over all levels. */
  override entropy(): Float64Tensor {
    return this.perEvent([...this.batchShape, ...this.eventShape], (first) =>
      sum(
        this.size,
        (j) =>
          -sum(this.levels, (k) => {
            const logP = this.logMass(k, first + j);
            return logP === -Infinity ? 0 : Math.exp(logP) * logP;
          }),
      ),
    );
  }

  private logMass(k: number, i: number): number {
    const last = this.levels - 1;
    return rounded.logMass(k, this.loc[i]! * last, this.scale[i]! * last, last);
  }
}

export const discretizedLogistic: Family = {
  name: "discretized_logistic",
  roles: ["likelihood"],
  parameters: { loc: "real", scale: "positive" },
  settings: { levels: [2, MOST_LEVELS] },
  isLocationScale: true,
  parameterShapes: (eventShape) => ({ loc: eventShape, scale: eventShape }),
  fromParameters(parameters, settings, eventShape) {
    const { loc, scale } = full(this, parameters, settings, eventShape);
    return new DiscretizedLogistic(loc!, scale!, { levels: settings.levels!, eventAxes: eventShape.length });
  },
};
