/**
 * The contract of every distribution, with the names of TensorFlow Probability's in camelCase.
 *
 * A distribution has `batchShape` and `eventShape`. A sample has shape sampleShape + batchShape + eventShape (float32),
 * and a log-probability, an entropy or a divergence is in nats, summed over the event, of shape (sampleShape +)
 * batchShape (float64). Those of pixels stay in logit space. What a caller hands in is copied, and what a method
 * returns is a new array.
 */

import { broadcast, isSame, read, sizeOf, spread, text, type Shape } from "../arrays.js";
import { InputError } from "../errors.js";
import { checkDraws, checkSeed, checkStream, type Place, type Purpose, type Whole } from "../noise/index.js";
import type { Float32Tensor, Float64Tensor, Numbers } from "../tensor.js";
import { checkHead, type Head } from "./heads.js";

export const LOG_2_PI = Math.log(2 * Math.PI);

export interface NoiseOptions {
  readonly seed?: Whole;
  /** The number of the first draw: member i of a batch takes draw start + i. */
  readonly start?: Whole;
  /** 0 but for the second, third, ... sample of the same thing. */
  readonly stream?: Whole;
}

export interface SampleOptions extends NoiseOptions {
  readonly seed: Whole;
  /** One draw where nothing is said. Place k of it has stream `stream` + k; without a batch the draws run along it. */
  readonly sampleShape?: number | readonly number[];
}

export interface AxesOptions {
  /** How many of the last axes are the event's. */
  readonly eventAxes?: number;
}

/** The batch shape and the event shape of a parameter; throws InputError where it has other axes. */
export function eventAxes(name: string, dims: Shape, options: AxesOptions, usual: number): [Shape, Shape] {
  const axes = options.eventAxes ?? usual;
  if (!(axes > 0) || (dims.length !== axes && dims.length !== axes + 1)) {
    const shape = axes === 3 ? "H, W, C" : axes === 1 ? "L" : `${axes} axes`;
    throw new InputError(`${name} should have shape (${shape}) or (B, ${shape}), it has ${text(dims)}`);
  }
  return [dims.slice(0, dims.length - axes), dims.slice(dims.length - axes)];
}

/** Parameters by name: full shape (B, ...), 1 along an axis where all are alike, or [] where all are one number. */
export type Parameters = Readonly<Record<string, Float32Tensor>>;
export type Settings = Readonly<Record<string, number>>;
export type Role = "posterior" | "likelihood" | "prior";
export type Range = "real" | "positive" | "lower_triangular";

/** What a family says of itself to whoever reads a bundle. */
export interface Family {
  readonly name: string;
  readonly roles: readonly Role[];
  /** The parameters that a graph gives, and where each lies. */
  readonly parameters: Readonly<Record<string, Range>>;
  /** The settings of the family, each with its range: one number for all events, as the levels of a pixel. */
  readonly settings: Readonly<Record<string, readonly [number, number]>>;
  /** x -> shift + scale x stays in the family. */
  readonly isLocationScale: boolean;
  /** The shape of each parameter without its batch. */
  parameterShapes(eventShape: Shape, settings: Settings): Record<string, Shape>;
  /** The distribution of a graph's outputs, whose shapes the manifest has checked; throws InputError, as for a NaN. */
  fromParameters(parameters: Parameters, settings: Settings, eventShape: Shape, purpose: Purpose): Distribution;
}

/** Each parameter in its full shape (B, ...shape). */
export function full(
  family: Family,
  parameters: Parameters,
  settings: Settings,
  eventShape: Shape,
): Record<string, Float32Tensor> {
  const shapes = Object.entries(family.parameterShapes(eventShape, settings));
  const withBatch = shapes.find(([name, shape]) => parameters[name]!.dims.length === shape.length + 1);
  const batch = withBatch === undefined ? [] : parameters[withBatch[0]]!.dims.slice(0, 1);
  return Object.fromEntries(
    shapes.map(([name, shape]) => {
      const { dims, data } = parameters[name]!;
      const wanted = [...batch, ...shape];
      return [name, { dims: wanted, data: spread(data, dims, wanted) }];
    }),
  );
}

export abstract class Distribution {
  abstract readonly family: string;
  /** [] or [B]. */
  readonly batchShape: readonly number[];
  readonly eventShape: readonly number[];
  /** How many numbers an event has. */
  protected readonly size: number;

  protected constructor(batchShape: Shape, eventShape: Shape) {
    this.batchShape = batchShape;
    this.eventShape = eventShape;
    this.size = sizeOf(eventShape);
    if (sizeOf(batchShape) * this.size === 0) {
      throw new InputError(
        `a distribution should hold something, its shape is ${text([...batchShape, ...eventShape])}`,
      );
    }
  }

  /** Draws, of shape sampleShape + batchShape + eventShape: the same for the same seed, everywhere. */
  sample({ seed, start = 0, stream = 0, sampleShape = [] }: SampleOptions): Float32Tensor {
    const shape = typeof sampleShape === "number" ? [sampleShape] : [...sampleShape];
    if (!shape.every((size) => Number.isSafeInteger(size) && size > 0)) {
      throw new InputError(`sampleShape should hold positive integers, it is ${String(sampleShape)}`);
    }
    const n = sizeOf(shape);
    const draws = this.batchShape.length === 0 ? n : this.batchShape[0]!;
    const at: Place = { seed: checkSeed(seed), start: checkDraws(start, draws), stream: checkStream(stream) };
    const out = empty([...shape, ...this.batchShape, ...this.eventShape]);
    const step = draws * this.size;
    for (let place = 0; place * step < out.data.length; place++) {
      const part = out.data.subarray(place * step, (place + 1) * step);
      this.writeSample(part, { ...at, stream: at.stream + BigInt(place) });
    }
    return out;
  }

  /** Writes what a head makes into `out`, of batchShape + eventShape; the sample of member i is draw start + i. */
  write(head: Head, out: Float32Array, { seed = 0, start = 0, stream = 0 }: NoiseOptions = {}): void {
    checkHead(head);
    const shape = [...this.batchShape, ...this.eventShape];
    if (!(out instanceof Float32Array) || out.length !== sizeOf(shape)) {
      throw new InputError(`out should be a Float32Array of the ${sizeOf(shape)} numbers of shape ${text(shape)}`);
    }
    if (head === "sample") {
      const n = this.batchShape[0] ?? 1;
      this.writeSample(out, { seed: checkSeed(seed), start: checkDraws(start, n), stream: checkStream(stream) });
    } else if (head === "mean") this.writeMean(out);
    else this.writeMode(out);
  }

  /** E[x], of shape batchShape + eventShape. */
  mean(): Float32Tensor {
    return this.filled((out) => this.writeMean(out));
  }

  /** The likeliest value, of shape batchShape + eventShape. */
  mode(): Float32Tensor {
    return this.filled((out) => this.writeMode(out));
  }

  /** Var[x], of shape batchShape + eventShape; Infinity where float32 does not hold it. */
  variance(): Float32Tensor {
    throw this.no("variance");
  }

  /** The square root of the variance, of shape batchShape + eventShape. */
  stddev(): Float32Tensor {
    const { dims, data } = this.variance();
    return { dims, data: data.map(Math.sqrt) };
  }

  /** log p(value) in nats; `value` has shape (sampleShape +) batchShape + eventShape, or broadcasts to it. */
  logProb(_value: Numbers): Float64Tensor {
    throw this.no("logProb");
  }

  /** -E[log p(x)] in nats, of shape batchShape. */
  entropy(): Float64Tensor {
    throw this.no("entropy");
  }

  /** E_this[log this(x) - log other(x)] in nats, of the two batch shapes broadcast. */
  klDivergence(other: Distribution): Float64Tensor {
    return other.divergenceFrom(this);
  }

  /** KL(other || this), asked where the other knows no closed form. */
  divergenceFrom(other: Distribution): Float64Tensor {
    throw new InputError(
      `KL(${other.family} || ${this.family}) has no closed form: estimate it from samples, the mean of ` +
        "p.logProb(x) - q.logProb(x) over x of p.sample(...)",
    );
  }

  /** Writes draws at.start, at.start + 1, ... into `out` (n, ...eventShape); n is B where there is a batch. */
  protected abstract writeSample(out: Float32Array, at: Place): void;

  protected writeMean(_out: Float32Array): void {
    throw this.no("mean");
  }

  protected writeMode(_out: Float32Array): void {
    throw this.no("mode");
  }

  protected no(method: string): InputError {
    return new InputError(
      `a distribution of family ${this.family} has no ${method} in closed form: estimate it from samples`,
    );
  }

  /** A new tensor of batchShape + eventShape. */
  protected filled(write: (out: Float32Array) => void): Float32Tensor {
    const out = empty([...this.batchShape, ...this.eventShape]);
    write(out.data);
    return out;
  }

  /** `value` in float64, written out in its broadcast shape; throws InputError where it does not fit. */
  protected value(value: Numbers): Float64Tensor {
    const { dims, data } = read("value", value);
    const wanted = [...this.batchShape, ...this.eventShape];
    const shape = broadcast(dims, wanted);
    if (shape === undefined || !isSame(shape.slice(shape.length - this.eventShape.length), this.eventShape)) {
      throw new InputError(`value should have shape (..., ${wanted.join(", ")}), it has ${text(dims)}`);
    }
    return { dims: shape, data: spread(new Float64Array(data), dims, shape) };
  }

  /** One number an event of `dims`: `each` of the place of its first number, and of its first parameter. */
  protected perEvent(dims: Shape, each: (first: number, parameter: number) => number): Float64Tensor {
    const shape = dims.slice(0, dims.length - this.eventShape.length);
    const batch = sizeOf(this.batchShape);
    const data = Float64Array.from({ length: sizeOf(shape) }, (_, i) => each(i * this.size, (i % batch) * this.size));
    return { dims: shape, data };
  }

  /** One number a member of the batches of both, which have the same event shape; places as `perEvent`'s. */
  protected perPair(other: Distribution, each: (mine: number, theirs: number) => number): Float64Tensor {
    const shape = broadcast(this.batchShape, other.batchShape);
    if (shape === undefined || !isSame(this.eventShape, other.eventShape)) {
      const shown = [this, other].map((one) => `${text(one.batchShape)} ${text(one.eventShape)}`);
      throw new InputError(`both should have the same batch and event shapes, they are ${shown.join(" and ")}`);
    }
    const [a, b] = [sizeOf(this.batchShape), sizeOf(other.batchShape)];
    const data = Float64Array.from({ length: sizeOf(shape) }, (_, i) => each((i % a) * this.size, (i % b) * this.size));
    return { dims: shape, data };
  }
}

/** A new tensor; throws InputError where it does not fit in memory. */
export function empty(dims: Shape): Float32Tensor {
  try {
    return { dims, data: new Float32Array(sizeOf(dims)) };
  } catch (error) {
    throw new InputError(`${text(dims)} numbers do not fit in memory: draw fewer at a time, each from its start`, {
      cause: error,
    });
  }
}

/** The sum of `each` over 0 .. n - 1. */
export function sum(n: number, each: (i: number) => number): number {
  let total = 0;
  for (let i = 0; i < n; i++) total += each(i);
  return total;
}
