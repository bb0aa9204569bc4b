/**
 * The probe: a few events and what should come out for them, by which a bundle is checked where it runs.
 *
 * A bundle in fp32 holds what the model gave that was exported, and TOLERANCE is allowed. One in fp16 or int8 holds
 * what its own graphs gave, and how far from that another machine's kernels may come.
 */

import { parseNpz, type Dtype, type Expected, type NpyArray } from "./bundle/npz.js";
import type { Manifest } from "./bundle/schema.js";
import { CheckFailed, IntegrityError } from "./errors.js";
import type { Rows } from "./conditions.js";
import { standardise } from "./events.js";
import type { Tensor } from "./graph.js";
import type { GraphName, Model, Outputs } from "./model.js";

const TOLERANCE = 1e-4; // of a value v, TOLERANCE * max(1, |v|) is allowed

/** The largest difference of each output from the bundle's probe; throws CheckFailed beyond what is allowed. */
export async function checkProbe(model: Model, data: Uint8Array): Promise<Record<string, number>> {
  const { manifest } = model;
  const arrays = parseProbe(manifest, data);
  const found: Record<string, number> = {};
  const graphs = namesOf(manifest);
  const allOutputs = graphs.flatMap((graph) => manifest.graphs[graph]!.outputs.map(({ name }) => ({ graph, name })));
  const specs = [manifest.posterior, manifest.likelihood, manifest.prior];
  const read = new Set(specs.flatMap((spec) => Object.values(spec.outputs)));
  const tolerances = arrays.get("tolerance")?.data as Float32Array | undefined;
  const given: Outputs = {};
  for (const graph of graphs) Object.assign(given, await run(model, graph, arrays));
  for (const [place, { graph, name }] of allOutputs.entries()) {
    if (!read.has(name)) continue;
    const expected = arrays.get(name)!.data as Float32Array;
    const difference = (found[name] = largest(given[name]!.data, expected, tolerances === undefined));
    const limit = tolerances === undefined ? TOLERANCE : tolerances[place]!;
    if (!(difference <= limit)) {
      const { backend } = model.graphs[graph]!;
      throw new CheckFailed(
        `${manifest.name} on ${backend}: ${name} differs from what it was at export by ` +
          `${difference.toPrecision(2)}, at most ${limit.toPrecision(2)} was expected; ` +
          "try another backend, or export it again",
      );
    }
  }
  return found;
}

export function parseProbe(manifest: Manifest, data: Uint8Array): Map<string, NpyArray> {
  const expected = layout(manifest);
  const names = Object.keys(expected);
  const outputs = namesOf(manifest).flatMap((name) => manifest.graphs[name]!.outputs).length;
  const all =
    manifest.precision === "fp32" ? expected : { ...expected, tolerance: { dtype: "<f4" as const, shape: [outputs] } };
  const arrays = parseNpz(data, manifest.probe.name, all);
  const counts = new Set(names.map((name) => arrays.get(name)!.dims[0]));
  if (counts.size !== 1 || counts.has(0)) {
    throw new IntegrityError(`${manifest.probe.name} should hold as many of each, at least one; export it again`);
  }
  return arrays;
}

/** Each array of a probe. The event is stored as it was prepared, not standardised. */
function layout(manifest: Manifest): Expected {
  const { graphs, event } = manifest;
  const dtypes: Record<string, Dtype> = { float32: "<f4", int32: "<i4", int64: "<i8" };
  const isBinary = event.kind === "image" && event.threshold !== null;
  const tensors = namesOf(manifest).flatMap((name) => [...graphs[name]!.inputs, ...graphs[name]!.outputs]);
  return Object.fromEntries(
    tensors.map(({ name, dtype, shape, role }) => [
      name,
      {
        dtype: role === "event" && isBinary ? ("|u1" as const) : dtypes[dtype]!,
        shape: [-1, ...(shape.slice(1) as number[])],
      },
    ]),
  );
}

/** The graphs in the order of a probe's tolerances. */
function namesOf({ graphs }: Manifest): GraphName[] {
  return (["encoder", "decoder", "prior", "priorInverse"] as const).filter((name) => name in graphs);
}

async function run(model: Model, graph: GraphName, arrays: Map<string, NpyArray>): Promise<Outputs> {
  const { graphs, event } = model.manifest;
  const main = graphs[graph]!.inputs.find((tensor) => tensor.role !== "condition")!;
  const { dims, data } = arrays.get(main.name)!;
  const stored = { dims, data: Float32Array.from(data as Float32Array | Uint8Array) };
  const rows: Rows = (input, first, count) => {
    const {
      dims: [n, ...shape],
      data: all,
    } = arrays.get(input.name)!;
    const size = all.length / n!;
    return { dims: [count, ...shape], data: all.slice(first * size, (first + count) * size) } as Tensor;
  };
  return model.run(graph, graph === "encoder" ? standardise(stored, event) : stored, rows);
}

/** max |value - expected| / max(1, |expected|), or max |value - expected|; NaN where one is NaN. */
function largest(values: Float32Array, expected: Float32Array, isRelative: boolean): number {
  let most = 0;
  for (let i = 0; i < expected.length; i++) {
    const difference = Math.abs(values[i]! - expected[i]!) / (isRelative ? Math.max(1, Math.abs(expected[i]!)) : 1);
    most = difference <= most ? most : Number.isNaN(most) ? most : difference; // a NaN stays
  }
  return most;
}
