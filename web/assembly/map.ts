// Operators on elements, over tensors of any strides: y = f(a, b, c). Where y does not move along the innermost axis,
// it is reduced along it: y = f(y, b) again and again.

import { all, erf, exp, expm1, log, sigmoid, softplus, tanh } from "./lanes";
import { put } from "./product";

/** The operators, by the numbers that src/kernels/records.ts gives them. */
function apply(operator: i32, a: v128, b: v128, c: v128): v128 {
  switch (operator) {
    case 0: return a;
    case 1: return f32x4.add(a, b);
    case 2: return f32x4.sub(a, b);
    case 3: return f32x4.mul(a, b);
    case 4: return f32x4.div(a, b);
    case 5: return f32x4.min(a, b);
    case 6: return f32x4.max(a, b);
    case 7: return f32x4.min(f32x4.max(a, b), c); // clamp
    case 8: return f32x4.add(f32x4.mul(a, b), c); // affine
    case 9: return v128.bitselect(b, c, f32x4.ne(a, all(0))); // where
    case 10: return f32x4.neg(a);
    case 11: return f32x4.abs(a);
    case 12: return f32x4.sqrt(a);
    case 13: return f32x4.floor(a);
    case 14: return f32x4.ceil(a);
    case 15: return f32x4.trunc(a);
    case 16: return f32x4.nearest(a);
    case 17: return v128.and(f32x4.eq(a, b), all(1));
    case 18: return v128.and(f32x4.lt(a, b), all(1));
    case 19: return v128.and(f32x4.le(a, b), all(1));
    case 20: return exp(a);
    case 21: return log(a);
    case 22: return tanh(a);
    case 23: return sigmoid(a);
    case 24: return softplus(a);
    case 25: return erf(a);
    case 26: return v128.bitselect(f32x4.mul(a, b), a, f32x4.lt(a, all(0))); // leaky: a negative a times b
    case 27: return v128.bitselect(f32x4.mul(expm1(a), b), a, f32x4.lt(a, all(0))); // ELU: b (e^a - 1) below 0
    case 28: return f32x4.add(f32x4.nearest(f32x4.div(a, b)), c); // quantise
    default: return f32x4.mul(f32x4.sub(a, c), b); // dequantise
  }
}

// @ts-ignore: decorator
@inline
function word(at: usize, field: usize): usize {
  return load<u32>(at + 4 * field);
}

/** A record: operator, axes, y, a, b, c, then for each axis its size and the strides of y, a, b and c in bytes. */
export function map(at: usize): void {
  walk(at + 24, word(at, 1), <i32>word(at, 0), word(at, 2), word(at, 3), word(at, 4), word(at, 5));
}

function walk(at: usize, axes: usize, operator: i32, y: usize, a: usize, b: usize, c: usize): void {
  const size = <i32>word(at, 0), dy = word(at, 1), da = word(at, 2), db = word(at, 3), dc = word(at, 4);
  if (axes > 1) {
    for (let index = 0; index < size; index++) {
      walk(at + 20, axes - 1, operator, y, a, b, c);
      y += dy;
      a += da;
      b += db;
      c += dc;
    }
    return;
  }
  let left = size;
  if (dy == 0 && size > 1) {
    let sum = v128.load32_splat(y);
    if (db == 4 && size >= 8) {
      let sums = v128.load(b);
      for (b += 16, left -= 4; left >= 4; left -= 4, b += 16) sums = apply(operator, sums, v128.load(b), sums);
      sums = apply(operator, sums, v128.shuffle<i32>(sums, sums, 2, 3, 0, 1), sums);
      sums = apply(operator, sums, v128.shuffle<i32>(sums, sums, 1, 0, 3, 2), sums);
      sum = apply(operator, sum, sums, sums);
    }
    for (; left > 0; left--, b += db) sum = apply(operator, sum, v128.load32_splat(b), sum);
    v128.store_lane<f32>(y, sum, 0);
    return;
  }
  if (operator == 0 && dy == 4 && da == 4 && size >= 32) {
    memory.copy(y, a, 4 * <usize>size);
    return;
  }
  if (dy == 4 && (da | db | dc | 4) == 4) {
    let va = v128.load32_splat(a), vb = v128.load32_splat(b), vc = v128.load32_splat(c);
    for (; left > 0; left -= 4) {
      if (da) va = v128.load(a);
      if (db) vb = v128.load(b);
      if (dc) vc = v128.load(c);
      put(y, apply(operator, va, vb, vc), left);
      y += 16;
      a += 4 * da;
      b += 4 * db;
      c += 4 * dc;
    }
    return;
  }
  if (operator == 0) {
    for (; left > 0; left--, y += dy, a += da) store<u32>(y, load<u32>(a));
    return;
  }
  for (; left > 0; left--) {
    v128.store_lane<f32>(y, apply(operator, v128.load32_splat(a), v128.load32_splat(b), v128.load32_splat(c)), 0);
    y += dy;
    a += da;
    b += db;
    c += dc;
  }
}
