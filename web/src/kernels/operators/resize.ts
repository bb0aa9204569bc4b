/** Resize by the nearest element or linearly, axis by axis, at the places that ONNX's formulas give. */

import { axisOf, type Node } from "../../guard/terms.js";
import type { Compiler } from "../compiler.js";
import { Uncovered } from "../uncovered.js";
import type { View } from "../views.js";
import { taken } from "./shapes.js";

/** Where output `at` of `size` lies in an input of `from` elements. */
function place(mode: string, at: number, from: number, size: number, scale: number): number {
  switch (mode) {
    case "half_pixel":
      return (at + 0.5) / scale - 0.5;
    case "pytorch_half_pixel":
      return size > 1 ? (at + 0.5) / scale - 0.5 : 0;
    case "align_corners":
      return size > 1 ? (at * (from - 1)) / (size - 1) : 0;
    case "asymmetric":
      return at / scale;
    default:
      throw new Uncovered(`places by '${mode}'`);
  }
}

const ROUNDING: Record<string, (x: number) => number> = {
  round_prefer_floor: (x) => Math.ceil(x - 0.5),
  round_prefer_ceil: (x) => Math.floor(x + 0.5),
  floor: Math.floor,
  ceil: Math.ceil,
};

function resize(c: Compiler, node: Node): void {
  let x = c.view(node.inputs[0]);
  const dims = c.dims(node.outputs[0]!);
  const mode = node.texts.get("coordinate_transformation_mode") ?? "half_pixel";
  const round = ROUNDING[node.texts.get("nearest_mode") ?? "round_prefer_floor"];
  if (!round) throw new Uncovered("a rounding that is not known");
  const scales = node.inputs[2] ? c.infos.get(node.inputs[2])?.floats : undefined;
  const axes = (node.ints.get("axes") ?? dims.map((_, axis) => axis)).map((axis) => axisOf(axis, dims.length));
  axes.forEach((axis, index) => {
    const [from, size] = [x.dims[axis]!, dims[axis]!];
    const scale = scales?.[index] ?? size / from;
    if (from === size && scale === 1) return;
    const places = Array.from({ length: size }, (_, at) => place(mode, at, from, size, scale));
    const inside = (at: number): number => Math.min(from - 1, Math.max(0, at));
    x =
      node.texts.get("mode") === "linear"
        ? between(c, x, axis, places.map(inside))
        : taken(c, x, axis, places.map((at) => inside(round(at))));
  });
  c.set(node.outputs[0]!, x);
}

/** Linear interpolation along one axis. */
function between(c: Compiler, x: View, axis: number, places: readonly number[]): View {
  const [low, high] = [Math.floor, Math.ceil].map((round) => taken(c, x, axis, places.map(round))) as [View, View];
  const sizes = x.dims.map((_, at) => (at === axis ? places.length : 1));
  const shares = c.constants.upload(places.map((at) => at - Math.floor(at)), sizes);
  return c.map("affine", c.map("sub", high, low), shares, low);
}

export const RESIZES: Record<string, (c: Compiler, node: Node) => void> = { Resize: resize };
