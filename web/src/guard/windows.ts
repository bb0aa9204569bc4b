/** How large what convolutions, pools and Resize make can be, along axes 2 and on. */

import {
  alike, axisOf, bound, given, type Info, int, KNOWN, known, need, type Node, ONE, product, refuse, type Size, sizesOf,
} from "./terms.js";

/** Which input of a convolution or a matrix product holds the weights. */
export const weightsAt = (node: Node): number => (node.operator.startsWith("QLinear") ? 3 : 1);

/** How a window is padded: NOTSET by the pads that are written, SAME, or VALID by none. */
export function paddingOf(node: Node): string {
  const padding = node.texts.get("auto_pad") ?? "NOTSET";
  need(["NOTSET", "SAME_UPPER", "SAME_LOWER", "VALID"].includes(padding));
  return padding;
}

/** An attribute of `count` integers, none of them negative. */
export function listOf(node: Node, name: string, count: number, otherwise: number): readonly number[] {
  const values = node.ints.get(name) ?? Array<number>(count).fill(otherwise);
  need(values.length === count && values.every((value) => value >= 0));
  return values;
}

/** The pads that are written, begins before ends. */
export function padsOf(node: Node, axes: number): readonly number[] {
  const pads = paddingOf(node) === "NOTSET" ? node.ints.get("pads") : undefined;
  need(!pads || pads.length === 2 * axes);
  return pads ?? Array<number>(2 * axes).fill(0);
}

/** The number of channel groups. ONNX Runtime crashes where it is 0. */
function groupsOf(node: Node): Size {
  const group = int(node, "group", 1);
  need(group >= 1);
  return known(group);
}

/** How many places a window of `kernel` has along each axis. */
function windows(node: Node, grid: readonly Size[], kernel: readonly Size[]): Size[] {
  const axes = grid.length;
  const same = paddingOf(node).startsWith("SAME");
  need(kernel.length === axes && axes > 0 && kernel.every((size) => size.kind === KNOWN));
  const [strides, dilations] = [listOf(node, "strides", axes, 1), listOf(node, "dilations", axes, 1)];
  const pads = padsOf(node, axes);
  return grid.map((size, axis) => {
    const stride = Math.max(1, strides[axis]!);
    if (same) {
      const places = Math.ceil(size.n / stride);
      return size.kind === KNOWN ? alike(places, size) : bound(places);
    }
    const reach = Math.max(1, dilations[axis]!) * (kernel[axis]!.n - 1) + 1;
    const roundUp = int(node, "ceil_mode", 0) ? stride - 1 : 0;
    const room = size.n + pads[axis]! + pads[axis + axes]! - reach + roundUp;
    // ONNX Runtime rounds towards 0: a pool of what is a little too short has one place
    const places = Math.max(1, Math.floor(room / stride) + 1);
    return size.kind === KNOWN && room >= 0 && !roundUp ? known(places) : bound(places);
  });
}

/** Conv and its like: weights (M, C / group, kernel ...). */
export function convolution(node: Node, x: Info, ...others: (Info | undefined)[]): Info {
  const weights = given(others[weightsAt(node) - 1]).shape;
  const kernel = node.ints.get("kernel_shape")?.map(known) ?? weights.slice(2);
  groupsOf(node);
  return { shape: [given(x.shape[0]), given(weights[0]), ...windows(node, x.shape.slice(2), kernel)] };
}

/** ConvTranspose: weights (C, M / group, kernel ...). */
export function convolutionBack(node: Node, x: Info, w: Info): Info {
  const grid = x.shape.slice(2);
  const same = paddingOf(node).startsWith("SAME");
  const axes = grid.length;
  const [strides, dilations] = [listOf(node, "strides", axes, 1), listOf(node, "dilations", axes, 1)];
  const more = listOf(node, "output_padding", axes, 0);
  const kernel = node.ints.get("kernel_shape")?.map(known) ?? w.shape.slice(2);
  const pads = padsOf(node, axes);
  need(axes > 0 && kernel.length === axes && kernel.every((size) => size.kind === KNOWN));
  let sizes = grid.map((size, axis) => {
    const full = strides[axis]! * (size.n - 1) + more[axis]! + (kernel[axis]!.n - 1) * dilations[axis]! + 1;
    const places = full - pads[axis]! - pads[axis + axes]!;
    // SAME gives size * stride, or this where it is less
    return !same && size.kind === KNOWN && places > 0 ? known(places) : bound(Math.max(0, places));
  });
  const wanted = node.ints.get("output_shape");
  if (wanted) {
    need((wanted.length === axes || wanted.length === axes + 2) && wanted.every((size) => size >= 0));
    sizes = wanted.slice(-axes).map(known);
  }
  return { shape: [given(x.shape[0]), product([given(w.shape[1]), groupsOf(node)]), ...sizes] };
}

/** A pool, and where its largest elements were. */
export function pool(node: Node, x: Info): Info[] {
  const kernel = given(node.ints.get("kernel_shape")).map(known);
  const shape = [...x.shape.slice(0, 2), ...windows(node, x.shape.slice(2), kernel)];
  need(node.outputs.length <= 2);
  return node.outputs.map(() => ({ shape }));
}

/** A pool over all but the first two axes. */
export function poolAll(_: Node, x: Info): Info {
  need(x.shape.length >= 3);
  return { shape: x.shape.map((size, axis) => (axis < 2 ? size : ONE)) };
}

/** Resize by the nearest or by linear interpolation: to sizes, or by scales. */
export function resize(node: Node, x: Info, _region?: Info, scales?: Info, sizes?: Info): Info {
  const text = (name: string, otherwise: string): string => node.texts.get(name) ?? otherwise;
  if (!["nearest", "linear"].includes(text("mode", "nearest"))) {
    refuse("has a Resize that is neither nearest nor linear");
  }
  if (
    text("coordinate_transformation_mode", "") === "tf_crop_and_resize" ||
    text("keep_aspect_ratio_policy", "stretch") !== "stretch" ||
    int(node, "antialias", 0)
  ) {
    refuse("has a Resize whose size or memory cannot be bounded");
  }
  const along = (node.ints.get("axes") ?? x.shape.map((_, axis) => axis)).map((axis) => axisOf(axis, x.shape.length));
  need(new Set(along).size === along.length);
  const some = (tensor?: Info): tensor is Info => tensor !== undefined && tensor.shape[0]?.n !== 0;
  let wanted: readonly Size[];
  if (some(sizes)) {
    need(!some(scales));
    wanted = sizesOf(sizes);
  } else if (scales?.floats) {
    need(scales.floats.length === along.length);
    wanted = scales.floats.map((scale, index) => scaled(x.shape[along[index]!]!, scale));
  } else return refuse("computes a size in a way that cannot be bounded");
  need(wanted.length === along.length && wanted.every((size) => size.n >= 0));
  const out = [...x.shape];
  along.forEach((axis, index) => (out[axis] = wanted[index]!));
  return { shape: out };
}

/** floor(size * scale), which ONNX Runtime calculates in float32. */
function scaled(size: Size, scale: number): Size {
  need(scale > 0 && scale <= 1 << 16); // NaN is neither
  if (Number.isInteger(scale) && size.n * scale < 2 ** 24) return product([size, known(scale)]);
  if (size.kind === KNOWN && size.n < 2 ** 24) return known(Math.floor(Math.fround(size.n * scale)));
  return bound(Math.ceil(size.n * scale * (1 + 2 ** -20)));
}
