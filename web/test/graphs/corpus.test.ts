/** The guard gives Python's verdicts: the same graphs are refused, and the others cost the same. */

import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import test from "node:test";
import { gunzipSync } from "node:zlib";
import { UnsafeBundle } from "../../src/errors.js";
import { check } from "../../src/graphs.js";

// tests/vectors/make_graphs.py writes it
const CORPUS = new URL("../../../../tests/vectors/graphs.jsonl.gz", import.meta.url);

interface Entry {
  readonly name: string;
  readonly bytes: string;
  /** [batch, elements], or null where Python refuses the graph. */
  readonly cost: [number, number] | null;
}

const entries = gunzipSync(readFileSync(CORPUS))
  .toString()
  .split("\n")
  .map((line) => JSON.parse(line) as Entry);

/** [batch, elements], or null; any other error than UnsafeBundle is thrown. */
function verdict(bytes: Uint8Array): [number, number] | null {
  try {
    const [, { batch, elements }] = check(bytes, "graph.onnx");
    return [batch, elements];
  } catch (error) {
    if (error instanceof UnsafeBundle) return null;
    throw error;
  }
}

test("the corpus holds graphs of both kinds", () => {
  const refused = entries.filter((entry) => entry.cost === null).length;
  assert.ok(refused > 300 && entries.length - refused > 250, `${refused} of ${entries.length} are refused`);
});

test("each graph gets Python's verdict, and the same cost", () => {
  const others = entries.flatMap(({ name, bytes, cost }) => {
    const made = verdict(new Uint8Array(Buffer.from(bytes, "base64")));
    return JSON.stringify(made) === JSON.stringify(cost) ? [] : [`${name}: [${made}], Python [${cost}]`];
  });
  assert.deepEqual(others, []);
});
