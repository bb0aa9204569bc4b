/** Independent pixels of 0 and 1. */

import { owned } from "../arrays.js";
import { InputError } from "../errors.js";
import { logisticQuantiles, Purpose, words16, type Place } from "../noise/index.js";
import type { Float32Tensor, Float64Tensor, Numbers } from "../tensor.js";
import { Distribution, eventAxes, full, sum, type AxesOptions, type Family } from "./base.js";

/** Independent pixels, 1 with probability sigmoid(logits), else 0; logits (B, H, W, C) or (H, W, C) may be infinite. */
export class Bernoulli extends Distribution {
  readonly family = "bernoulli";
  readonly logits: Float32Array;

  constructor(logits: Numbers, options: AxesOptions = {}) {
    const { dims, data } = owned("logits", logits);
    super(...eventAxes("logits", dims, options, 3));
    if (data.some(Number.isNaN)) throw new InputError("logits should be numbers, there is a NaN among them");
    this.logits = data;
  }

  /** A pixel is lit where its 16-bit word's logistic quantile is below its logit; p = 0 and p = 1 are exact. */
  protected writeSample(out: Float32Array, at: Place): void {
    const { logits, size } = this;
    const n = out.length / size;
    const table = logisticQuantiles();
    const step = this.batchShape.length === 0 ? 0 : size;
    const { data: words, stride } = words16(Purpose.PIXEL, at, n, size);
    for (let row = 0; row < n; row++) {
      for (let j = 0; j < size; j++) {
        out[row * size + j] = table[words[row * stride + j]!]! < logits[row * step + j]! ? 1 : 0;
      }
    }
  }

  protected override writeMean(out: Float32Array): void {
    for (let i = 0; i < out.length; i++) out[i] = 1 / (1 + Math.exp(-this.logits[i]!)); // p = 1 / (1 + exp(-logits))
  }

  protected override writeMode(out: Float32Array): void {
    for (let i = 0; i < out.length; i++) out[i] = this.logits[i]! >= 0 ? 1 : 0; // 1 where p >= 0.5
  }

  override variance(): Float32Tensor {
    return this.filled((out) => {
      for (let i = 0; i < out.length; i++) {
        const e = Math.exp(-Math.abs(this.logits[i]!));
        out[i] = e / (1 + e) ** 2; // p (1 - p), without 1 - p's rounding
      }
    });
  }

  /** log p(value) in nats, also for grey pixels in [0, 1]: x log p + (1 - x) log (1 - p). */
  override logProb(value: Numbers): Float64Tensor {
    const { dims, data } = this.value(value);
    if (!data.every((x) => x >= 0 && x <= 1)) {
      throw new InputError("pixels should lie in [0, 1] to have a probability: use vae.prepare");
    }
    return this.perEvent(dims, (first, parameter) =>
      sum(this.size, (j) => {
        const x = data[first + j]!,
          l = this.logits[parameter + j]!;
        return expectation(x, logP1(l)) + expectation(1 - x, logP1(-l));
      }),
    );
  }

  override entropy(): Float64Tensor {
    return this.perEvent([...this.batchShape, ...this.eventShape], (first) =>
      sum(this.size, (j) => {
        const p1 = logP1(this.logits[first + j]!),
          p0 = logP1(-this.logits[first + j]!);
        return expectation(Math.exp(p1), -p1) + expectation(Math.exp(p0), -p0);
      }),
    );
  }

  override klDivergence(other: Distribution): Float64Tensor {
    if (!(other instanceof Bernoulli)) return super.klDivergence(other);
    return this.perPair(other, (mine, theirs) =>
      sum(this.size, (j) => {
        const p = this.logits[mine + j]!,
          q = other.logits[theirs + j]!;
        // where p and q all but agree, rounding leaves -1e-16
        return Math.max(
          expectation(Math.exp(logP1(p)), logP1(p) - logP1(q)) +
            expectation(Math.exp(logP1(-p)), logP1(-p) - logP1(-q)),
          0,
        );
      }),
    );
  }
}

export const bernoulli: Family = {
  name: "bernoulli",
  roles: ["likelihood"],
  parameters: { logits: "real" },
  settings: {},
  isLocationScale: false,
  parameterShapes: (eventShape) => ({ logits: eventShape }),
  fromParameters(parameters, settings, eventShape) {
    const { logits } = full(this, parameters, settings, eventShape);
    return new Bernoulli(logits!, { eventAxes: eventShape.length });
  },
};

/** log p of p = sigmoid(l): min(l, 0) - log(1 + exp(-|l|)). log (1 - p) is that of -l. */
function logP1(l: number): number {
  return Math.min(l, 0) - Math.log1p(Math.exp(-Math.abs(l)));
}

/** p * value, and 0 where p is 0, also where value is infinite. */
function expectation(p: number, value: number): number {
  return p > 0 ? p * value : 0;
}
