/**
 * The seed contract: noise that depends on (seed, purpose, stream, draw) alone. `docs/seed-contract.md` specifies it.
 *
 * Every purpose has a Philox stream of its own, and draw i begins at counter i x blocks + 1, so that any draw is
 * reached directly. Words are kept as halves of 32 bits, the lower first: on a little-endian machine, as all that run
 * JavaScript are, the same memory holds words of 16, of 32 and of 64 bits.
 */

import { InputError } from "../errors.js";
import { philox } from "./philox.js";

/** What noise is for. The numbers are part of the seed contract and never change. */
export const Purpose = { PRIOR: 1, POSTERIOR: 2, PIXEL: 3, COMPONENT: 4, IMAGE: 5, WEIGHT: 6 } as const;
export type Purpose = (typeof Purpose)[keyof typeof Purpose];

/** A whole number: a seed in 0 .. 2^64 - 1, or the number of a draw. Past 2^53 it is a bigint or a decimal string. */
export type Whole = number | bigint | string;

/** Where draws come from: draws `start` to `start` + n of one stream of a seed. */
export interface Place {
  readonly seed: bigint;
  readonly start: bigint;
  readonly stream: bigint;
}

/** Draws 0 .. 2^63 - 1 exist. */
export const MAX_DRAW = 1n << 63n;
const MAX_STREAM = (1n << 56n) - 1n;

/** `seed` as a bigint in [0, 2^64); throws InputError for anything else. */
export function checkSeed(seed: Whole): bigint {
  return whole("seed", seed, (1n << 64n) - 1n);
}

/** `start` as a bigint, where draws start to start + n exist; throws InputError where they do not. */
export function checkDraws(start: Whole, n: bigint | number): bigint {
  return whole("start", start, MAX_DRAW - BigInt(n));
}

/** `stream` as a bigint in [0, 2^56); throws InputError for anything else. */
export function checkStream(stream: Whole): bigint {
  return whole("stream", stream, MAX_STREAM);
}

/** A whole number in [least, most]; throws InputError that names it. */
export function whole(name: string, value: Whole, most: bigint, least = 0n): bigint {
  const found = asBigInt(value);
  if (found === undefined || found < least || found > most) {
    const hint =
      typeof value === "number" && value > Number.MAX_SAFE_INTEGER
        ? "; past 2^53 pass a bigint or a decimal string, a number is not exact there"
        : "";
    throw new InputError(
      `${name} should be an integer in [${least}, ${most}], it is ${String(value).slice(0, 60)}${hint}`,
    );
  }
  return found;
}

function asBigInt(value: Whole): bigint | undefined {
  if (typeof value === "bigint") return value;
  if (typeof value === "number") return Number.isSafeInteger(value) ? BigInt(value) : undefined;
  return typeof value === "string" && /^[0-9]{1,40}$/.test(value) ? BigInt(value) : undefined;
}

/**
 * n draws of at least `size` words of 64 bits, as halves of 32 bits: each draw has `size` rounded up to blocks of four,
 * so that draw i begins at half i x 8 x ceil(size / 4).
 */
export function words(purpose: Purpose, at: Place, n: number, size: number): Uint32Array<ArrayBuffer> {
  const blocks = Math.ceil(size / 4);
  const out = new Uint32Array(n * blocks * 8);
  philox(out, [at.seed, BigInt(purpose) | (at.stream << 8n)], at.start * BigInt(blocks) + 1n);
  return out;
}

/** What `words16` and `words32` give: draw i begins at i x `stride`. */
export interface Parts<T> {
  readonly data: T;
  readonly stride: number;
}

/** n draws of `size` words of 16 bits: the parts of each word of 64 bits, the lowest first. */
export function words16(purpose: Purpose, at: Place, n: number, size: number): Parts<Uint16Array> {
  const raw = words(purpose, at, n, Math.ceil(size / 4));
  return { data: new Uint16Array(raw.buffer), stride: (raw.length / n) * 2 };
}

/** n draws of `size` words of 32 bits: the halves of each word of 64 bits, the lower first. */
export function words32(purpose: Purpose, at: Place, n: number, size: number): Parts<Uint32Array> {
  const raw = words(purpose, at, n, Math.ceil(size / 2));
  return { data: raw, stride: raw.length / n };
}

/** n uniform draws in [0, 1): the upper 53 bits of one word each. */
export function uniforms(purpose: Purpose, at: Place, n: number): Float64Array {
  const raw = words(purpose, at, n, 1);
  return Float64Array.from({ length: n }, (_, i) => {
    const high = raw[8 * i + 1]!,
      low = raw[8 * i]!;
    return (high * 2 ** 21 + (low >>> 11)) * 2 ** -53;
  });
}

/** The place `steps` draws on. */
export function later(at: Place, steps: number): Place {
  return { ...at, start: at.start + BigInt(steps) };
}
