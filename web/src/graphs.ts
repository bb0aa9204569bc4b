/** From a graph's verified bytes to a graph that runs. */

import type { GraphSpec } from "./bundle/schema.js";
import { BackendError } from "./errors.js";
import type { Backend, Graph } from "./graph.js";

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
export async function openGraph(_bytes: Uint8Array, spec: GraphSpec, _options: GraphOptions = {}): Promise<Graph> {
  throw new BackendError(`no backend can run ${spec.file.name} yet`);
}
