/** One graph of a bundle, whoever computes it. */

/** A dense tensor in row-major order. `data.length` is the product of `dims`. */
export interface Tensor {
  readonly dims: readonly number[];
  readonly data: Float32Array | Int32Array | BigInt64Array;
}

/** What computes a graph: the small WebAssembly kernels, or onnxruntime-web. */
export type Backend = "kernels" | "onnxruntime-web";

/** A loaded graph. Inputs and outputs go by the names that the manifest gives them. */
export interface Graph {
  readonly backend: Backend;
  /** Computes all outputs. The tensors that come back belong to the caller. */
  run(inputs: Readonly<Record<string, Tensor>>): Promise<Record<string, Tensor>>;
  /** Frees what the graph holds; it cannot run afterwards. */
  dispose(): void;
}
