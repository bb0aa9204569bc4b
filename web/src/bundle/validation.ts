/** What the fields of a manifest may say, one with another. Throws ManifestError. */

import { isSame, type Shape } from "../arrays.js";
import { FLOW, problem } from "../distributions/registry.js";
import { ManifestError } from "../errors.js";
import type {
  ConditionSpec,
  DeviationsSpec,
  DistributionSpec,
  EventSpec,
  FileSpec,
  GraphSpec,
  Manifest,
  Precision,
} from "./schema.js";

const MAX_WEIGHTS = 4096; // uncertain ones, each a kernel or a bias
const MAX_SIZE = 4096; // of an axis of an image, a vector, a latent or a condition

const FILE_NAME = /^[A-Za-z0-9][A-Za-z0-9._-]{0,63}$/;
const SHA256 = /^[0-9a-f]{64}$/;
const TENSOR_NAME = /^[A-Za-z0-9_][A-Za-z0-9_.:/-]{0,127}$/;

/** Throws ManifestError where a value is not one that a bundle may say. */
export function checkManifest(manifest: Manifest): void {
  const { encoder, decoder, prior, priorInverse } = manifest.graphs;
  const event = eventShape(manifest.event);
  const latent = [manifest.latentSize];
  checkSize("latent_size", manifest.latentSize);
  checkEvent(manifest.event);
  if (manifest.condition !== null) checkCondition(manifest.condition);
  checkFiles([...filesOf(manifest), ...(manifest.scores === null ? [] : [manifest.scores.file])]);
  checkGraph("encoder", encoder, "event", event, manifest.condition);
  checkGraph("decoder", decoder, "latent", latent, manifest.condition);
  const isFlow = manifest.prior.family === FLOW;
  const flow = [prior, priorInverse].filter((graph) => graph !== undefined);
  expect(flow.length === (isFlow ? 2 : 0), "graphs", isFlow ? "with those of a flow" : "encoder and decoder", "others");
  if (isFlow) {
    checkGraph("prior", prior!, "noise", latent, manifest.condition);
    checkGraph("prior_inverse", priorInverse!, "latent", latent, manifest.condition);
    checkFlow(manifest);
  }
  checkNames([encoder, decoder, ...flow]);
  checkDistribution("posterior", manifest.posterior, latent, [encoder]);
  checkDistribution("likelihood", manifest.likelihood, event, [decoder]);
  checkDistribution("prior", manifest.prior, latent, flow);
  checkLabels(manifest);
  if (manifest.deviations !== null) checkDeviations(manifest.deviations, manifest.precision);
  for (const figures of [manifest.metrics, manifest.parity]) {
    expect(Object.values(figures).every(Number.isFinite), "figures", "finite", Object.values(figures));
  }
}

/** [height, width, channels] of an image, [size] of a vector. */
export function eventShape(event: EventSpec): Shape {
  return event.kind === "image" ? [event.height, event.width, event.channels] : [event.size];
}

/** The files that the manifest vouches for and that are read here: the fit of scores is Python's. */
export function filesOf({ graphs, probe, prior, deviations }: Manifest): FileSpec[] {
  const beside = [prior.file, deviations === null ? null : deviations.file].filter((file) => file !== null);
  return [...Object.values(graphs).map((graph) => graph.file), probe, ...beside];
}

function checkDeviations({ weights, file }: DeviationsSpec, precision: Precision): void {
  expect(weights.length > 0 && weights.length <= MAX_WEIGHTS, "deviations.weights", `1 to ${MAX_WEIGHTS} names`, weights);
  const different = new Set(weights).size === weights.length && !weights.includes("");
  expect(different, "deviations.weights", "different names", weights);
  expect(precision === "fp32", "deviations", `null with precision ${precision}`, file.name);
}

function checkEvent(event: EventSpec): void {
  if (event.kind === "vector") {
    checkSize("event.size", event.size);
    for (const name of ["names", "shift", "scale"] as const) {
      expect(
        [0, event.size].includes(event[name].length),
        `event.${name}`,
        `none or ${event.size}`,
        event[name].length,
      );
    }
    expect(new Set(event.names).size === event.names.length, "event.names", "different names", event.names);
  } else {
    for (const name of ["height", "width", "channels"] as const) checkSize(`event.${name}`, event[name]);
    const { threshold } = event;
    expect(threshold === null || (threshold >= 0 && threshold < 1), "event.threshold", "in [0, 1)", threshold);
  }
  const [shifts, scales] = event.kind === "vector" ? [event.shift, event.scale] : [[event.shift], [event.scale]];
  expect(shifts.every(Number.isFinite), "event.shift", "finite", shifts);
  expect(
    scales.every((scale) => Number.isFinite(scale) && scale > 0),
    "event.scale",
    "finite and > 0",
    scales,
  );
}

function checkCondition({ kind, size, names }: ConditionSpec): void {
  checkSize("condition.size", size);
  const wanted = kind === "vector" ? [0, size] : [size];
  expect(wanted.includes(names.length), "condition.names", `${size} names`, names.length);
  expect(new Set(names).size === names.length, "condition.names", "different names", names);
}

function checkFiles(files: readonly FileSpec[]): void {
  const names = files.map((file) => file.name);
  expect(new Set(names).size === names.length, "files", "different names", names);
  for (const file of files) {
    expect(FILE_NAME.test(file.name), "file name", "a plain name, no folder", file.name);
    expect(SHA256.test(file.sha256), `${file.name}: sha256`, "64 hexadecimal digits", file.sha256);
    expect(file.bytes > 0, `${file.name}: bytes`, "positive", file.bytes);
  }
}

/** The inputs: one of `role` and `shape`, and at most one condition. The outputs: float32, the batch first. */
function checkGraph(
  where: string,
  graph: GraphSpec,
  role: string,
  shape: Shape,
  condition: ConditionSpec | null,
): void {
  expect(graph.multiplyAdds >= 0, `${where}.multiply_adds`, "0 or more", graph.multiplyAdds);
  expect(graph.parameters >= 0, `${where}.parameters`, "0 or more", graph.parameters);
  const roles = graph.inputs.map((tensor) => tensor.role);
  const mains = roles.filter((each) => each === role).length;
  const conditions = roles.filter((each) => each === "condition").length;
  expect(
    mains === 1 && conditions <= (condition === null ? 0 : 1) && mains + conditions === roles.length,
    `${where}.inputs`,
    condition === null ? role : `${role} and at most one condition`,
    roles,
  );
  for (const tensor of graph.inputs) {
    const isIndex = tensor.role === "condition" && condition?.kind === "index";
    const tail = tensor.role !== "condition" ? shape : isIndex ? [] : [condition!.size];
    const dtypes = isIndex ? ["int32", "int64"] : ["float32"];
    expect(
      dtypes.includes(tensor.dtype) && isSame(tensor.shape, ["batch", ...tail]),
      `${where}.${tensor.name}`,
      `${dtypes[0]} (${["batch", ...tail].join(", ")})`,
      `${tensor.dtype} (${tensor.shape.join(", ")})`,
    );
  }
  for (const tensor of graph.outputs) {
    const [batch, ...sizes] = tensor.shape;
    const fits = batch === "batch" && sizes.every((size) => typeof size === "number" && size > 0);
    expect(
      fits && tensor.dtype === "float32" && tensor.role === "",
      `${where}.${tensor.name}`,
      "float32 (batch, ...)",
      `${tensor.dtype} (${tensor.shape.join(", ")})`,
    );
  }
}

/** The outputs of a flow come of the graph that makes them, and both graphs read a condition or none does. */
function checkFlow({ graphs, prior: { outputs }, latentSize }: Manifest): void {
  const { prior, priorInverse } = graphs as { prior: GraphSpec; priorInverse: GraphSpec };
  for (const [output, graph] of Object.entries({ sample: prior, noise: priorInverse, log_det: priorInverse })) {
    const wanted = ["batch", ...(output === "log_det" ? [] : [latentSize])];
    const found = graph.outputs.find((tensor) => Object.hasOwn(outputs, output) && tensor.name === outputs[output]);
    const fits = found !== undefined && isSame(found.shape, wanted);
    expect(fits, `prior.outputs.${output}`, `an output (${wanted.join(", ")})`, found?.shape);
  }
  const both = [prior, priorInverse].map((graph) => graph.inputs.some((tensor) => tensor.role === "condition"));
  expect(both[0] === both[1], "prior.inputs", "a condition in both graphs, or in neither", both);
}

/** A mixture with weights for each label has those of the condition. */
function checkLabels({ prior, condition }: Manifest): void {
  const labels = Object.hasOwn(prior.constants, "labels") ? prior.constants.labels : undefined;
  const size = condition === null || condition.kind === "vector" ? 0 : condition.size;
  expect(labels === undefined || labels === size, "prior.constants.labels", `${size}, the labels`, labels);
}

/** A tensor is known by its name alone, in a probe and in parity; a condition may be read by all graphs. */
function checkNames(graphs: readonly GraphSpec[]): void {
  const tensors = graphs.flatMap((graph) => [...graph.inputs, ...graph.outputs]);
  const conditions = new Set(tensors.filter((tensor) => tensor.role === "condition").map((tensor) => tensor.name));
  const others = tensors.filter((tensor) => !conditions.has(tensor.name)).map((tensor) => tensor.name);
  const shared = tensors.length - others.length;
  const fits = new Set(others).size === others.length && shared <= graphs.length && conditions.size <= 1;
  const names = tensors.map((tensor) => tensor.name);
  expect(fits && !names.includes("tolerance"), "tensors", "different names, none 'tolerance'", names);
  for (const name of names) expect(TENSOR_NAME.test(name), "tensor name", "letters, digits and _.:/-", name);
}

function checkDistribution(
  role: "posterior" | "likelihood" | "prior",
  spec: DistributionSpec,
  shape: Shape,
  graphs: readonly GraphSpec[],
): void {
  expect(isSame(spec.eventShape, shape), `${role}.event_shape`, `(${shape.join(", ")})`, spec.eventShape);
  const outputs = graphs.flatMap((graph) => graph.outputs);
  const shapes = new Map(outputs.map((tensor) => [tensor.name, tensor.shape.slice(1) as number[]]));
  const unknown = Object.values(spec.outputs).filter((name) => !shapes.has(name));
  expect(unknown.length === 0, `${role}.outputs`, "outputs of its graph", unknown);
  const found = problem(role, spec, Object.fromEntries(shapes));
  if (found !== undefined) throw new ManifestError(`manifest: ${role}: ${found}; export the bundle again`);
}

function checkSize(where: string, size: number): void {
  expect(size > 0 && size <= MAX_SIZE, where, `1 to ${MAX_SIZE}`, size);
}

function expect(holds: boolean, where: string, expected: string, value: unknown): void {
  if (holds) return;
  throw new ManifestError(
    `manifest: ${where} should be ${expected}, it is ${String(value).slice(0, 200)}; export the bundle again`,
  );
}
