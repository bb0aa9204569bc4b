/** The numbers that assembly/ knows kernels and operators by. */

export const MAP = 0;
export const PRODUCT = 1;
export const WINDOW = 2;
export const PACK = 3;

/** What `map` computes of a, b and c. */
export const OPERATORS = {
  copy: 0, add: 1, sub: 2, mul: 3, div: 4, min: 5, max: 6, clamp: 7, affine: 8, where: 9, neg: 10, abs: 11, sqrt: 12,
  floor: 13, ceil: 14, trunc: 15, round: 16, equal: 17, less: 18, lessOrEqual: 19, exp: 20, log: 21, tanh: 22,
  sigmoid: 23, softplus: 24, erf: 25, leaky: 26, elu: 27, quantize: 28, dequantize: 29,
} as const;
export type Operator = keyof typeof OPERATORS;
