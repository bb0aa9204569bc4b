/** How large what operators on whole axes make can be: Reshape, Transpose, Expand, Shape and their like. */

import {
  axisOf, BATCHED, batched, bound, exact, given, type Info, int, joined, KNOWN, known, MAX_NUMBERS, multiplied, need,
  type Node, ONE, product, refuse, type Size, sizesOf, whole,
} from "./terms.js";

/** One output of the shape of the first input. */
export const same = (_: Node, x: Info): Info => ({ shape: x.shape });

export const identity = (_: Node, x: Info): Info => x;

/** What operators on elements give of all their inputs. */
export function broadcast(_: Node, ...inputs: (Info | undefined)[]): Info {
  return { shape: together(...inputs.flatMap((x) => (x ? [x.shape] : []))) };
}

/** The shape that all broadcast to. */
export function together(...shapes: (readonly Size[])[]): readonly Size[] {
  need(shapes.length > 0);
  if (shapes.length === 1) return shapes[0]!;
  const rank = Math.max(...shapes.map((shape) => shape.length));
  return Array.from({ length: rank }, (_, axis) =>
    joined(shapes.map((shape) => shape[axis - rank + shape.length] ?? ONE)),
  );
}

/** A tensor in an attribute, or one or several numbers. */
export function constant(node: Node): Info {
  const titles = [...node.tensors.keys(), ...node.ints.keys(), ...node.floats.keys()];
  need(titles.length === 1);
  const [title] = titles;
  if (title === "value") return given(node.tensors.get(title));
  if (title === "value_float") return { shape: [] };
  if (title === "value_floats") return { shape: [known(given(node.floats.get(title)).length)] };
  need(title === "value_int" || title === "value_ints");
  const numbers = given(node.ints.get(title)).map(known);
  return { shape: title === "value_ints" ? [known(numbers.length)] : [], numbers };
}

/** Axes: an input, or an attribute in older opsets; undefined where there are none. */
export function axesOf(node: Node, input: Info | undefined): readonly number[] | undefined {
  need(!input || !node.ints.has("axes"));
  return input ? exact(input) : node.ints.get("axes");
}

/** Reshape: 0 copies an axis, -1 takes what is left. */
export function reshape(node: Node, x: Info, shape: Info): Info {
  let sizes = [...sizesOf(shape)];
  if (!int(node, "allowzero", 0)) {
    sizes = sizes.map((size, axis) => {
      if (size.n === 0) return given(x.shape[axis]); // then what is bounded may be 0 too, and copies the axis
      return size.kind ? size : bound(Math.max(size.n, x.shape[axis]?.n ?? 0));
    });
  }
  const open = sizes.filter((size) => size.n === -1).length;
  need(open < 2 && sizes.every((size) => size.n >= -1));
  if (open) {
    const rest = sizes.filter((size) => size.n !== -1);
    sizes = sizes.map((size) => (size.n === -1 ? left(x.shape, rest) : size));
  }
  return { shape: sizes, numbers: x.numbers };
}

/** The size of the one axis that Reshape finds by itself. */
function left(shape: readonly Size[], others: readonly Size[]): Size {
  const total = multiplied(shape);
  const divisor = multiplied(others);
  const [inside, outside] = [shape, others].map((sizes) => sizes.filter((size) => size.kind === BATCHED).length);
  if (whole(shape) && whole(others) && divisor && total % divisor === 0) {
    if (inside === outside) return known(total / divisor);
    if (inside === outside! + 1) return batched(total / divisor);
  }
  // what is bounded or depends on the batch may be as small as 1
  const least = others.reduce((product, size) => (size.kind === KNOWN ? product * size.n : product), 1);
  return bound(Math.floor(total / Math.max(1, least)));
}

/** Flatten to two axes. */
export function flatten(node: Node, x: Info): Info {
  const axis = int(node, "axis", 1);
  return { shape: [product(x.shape.slice(0, axis)), product(x.shape.slice(axis))] };
}

/** Squeeze of named axes; without names the number of axes could depend on the batch. */
export function squeeze(node: Node, x: Info, input?: Info): Info {
  const gone = new Set(given(axesOf(node, input)).map((axis) => axisOf(axis, x.shape.length)));
  return { shape: x.shape.filter((_, axis) => !gone.has(axis)), numbers: x.numbers };
}

/** Unsqueeze: axes of 1. */
export function unsqueeze(node: Node, x: Info, input?: Info): Info {
  const axes = given(axesOf(node, input));
  const rank = x.shape.length + axes.length;
  const added = new Set(axes.map((axis) => axisOf(axis, rank)));
  need(added.size === axes.length);
  let next = 0;
  const shape = Array.from({ length: rank }, (_, axis) => (added.has(axis) ? ONE : x.shape[next++]!));
  return { shape, numbers: x.numbers };
}

/** The order of axes that a Transpose asks for. */
export function orderOf(node: Node, rank: number): readonly number[] {
  const order = node.ints.get("perm") ?? Array.from({ length: rank }, (_, axis) => rank - 1 - axis);
  need(order.length === rank && new Set(order).size === rank && order.every((axis) => axis >= 0 && axis < rank));
  return order;
}

export function transpose(node: Node, x: Info): Info {
  return { shape: orderOf(node, x.shape.length).map((axis) => x.shape[axis]!) };
}

/** Expand: broadcast to a shape. */
export function expand(_: Node, x: Info, shape: Info): Info {
  return { shape: together(x.shape, noNegative(sizesOf(shape))) };
}

/** ConstantOfShape. */
export const filled = (_: Node, shape: Info): Info => ({ shape: noNegative(sizesOf(shape)) });

/** The sizes, none of them negative. */
export function noNegative(sizes: readonly Size[]): readonly Size[] {
  need(sizes.every((size) => size.n >= 0));
  return sizes;
}

/** Shape, or a part of it. */
export function shapeOf(node: Node, x: Info): Info {
  const sizes = x.shape.slice(int(node, "start", 0), int(node, "end", x.shape.length));
  return { shape: [known(sizes.length)], numbers: sizes };
}

/** Size: how many elements there are. */
export const sizeOf = (_: Node, x: Info): Info => ({ shape: [], numbers: [product(x.shape)] });

/** Range, of integers: from `start` to `limit`, or from 0 in steps of 1 to what may depend on the batch. */
export function ranged(_: Node, start: Info, limit: Info, delta: Info): Info {
  const [first, last, step] = [start, limit, delta].map((x) => {
    const sizes = sizesOf(x);
    need(sizes.length === 1);
    return sizes[0]!;
  }) as [Size, Size, Size];
  if (first.kind === KNOWN && last.kind === KNOWN && step.kind === KNOWN) {
    need(step.n !== 0);
    const length = Math.max(0, Math.ceil((last.n - first.n) / step.n));
    const few = length <= MAX_NUMBERS;
    const numbers = few ? Array.from({ length }, (_, index) => known(first.n + index * step.n)) : undefined;
    return { shape: [known(length)], numbers };
  }
  if (first.kind === KNOWN && step.kind === KNOWN && first.n === 0 && step.n === 1 && last.n >= 0) {
    return { shape: [last] };
  }
  return refuse("has a Range that cannot be bounded");
}

function blockOf(node: Node): number {
  return Math.max(1, given(given(node.ints.get("blocksize"))[0]));
}

/** DepthToSpace: a block of channels becomes a block of pixels. */
export function depthToSpace(node: Node, x: Info): Info {
  const [batch, channels, ...grid] = x.shape;
  const block = blockOf(node);
  const fewer = Math.ceil(given(channels).n / block ** 2);
  const fits = channels!.kind === KNOWN && fewer * block ** 2 === channels!.n;
  const larger = grid.map((size) => product([size, known(block)]));
  return { shape: [given(batch), fits ? known(fewer) : bound(fewer), ...larger] };
}

/** SpaceToDepth: a block of pixels becomes a block of channels. */
export function spaceToDepth(node: Node, x: Info): Info {
  const [batch, channels, ...grid] = x.shape;
  const block = blockOf(node);
  const smaller = grid.map((size) =>
    size.kind === KNOWN && size.n % block === 0 ? known(size.n / block) : bound(Math.ceil(size.n / block)),
  );
  return { shape: [given(batch), product([given(channels), known(block ** 2)]), ...smaller] };
}
