/** The graphs that ship give what their probes say and what onnxruntime-web gives, on the kernels. */

import assert from "node:assert/strict";
import { readdirSync, readFileSync } from "node:fs";
import test from "node:test";
import { openGraph } from "../../src/graphs.js";
import type { Tensor } from "../../src/graph.js";
import { difference, dice, inputsOf, reference, specOf } from "./reference.js";

const ROOT = new URL("../../../../", import.meta.url); // from web/build/test/graphs
const GRAPHS = ["artifacts/", "tests/runtime/"].flatMap((folder) =>
  readdirSync(new URL(folder, ROOT), { withFileTypes: true })
    .filter((entry) => entry.isDirectory())
    .flatMap((entry) =>
      readdirSync(new URL(`${folder}${entry.name}/`, ROOT))
        .filter((name) => name.endsWith(".onnx"))
        .map((name) => `${folder}${entry.name}/${name}`),
    ),
);

test("every bundle that ships is here", () => assert.ok(GRAPHS.length >= 9));

/** Inputs as a VAE gives them: pixels in [0, 1], and one-hot labels. */
function taken(inputs: Record<string, Tensor>): Record<string, Tensor> {
  return Object.fromEntries(
    Object.entries(inputs).map(([name, { dims, data }]) => {
      const size = dims[1]!;
      const value = (each: number, at: number): number => {
        if (name === "label") return Number(at % size === Math.floor(at / size) % size);
        return name === "image" ? (each + 3) / 6 : each;
      };
      return [name, { dims, data: Float32Array.from(data as Float32Array, value) }];
    }),
  );
}

for (const path of GRAPHS) {
  test(`${path} runs on the kernels, within 1e-5 of onnxruntime-web`, async () => {
    const bytes = new Uint8Array(readFileSync(new URL(path, ROOT)));
    const spec = specOf(bytes);
    const kernels = await openGraph(bytes, spec);
    assert.equal(kernels.backend, "kernels");
    const other = await openGraph(bytes, spec, { backend: "onnxruntime-web", ort: await reference() });
    const random = dice(0);
    for (const events of [1, 2, 37]) {
      const inputs = taken(inputsOf(spec, events, random));
      const worst = difference(await kernels.run(inputs), await other.run(inputs));
      assert.ok(worst <= 1e-5, `${events} events: ${worst}`);
    }
  });
}
