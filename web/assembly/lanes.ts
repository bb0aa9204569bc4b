// Functions of four float32 at once. Errors are a few units in the last place.

// @ts-ignore: decorator
@inline
export function all(value: f32): v128 {
  return f32x4.splat(value);
}

/** Horner's scheme: one more coefficient. */
// @ts-ignore: decorator
@inline
function more(sum: v128, x: v128, coefficient: f32): v128 {
  return f32x4.add(f32x4.mul(sum, x), all(coefficient));
}

/** e^x: 2^n times a polynomial in what is left (Cephes' expf); 2^n in two steps, so that it may be denormal. */
export function exp(x: v128): v128 {
  const bounded = f32x4.min(f32x4.max(x, all(-104)), all(89));
  const n = f32x4.nearest(f32x4.mul(bounded, all(1.44269504088896341)));
  const r = f32x4.add(f32x4.add(bounded, f32x4.mul(n, all(-0.693359375))), f32x4.mul(n, all(2.12194440e-4)));
  let p = all(1.9875691500e-4);
  p = more(p, r, 1.3981999507e-3);
  p = more(p, r, 8.3334519073e-3);
  p = more(p, r, 4.1665795894e-2);
  p = more(p, r, 1.6666665459e-1);
  p = more(p, r, 5.0000001201e-1);
  p = f32x4.add(f32x4.add(f32x4.mul(f32x4.mul(p, r), r), r), all(1));
  const whole = i32x4.trunc_sat_f32x4_s(n);
  const half = i32x4.shr_s(whole, 1);
  return f32x4.mul(f32x4.mul(p, power(half)), power(i32x4.sub(whole, half)));
}

// @ts-ignore: decorator
@inline
function power(n: v128): v128 {
  return i32x4.shl(i32x4.add(n, i32x4.splat(127)), 23);
}

/** ln x (Cephes' logf); -infinity of 0, NaN below. */
export function log(x: v128): v128 {
  const tiny = f32x4.lt(x, all(1.17549435e-38));
  const scaled = v128.bitselect(f32x4.mul(x, all(8388608)), x, tiny);
  let n = f32x4.convert_i32x4_s(i32x4.sub(i32x4.shr_s(scaled, 23), i32x4.splat(126)));
  n = f32x4.sub(n, v128.and(tiny, all(23)));
  let m = v128.or(v128.and(scaled, i32x4.splat(0x007fffff)), all(0.5)); // in [0.5, 1)
  const low = f32x4.lt(m, all(0.707106781186547524));
  n = f32x4.sub(n, v128.and(low, all(1)));
  m = f32x4.add(f32x4.sub(m, all(1)), v128.and(low, m));
  const z = f32x4.mul(m, m);
  let p = all(7.0376836292e-2);
  p = more(p, m, -1.1514610310e-1);
  p = more(p, m, 1.1676998740e-1);
  p = more(p, m, -1.2420140846e-1);
  p = more(p, m, 1.4249322787e-1);
  p = more(p, m, -1.6668057665e-1);
  p = more(p, m, 2.0000714765e-1);
  p = more(p, m, -2.4999993993e-1);
  p = more(p, m, 3.3333331174e-1);
  p = f32x4.mul(f32x4.mul(p, m), z);
  p = f32x4.sub(f32x4.add(p, f32x4.mul(n, all(-2.12194440e-4))), f32x4.mul(z, all(0.5)));
  let y = f32x4.add(f32x4.add(m, p), f32x4.mul(n, all(0.693359375)));
  y = v128.bitselect(x, y, f32x4.eq(x, all(Infinity)));
  y = v128.bitselect(all(-Infinity), y, f32x4.eq(x, all(0)));
  return v128.or(y, v128.not(f32x4.ge(x, all(0)))); // NaN, of negative numbers and of NaN
}

/** ln(1 + x), x >= 0, right where x is small too. */
function log1p(x: v128): v128 {
  const w = f32x4.add(x, all(1));
  const step = f32x4.sub(w, all(1));
  return v128.bitselect(x, f32x4.mul(log(w), f32x4.div(x, step)), f32x4.eq(step, all(0)));
}

/** ln(1 + e^x). */
export function softplus(x: v128): v128 {
  return f32x4.add(f32x4.max(x, all(0)), log1p(exp(f32x4.neg(f32x4.abs(x)))));
}

export function sigmoid(x: v128): v128 {
  return f32x4.div(all(1), f32x4.add(all(1), exp(f32x4.neg(x))));
}

export function tanh(x: v128): v128 {
  const a = f32x4.abs(x);
  const z = f32x4.mul(x, x);
  let p = all(-5.70498872745e-3);
  p = more(p, z, 2.06390887954e-2);
  p = more(p, z, -5.37397155531e-2);
  p = more(p, z, 1.33314422036e-1);
  p = more(p, z, -3.33332819422e-1);
  p = f32x4.add(f32x4.mul(f32x4.mul(p, z), x), x);
  const far = f32x4.sub(all(1), f32x4.div(all(2), f32x4.add(exp(f32x4.add(a, a)), all(1))));
  return v128.bitselect(p, sign(far, x), f32x4.lt(a, all(0.625)));
}

/** e^x - 1, for x <= 0. */
export function expm1(x: v128): v128 {
  // e^x - 1 = tanh(x / 2) (e^x + 1), which does not cancel
  return f32x4.mul(tanh(f32x4.mul(x, all(0.5))), f32x4.add(exp(x), all(1)));
}

/** The error function: Cephes' series below 1, Abramowitz & Stegun 7.1.26 above. */
export function erf(x: v128): v128 {
  const a = f32x4.abs(x);
  const z = f32x4.mul(x, x);
  let p = all(7.853861353153693e-5);
  p = more(p, z, -8.010193625184903e-4);
  p = more(p, z, 5.188327685732524e-3);
  p = more(p, z, -2.685381193529856e-2);
  p = more(p, z, 1.128358514861418e-1);
  p = more(p, z, -3.761262582423300e-1);
  p = more(p, z, 1.128379165726710);
  const t = f32x4.div(all(1), more(all(0.3275911), a, 1));
  let q = all(1.061405429);
  q = more(q, t, -1.453152027);
  q = more(q, t, 1.421413741);
  q = more(q, t, -0.284496736);
  q = more(q, t, 0.254829592);
  const far = f32x4.sub(all(1), f32x4.mul(f32x4.mul(q, t), exp(f32x4.neg(z))));
  return v128.bitselect(f32x4.mul(p, x), sign(far, x), f32x4.lt(a, all(1)));
}

/** `size` with the sign of x. */
// @ts-ignore: decorator
@inline
function sign(size: v128, x: v128): v128 {
  return v128.or(size, v128.and(x, i32x4.splat(0x80000000)));
}
