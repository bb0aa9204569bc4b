/** openGraph chooses who computes a graph, says why one cannot, and checks what it is given. */

import assert from "node:assert/strict";
import test from "node:test";
import { BackendError, InputError, IntegrityError, UnsafeBundle } from "../../src/errors.js";
import type { Tensor } from "../../src/graph.js";
import { check, openGraph } from "../../src/graphs.js";
import { type Bytes, field, model, node, raw, tensor, value } from "./onnx.js";
import { compared, dice, difference, inputsOf, reference, specOf } from "./reference.js";

const X = value("x", ["batch", 3]);
const Y = value("y", ["batch", 3]);
const simple = (...nodes: Bytes[]): Bytes => model({ nodes, inputs: [X], outputs: [Y] });
const RELU = simple(node("Relu", ["x"], ["y"]));
const SINE = simple(node("Sin", ["x"], ["y"]));
const events = (...rows: number[][]): Tensor => ({ dims: [rows.length, 3], data: Float32Array.from(rows.flat()) });

test("the kernels compute what they cover, and onnxruntime-web the rest", async () => {
  const ort = await reference();
  assert.equal((await openGraph(RELU, specOf(RELU))).backend, "kernels");
  assert.equal((await openGraph(SINE, specOf(SINE), { ort })).backend, "onnxruntime-web");
  assert.equal((await openGraph(RELU, specOf(RELU), { backend: "onnxruntime-web", ort })).backend, "onnxruntime-web");
});

test("without the option ort, onnxruntime-web is imported where it is installed", async () => {
  const graph = await openGraph(SINE, specOf(SINE));
  const { y } = await graph.run({ x: events([0, 1, 2]) });
  assert.ok(Math.abs(Number(y!.data[1]) - Math.sin(1)) < 1e-6);
});

test("asking the kernels for what they do not cover names the operator and the remedy", async () => {
  await assert.rejects(
    openGraph(SINE, specOf(SINE), { backend: "kernels" }),
    (error: Error) =>
      error instanceof BackendError && /graph\.onnx: .*Sin.*use the backend "onnxruntime-web"/.test(error.message),
  );
});

test("an attribute that has no kernel is not covered either", async () => {
  for (const [operator, attributes, what] of [
    ["MaxPool", { kernel_shape: [2, 2, 2] }, "3 axes"],
    ["Pad", { mode: "wrap" }, "the mode 'wrap'"],
  ] as const) {
    const bytes = model({
      opset: 19,
      nodes: [node(operator, operator === "Pad" ? ["x", "p"] : ["x"], ["y"], attributes)],
      inputs: [value("x", ["batch", 2, 4, 4, 4])],
      outputs: [field(1, "y")],
      weights: operator === "Pad" ? [tensor("p", [10], raw("int64", Array<number>(10).fill(1)), "int64")] : [],
    });
    await assert.rejects(openGraph(bytes, specOf(bytes), { backend: "kernels" }), new RegExp(`${operator}: ${what}`));
  }
});

test("a backend that there is not is an error that lists those that there are", async () => {
  const options = { backend: "webgpu" as never };
  await assert.rejects(openGraph(RELU, specOf(RELU), options), /no backend 'webgpu'; use "auto", "kernels"/);
});

test("a module that cannot make a session says so, and where to look", async () => {
  const ort = { InferenceSession: { create: () => Promise.reject(new Error("no wasm")) }, Tensor: Object } as never;
  await assert.rejects(
    openGraph(SINE, specOf(SINE), { ort }),
    (error: Error) => error instanceof BackendError && /no wasm.*wasmPaths/.test(error.message),
  );
});

test("a hostile graph is refused whoever would compute it", async () => {
  const loop = simple(node("Loop", ["x"], ["y"]));
  const spec = specOf(RELU);
  for (const backend of ["auto", "kernels", "onnxruntime-web"] as const) {
    await assert.rejects(
      openGraph(loop, spec, { backend }),
      (error: Error) => error instanceof UnsafeBundle && /graph\.onnx has the operator Loop/.test(error.message),
    );
  }
});

test("a graph that is not the manifest's is refused", async () => {
  const spec = specOf(RELU);
  for (const other of [
    { ...spec, opset: 13 },
    { ...spec, inputs: [{ ...spec.inputs[0]!, name: "z" }] },
    { ...spec, outputs: [{ ...spec.outputs[0]!, name: "z" }] },
  ]) {
    await assert.rejects(openGraph(RELU, other), (error: Error) => error instanceof IntegrityError && /opset 17/.test(error.message));
  }
});

test("an input that is missing or of another shape is an error that says which one is expected", async () => {
  for (const backend of ["kernels", "onnxruntime-web"] as const) {
    const graph = await openGraph(RELU, specOf(RELU), { backend, ort: await reference() });
    await assert.rejects(graph.run({}), (error: Error) => error instanceof InputError && /'x' of shape \[batch, 3\]/.test(error.message));
    const wrong = { dims: [1, 4], data: new Float32Array(4) };
    await assert.rejects(graph.run({ x: wrong }), /'x' should have the shape \[batch, 3\], it has \[1, 4\]/);
    await assert.rejects(graph.run({ x: { dims: [2, 3], data: new Float32Array(5) } }), /5 numbers/);
    await assert.rejects(graph.run({ x: { dims: [1, 3], data: new Int32Array(3) } }), /should be a Float32Array, it is a Int32Array/);
  }
});

test("a graph that was disposed of does not run", async () => {
  for (const backend of ["kernels", "onnxruntime-web"] as const) {
    const graph = await openGraph(RELU, specOf(RELU), { backend, ort: await reference() });
    graph.dispose();
    graph.dispose();
    await assert.rejects(graph.run({ x: events([1, 2, 3]) }), /disposed of; open it again/);
  }
});

test("no event, one and many give as many rows, whatever the parts they run in", async () => {
  const ort = await reference();
  for (const options of [{ backend: "kernels" }, { backend: "onnxruntime-web", ort }, { backend: "onnxruntime-web", ort, maxElements: 150 }] as const) {
    const graph = await openGraph(RELU, specOf(RELU), options);
    for (const count of [0, 1, 15, 16, 17, 1000]) {
      const rows = Array.from({ length: count }, (_, at) => [at, -1 - at, 1]);
      const { y } = await graph.run({ x: events(...rows) });
      assert.deepEqual(y!.dims, [count, 3]);
      assert.deepEqual([...y!.data], rows.flatMap((row) => row.map((number) => Math.max(0, number))));
    }
  }
});

test("what comes back is the caller's: a later run does not change it", async () => {
  const graph = await openGraph(RELU, specOf(RELU), { backend: "kernels" });
  const first = await graph.run({ x: events([1, 2, 3]) });
  await graph.run({ x: events([4, 5, 6]) });
  assert.deepEqual([...first["y"]!.data], [1, 2, 3]);
});

test("an event's numbers do not depend on how many run beside it", async () => {
  const bytes = model({
    nodes: [node("Conv", ["x", "w"], ["y"], { pads: [1, 1, 1, 1] })],
    inputs: [value("x", ["batch", 3, 5, 5])],
    outputs: [field(1, "y")],
    weights: [tensor("w", [4, 3, 3, 3], raw("float", Array.from({ length: 108 }, dice(1))))],
  });
  const graph = await openGraph(bytes, specOf(bytes), { backend: "kernels" });
  const inputs = inputsOf(specOf(bytes), 33, dice(2));
  const { y } = await graph.run(inputs);
  for (const at of [0, 15, 32]) {
    const x = inputs["x"]!;
    const one = await graph.run({ x: { dims: [1, 3, 5, 5], data: x.data.slice(75 * at, 75 * at + 75) } });
    const same = { y: { dims: [1, 4, 5, 5], data: y!.data.slice(100 * at, 100 * at + 100) } };
    assert.ok(difference(one, same) < 1e-6);
  }
});

test("a limit that one event passes is refused with the option that raises it", () => {
  assert.throws(() => check(RELU, "g", 4), /for one event; the option maxElements raises the limit/);
});

test("names are UTF-8, and other bytes are names too", async () => {
  const bytes = model({
    nodes: [node("Relu", ["größe"], ["y"])],
    inputs: [value("größe", ["batch", 3])],
    outputs: [field(1, "y")],
  });
  const { y } = await (await openGraph(bytes, specOf(bytes))).run({ größe: events([-1, 0, 1]) });
  assert.deepEqual([...y!.data], [0, 0, 1]);
  const at = bytes.indexOf(0xc3); // cuts each ö into bytes that are no UTF-8
  assert.ok(at > 0);
  const broken = bytes.map((byte) => (byte === 0xc3 ? 0xff : byte));
  assert.equal(check(broken, "g")[0].inputs.size, 1);
});

test("infinities and NaN go through as they do in onnxruntime-web", async () => {
  const rows = events([NaN, Infinity, -Infinity], [88.8, -104, 1e-40], [0, -0, 1]);
  for (const operator of ["Relu", "Exp", "Sigmoid", "Tanh", "Softplus", "Log", "Erf", "Elu", "LeakyRelu", "Sqrt", "Neg"]) {
    const bytes = simple(node(operator, ["x"], ["y"]));
    const kernels = await (await openGraph(bytes, specOf(bytes), { backend: "kernels" })).run({ x: rows });
    const other = await (await openGraph(bytes, specOf(bytes), { backend: "onnxruntime-web", ort: await reference() })).run({ x: rows });
    assert.ok(difference(kernels, other) <= 1e-5, `${operator}: ${kernels["y"]!.data} but ${other["y"]!.data}`);
  }
});

test("any damage to a graph gives a graph or UnsafeBundle", async () => {
  const random = dice(3);
  const whole = model({
    nodes: [node("Gemm", ["x", "w"], ["h"]), node("Reshape", ["h", "s"], ["y"])],
    inputs: [X],
    outputs: [Y],
    weights: [tensor("w", [3, 3], raw("float", Array.from({ length: 9 }, random))), tensor("s", [2], raw("int64", [-1, 3]), "int64")],
  });
  assert.ok((await compared(whole)) < 1e-6);
  for (let round = 0; round < 2000; round++) {
    const bytes = whole.slice();
    for (let change = 0; change < 1 + (round % 3); change++) bytes[Math.floor(random() * bytes.length)] = Math.floor(random() * 256);
    try {
      const spec = specOf(bytes.subarray(0, round % 7 ? bytes.length : Math.floor(random() * bytes.length)));
      await openGraph(bytes, spec, { backend: "kernels" });
    } catch (error) {
      const refused = error instanceof UnsafeBundle || error instanceof BackendError || error instanceof IntegrityError;
      assert.ok(refused, `round ${round}: ${error instanceof Error ? error.stack : String(error)}`);
    }
  }
});
