/** Diagonal normal distributions, over vectors and over images. */

import { checkFinite, fits, isSame, owned, spread, text } from "../arrays.js";
import { InputError } from "../errors.js";
import { normalQuantiles, normals, Purpose, words16, type Place } from "../noise/index.js";
import type { Float32Tensor, Float64Tensor, Numbers } from "../tensor.js";
import { Distribution, eventAxes, full, LOG_2_PI, sum, type AxesOptions, type Family } from "./base.js";

export interface NormalOptions extends AxesOptions {
  /** Where draws take their noise from; POSTERIOR for vectors and PIXEL for images where nothing is said. */
  readonly purpose?: Purpose;
}

/**
 * Diagonal normal distributions N(loc, scale^2): loc (B, L), (L), (B, H, W, C) or (H, W, C).
 *
 * `scale` >= 0 broadcasts to `loc`; one number is `[0.5]`. Where a scale is 0 it is a point: it has samples and moments
 * but no density.
 */
export class Normal extends Distribution {
  readonly family = "normal";
  readonly loc: Float32Array;
  readonly scale: Float32Array;
  readonly #purpose: Purpose;

  constructor(loc: Numbers, scale: Numbers, options: NormalOptions = {}) {
    const mean = owned("loc", loc);
    const deviation = owned("scale", scale);
    const usual = mean.dims.length < 3 ? 1 : 3;
    super(...eventAxes("loc", mean.dims, options, usual));
    const isOne = deviation.data.length === 1 && deviation.dims.length <= 1;
    const broadcasts = this.eventShape.length > 1 && fits(deviation.dims, mean.dims);
    if (!isOne && !broadcasts && !isSame(deviation.dims, mean.dims)) {
      throw new InputError(
        `scale should have the shape of loc, ${text(mean.dims)}, or be one number; it has ${text(deviation.dims)}`,
      );
    }
    checkFinite("loc", mean.data);
    if (!deviation.data.every((s) => s >= 0 && s < Infinity)) {
      throw new InputError("scale should be finite and >= 0, there is a NaN, an infinity or a negative number in it");
    }
    this.loc = mean.data;
    this.scale = spread(deviation.data, isOne ? [] : deviation.dims, mean.dims);
    this.#purpose = options.purpose ?? (this.eventShape.length === 1 ? Purpose.POSTERIOR : Purpose.PIXEL);
  }

  /** z = loc + scale * eps, in float32: the product is rounded, then the sum. */
  protected writeSample(out: Float32Array, at: Place): void {
    const { loc, scale, size } = this;
    const n = out.length / size;
    const step = this.batchShape.length === 0 ? 0 : size;
    const eps = this.noise(at, n);
    for (let row = 0; row < n; row++) {
      for (let j = 0; j < size; j++) {
        const i = row * size + j;
        out[i] = Math.fround(eps[i]! * scale[row * step + j]!) + loc[row * step + j]!;
      }
    }
  }

  private noise(at: Place, n: number): Float32Array {
    const { size } = this;
    if (this.eventShape.length === 1) return normals(this.#purpose, at, n, size);
    // An image's normals come from a table of 2^16 quantiles, which misses the distribution function by 2^-17 at most.
    const table = normalQuantiles();
    const { data: words, stride } = words16(this.#purpose, at, n, size);
    const out = new Float32Array(n * size);
    for (let row = 0; row < n; row++) {
      for (let j = 0; j < size; j++) out[row * size + j] = table[words[row * stride + j]!]!;
    }
    return out;
  }

  protected override writeMean(out: Float32Array): void {
    out.set(this.loc);
  }

  protected override writeMode(out: Float32Array): void {
    out.set(this.loc);
  }

  override stddev(): Float32Tensor {
    return this.filled((out) => out.set(this.scale));
  }

  override variance(): Float32Tensor {
    return this.filled((out) => this.scale.forEach((s, i) => (out[i] = s * s)));
  }

  override logProb(value: Numbers): Float64Tensor {
    this.checkDensity();
    const { dims, data } = this.value(value);
    return this.perEvent(dims, (first, parameter) =>
      sum(this.size, (j) => {
        const s = this.scale[parameter + j]!;
        const z = (data[first + j]! - this.loc[parameter + j]!) / s;
        // log N(x; loc, scale^2) = -z^2 / 2 - log(scale) - log(2 pi) / 2
        return -(z * z) / 2 - Math.log(s) - LOG_2_PI / 2;
      }),
    );
  }

  override entropy(): Float64Tensor {
    this.checkDensity();
    return this.perEvent([...this.batchShape, ...this.eventShape], (first) =>
      sum(this.size, (j) => Math.log(this.scale[first + j]!) + (1 + LOG_2_PI) / 2),
    );
  }

  override klDivergence(other: Distribution): Float64Tensor {
    if (!(other instanceof Normal)) return other.divergenceFrom(this);
    this.checkDensity();
    other.checkDensity();
    return this.perPair(other, (mine, theirs) =>
      sum(this.size, (j) => {
        const s = other.scale[theirs + j]!;
        const z = (this.loc[mine + j]! - other.loc[theirs + j]!) / s;
        const logRatio = Math.log(this.scale[mine + j]! / s);
        // KL(N1 || N2) = ((s1 / s2)^2 - 1 + z^2) / 2 - log(s1 / s2); expm1 keeps its digits where s1 is close to s2
        return (Math.expm1(2 * logRatio) + z * z) / 2 - logRatio;
      }),
    );
  }

  /** Throws InputError where a scale is 0. */
  checkDensity(): void {
    if (this.scale.includes(0)) {
      throw new InputError("a Normal of scale 0 (an autoencoder's code) is a point, it has no density: use mean()");
    }
  }
}

export const normal: Family = {
  name: "normal",
  roles: ["posterior", "likelihood", "prior"],
  parameters: { loc: "real", scale: "positive" },
  settings: {},
  isLocationScale: true,
  parameterShapes: (eventShape) => ({ loc: eventShape, scale: eventShape }),
  fromParameters(parameters, settings, eventShape, purpose) {
    const { loc, scale } = full(this, parameters, settings, eventShape);
    if (scale!.data.some((s) => s === 0))
      throw new InputError("scale should be finite and > 0 in float32, there is 0 in it");
    return new Normal(loc!, scale!, { purpose, eventAxes: eventShape.length });
  },
};
