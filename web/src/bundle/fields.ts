/** Readers that turn a tree of JSON into typed values; each throws ManifestError that names the place. */

import { ManifestError } from "../errors.js";
import type { Json } from "./json.js";

/** What reads the value at a place of the manifest. */
export type Reader<T> = (value: Json, where: string) => T;

export const string: Reader<string> = (value, where) => {
  if (typeof value !== "string") throw mismatch(where, "a string", value);
  return value;
};

export const boolean: Reader<boolean> = (value, where) => {
  if (typeof value !== "boolean") throw mismatch(where, "true or false", value);
  return value;
};

/** A number with a point or an exponent: 1 is no float. */
export const float: Reader<number> = (value, where) => {
  if (typeof value !== "number") throw mismatch(where, "a float", value);
  return value;
};

/** An integer that a JavaScript number holds exactly: 1.0 is none. */
export const integer: Reader<number> = (value, where) => {
  if (typeof value !== "bigint" || !Number.isSafeInteger(Number(value)))
    throw mismatch(where, "an integer below 2^53", value);
  return Number(value);
};

/** An integer of any size. */
export const wholeNumber: Reader<number | bigint> = (value, where) => {
  if (typeof value !== "bigint") throw mismatch(where, "an integer", value);
  return Number.isSafeInteger(Number(value)) ? Number(value) : value;
};

/** One of these words. */
export function oneOf<T extends string>(...words: readonly T[]): Reader<T> {
  return (value, where) => {
    const found = words.find((word) => word === value);
    if (found === undefined) throw mismatch(where, words.map((word) => JSON.stringify(word)).join(" or "), value);
    return found;
  };
}

export function orNull<T>(reader: Reader<T>): Reader<T | null> {
  return (value, where) => (value === null ? null : reader(value, where));
}

export function either<A, B>(a: (value: Json) => boolean, first: Reader<A>, second: Reader<B>): Reader<A | B> {
  return (value, where) => (a(value) ? first(value, where) : second(value, where));
}

export function listOf<T>(reader: Reader<T>): Reader<readonly T[]> {
  return (value, where) => {
    if (!Array.isArray(value)) throw mismatch(where, "a list", value);
    return value.map((item, i) => reader(item, `${where}[${i}]`));
  };
}

/** An object of any keys, as `metrics`. It has no prototype, so that no key of a stranger's means more than itself. */
export function mapOf<T>(reader: Reader<T>): Reader<Readonly<Record<string, T>>> {
  return (value, where) => {
    if (!(value instanceof Map)) throw mismatch(where, "an object", value);
    const found = Object.create(null) as Record<string, T>;
    for (const [key, item] of value) found[key] = reader(item, `${where}.${key}`);
    return found;
  };
}

type Required<T> = { [K in keyof T as undefined extends T[K] ? never : K]: Reader<T[K]> };
type Optional<T> = { [K in keyof T as undefined extends T[K] ? K : never]-?: Reader<Exclude<T[K], undefined>> };

/** An object of exactly these fields, but for optional ones; a field latentSize is written latent_size. */
export function objectOf<T>(fields: Required<T>, optional?: Optional<T>): Reader<T> {
  const wanted = Object.keys(fields).map(snake);
  const readers = new Map(
    Object.entries({ ...fields, ...optional }).map(([name, reader]) => [snake(name), [name, reader as Reader<unknown>]] as const),
  );
  return (value, where) => {
    if (!(value instanceof Map)) throw mismatch(where, "an object", value);
    const missing = wanted.filter((key) => !value.has(key));
    if (missing.length > 0) throw new ManifestError(`${where} lacks ${missing.join(", ")}; export the bundle again`);
    const found: Record<string, unknown> = {};
    for (const [key, item] of value) {
      const field = readers.get(key);
      if (field === undefined) {
        throw new ManifestError(
          `${where} has unknown ${JSON.stringify(key).slice(0, 60)}; its schema has no such field`,
        );
      }
      found[field[0]] = field[1](item, `${where}.${key}`);
    }
    return found as T;
  };
}

function snake(name: string): string {
  return name.replace(/[A-Z0-9]+/g, (part) => (/^[A-Z]/.test(part) ? `_${part.toLowerCase()}` : part));
}

function mismatch(where: string, expected: string, value: Json): ManifestError {
  const kind =
    value === null
      ? "null"
      : Array.isArray(value)
        ? "a list"
        : value instanceof Map
          ? "an object"
          : `${typeof value} ${value}`;
  return new ManifestError(`${where} should be ${expected}, it is ${kind.slice(0, 60)}; export the bundle again`);
}
