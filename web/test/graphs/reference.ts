/** The kernels beside onnxruntime-web, on the same graph and the same inputs. */

import assert from "node:assert/strict";
import type { GraphSpec, TensorSpec } from "../../src/bundle/schema.js";
import type { Tensor } from "../../src/graph.js";
import { check, openGraph, type OnnxRuntime } from "../../src/graphs.js";

let loaded: Promise<OnnxRuntime> | undefined;

/** onnxruntime-web, on one thread. */
export function reference(): Promise<OnnxRuntime> {
  loaded ??= import("onnxruntime-web/wasm").then((ort) => {
    ort.env.wasm.numThreads = 1;
    return ort as unknown as OnnxRuntime;
  });
  return loaded;
}

/** Numbers in [0, 1) that are the same in every run (mulberry32). */
export function dice(seed: number): () => number {
  let state = seed | 0;
  return () => {
    state = (state + 0x6d2b79f5) | 0;
    let t = Math.imul(state ^ (state >>> 15), 1 | state);
    t = (t + Math.imul(t ^ (t >>> 7), 61 | t)) ^ t;
    return ((t ^ (t >>> 14)) >>> 0) / 2 ** 32;
  };
}

const DTYPES: Record<number, TensorSpec["dtype"]> = { 1: "float32", 6: "int32", 7: "int64" };

/** What a manifest would say of the graph in `bytes`. */
export function specOf(bytes: Uint8Array): GraphSpec {
  const [model] = check(bytes, "graph.onnx");
  const inputs = [...model.inputs].filter(([name]) => !model.weights.has(name));
  return {
    file: { name: "graph.onnx", bytes: bytes.length, sha256: "" },
    opset: model.opset,
    inputs: inputs.map(([name, dims]) => ({
      name,
      dtype: DTYPES[model.types.get(name)!]!,
      shape: dims.map((size) => size ?? "batch"),
      role: "",
    })),
    outputs: [...model.outputs].map((name) => ({ name, dtype: "float32", shape: [], role: "" })),
    parameters: 0,
    multiplyAdds: 0,
  };
}

/** Random inputs for `events` events; integers are below `labels`. */
export function inputsOf(spec: GraphSpec, events: number, random: () => number, labels = 4): Record<string, Tensor> {
  return Object.fromEntries(
    spec.inputs.map(({ name, shape, dtype }) => {
      const dims = shape.map((size) => (typeof size === "string" ? events : size));
      const length = dims.reduce((product, size) => product * size, 1);
      const whole = (): number => Math.floor(random() * labels);
      const data =
        dtype === "int64"
          ? BigInt64Array.from({ length }, () => BigInt(whole()))
          : dtype === "int32"
            ? Int32Array.from({ length }, whole)
            : Float32Array.from({ length }, () => random() * 6 - 3);
      return [name, { dims, data }];
    }),
  );
}

/** The largest |difference| / max(1, |value|) between two results; equal infinities and NaNs differ by 0. */
export function difference(ours: Readonly<Record<string, Tensor>>, theirs: Readonly<Record<string, Tensor>>): number {
  let worst = 0;
  for (const [name, expected] of Object.entries(theirs)) {
    const made = ours[name];
    assert.ok(made, `no output '${name}'`);
    assert.deepEqual([...made.dims], [...expected.dims], `shape of '${name}'`);
    expected.data.forEach((value, at) => {
      const [a, b] = [Number(made.data[at]), Number(value)];
      if (Object.is(a, b) || a === b) return;
      const off = Math.abs(a - b) / Math.max(1, Math.abs(b));
      worst = Math.max(worst, Number.isNaN(off) ? Infinity : off);
    });
  }
  return worst;
}

/** How far the kernels are from onnxruntime-web on a graph, at several numbers of events. */
export async function compared(bytes: Uint8Array, seed = 0, sizes: readonly number[] = [1, 2, 5]): Promise<number> {
  const spec = specOf(bytes);
  const kernels = await openGraph(bytes, spec, { backend: "kernels" });
  const other = await openGraph(bytes, spec, { backend: "onnxruntime-web", ort: await reference() });
  const random = dice(seed);
  let worst = 0;
  for (const events of sizes) {
    const inputs = inputsOf(spec, events, random);
    worst = Math.max(worst, difference(await kernels.run(inputs), await other.run(inputs)));
  }
  kernels.dispose();
  other.dispose();
  return worst;
}
