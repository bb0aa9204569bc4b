/** What a run is given, checked against what the graph reads. */

import { InputError } from "../errors.js";
import type { Tensor } from "../graph.js";
import { INT32, INT64 } from "../guard/kinds.js";
import type { Model } from "../guard/terms.js";

/** The names of a graph's inputs, in its order; what has a weight of that name is none. */
export function inputNames(model: Model): string[] {
  return [...model.inputs.keys()].filter((name) => !model.weights.has(name));
}

/** How many events the inputs hold. Throws InputError where one is missing, or of another shape or type. */
export function checkInputs(model: Model, inputs: Readonly<Record<string, Tensor>>): number {
  let events: number | undefined;
  for (const name of inputNames(model)) {
    const sizes = model.inputs.get(name)!;
    const expected = `[${sizes.map((size, axis) => (axis ? (size ?? "any") : (events ?? "batch"))).join(", ")}]`;
    const tensor = inputs[name];
    if (!tensor) throw new InputError(`the graph reads '${name}' of shape ${expected}; give it by that name`);
    const { dims, data } = tensor;
    events ??= dims[0] ?? 0;
    const fits = sizes.every((size, axis) => (axis ? size === null || size === dims[axis] : dims[0] === events));
    if (dims.length !== sizes.length || !fits || data.length !== dims.reduce((product, size) => product * size, 1)) {
      throw new InputError(
        `'${name}' should have the shape ${expected}, it has [${dims.join(", ")}] and ${data.length} numbers`,
      );
    }
    const wanted = { [INT64]: BigInt64Array, [INT32]: Int32Array }[model.types.get(name)!] ?? Float32Array;
    if (!(data instanceof wanted)) {
      throw new InputError(`'${name}' should be a ${wanted.name}, it is a ${data.constructor.name}`);
    }
  }
  return events ?? 0;
}
