/**
 * A logistic draw of location m and scale s, rounded to the levels 0 .. N = levels - 1: its mean, mode and mass.
 *
 * The first and the last level collect the tails. All arguments are in levels, and float64; F is the logistic function.
 */

import { roundToEven } from "./levels.js";

const FEW = 16; // up to so many levels, a mean is the sum over all of them
const WIDE = 1; // from this scale on a mean is an integral with corrections; below, a sum over near levels
const FLAT = 1e6; // from this many times N on, F is a straight line over all levels
const REACH = 10.5; // scales from m to where a level is left out: F is 3e-5 from 0 or 1 there

/**
 * log P(k) in nats. With a and b the edges of the level, standardised, F(-x) = 1 - F(x), and
 * F(a) - F(b) = (1 - exp(b - a)) F(a) F(-b), in which nothing cancels.
 */
export function logMass(k: number, m: number, s: number, last: number): number {
  const above = k < last ? logSigmoid((k - m + 0.5) / s) : 0;
  const below = k > 0 ? logSigmoid(-(k - m - 0.5) / s) : 0;
  const inner = k > 0 && k < last ? Math.log(-Math.expm1(-1 / s)) : 0;
  return above + below + inner;
}

/**
 * The likeliest level; the inner one where it and an end are equally likely.
 *
 * Between the ends it is the level nearest to m. An end has a tail too: it is likelier than the inner level k where
 * exp(x / s) < (exp(-1 / 2s) + cosh((k - m) / s)) / sinh(1 / 2s), x >= 0 the distance of m from the end's edge. That
 * is nowhere where x > s log(4s) + 0.04 for s >= 1/2, nor where x > 0.39 else.
 */
export function mode(m: number, s: number, last: number): number {
  const isUpper = m > last / 2;
  const end = isUpper ? last : 0;
  const x = Math.min(m, last - m) - 0.5;
  if (x < 0) return end;
  if (x > s * Math.log(Math.max(4 * s, 1)) + 0.5) return roundToEven(m);
  const inner = Math.max(Math.min(roundToEven(m), last - 1), 1);
  const d = 1 / s;
  const u = Math.abs(m - inner);
  // both sides divided by exp(1 / 2s), and their logarithms taken
  const tail = Math.log(2 * Math.exp(-d) + Math.exp((u - 0.5) * d) + Math.exp(-(u + 0.5) * d));
  return x * d + Math.log(-Math.expm1(-d)) < tail ? end : inner;
}

/** The mean level, within 1e-5 N of the sum over all levels: E[k] = sum_(j = 0 .. N - 1) F((m - j - 1/2) / s). */
export function mean(m: number, s: number, last: number): number {
  if (last < FEW) return near(m, s, last, last);
  if (s < WIDE) return near(m, s, last, Math.max(0, Math.ceil(REACH * s - 0.5)));
  if (s > FLAT * last) return last * sigmoid((m - last / 2) / s);
  return wideEnd(m, s) - wideEnd(m - last, s);
}

/** The sum over the levels within `reach` of m, those below counting 1 and those above 0. */
function near(m: number, s: number, last: number, reach: number): number {
  const nearest = Math.floor(Math.min(Math.max(m, 0), last - 1));
  const first = Math.max(nearest - reach, 0);
  const final = Math.min(nearest + reach, last - 1);
  let total = first;
  for (let edge = first; edge <= final; edge++) total += sigmoid((m - edge - 0.5) / s);
  return total;
}

/**
 * s softplus(x / s) and what a midpoint sum from there on has less than the integral (Euler and Maclaurin):
 * -f1 / 24 + 7 f3 / 5760, with F's derivatives f1 = g / s and f3 = g (1 - 6g) / s^3, g = F (1 - F).
 */
function wideEnd(x: number, s: number): number {
  const e = Math.exp(-Math.abs(x) / s);
  const g = e / (1 + e) ** 2;
  const area = s * Math.log1p(e) + Math.max(x, 0);
  return area + (g / s) * (((7 / 5760) * (1 - 6 * g)) / s ** 2 - 1 / 24);
}

function sigmoid(x: number): number {
  return 1 / (1 + Math.exp(-x));
}

function logSigmoid(x: number): number {
  return Math.min(x, 0) - Math.log1p(Math.exp(-Math.abs(x)));
}
