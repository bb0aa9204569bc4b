/** Run a bundle in the browser or in Node: `const vae = await VAE.load("mnist/"); await vae.generate(64)`. */

export type * from "./bundle/schema.js";
export type { Files } from "./bundle/source.js";
export type { Given, Label } from "./conditions.js";
export * from "./distributions/index.js";
export * from "./errors.js";
export type { Backend, Graph, Tensor } from "./graph.js";
export type { GraphOptions, OnnxRuntime } from "./graphs.js";
export { Purpose, type Whole } from "./noise/index.js";
export type { Float32Tensor, Float64Tensor, Numbers } from "./tensor.js";
export * from "./vae.js";
