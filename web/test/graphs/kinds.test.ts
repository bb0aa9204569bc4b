/** Every kind of VAE that the exporter is measured on runs on the kernels; so do its graphs in fp16 and int8. */

import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import test from "node:test";
import { gunzipSync } from "node:zlib";
import { compared } from "./reference.js";

// tests/vectors/make_kinds.py writes it
const KINDS = new URL("../../../../tests/vectors/kinds.jsonl.gz", import.meta.url);
const graphs = gunzipSync(readFileSync(KINDS))
  .toString()
  .split("\n")
  .map((line) => JSON.parse(line) as { name: string; bytes: string });

/**
 * How far from onnxruntime-web. It rounds to float16 between operators, and sums integers where the kernels sum what
 * they stand for: one step of the last layer then differs now and then.
 */
const TOLERANCES = { fp16: 0.02, int8: 0.2 };

test("all ten kinds are here, and some in fp16 and int8", () => {
  assert.equal(new Set(graphs.map(({ name }) => name.split(",")[0])).size, 11);
  assert.ok(["fp16", "int8"].every((precision) => graphs.some(({ name }) => name.endsWith(precision))));
});

for (const { name, bytes } of graphs) {
  test(`${name}: on the kernels as on onnxruntime-web`, async () => {
    const worst = await compared(new Uint8Array(Buffer.from(bytes, "base64")), 1, [1, 3, 20]);
    const precision = name.split(" ").at(-1)! as keyof typeof TOLERANCES;
    assert.ok(worst <= (TOLERANCES[precision] ?? 1e-5), String(worst));
  });
}
