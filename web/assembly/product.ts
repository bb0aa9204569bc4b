// Matrix products and convolutions: rows of the input, wherever they lie, by panels of eight columns of weights.
//
//   y[row, column] = clamp(bias[column] + sum over k of x[row, k] w[k, column] + residual[row, column])
//
// A row's K = segments * length numbers lie in `segments` runs of `length` floats, at offsets that are the same for
// each row: one run for a matrix product, one for each line of a kernel's window in a convolution.

/** The fields of a product's record, in bytes. src/kernels/records.ts writes them. */
// @ts-ignore: decorator
@inline
function word(at: usize, field: usize): usize {
  return load<u32>(at + 4 * field);
}

export function product(at: usize): void {
  const count = <i32>word(at, 0), rows = word(at, 1), segments = word(at, 2), runs = word(at, 3);
  const length = word(at, 4), x = word(at, 5);
  const columns = <i32>word(at, 7);
  const y = word(at, 9), residual = word(at, 10);
  let w = word(at, 6), bias = word(at, 8);
  const low = v128.load32_splat(at + 44), high = v128.load32_splat(at + 48);
  const panel = segments * length * 32;
  for (let column = 0; column < columns; column += 8) {
    const left = columns - column, to = <usize>column * 4;
    let row = 0;
    for (; row + 4 <= count; row += 4) {
      four(rows + 8 * row, segments, runs, length, x, w, bias, y + to, residual ? residual + to : 0, left, low, high);
    }
    for (; row < count; row++) {
      one(rows + 8 * row, segments, runs, length, x, w, bias, y + to, residual ? residual + to : 0, left, low, high);
    }
    w += panel;
    bias += 32;
  }
}

function four(
  row: usize, segments: usize, runs: usize, length: usize, x: usize, w: usize, bias: usize, y: usize, residual: usize,
  left: i32, low: v128, high: v128,
): void {
  const x0 = x + load<u32>(row), x1 = x + load<u32>(row, 8), x2 = x + load<u32>(row, 16), x3 = x + load<u32>(row, 24);
  let a0 = v128.load(bias), b0 = v128.load(bias, 16);
  let a1 = a0, a2 = a0, a3 = a0, b1 = b0, b2 = b0, b3 = b0;
  for (let run: usize = 0; run < segments; run++) {
    const offset = load<u32>(runs + 4 * run);
    let p0 = x0 + offset, p1 = x1 + offset, p2 = x2 + offset, p3 = x3 + offset;
    const end = p0 + 4 * length;
    const even = p0 + 4 * (length & ~1);
    while (p0 < even) {
      let u = v128.load(w), v = v128.load(w, 16);
      let s = v128.load32_splat(p0);
      a0 = f32x4.add(a0, f32x4.mul(s, u));
      b0 = f32x4.add(b0, f32x4.mul(s, v));
      s = v128.load32_splat(p1);
      a1 = f32x4.add(a1, f32x4.mul(s, u));
      b1 = f32x4.add(b1, f32x4.mul(s, v));
      s = v128.load32_splat(p2);
      a2 = f32x4.add(a2, f32x4.mul(s, u));
      b2 = f32x4.add(b2, f32x4.mul(s, v));
      s = v128.load32_splat(p3);
      a3 = f32x4.add(a3, f32x4.mul(s, u));
      b3 = f32x4.add(b3, f32x4.mul(s, v));
      u = v128.load(w, 32);
      v = v128.load(w, 48);
      s = v128.load32_splat(p0, 4);
      a0 = f32x4.add(a0, f32x4.mul(s, u));
      b0 = f32x4.add(b0, f32x4.mul(s, v));
      s = v128.load32_splat(p1, 4);
      a1 = f32x4.add(a1, f32x4.mul(s, u));
      b1 = f32x4.add(b1, f32x4.mul(s, v));
      s = v128.load32_splat(p2, 4);
      a2 = f32x4.add(a2, f32x4.mul(s, u));
      b2 = f32x4.add(b2, f32x4.mul(s, v));
      s = v128.load32_splat(p3, 4);
      a3 = f32x4.add(a3, f32x4.mul(s, u));
      b3 = f32x4.add(b3, f32x4.mul(s, v));
      p0 += 8;
      p1 += 8;
      p2 += 8;
      p3 += 8;
      w += 64;
    }
    if (p0 < end) {
      const u = v128.load(w), v = v128.load(w, 16);
      let s = v128.load32_splat(p0);
      a0 = f32x4.add(a0, f32x4.mul(s, u));
      b0 = f32x4.add(b0, f32x4.mul(s, v));
      s = v128.load32_splat(p1);
      a1 = f32x4.add(a1, f32x4.mul(s, u));
      b1 = f32x4.add(b1, f32x4.mul(s, v));
      s = v128.load32_splat(p2);
      a2 = f32x4.add(a2, f32x4.mul(s, u));
      b2 = f32x4.add(b2, f32x4.mul(s, v));
      s = v128.load32_splat(p3);
      a3 = f32x4.add(a3, f32x4.mul(s, u));
      b3 = f32x4.add(b3, f32x4.mul(s, v));
      w += 32;
    }
  }
  finish(row, a0, b0, y, residual, left, low, high);
  finish(row + 8, a1, b1, y, residual, left, low, high);
  finish(row + 16, a2, b2, y, residual, left, low, high);
  finish(row + 24, a3, b3, y, residual, left, low, high);
}

/** One row; every second k has sums of its own, since one sum alone would wait for each addition. */
function one(
  row: usize, segments: usize, runs: usize, length: usize, x: usize, w: usize, bias: usize, y: usize, residual: usize,
  left: i32, low: v128, high: v128,
): void {
  x += load<u32>(row);
  let a0 = v128.load(bias), b0 = v128.load(bias, 16);
  let a1 = f32x4.splat(0), a2 = a1, a3 = a1, b1 = a1, b2 = a1, b3 = a1;
  for (let run: usize = 0; run < segments; run++) {
    let p = x + load<u32>(runs + 4 * run);
    const end = p + 4 * length;
    const whole = p + 4 * (length & ~3);
    while (p < whole) {
      let s = v128.load32_splat(p);
      a0 = f32x4.add(a0, f32x4.mul(s, v128.load(w)));
      b0 = f32x4.add(b0, f32x4.mul(s, v128.load(w, 16)));
      s = v128.load32_splat(p, 4);
      a1 = f32x4.add(a1, f32x4.mul(s, v128.load(w, 32)));
      b1 = f32x4.add(b1, f32x4.mul(s, v128.load(w, 48)));
      s = v128.load32_splat(p, 8);
      a2 = f32x4.add(a2, f32x4.mul(s, v128.load(w, 64)));
      b2 = f32x4.add(b2, f32x4.mul(s, v128.load(w, 80)));
      s = v128.load32_splat(p, 12);
      a3 = f32x4.add(a3, f32x4.mul(s, v128.load(w, 96)));
      b3 = f32x4.add(b3, f32x4.mul(s, v128.load(w, 112)));
      p += 16;
      w += 128;
    }
    for (; p < end; p += 4, w += 32) {
      const s = v128.load32_splat(p);
      a0 = f32x4.add(a0, f32x4.mul(s, v128.load(w)));
      b0 = f32x4.add(b0, f32x4.mul(s, v128.load(w, 16)));
    }
  }
  a0 = f32x4.add(f32x4.add(a0, a1), f32x4.add(a2, a3));
  b0 = f32x4.add(f32x4.add(b0, b1), f32x4.add(b2, b3));
  finish(row, a0, b0, y, residual, left, low, high);
}

function finish(
  row: usize, a: v128, b: v128, y: usize, residual: usize, left: i32, low: v128, high: v128,
): void {
  const offset = load<u32>(row, 4);
  if (residual) {
    a = f32x4.add(a, v128.load(residual + offset));
    b = f32x4.add(b, v128.load(residual + offset, 16));
  }
  y += offset;
  a = f32x4.min(f32x4.max(a, low), high);
  b = f32x4.min(f32x4.max(b, low), high);
  put(y, a, left);
  put(y + 16, b, left - 4);
}

/** Stores the first `left` lanes, at most four. */
export function put(y: usize, lanes: v128, left: i32): void {
  if (left >= 4) {
    v128.store(y, lanes);
    return;
  }
  if (left >= 1) v128.store_lane<f32>(y, lanes, 0);
  if (left >= 2) v128.store_lane<f32>(y, lanes, 1, 4);
  if (left >= 3) v128.store_lane<f32>(y, lanes, 2, 8);
}

/** Channel by channel over a window: sum of x w plus bias, or the largest x. Taps lie at `runs` from each row. */
export function window(at: usize): void {
  const count = <i32>word(at, 0), rows = word(at, 1), taps = word(at, 2), runs = word(at, 3);
  const largest = word(at, 4), x = word(at, 5), w = word(at, 6);
  const channels = <i32>word(at, 7), bias = word(at, 8), y = word(at, 9);
  const low = v128.load32_splat(at + 44), high = v128.load32_splat(at + 48);
  const width = (<usize>channels + 15 & ~15) * 4; // of a tap's weights
  for (let row = 0; row < count; row++) {
    const from = x + load<u32>(rows + 8 * row), to = y + load<u32>(rows + 8 * row, 4);
    for (let channel: usize = 0; channel < <usize>channels; channel += 16) {
      const c = <usize>4 * channel;
      let a = v128.load(bias + c), b = v128.load(bias + c, 16);
      let d = v128.load(bias + c, 32), e = v128.load(bias + c, 48);
      let v = w + c;
      for (let tap: usize = 0; tap < taps; tap++) {
        const p = from + c + load<u32>(runs + 4 * tap);
        if (largest) {
          a = f32x4.max(a, v128.load(p));
          b = f32x4.max(b, v128.load(p, 16));
          d = f32x4.max(d, v128.load(p, 32));
          e = f32x4.max(e, v128.load(p, 48));
        } else {
          a = f32x4.add(a, f32x4.mul(v128.load(p), v128.load(v)));
          b = f32x4.add(b, f32x4.mul(v128.load(p, 16), v128.load(v, 16)));
          d = f32x4.add(d, f32x4.mul(v128.load(p, 32), v128.load(v, 32)));
          e = f32x4.add(e, f32x4.mul(v128.load(p, 48), v128.load(v, 48)));
          v += width;
        }
      }
      const left = channels - <i32>channel;
      put(to + c, f32x4.min(f32x4.max(a, low), high), left);
      put(to + c + 16, f32x4.min(f32x4.max(b, low), high), left - 4);
      put(to + c + 32, f32x4.min(f32x4.max(d, low), high), left - 8);
      put(to + c + 48, f32x4.min(f32x4.max(e, low), high), left - 12);
    }
  }
}

/** Weights (K, N), wherever they lie, into panels of eight columns; columns past N are 0. */
export function pack(at: usize): void {
  const depth = <i32>word(at, 0), columns = <i32>word(at, 1), x = word(at, 2), down = word(at, 3), across = word(at, 4);
  let y = word(at, 5);
  for (let column = 0; column < columns; column += 8) {
    for (let k = 0; k < depth; k++) {
      for (let lane = column; lane < column + 8; lane++) {
        store<f32>(y, lane < columns ? load<f32>(x + <usize>k * down + <usize>lane * across) : 0);
        y += 4;
      }
    }
  }
}
