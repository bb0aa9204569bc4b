export type { Backend, Graph, Tensor } from "./graph.js";
