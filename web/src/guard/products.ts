/** How large matrix products are. */

import { together } from "./shapes.js";
import { given, type Info, int, joined, need, type Node, refuse, type Size, whole } from "./terms.js";
import { weightsAt } from "./windows.js";

/** A (..., M, K) by (..., K, N). */
export function matmul(node: Node, a: Info, ...others: (Info | undefined)[]): Info {
  const b = given(others[weightsAt(node) - 1]);
  need(a.shape.length >= 2 && b.shape.length >= 2); // vectors, which lose an axis, are refused
  return { shape: [...together([], a.shape.slice(0, -2), b.shape.slice(0, -2)), a.shape.at(-2)!, b.shape.at(-1)!] };
}

/** A (M, K) by (K, N), each transposed where it says so. */
export function gemm(node: Node, a: Info, b: Info): Info {
  need(a.shape.length === 2 && b.shape.length === 2);
  return { shape: [a.shape[int(node, "transA", 0) ? 1 : 0]!, b.shape[int(node, "transB", 0) ? 0 : 1]!] };
}

/** Einsum of one or two tensors, each axis by a letter of its own. */
export function einsum(node: Node, ...inputs: Info[]): Info {
  if (inputs.some((x) => !whole(x.shape) || x.shape.some((size) => size.n === 0))) {
    refuse("has an Einsum of what may be empty"); // which ends ONNX Runtime
  }
  const equation = given(node.texts.get("equation")).replaceAll(" ", "");
  const [left, right, more] = equation.split("->") as [string, string?, string?];
  const terms = left.split(",");
  const once = [...left].filter((letter) => letter !== "," && left.split(letter).length === 2);
  const output = right ?? once.sort().join("");
  if (terms.length !== inputs.length || inputs.length > 2 || equation.length > 32) {
    refuse("has an Einsum of more than two tensors");
  }
  const simple = (term: string): boolean => /^[A-Za-z]*$/.test(term) && new Set(term).size === term.length;
  if (more !== undefined || !terms.every((term) => term && simple(term)) || !simple(output)) {
    refuse("has an Einsum that is not simple");
  }
  const found = new Map<string, Size[]>();
  terms.forEach((term, index) => {
    need(term.length === inputs[index]!.shape.length);
    [...term].forEach((letter, axis) => {
      found.set(letter, [...(found.get(letter) ?? []), inputs[index]!.shape[axis]!]);
    });
  });
  return { shape: [...output].map((letter) => joined(given(found.get(letter)))) };
}
