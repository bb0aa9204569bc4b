/** SHA-256 without SubtleCrypto, and JSON in which nothing is lost. */
import assert from "node:assert/strict";
import { createHash } from "node:crypto";
import test from "node:test";
import { parseJson } from "../src/bundle/json.js";
import { halfToFloat } from "../src/bundle/npz.js";
import { plainSha256, sha256 } from "../src/bundle/sha256.js";

test("our SHA-256 is SHA-256, at every length around a block", async () => {
  for (const length of [0, 1, 3, 54, 55, 56, 57, 63, 64, 65, 119, 120, 127, 128, 1000, 100_003]) {
    const data = Uint8Array.from({ length: length + 5 }, (_, i) => (i * 31 + (i >> 8)) & 255).subarray(5);
    const expected = createHash("sha256").update(data).digest("hex");
    assert.equal(plainSha256(data), expected, String(length));
    assert.equal(await sha256(data), expected);
  }
});

test("without SubtleCrypto, as on a page of plain http, ours is used", async () => {
  const original = Object.getOwnPropertyDescriptor(globalThis, "crypto")!;
  Object.defineProperty(globalThis, "crypto", { value: {}, configurable: true });
  try {
    assert.equal(await sha256(new Uint8Array(0)), "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855");
  } finally {
    Object.defineProperty(globalThis, "crypto", original);
  }
});

test("JSON's numbers keep their kind: an integer is a bigint, what has a point or an exponent a number", () => {
  assert.deepEqual(parseJson(" [1, -0, 1.0, 1e2, 12345678901234567890, -0.5E-1] "), [
    1n,
    0n,
    1,
    100,
    12345678901234567890n,
    -0.05,
  ]);
  assert.deepEqual(
    parseJson('{"a": [], "b": {}, "\\u00e9\\n": [true, false, null]}'),
    new Map<string, any>([
      ["a", []],
      ["b", new Map()],
      ["é\n", [true, false, null]],
    ]),
  );
  assert.equal((parseJson('{"__proto__": 1}') as Map<string, unknown>).get("__proto__"), 1n);
});

test("text that is not JSON is refused", () => {
  for (const text of [
    "",
    "[1,]",
    "[1 2]",
    "{1: 2}",
    '{"a" 1}',
    '{"a": 1',
    "01",
    "1.",
    ".5",
    "+1",
    "NaN",
    "tru",
    "'a'",
    '"a',
    '"\t"',
    '"\\x"',
    '{"a": 1, "a": 2}',
    "[1]]",
    "-",
    "1e",
    "[".repeat(200),
  ]) {
    assert.throws(() => parseJson(text), SyntaxError, text);
  }
});

test("float16 becomes float32 exactly, subnormal, infinite and NaN too", () => {
  const known: [number, number][] = [
    [0, 0],
    [0x3c00, 1],
    [0xc000, -2],
    [0x7bff, 65504],
    [0x0400, 2 ** -14],
    [0x0001, 2 ** -24],
    [0x83ff, -1023 * 2 ** -24],
    [0x7c00, Infinity],
    [0xfc00, -Infinity],
    [0x7e00, NaN],
  ];
  for (const [bits, value] of known) assert.equal(halfToFloat(bits), value);
});
