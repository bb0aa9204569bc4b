/**
 * Events as users have them -> events as a model knows them: (B, H, W, C) or (B, size), float32.
 *
 * An image's pixels lie in [0, 1], and are made 0 and 1 where the bundle has a threshold; a vector's numbers are in
 * their own units. What was prepared may be prepared again: it stays as it is.
 */

import { isSame, read, sizeOf, spread, text, type Shape } from "./arrays.js";
import type { EventSpec, ImageSpec, VectorSpec } from "./bundle/schema.js";
import { eventShape } from "./bundle/validation.js";
import { roundToEven } from "./distributions/levels.js";
import { InputError } from "./errors.js";
import type { Float32Tensor, Numbers } from "./tensor.js";

/**
 * Events as a model knows them. Images are floats in [0, 1], or a Uint8Array or Uint8ClampedArray of 0 .. 255.
 *
 * Without dims, numbers are whole events one after another. Where the likelihood is of `levels` discrete levels, pixels
 * are rounded to the nearest. Throws InputError.
 */
export function prepare(events: Numbers, event: EventSpec, levels?: number): Float32Tensor {
  const what = event.kind === "image" ? "images" : "vectors";
  const { dims, data } = read(what, events);
  const isPlain = !("dims" in events);
  const n = batchOf(what, dims, eventShape(event), event, isPlain);
  const out = event.kind === "image" ? pixels(data, event, levels) : columns(data, event);
  return { dims: [n, ...eventShape(event)], data: out };
}

function batchOf(what: string, dims: Shape, shape: Shape, event: EventSpec, isPlain: boolean): number {
  const size = sizeOf(shape);
  const total = sizeOf(dims);
  // a grey image's channel may be left out
  const grey = event.kind === "image" && event.channels === 1 ? shape.slice(0, 2) : undefined;
  const known = [shape, grey].some((each) => each !== undefined && (isSame(dims, each) || isSame(dims.slice(1), each)));
  if ((!known && !(isPlain && total % size === 0)) || total === 0) {
    const wanted = [shape, ...(grey ? [grey] : [])].map((each) => `(B, ${each.join(", ")})`).join(" or ");
    throw new InputError(
      `${what} should have shape ${wanted}, B >= 1, they have ${text(dims)}: resize or reshape them`,
    );
  }
  return total / size;
}

function pixels(data: ArrayLike<number>, { threshold }: ImageSpec, levels?: number): Float32Array {
  const isBytes = data instanceof Uint8Array || data instanceof Uint8ClampedArray;
  if (isBytes) checkBytes(data);
  else checkFloats(data);
  const edge = threshold === null ? NaN : data instanceof Float32Array ? Math.fround(threshold) : threshold;
  const out = new Float32Array(data.length);
  for (let i = 0; i < out.length; i++) {
    const pixel = isBytes ? data[i]! / 255 : data[i]!;
    out[i] = threshold === null ? pixel : pixel > edge ? 1 : 0;
  }
  if (levels === undefined || (isBytes && levels === 256)) return out;
  return out.map((pixel) => roundToEven(Math.fround(pixel * (levels - 1))) / (levels - 1));
}

function checkBytes(data: Uint8Array | Uint8ClampedArray): void {
  if (data.includes(1) && data.every((byte) => byte <= 1)) {
    throw new InputError(
      "images are bytes with 1 as their largest value, of 1 or of 255? Pass floats, or scale to 0..255",
    );
  }
}

function checkFloats(data: ArrayLike<number>): void {
  if (ArrayBuffer.isView(data) && !(data instanceof Float32Array) && !(data instanceof Float64Array)) {
    throw new InputError(
      `images should be floats in [0, 1], or a Uint8Array of 0..255, they are a ${data.constructor.name}`,
    );
  }
  for (let i = 0; i < data.length; i++) {
    if (!(data[i]! >= 0 && data[i]! <= 1)) {
      throw new InputError(`images of floats should lie in [0, 1], pixel ${i} is ${data[i]}: scale or clean them`);
    }
  }
}

function columns(data: ArrayLike<number>, { size, names }: VectorSpec): Float32Array {
  const out = new Float32Array(data);
  const odd = out.findIndex((value) => !Number.isFinite(value));
  if (odd >= 0) {
    const column = odd % size;
    const name = names.length > 0 ? `${JSON.stringify(names[column])} (column ${column})` : `column ${column}`;
    throw new InputError(`vectors should be finite in float32, there is a NaN or an infinity in ${name}: clean them`);
  }
  return out;
}

/** shift and scale of events, one number or one a column; undefined where they are 0 and 1. */
export function affineOf(event: EventSpec): { shift: Float32Tensor; scale: Float32Tensor } | undefined {
  const [shift, scale] = event.kind === "image" ? [[event.shift], [event.scale]] : [event.shift, event.scale];
  if (shift.every((x) => Math.fround(x) === 0) && scale.every((x) => Math.fround(x) === 1)) return undefined;
  const tensor = (values: readonly number[], usual: number): Float32Tensor => ({
    dims: values.length > 1 ? [values.length] : [],
    data: values.length > 0 ? Float32Array.from(values) : Float32Array.of(usual),
  });
  return { shift: tensor(shift, 0), scale: tensor(scale, 1) };
}

/** (x - shift) / scale, what the encoder reads of prepared events. */
export function standardise(x: Float32Tensor, event: EventSpec): Float32Tensor {
  const affine = affineOf(event);
  if (affine === undefined) return x;
  const [shift, scale] = [affine.shift.data, affine.scale.data];
  return {
    dims: x.dims,
    data: x.data.map((value, i) => Math.fround(value - shift[i % shift.length]!) / scale[i % scale.length]!),
  };
}

/** x scale + shift, of a parameter whose shape ends with the event's, or with sizes of 1. */
export function fromStandard(x: Float32Tensor, scale: Float32Tensor, shift?: Float32Tensor): Float32Tensor {
  const columns = Math.max(scale.data.length, shift?.data.length ?? 1);
  const dims = columns === 1 || x.dims.at(-1) === columns ? x.dims : [...x.dims.slice(0, -1), columns];
  const data = spread(x.data, x.dims, dims).map((value, i) => {
    const product = Math.fround(value * scale.data[i % scale.data.length]!);
    return shift === undefined ? product : product + shift.data[i % shift.data.length]!;
  });
  return { dims, data };
}
