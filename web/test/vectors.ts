/** What the tests read: the vectors that Python wrote, the bundles that ship, and arrays as JSON holds them. */

import { createHash } from "node:crypto";
import { existsSync, readdirSync, readFileSync } from "node:fs";
import { fileURLToPath } from "node:url";

const ROOT = fileURLToPath(new URL("../../../", import.meta.url)); // from web/build/test

/** {"dims", "f4" or "f8"}: the bytes of the numbers, little-endian, in base64. */
export interface Stored {
  readonly dims: number[];
  readonly f4?: string;
  readonly f8?: string;
}

export function load({ dims, f4, f8 }: Stored): { dims: number[]; data: Float32Array | Float64Array } {
  const bytes = Uint8Array.from(Buffer.from((f4 ?? f8)!, "base64"));
  return { dims, data: f4 === undefined ? new Float64Array(bytes.buffer) : new Float32Array(bytes.buffer) };
}

export function path(name: string): string {
  return ROOT + name;
}

export function readJson(name: string): any {
  return JSON.parse(readFileSync(path(name), "utf8"));
}

/** SHA-256 of the numbers' bytes. */
export function digest(array: ArrayBufferView): string {
  return createHash("sha256")
    .update(new Uint8Array(array.buffer, array.byteOffset, array.byteLength))
    .digest("hex");
}

/** The files of a bundle's folder. */
export function filesOf(folder: string): Record<string, Uint8Array> {
  return Object.fromEntries(
    readdirSync(path(folder)).map((name) => [name, Uint8Array.from(readFileSync(`${path(folder)}/${name}`))]),
  );
}

/** The folders of the bundles that ship. */
export const SHIPPED = readdirSync(path("artifacts")).filter((name) =>
  existsSync(path(`artifacts/${name}/manifest.json`)),
);

/** The bits of numbers in hexadecimal, as noise.json writes them. */
export function bits(array: Float32Array | Float64Array | Uint32Array | Uint16Array | BigUint64Array): string[] {
  const { buffer, byteOffset, length, BYTES_PER_ELEMENT: width } = array;
  const unsigned =
    width === 8
      ? new BigUint64Array(buffer, byteOffset, length)
      : width === 4
        ? new Uint32Array(buffer, byteOffset, length)
        : new Uint16Array(buffer, byteOffset, length);
  return Array.from(unsigned as Iterable<number | bigint>, (value) => value.toString(16).padStart(2 * width, "0"));
}
