/** Normal distributions of full covariance, as posteriors. */

import { checkFinite, isSame, owned, text } from "../arrays.js";
import { InputError } from "../errors.js";
import { affine, normals, Purpose, rowNorms, type Place } from "../noise/index.js";
import type { Float32Tensor, Float64Tensor, Numbers } from "../tensor.js";
import { Distribution, eventAxes, full, LOG_2_PI, sum, type Family } from "./base.js";
import { Normal } from "./normal.js";
import { checkTriangular, divergence, solve, squaredNorm, type Member } from "./triangular.js";

/** Normals N(loc, T T'): loc (B, L) or (L), T = scaleTril (B, L, L) or (L, L), lower triangular, its diagonal > 0. */
export class MultivariateNormalTriL extends Distribution {
  readonly family = "multivariate_normal_tril";
  readonly loc: Float32Array;
  readonly scaleTril: Float32Array;
  readonly #norms: Float64Array;
  readonly #purpose: Purpose;

  constructor(loc: Numbers, scaleTril: Numbers, { purpose = Purpose.POSTERIOR as Purpose } = {}) {
    const mean = owned("loc", loc);
    const tril = owned("scaleTril", scaleTril);
    super(...eventAxes("loc", mean.dims, {}, 1));
    if (!isSame(tril.dims, [...mean.dims, this.size])) {
      throw new InputError(
        "loc and scaleTril should have shapes (B, L) and (B, L, L), or (L) and (L, L); " +
          `they have ${text(mean.dims)} and ${text(tril.dims)}`,
      );
    }
    checkFinite("loc", mean.data);
    checkTriangular(tril.data, this.size);
    this.loc = mean.data;
    this.scaleTril = tril.data;
    this.#norms = rowNorms(tril.data, this.size);
    this.#purpose = purpose;
  }

  /** z = loc + T eps: the product rounded to float32 as the contract says, then the sum. */
  protected writeSample(out: Float32Array, at: Place): void {
    const { size } = this;
    const n = out.length / size;
    const step = this.batchShape.length === 0 ? 0 : size;
    const eps = normals(this.#purpose, at, n, size);
    const maps = { matrices: this.scaleTril, norms: this.#norms, loc: this.loc };
    for (let i = 0; i < n; i++) affine(out, eps, i * size, maps, i * step, size);
  }

  protected override writeMean(out: Float32Array): void {
    out.set(this.loc);
  }

  protected override writeMode(out: Float32Array): void {
    out.set(this.loc);
  }

  override variance(): Float32Tensor {
    return this.filled((out) => this.#norms.forEach((norm, i) => (out[i] = norm * norm)));
  }

  override stddev(): Float32Tensor {
    return this.filled((out) => out.set(this.#norms));
  }

  /** T T', of shape batchShape + (L, L). */
  covariance(): Float32Tensor {
    const { size, scaleTril } = this;
    const data = scaleTril.map((_, at) => {
      const column = at % size,
        row = ((at - column) / size) % size,
        first = at - row * size - column;
      return sum(size, (k) => scaleTril[first + row * size + k]! * scaleTril[first + column * size + k]!);
    });
    return { dims: [...this.batchShape, size, size], data };
  }

  override logProb(value: Numbers): Float64Tensor {
    const { dims, data } = this.value(value);
    return this.perEvent(dims, (first, parameter) => {
      const { loc, tril } = this.member(parameter);
      const z = solve(tril, (i) => data[first + i]! - loc(i), this.size);
      const isNumber = data.subarray(first, first + this.size).every((x) => !Number.isNaN(x));
      // log N(x; m, T T') = -|T^-1 (x - m)|^2 / 2 - log |T| - L log(2 pi) / 2
      return (isNumber ? -squaredNorm(z) / 2 : NaN) - this.logDeterminant(parameter) - (this.size * LOG_2_PI) / 2;
    });
  }

  override entropy(): Float64Tensor {
    return this.perEvent(
      [...this.batchShape, ...this.eventShape],
      (first) => this.logDeterminant(first) + (this.size * (1 + LOG_2_PI)) / 2,
    );
  }

  override klDivergence(other: Distribution): Float64Tensor {
    if (!(other instanceof MultivariateNormalTriL || other instanceof Normal)) return other.divergenceFrom(this);
    return this.perPair(other, (mine, theirs) => divergence(this.member(mine), memberOf(other, theirs), this.size));
  }

  override divergenceFrom(other: Distribution): Float64Tensor {
    if (!(other instanceof Normal)) return super.divergenceFrom(other);
    return this.perPair(other, (mine, theirs) => divergence(memberOf(other, theirs), this.member(mine), this.size));
  }

  /** The normal whose loc begins at `first`. */
  member(first: number): Member {
    return {
      loc: (i) => this.loc[first + i]!,
      tril: (row, column) => this.scaleTril[(first + row) * this.size + column]!,
    };
  }

  private logDeterminant(first: number): number {
    return sum(this.size, (i) => Math.log(this.scaleTril[(first + i) * this.size + i]!));
  }
}

export const multivariateNormalTriL: Family = {
  name: "multivariate_normal_tril",
  roles: ["posterior"],
  parameters: { loc: "real", scale_tril: "lower_triangular" },
  settings: {},
  isLocationScale: false,
  parameterShapes: ([size]) => ({ loc: [size!], scale_tril: [size!, size!] }),
  fromParameters(parameters, settings, eventShape, purpose) {
    const { loc, scale_tril } = full(this, parameters, settings, eventShape);
    return new MultivariateNormalTriL(loc!, scale_tril!, { purpose });
  },
};

function memberOf(normal: Normal | MultivariateNormalTriL, first: number): Member {
  if (normal instanceof MultivariateNormalTriL) return normal.member(first);
  normal.checkDensity();
  const { loc, scale } = normal;
  return { loc: (i) => loc[first + i]!, tril: (row, column) => (row === column ? scale[first + row]! : 0) };
}
