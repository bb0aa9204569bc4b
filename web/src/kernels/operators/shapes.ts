/** Operators that move elements: most of them are another view, and nothing moves until it has to. */

import { axesOf, orderOf } from "../../guard/shapes.js";
import { cutsOf, forwards, isReversal } from "../../guard/parts.js";
import { axisOf, given, type Info, int, type Node } from "../../guard/terms.js";
import { values } from "../../onnx/values.js";
import type { Compiler } from "../compiler.js";
import { Uncovered } from "../uncovered.js";
import { broadcast, replaced, sliced, transposed, type View } from "../views.js";

type Emit = (c: Compiler, node: Node) => void;

const MAX_PLACES = 4096; // of one axis that are copied one by one

const info = (c: Compiler, name: string | undefined): Info | undefined => (name ? c.infos.get(name) : undefined);

/** What has the same elements in other sizes. */
const reshape: Emit = (c, node) => c.set(node.outputs[0]!, c.reshape(c.view(node.inputs[0]), c.dims(node.outputs[0]!)));

const transpose: Emit = (c, node) => {
  const x = c.view(node.inputs[0]);
  c.set(node.outputs[0]!, transposed(x, orderOf(node, x.dims.length)));
};

const concat: Emit = (c, node) => {
  const dims = c.dims(node.outputs[0]!);
  const axis = axisOf(int(node, "axis", 0), dims.length);
  const y = c.fresh(dims);
  let at = 0;
  for (const name of node.inputs) {
    const part = c.view(name);
    c.emit.map("copy", sliced(y, axis, at, part.dims[axis]!), part);
    at += part.dims[axis]!;
  }
  c.set(node.outputs[0]!, y);
};

const split: Emit = (c, node) => {
  const x = c.view(node.inputs[0]);
  const axis = axisOf(int(node, "axis", 0), x.dims.length);
  let at = 0;
  for (const name of node.outputs) {
    const size = c.dims(name)[axis]!;
    c.set(name, sliced(x, axis, at, size));
    at += size;
  }
};

const slice: Emit = (c, node) => {
  let x = c.view(node.inputs[0]);
  const [starts, ends, axes, steps] = node.inputs.slice(1).map((name) => info(c, name));
  for (const { axis, start, end, step } of cutsOf(x.dims.length, given(starts), given(ends), axes, steps)) {
    const size = x.dims[axis]!;
    if (step > 0) x = sliced(x, axis, ...forwards(size, start, end, step), step);
    else if (isReversal(size, start, end, step)) x = sliced(x, axis, size - 1, size, -1);
    else throw new Uncovered("a part of an axis backwards");
  }
  c.set(node.outputs[0]!, x);
};

/** The elements of one axis at constant places. */
export function taken(c: Compiler, x: View, axis: number, places: readonly number[]): View {
  if (places.length > MAX_PLACES) throw new Uncovered(`${places.length.toLocaleString("en")} places`);
  const y = c.fresh(replaced(x.dims, axis, places.length));
  for (let at = 0; at < places.length; ) {
    let length = 1;
    while (places[at + length] === places[at]! + length) length++;
    c.emit.map("copy", sliced(y, axis, at, length), sliced(x, axis, places[at]!, length));
    at += length;
  }
  return y;
}

const gather: Emit = (c, node) => {
  const x = c.view(node.inputs[0]);
  const axis = axisOf(int(node, "axis", 0), x.dims.length);
  const dims = c.dims(node.outputs[0]!);
  const places = c.integers(node.inputs[1]);
  if (places) {
    c.set(node.outputs[0]!, c.reshape(taken(c, x, axis, places.map((place) => axisOf(place, x.dims[axis]!))), dims));
    return;
  }
  // rows of a table at places that only the run knows: the sum over all rows, of which one counts
  if (axis !== 0 || x.dims.length !== 2 || x.dims[0]! > 4096) throw new Uncovered("places that the graph computes");
  const chosen = chosenOf(c, c.view(node.inputs[1]), x.dims[0]!, c.dims(node.inputs[1]!).length);
  const parts = c.map("mul", c.reshape(chosen, [...chosen.dims, 1]), x);
  const sum = c.reduce("add", parts, new Set([parts.dims.length - 2]), 0);
  c.set(node.outputs[0]!, c.reshape(sum, dims));
};

/** 1 where an index names a place on the new axis `axis`, else 0; negative ones count from the end. */
function chosenOf(c: Compiler, indices: View, depth: number, axis: number): View {
  const dims = [...indices.dims.slice(0, axis), 1, ...indices.dims.slice(axis)];
  const x = c.reshape(indices, dims);
  const sizes = dims.map((_, at) => (at === axis ? depth : 1));
  const places = (from: number): View => c.constants.upload(Array.from({ length: depth }, (_, at) => at + from), sizes);
  return c.map("add", c.map("equal", x, places(0)), c.map("equal", x, places(-depth)));
}

const oneHot: Emit = (c, node) => {
  const [indices, , onOff] = node.inputs;
  const dims = c.dims(node.outputs[0]!);
  const axis = axisOf(int(node, "axis", -1), dims.length);
  const chosen = chosenOf(c, c.view(indices), dims[axis]!, axis);
  const { data } = c.fixed(onOff!, "values");
  c.set(node.outputs[0]!, c.map("affine", chosen, c.scalar(data[1]! - data[0]!), c.scalar(data[0]!)));
};

const expand: Emit = (c, node) => c.set(node.outputs[0]!, broadcast(c.view(node.inputs[0]), c.dims(node.outputs[0]!)));

const tile: Emit = (c, node) => {
  const x = c.view(node.inputs[0]);
  const dims = c.dims(node.outputs[0]!);
  // (a, b) -> (times, a, times, b), of which the times repeat
  const pairs = x.dims.flatMap((size, axis) => [size ? dims[axis]! / size : 1, size]);
  const strides = x.strides.flatMap((stride) => [0, stride]);
  c.set(node.outputs[0]!, c.reshape({ ...x, dims: pairs, strides }, dims));
};

const pad: Emit = (c, node) => {
  const x = c.view(node.inputs[0]);
  const rank = x.dims.length;
  const pads = given(c.integers(node.inputs[1]));
  const axes = (c.integers(node.inputs[3]) ?? x.dims.map((_, axis) => axis)).map((axis) => axisOf(axis, rank));
  const mode = node.texts.get("mode") ?? "constant";
  if (mode === "constant") {
    const y = c.fresh(c.dims(node.outputs[0]!));
    c.emit.map("copy", y, node.inputs[2] ? c.reshape(c.view(node.inputs[2]), []) : c.scalar(0));
    let [inside, from]: [View, View] = [y, x];
    axes.forEach((axis, index) => {
      const [before, after] = [pads[index]!, pads[index + axes.length]!];
      const start = Math.max(0, -before);
      const length = Math.max(0, x.dims[axis]! - start - Math.max(0, -after));
      inside = sliced(inside, axis, Math.max(0, before), length);
      from = sliced(from, axis, start, length);
    });
    c.emit.map("copy", inside, from);
    c.set(node.outputs[0]!, y);
    return;
  }
  if (mode !== "reflect" && mode !== "edge") throw new Uncovered(`the mode '${mode}'`);
  let y = x;
  axes.forEach((axis, index) => {
    const size = x.dims[axis]!;
    const [before, after] = [pads[index]!, pads[index + axes.length]!];
    if (before === 0 && after === 0) return;
    const last = size - 1;
    const places = Array.from({ length: Math.max(0, size + before + after) }, (_, at) => {
      const place = at - before;
      if (mode === "edge") return Math.min(last, Math.max(0, place));
      return last - Math.abs(last - Math.abs(place));
    });
    if (places.some((place) => place < 0 || place > last)) throw new Uncovered("a reflection past the other end");
    y = taken(c, y, axis, places);
  });
  c.set(node.outputs[0]!, y);
};

/** DepthToSpace and SpaceToDepth, each as a view of six axes in another order. */
const depthToSpace: Emit = (c, node) => {
  const x = c.view(node.inputs[0]);
  if (x.dims.length !== 4) throw new Uncovered("other than four axes");
  const [n, channels, h, w] = x.dims as [number, number, number, number];
  const b = int(node, "blocksize", 1);
  const columns = node.texts.get("mode") === "CRD";
  const parts = columns ? [n, channels / b / b, b, b, h, w] : [n, b, b, channels / b / b, h, w];
  const order = columns ? [0, 1, 4, 2, 5, 3] : [0, 3, 4, 1, 5, 2];
  c.set(node.outputs[0]!, c.reshape(transposed(c.reshape(x, parts), order), c.dims(node.outputs[0]!)));
};

const spaceToDepth: Emit = (c, node) => {
  const x = c.view(node.inputs[0]);
  if (x.dims.length !== 4) throw new Uncovered("other than four axes");
  const [n, channels, h, w] = x.dims as [number, number, number, number];
  const b = int(node, "blocksize", 1);
  const parts = c.reshape(x, [n, channels, h / b, b, w / b, b]);
  c.set(node.outputs[0]!, c.reshape(transposed(parts, [0, 3, 5, 1, 2, 4]), c.dims(node.outputs[0]!)));
};

/** A tensor in an attribute, or one or several numbers. */
const constant: Emit = (c, node) => {
  const stored = node.tensors.get("value");
  const floats = [...node.floats.values(), ...node.ints.values()][0];
  const data = stored ? values(stored) : given(floats);
  c.set(node.outputs[0]!, c.constants.upload(data, c.dims(node.outputs[0]!)));
};

const filled: Emit = (c, node) => {
  const stored = node.tensors.get("value");
  const y = c.fresh(c.dims(node.outputs[0]!));
  c.emit.map("copy", y, c.scalar(stored ? values(stored)[0]! : 0));
  c.set(node.outputs[0]!, y);
};

const squeeze: Emit = (c, node) => {
  axesOf(node, info(c, node.inputs[1]));
  reshape(c, node);
};

export const SHAPES: Record<string, Emit> = {
  Concat: concat,
  Constant: constant,
  ConstantOfShape: filled,
  DepthToSpace: depthToSpace,
  Expand: expand,
  Flatten: reshape,
  Gather: gather,
  Identity: (c, node) => c.set(node.outputs[0]!, c.view(node.inputs[0])),
  OneHot: oneHot,
  Pad: pad,
  Reshape: reshape,
  Slice: slice,
  SpaceToDepth: spaceToDepth,
  Split: split,
  Squeeze: squeeze,
  Tile: tile,
  Transpose: transpose,
  Unsqueeze: squeeze,
};
