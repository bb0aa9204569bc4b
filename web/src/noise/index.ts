/** Noise by the seed contract: it depends on (seed, purpose, stream, draw) alone, on every machine. */

export { fsum } from "./fsum.js";
export { normals } from "./normals.js";
export { affine, rowNorms } from "./products.js";
export { logisticQuantiles, normalQuantiles } from "./tables.js";
export {
  checkDraws,
  checkSeed,
  checkStream,
  later,
  MAX_DRAW,
  Purpose,
  uniforms,
  whole,
  words,
  words16,
  words32,
  type Parts,
  type Place,
  type Whole,
} from "./words.js";
