/**
 * Quantiles of the logistic and the normal distribution at 2^16 places: what a 16-bit word of noise stands for.
 *
 * Entry w is F^-1((w + 1/2) / 2^16), computed in float64 and rounded to float32. No entry lies so near a tie of that
 * rounding that another platform's logarithm could round it the other way: the tables are the same everywhere.
 */

const SIZE = 1 << 16;

// Wichura 1988, algorithm AS 241, PPND16: quotients of polynomials, the highest power first. Near the median they are
// in 0.425^2 - q^2; in the tails in sqrt(-log p) - 1.6. The third pair, for p below exp(-25), is not needed for p > 2^-17.
type Quotient = readonly [readonly number[], readonly number[]];
const CENTRE: Quotient = [
  [
    2509.0809287301226727, 33430.575583588128105, 67265.770927008700853, 45921.953931549871457, 13731.693765509461125,
    1971.5909503065514427, 133.14166789178437745, 3.387132872796366608,
  ],
  [
    5226.495278852854561, 28729.085735721942674, 39307.89580009271061, 21213.794301586595867, 5394.1960214247511077,
    687.1870074920579083, 42.313330701600911252, 1.0,
  ],
];
const TAIL: Quotient = [
  [
    7.7454501427834140764e-4, 0.0227238449892691845833, 0.24178072517745061177, 1.27045825245236838258,
    3.64784832476320460504, 5.7694972214606914055, 4.6303378461565452959, 1.42343711074968357734,
  ],
  [
    1.05075007164441684324e-9, 5.475938084995344946e-4, 0.0151986665636164571966, 0.14810397642748007459,
    0.68976733498510000455, 1.6763848301838038494, 2.05319162663775882187, 1.0,
  ],
];

let logistic: Float32Array | undefined;
let normal: Float32Array | undefined;

/** logit((w + 1/2) / 2^16) for each 16-bit word w. Callers share it and do not write to it. */
export function logisticQuantiles(): Float32Array {
  return (logistic ??= Float32Array.from({ length: SIZE }, (_, w) => Math.log((w + 0.5) / (SIZE - (w + 0.5)))));
}

/** Phi^-1((w + 1/2) / 2^16) for each 16-bit word w. Callers share it and do not write to it. */
export function normalQuantiles(): Float32Array {
  return (normal ??= Float32Array.from({ length: SIZE }, (_, w) =>
    w < SIZE / 2 ? lowerQuantile(w) : -lowerQuantile(SIZE - 1 - w),
  ));
}

function lowerQuantile(w: number): number {
  const p = (w + 0.5) / SIZE;
  const q = p - 0.5;
  return q >= -0.425 ? q * quotient(CENTRE, 0.180625 - q * q) : -quotient(TAIL, Math.sqrt(-Math.log(p)) - 1.6);
}

/** One polynomial over another, each by Horner's rule. */
function quotient([above, below]: Quotient, x: number): number {
  return above.reduce((y, c) => y * x + c, 0) / below.reduce((y, c) => y * x + c, 0);
}
