/** Pixels of a number of levels: k / (levels - 1), k = 0 .. levels - 1. */

import { InputError } from "../errors.js";

export const MOST_LEVELS = 65_536;

// How far from a level a pixel may lie, for whoever rounded it otherwise: at most a twentieth of the way to the next.
const TOLERANCE = 1e-4;
const SHARE = 0.05;

/** `levels` where it is a whole number from 2 to 65,536; throws InputError. */
export function checkLevels(levels: number): number {
  if (!Number.isInteger(levels) || levels < 2 || levels > MOST_LEVELS) {
    throw new InputError(`levels should be a whole number from 2 to ${MOST_LEVELS}, it is ${levels}`);
  }
  return levels;
}

/** k of each pixel k / (levels - 1); throws InputError where one lies between two levels, or outside [0, 1]. */
export function indices(pixels: Float64Array, levels: number): Float64Array {
  const last = levels - 1;
  const limit = Math.min(TOLERANCE, SHARE / last);
  return pixels.map((x) => {
    const k = roundToEven(x * last);
    if (!(Math.abs(x - k / last) <= limit && k >= 0 && k <= last)) {
      throw new InputError(
        `pixels should be k / ${last}, k = 0 .. ${last}, to have a probability, there is ${x}: ` +
          "round them by vae.prepare, of an image without a threshold",
      );
    }
    return k;
  });
}

/** The nearest integer, a half to the even one. */
export function roundToEven(x: number): number {
  const up = Math.round(x); // a half goes up
  return up - x === 0.5 && up % 2 !== 0 ? up - 1 : up;
}
