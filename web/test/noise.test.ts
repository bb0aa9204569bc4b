import assert from "node:assert/strict";
import test from "node:test";
import { openPrior } from "../src/bundle/prior.js";
import { readBundle } from "../src/bundle/reading.js";
import { sourceOf } from "../src/bundle/source.js";
import {
  Bernoulli,
  Categorical,
  DiscretizedLogistic,
  InputError,
  Mixture,
  MultivariateNormalTriL,
  Normal,
} from "../src/index.js";
import {
  affine,
  checkDraws,
  checkSeed,
  checkStream,
  fsum,
  logisticQuantiles,
  normalQuantiles,
  normals,
  Purpose,
  rowNorms,
  uniforms,
  words,
  words16,
  words32,
} from "../src/noise/index.js";
import { exactNormal } from "../src/noise/exact.js";
import { isInDoubt } from "../src/noise/normals.js";
import { philox } from "../src/noise/philox.js";
import { bits, digest, path, readJson } from "./vectors.js";

const VECTORS = readJson("tests/vectors/noise.json");
const place = ({ seed, start, stream = 0 }: { seed: string; start: string; stream?: number }) => ({
  seed: BigInt(`0x${seed}`),
  start: BigInt(`0x${start}`),
  stream: BigInt(stream),
});

test("the purposes have the contract's numbers", () => {
  assert.deepEqual(Purpose, VECTORS.purposes);
});

test("the tables are the contract's to the bit", () => {
  for (const [name, table] of Object.entries({ logistic: logisticQuantiles(), normal: normalQuantiles() })) {
    assert.equal(digest(table), VECTORS.tables[name].sha256, name);
    assert.deepEqual(bits(table.subarray(0, 4)), VECTORS.tables[name].first);
  }
});

for (const given of VECTORS.draws) {
  const at = place(given);

  test(`words, uniforms and normals of seed ${given.seed} are Python's to the bit`, () => {
    assert.deepEqual(bits(new BigUint64Array(words(Purpose.PRIOR, at, 2, 5).buffer)), given["words of 5"]);
    const rows = <T extends Uint16Array | Uint32Array>({ data, stride }: { data: T; stride: number }, size: number) =>
      [0, 1].flatMap((row) => bits(data.subarray(row * stride, row * stride + size)));
    assert.deepEqual(rows(words16(Purpose.PIXEL, at, 2, 6), 6), given["words16 of 6"]);
    assert.deepEqual(rows(words32(Purpose.PIXEL, at, 2, 3), 3), given["words32 of 3"]);
    assert.deepEqual(bits(uniforms(Purpose.COMPONENT, at, 3)), given.uniforms);
    assert.deepEqual(bits(normals(Purpose.POSTERIOR, at, 2, 5)), given["normals of 5"]);
  });

  test(`draws of every family with seed ${given.seed} are Python's to the bit`, () => {
    const p = VECTORS.parameters;
    const pixels = (values: unknown[]) => ({ dims: [2, 3, 2], data: values.flat(9) as number[] });
    const options = { seed: at.seed, start: at.start, stream: at.stream, sampleShape: 2 };
    const mixture = new Mixture(
      p.weights,
      { dims: [4, 3], data: p.mixture_loc.flat() },
      { dims: [4, 3, 3], data: p.mixture_tril.flat(2) },
    );
    const families = {
      bernoulli: new Bernoulli(pixels(p.logits)),
      "normal image": new Normal(pixels(p.loc), [p.scale]),
      discretized_logistic: new DiscretizedLogistic(pixels(p.loc), [p.scale], { levels: p.levels }),
      categorical: new Categorical({ dims: [2, 3, 2, 3], data: p.categorical.flat(9) }),
      normal: new Normal(p.vector, p.normal_scale),
      multivariate_normal_tril: new MultivariateNormalTriL(p.vector, { dims: [3, 3], data: p.tril.flat() }),
      mixture,
      "mixture at 0.9": mixture.atTemperature(0.9),
      "normal prior of 3 at 0.9": new Normal([0, 0, 0], [0.9], { purpose: Purpose.PRIOR }),
    };
    for (const [name, family] of Object.entries(families)) {
      assert.deepEqual(bits(family.sample(options).data), given[name], name);
    }
    assert.deepEqual([...mixture.components(at, 3)], given.components);
  });
}

test("normals that float64 alone does not round are rounded correctly", () => {
  for (const { draw, index, value } of VECTORS["normals beside a tie"]) {
    const row = normals(Purpose.PRIOR, { seed: 0n, start: BigInt(draw), stream: 0n }, 1, 32);
    assert.equal(bits(row.subarray(index, index + 1))[0], value);
  }
});

for (const given of VECTORS.many) {
  test(`${given.n} draws of ${given.size} normals with seed ${given.seed} have Python's hash`, () => {
    assert.equal(digest(normals(Purpose.PRIOR, place(given), given.n, given.size)), given.normals);
    assert.equal(digest(uniforms(Purpose.COMPONENT, place(given), given.n)), given.uniforms);
  });
}

test("the weights of an ensemble's members are Python's to the bit, by the page of the seed contract", () => {
  const { loc, scale, weights } = VECTORS.members;
  const floats = (hex: string[]) => new Float32Array(Uint32Array.from(hex, (word) => Number(`0x${word}`)).buffer);
  const [mean, deviation] = [floats(loc), floats(scale)];
  for (const { member, of } of weights) {
    const eps = normals(Purpose.WEIGHT, { seed: 0n, start: BigInt(`0x${member}`), stream: 0n }, 1, mean.length);
    const found = mean.map((m, i) => Math.fround(Math.fround(eps[i]! * deviation[i]!) + m));
    assert.deepEqual(bits(found), of);
  }
});

test("latents of the priors that ship have Python's hash", async () => {
  for (const { bundle, n, sha256, temperature, ...at } of VECTORS.priors) {
    const { manifest, files } = await readBundle(sourceOf(path(`artifacts/${bundle}`)));
    const { seed, start } = place(at);
    const prior = (openPrior(manifest, files) as Mixture).atTemperature(temperature);
    assert.equal(digest(prior.sample({ seed, start, sampleShape: n }).data), sha256, `${bundle} at ${temperature}`);
  }
});

test("a float64 is in doubt within 64 units of the middle of two float32, and its exact value agrees with float64's", () => {
  const tie = 2 ** 28;
  assert.deepEqual([tie - 65, tie - 64, tie, tie + 63, tie + 64].map(isInDoubt), [false, true, true, true, false]);
  assert.ok(isInDoubt(tie + 2 ** 29) && isInDoubt(tie + 7 * 2 ** 29)); // the three upper bits are float32's own
  const at = { seed: 3n, start: 0n, stream: 0n };
  const halves = [...words(Purpose.PRIOR, at, 1, 100), 0, 2 ** 32 - 1, 1, 0, 2 ** 31, 1]; // u1 = 1, the least angle, pi
  for (let k = 0; k < halves.length; k += 2) {
    const angle = halves[k]! * (2 * Math.PI * 2 ** -32);
    const radius = Math.sqrt(-2 * Math.log((halves[k + 1]! + 1) / 2 ** 32));
    for (const [second, wide] of [radius * Math.cos(angle), radius * Math.sin(angle)].entries()) {
      const exact = exactNormal(halves[k + 1]!, angle, second === 1);
      assert.ok(Math.abs(exact - wide) <= 8 * Number.EPSILON * Math.max(Math.abs(wide), 1e-3), `${exact} ${wide}`);
    }
  }
});

test("a sum of products is exact before it is rounded, whatever cancels, and a tie goes to the even float32", () => {
  const last = (row: number[], vector: number[]) => {
    const size = row.length;
    const matrices = new Float32Array(size * size);
    matrices.set(row, (size - 1) * size);
    const out = new Float32Array(size);
    const maps = { matrices, norms: rowNorms(matrices, size), loc: new Float32Array(size) };
    affine(out, Float32Array.from(vector), 0, maps, 0, size);
    return out[size - 1];
  };
  assert.equal(last([2 ** 60, 1, -(2 ** 60)], [1, 1, 1]), 1);
  assert.equal(last([1, 1], [1, 3 * 2 ** -24]), 1 + 2 ** -22);
  assert.equal(last([1, 1], [1, 2 ** -24]), 1);
});

test("a draw does not depend on what is drawn beside it", () => {
  const at = { seed: 5n, start: (1n << 62n) - 3n, stream: 9n };
  const together = normals(Purpose.PRIOR, at, 7, 5);
  for (let i = 0; i < 7; i++) {
    const alone = normals(Purpose.PRIOR, { ...at, start: at.start + BigInt(i) }, 1, 5);
    assert.deepEqual(alone, together.slice(5 * i, 5 * i + 5));
  }
});

test("a counter carries from each of its words into the next", () => {
  for (const bit of [32n, 64n, 96n]) {
    const together = new Uint32Array(16),
      second = new Uint32Array(8);
    philox(together, [1n, 2n], (1n << bit) - 1n);
    philox(second, [1n, 2n], 1n << bit);
    assert.deepEqual(together.subarray(8), second);
  }
});

test("fsum is the correctly rounded sum", () => {
  const cases: [number[], number][] = [
    [[], 0],
    [[0], 0],
    [[1e100, 1, -1e100], 1],
    [[1e100, -1e100], 0],
    [[2 ** 53, -0.5, -(2 ** -54)], 2 ** 53 - 1],
    [[2 ** 53, 1, 2 ** -100], 2 ** 53 + 2],
    [[2 ** 53 + 10, 1, 2 ** -100], 2 ** 53 + 12],
    [[2 ** 53 - 4, 0.5, 2 ** -54], 2 ** 53 - 3],
    [[1e16, 1, 1e-16], 10000000000000002],
    [[-1e16, -1, -1e-16], -10000000000000002],
    [[1e16, 1, -1e-16], 1e16],
    [Array(10).fill(0.1), 1],
  ];
  for (const [values, sum] of cases) assert.equal(fsum(values), sum, String(values));
});

test("a seed is a number, a bigint or a decimal string below 2^64", () => {
  assert.equal(checkSeed(2 ** 53 - 1), 2n ** 53n - 1n);
  assert.equal(checkSeed(2n ** 64n - 1n), 2n ** 64n - 1n);
  assert.equal(checkSeed("18446744073709551615"), 2n ** 64n - 1n);
  for (const seed of [
    -1,
    0.5,
    NaN,
    2 ** 53,
    2n ** 64n,
    -1n,
    "18446744073709551616",
    "-1",
    "0x1",
    "",
    "1.0",
    null,
    true,
    {},
  ]) {
    assert.throws(() => checkSeed(seed as number), InputError, String(seed));
  }
  assert.throws(() => checkSeed(2 ** 60), /bigint or a decimal string/);
  assert.equal(checkDraws(2n ** 63n - 2n, 2), 2n ** 63n - 2n);
  assert.throws(() => checkDraws(2n ** 63n - 1n, 2), InputError);
  assert.equal(checkStream(2n ** 56n - 1n), 2n ** 56n - 1n);
  assert.throws(() => checkStream(2n ** 56n), InputError);
});
