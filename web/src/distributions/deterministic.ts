/** A point: what an autoencoder's encoder gives. */

import { checkFinite, owned } from "../arrays.js";
import type { Place } from "../noise/index.js";
import type { Float32Tensor, Numbers } from "../tensor.js";
import { Distribution, eventAxes, full, type Family } from "./base.js";

/** A point, loc (B, L) or (L): it has samples and moments, but no density. */
export class Deterministic extends Distribution {
  readonly family = "deterministic";
  readonly loc: Float32Array;

  constructor(loc: Numbers) {
    const { dims, data } = owned("loc", loc);
    super(...eventAxes("loc", dims, {}, 1));
    checkFinite("loc", data);
    this.loc = data;
  }

  protected writeSample(out: Float32Array, _at: Place): void {
    for (let at = 0; at < out.length; at += this.loc.length) out.set(this.loc, at);
  }

  protected override writeMean(out: Float32Array): void {
    out.set(this.loc);
  }

  protected override writeMode(out: Float32Array): void {
    out.set(this.loc);
  }

  override variance(): Float32Tensor {
    return this.filled(() => undefined);
  }
}

export const deterministic: Family = {
  name: "deterministic",
  roles: ["posterior"],
  parameters: { loc: "real" },
  settings: {},
  isLocationScale: false,
  parameterShapes: (eventShape) => ({ loc: eventShape }),
  fromParameters(parameters, settings, eventShape) {
    return new Deterministic(full(this, parameters, settings, eventShape).loc!);
  },
};
