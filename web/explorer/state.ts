/** What a view of the page consists of, and its text in the URL's fragment, so that a view can be shared. */

import { fromUrl, toUrl } from "./base64.js";
import type { Engine, Head } from "./engine.js";

export type Tool = "move" | "path" | "line";
export type Ground = "pictures" | "dots" | "slice";
export type Axes = "principal" | "active";
export type Point = readonly [number, number];

export interface State {
  /** Of all noise: new images, and the sample beside mean and mode. */
  readonly seed: bigint;
  /** The first of the new images. */
  readonly start: bigint;
  /** Of the prior that new images are drawn from. */
  readonly temperature: number;
  readonly head: Head;
  /** Which draw of the seed the sample is. */
  readonly draw: bigint;
  /** The current code, (L). */
  readonly code: Float32Array;
  /** Where the code comes from, in words. */
  readonly source: string;
  /** Pixels (H, W, C) of the drawing; null where there is none. */
  readonly drawing: Float32Array | null;
  readonly label: number;
  readonly condition: Float32Array;
  readonly tool: Tool;
  readonly ground: Ground;
  readonly axes: Axes;
  /** Points of the path on the map, in units of the codes. */
  readonly path: readonly Point[];
}

export const MAX_SEED = 2n ** 64n - 1n;
export const MAX_START = 10n ** 12n;
const MAX_POINTS = 200;

/** The state as text; what is as in `initial` is left out. */
export function toFragment(state: State, initial: State, engine: Engine): string {
  const parts = new URLSearchParams();
  for (const name of ["seed", "start", "temperature", "draw", "head", "tool", "ground", "axes", "label"] as const) {
    if (state[name] !== initial[name]) parts.set(name, String(state[name]));
  }
  if (state.code !== initial.code) parts.set("z", floats(state.code));
  if (state.drawing) parts.set("x", toUrl(pack(state.drawing, engine.threshold !== null)));
  if (state.condition.some((value, i) => value !== initial.condition[i])) parts.set("given", floats(state.condition));
  if (state.path.length) parts.set("path", state.path.map(([x, y]) => `${x.toFixed(3)}_${y.toFixed(3)}`).join("~"));
  if (state.source !== initial.source) parts.set("from", state.source);
  return parts.toString();
}

/** The state that a fragment says; a field that is missing or damaged stays as in `initial`. */
export function fromFragment(fragment: string, initial: State, engine: Engine): State {
  const parts = new URLSearchParams(fragment.replace(/^#/, ""));
  const pick = <T extends string>(name: string, choices: readonly T[], other: T): T =>
    choices.find((choice) => choice === parts.get(name)) ?? other;
  const label = Number(parts.get("label") ?? initial.label);
  const temperature = Number(parts.get("temperature"));
  const drawing = fromUrl(parts.get("x") ?? "-", packedLength(engine));
  return {
    seed: whole(parts.get("seed"), MAX_SEED) ?? initial.seed,
    start: whole(parts.get("start"), MAX_START) ?? initial.start,
    temperature: temperature >= 0.5 && temperature <= 1.2 ? temperature : initial.temperature,
    draw: whole(parts.get("draw"), 2n * MAX_START) ?? initial.draw,
    head: pick("head", ["sample", "mean", "mode"], initial.head),
    tool: pick("tool", ["move", "path", "line"], initial.tool),
    ground: pick("ground", ["pictures", "dots", "slice"], initial.ground),
    axes: pick("axes", ["principal", "active"], initial.axes),
    label: Number.isInteger(label) && label >= 0 && label < engine.labels.length ? label : initial.label,
    code: numbers(parts.get("z"), engine.latentSize) ?? initial.code,
    condition: numbers(parts.get("given"), engine.numbers.length) ?? initial.condition,
    drawing: drawing && unpack(drawing, engine),
    path: points(parts.get("path")),
    source: (parts.get("from") ?? initial.source).slice(0, 80),
  };
}

/** The whole number from 0 to `most` that a text says in decimal digits, or null. */
export function whole(text: string | null, most: bigint): bigint | null {
  if (text === null || !/^\d{1,20}$/.test(text.trim())) return null;
  const value = BigInt(text.trim());
  return value <= most ? value : null;
}

function floats(values: Float32Array): string {
  return toUrl(new Uint8Array(values.buffer, values.byteOffset, values.byteLength));
}

function numbers(text: string | null, length: number): Float32Array | null {
  const bytes = fromUrl(text ?? "-", length * 4);
  if (!bytes || !length) return null;
  const values = new Float32Array(bytes.buffer);
  return values.every(Number.isFinite) ? values : null;
}

function points(text: string | null): Point[] {
  const found = (text ?? "").split("~").map((pair) => pair.split("_").map(Number));
  return found
    .filter((pair) => pair.length === 2 && pair.every(Number.isFinite))
    .slice(0, MAX_POINTS) as unknown as Point[];
}

/** Black-and-white pixels take a bit, others a byte. */
function pack(drawing: Float32Array, binary: boolean): Uint8Array {
  if (!binary) return Uint8Array.from(drawing, (value) => Math.round(value * 255));
  const bytes = new Uint8Array(Math.ceil(drawing.length / 8));
  drawing.forEach((value, i) => {
    if (value) bytes[i >> 3] |= 1 << (i & 7);
  });
  return bytes;
}

function unpack(bytes: Uint8Array, engine: Engine): Float32Array {
  if (engine.threshold === null) return Float32Array.from(bytes, (value) => value / 255);
  const size = engine.height * engine.width * engine.channels;
  return Float32Array.from({ length: size }, (_, i) => (bytes[i >> 3] >> (i & 7)) & 1);
}

function packedLength(engine: Engine): number {
  const size = engine.height * engine.width * engine.channels;
  return engine.threshold === null ? size : Math.ceil(size / 8);
}
