/** A graph that the kernels do not compute: onnxruntime-web may. */
export class Uncovered extends Error {
  /** `what` it is, as the rest of "has no kernel for ...". */
  constructor(
    readonly what: string,
    readonly operator = "",
  ) {
    super(`the kernels do not cover ${operator ? `${operator}: ` : ""}${what}`);
  }
}
