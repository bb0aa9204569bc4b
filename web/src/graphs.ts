/** From a graph's verified bytes to a graph that runs. */

import type { GraphSpec } from "./bundle/schema.js";
import { BackendError, IntegrityError, UnsafeBundle } from "./errors.js";
import type { Backend, Graph } from "./graph.js";
import { type Cost, cost, MAX_ELEMENTS_ALIVE } from "./guard/size.js";
import { type Model, RefusedError } from "./guard/terms.js";
import { compileGraph } from "./kernels/graph.js";
import { Uncovered } from "./kernels/uncovered.js";
import { inputNames } from "./onnx/inputs.js";
import { read } from "./onnx/reader.js";
import { type OnnxRuntime, openSession } from "./onnx/session.js";

export type { OnnxRuntime } from "./onnx/session.js";

/** What computes graphs; `VAE.load` takes these too. */
export interface GraphOptions {
  /** "auto": the small kernels where they cover every operator, else onnxruntime-web. */
  readonly backend?: Backend | "auto";
  /** The module `onnxruntime-web/wasm`; without it, it is imported where a graph needs it. */
  readonly ort?: OnnxRuntime;
  /** Elements of four bytes that one run may hold at once; 2^29, which is 2 GiB. */
  readonly maxElements?: number;
}

/**
 * The graph in `bytes`, whose SHA-256 has been checked, with the inputs and outputs that `spec` names.
 *
 * Throws UnsafeBundle where the graph holds what no VAE needs, IntegrityError where it is not the one that `spec`
 * describes (opset, names), and BackendError where the backend that was asked for cannot run it.
 */
export async function openGraph(bytes: Uint8Array, spec: GraphSpec, options: GraphOptions = {}): Promise<Graph> {
  const { backend = "auto", ort, maxElements } = options;
  if (!["auto", "kernels", "onnxruntime-web"].includes(backend)) {
    throw new BackendError(`there is no backend '${backend}'; use "auto", "kernels" or "onnxruntime-web"`);
  }
  const [model, { batch }] = check(bytes, spec.file.name, maxElements);
  compare(model, spec);
  if (backend === "onnxruntime-web") return openSession(bytes, model, batch, ort);
  try {
    return await compileGraph(model, batch);
  } catch (error) {
    if (backend === "auto" && (error instanceof Uncovered || error instanceof WebAssembly.CompileError)) {
      return openSession(bytes, model, batch, ort);
    }
    if (error instanceof Uncovered) {
      throw new BackendError(
        `${spec.file.name}: ${error.message}; use the backend "onnxruntime-web", which computes every graph`,
        { cause: error },
      );
    }
    throw error;
  }
}

/** The graph in `bytes` and what it costs; throws UnsafeBundle where it is more than a VAE needs. */
export function check(bytes: Uint8Array, name: string, maxElements = MAX_ELEMENTS_ALIVE): [Model, Cost] {
  try {
    const model = read(bytes);
    return [model, cost(model, maxElements)];
  } catch (error) {
    if (!(error instanceof RefusedError)) throw error;
    throw new UnsafeBundle(`${name} ${error.message}; do not use it, or export the bundle again`, { cause: error });
  }
}

/** Throws IntegrityError unless the model is the one that `spec` describes. */
function compare(model: Model, spec: GraphSpec): void {
  const inputs = inputNames(model).sort();
  const expected = spec.inputs.map((tensor) => tensor.name).sort();
  const missing = spec.outputs.find((tensor) => !model.outputs.has(tensor.name));
  if (model.opset !== spec.opset || inputs.join("\n") !== expected.join("\n") || missing) {
    throw new IntegrityError(
      `the manifest describes ${spec.file.name} as opset ${spec.opset}, inputs ${expected.join(", ")} and outputs ` +
        `${spec.outputs.map((tensor) => tensor.name).join(", ")}; it has opset ${model.opset}, inputs ` +
        `${inputs.join(", ")} and outputs ${[...model.outputs].join(", ")}: export the bundle again`,
    );
  }
}
