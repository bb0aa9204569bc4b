import assert from "node:assert/strict";
import test from "node:test";
import {
  Bernoulli,
  Categorical,
  Deterministic,
  DiscretizedLogistic,
  Distribution,
  InputError,
  Mixture,
  MultivariateNormalTriL,
  Normal,
  Purpose,
} from "../src/index.js";
import { roundToEven } from "../src/distributions/levels.js";
import { load, readJson, type Stored } from "./vectors.js";
import { assertClose } from "./close.js";

const { cases, seed, start, stream, draws } = readJson("tests/vectors/distributions.json");

function make({ family, levels, ...stored }: any): Distribution {
  const p = Object.fromEntries(
    Object.entries(stored)
      .filter(([key]) => key !== "other")
      .map(([key, value]) => [key, load(value as Stored)]),
  );
  switch (family) {
    case "normal":
      return new Normal(p.loc!, p.scale!);
    case "multivariate_normal_tril":
      return new MultivariateNormalTriL(p.loc!, p.scale_tril!);
    case "deterministic":
      return new Deterministic(p.loc!);
    case "bernoulli":
      return new Bernoulli(p.logits!);
    case "discretized_logistic":
      return new DiscretizedLogistic(p.loc!, p.scale!, { levels });
    case "categorical":
      return new Categorical(p.logits!);
    default:
      return new Mixture(p.weights!, p.loc!, p.scale_tril!);
  }
}

const METHODS = { mean: "mean", mode: "mode", variance: "variance", stddev: "stddev", entropy: "entropy" } as const;

for (const [name, { given, results }] of Object.entries<any>(cases)) {
  test(`${name}: a ${given.family} gives what Python gives`, () => {
    const p = make(given);
    const sample = p.sample({ seed, start, stream, sampleShape: draws });
    assertClose(sample, load(results.sample), 0, "sample");
    const calls: Record<string, () => { dims: readonly number[]; data: ArrayLike<number> }> = {
      ...Object.fromEntries(Object.values(METHODS).map((method) => [method, () => p[method]()])),
      log_prob: () => p.logProb(sample),
      ...(given.other && { kl_divergence: () => p.klDivergence(make(cases[given.other].given)) }),
    };
    for (const [method, call] of Object.entries(calls)) {
      if (results[method] === null) assert.throws(call, InputError, method);
      else assertClose(call(), load(results[method]), method === "mode" ? 0 : 1e-5, method);
    }
    const out = new Float32Array(sample.data.length / draws);
    if (results.mean !== null) {
      p.write("mean", out);
      assert.deepEqual(out, p.mean().data);
    }
    if (results.mode !== null) {
      p.write("mode", out);
      assert.deepEqual(out, p.mode().data);
    }
    p.write("sample", out, { seed, start, stream });
    assert.deepEqual(out, sample.data.slice(0, out.length));
  });
}

const normal = () => new Normal({ dims: [2, 3], data: [0, 1, 2, 3, 4, 5] }, [1]);

test("what a caller hands in is copied, and what a method returns is a new array", () => {
  const loc = Float32Array.of(1, 2);
  const p = new Normal(loc, [1]);
  loc[0] = NaN;
  p.mean().data[1] = NaN;
  p.stddev().data[0] = NaN;
  assert.deepEqual([...p.mean().data], [1, 2]);
});

test("values broadcast to the batch, and one that does not fit is refused", () => {
  const p = normal();
  assert.deepEqual(p.logProb([0, 0, 0]).dims, [2]);
  assert.deepEqual(p.logProb({ dims: [5, 1, 3], data: new Float32Array(15) }).dims, [5, 2]);
  assert.equal(p.logProb([0, 0, 0]).data[1], p.logProb({ dims: [2, 3], data: new Float32Array(6) }).data[1]);
  for (const value of [
    [0, 0],
    { dims: [3, 3], data: new Float32Array(9) },
    { dims: [2, 4], data: new Float32Array(8) },
  ]) {
    assert.throws(() => p.logProb(value), /value should have shape/);
  }
});

test("a log-probability beyond float64 is -Infinity, and of NaN it is NaN", () => {
  const full = new MultivariateNormalTriL([0, 0], { dims: [2, 2], data: [1, 0, 1, 1] });
  const mixture = new Mixture([1], { dims: [1, 2], data: [0, 0] }, { dims: [1, 2, 2], data: [1, 0, 1, 1] });
  for (const p of [new Normal([0, 0], [1]), full, mixture]) {
    assert.equal(p.logProb([1e200, -1e200]).data[0], -Infinity);
    assert.ok(Number.isNaN(p.logProb([NaN, 0]).data[0]), p.family);
  }
});

test("samples take the noise of their purpose", () => {
  const draw = (purpose: Purpose) => new Normal([0], [1], { purpose }).sample({ seed: 0 }).data[0];
  assert.notEqual(draw(Purpose.PRIOR), draw(Purpose.POSTERIOR));
  assert.equal(new Normal([0], [1]).sample({ seed: 0 }).data[0], draw(Purpose.POSTERIOR));
});

test("a half is rounded to the even integer", () => {
  assert.deepEqual([0.5, 1.5, 2.5, 254.5, 0.49, 1.51, 3].map(roundToEven), [0, 2, 2, 254, 0, 2, 3]);
});

test("the covariance of a full normal is T T'", () => {
  const p = new MultivariateNormalTriL(
    { dims: [2, 2], data: [0, 0, 0, 0] },
    { dims: [2, 2, 2], data: [1, 0, 2, 3, 4, 0, 0, 5] },
  );
  assert.deepEqual([...p.covariance().data], [1, 2, 2, 13, 16, 0, 0, 25]);
  assert.deepEqual(p.covariance().dims, [2, 2, 2]);
});

test("divergences without a closed form, and of shapes that do not go together, are refused", () => {
  const full = new MultivariateNormalTriL([0, 0], { dims: [2, 2], data: [1, 0, 1, 1] });
  const point = new Deterministic([0, 0]);
  const pixels = new Bernoulli({ dims: [1, 1, 1], data: [0] });
  const levels = (n: number) => new Categorical({ dims: [1, 1, 1, n], data: new Float32Array(n) });
  for (const [p, q] of [
    [normal(), point],
    [point, normal()],
    [full, point],
    [point, full],
    [pixels, full],
    [levels(2), pixels],
  ] as const) {
    assert.throws(() => p.klDivergence(q), /closed form/);
  }
  assert.throws(() => levels(2).klDivergence(levels(3)), /same levels/);
  assert.throws(
    () => normal().klDivergence(new Normal({ dims: [3, 3], data: new Float32Array(9) }, [1])),
    /same batch and event shapes/,
  );
  assert.throws(() => normal().klDivergence(new Normal([0, 0], [1])), /same batch and event shapes/);
  assert.throws(() => new Normal([0, 0], [0]).klDivergence(full), /scale 0/);
  assert.throws(() => full.klDivergence(new Normal([0, 0], [0])), /scale 0/);
});

test("parameters of a wrong shape or range are refused", () => {
  const eye = { dims: [2, 2], data: [1, 0, 0, 1] };
  const image = (value: number) => ({ dims: [1, 1, 1], data: [value] });
  const bad: Record<string, () => unknown> = {
    "a NaN loc": () => new Normal([NaN], [1]),
    "an infinite loc": () => new Normal([Infinity], [1]),
    "a negative scale": () => new Normal([0], [-1]),
    "an infinite scale": () => new Normal([0], [Infinity]),
    "a NaN scale": () => new Normal([0], [NaN]),
    "a scale of another length": () => new Normal([0, 0, 0], [1, 1]),
    "a loc of five axes": () => new Normal({ dims: [1, 1, 1, 1, 1], data: [0] }, [1]),
    "an empty loc": () => new Normal([], [1]),
    "a loc that is text": () => new Normal("text" as never, [1]),
    "a loc of texts": () => new Normal(["1"] as never, [1]),
    "no loc": () => new Normal(null as never, [1]),
    "dims that do not fit": () => new Normal({ dims: [3], data: [1] }, [1]),
    "dims that are no numbers": () => new Normal({ dims: ["1"] as never, data: [1] }, [1]),
    "an upper entry": () => new MultivariateNormalTriL([0, 0], { dims: [2, 2], data: [1, 1, 0, 1] }),
    "a diagonal of 0": () => new MultivariateNormalTriL([0, 0], { dims: [2, 2], data: [1, 0, 0, 0] }),
    "a matrix of another size": () => new MultivariateNormalTriL([0], eye),
    "NaN logits": () => new Bernoulli(image(NaN)),
    "logits of two axes": () => new Bernoulli({ dims: [1, 1], data: [0] }),
    "pixels beyond 1": () => new Bernoulli(image(0)).logProb(image(1.5)),
    "a scale of 0": () => new DiscretizedLogistic(image(0), [0]),
    "a scale of another shape": () => new DiscretizedLogistic(image(0), [1, 1]),
    "one level": () => new DiscretizedLogistic(image(0), [1], { levels: 1 }),
    "too many levels": () => new DiscretizedLogistic(image(0), [1], { levels: 65_537 }),
    "a pixel between levels": () => new DiscretizedLogistic(image(0), [1], { levels: 3 }).logProb(image(0.4)),
    "a pixel below 0": () => new DiscretizedLogistic(image(0), [1], { levels: 3 }).logProb(image(-0.5)),
    "a pixel that can be no level": () => new Categorical({ dims: [1, 1, 1, 2], data: [-Infinity, -Infinity] }),
    "a certain level": () => new Categorical({ dims: [1, 1, 1, 2], data: [Infinity, 0] }),
    "a NaN level": () => new Categorical({ dims: [1, 1, 1, 2], data: [NaN, 0] }),
    "weights that sum to 2": () => new Mixture([1, 1], eye, { dims: [2, 2, 2], data: [1, 0, 0, 1, 1, 0, 0, 1] }),
    "a negative weight": () => new Mixture([2, -1], eye, { dims: [2, 2, 2], data: [1, 0, 0, 1, 1, 0, 0, 1] }),
    "weights of another length": () => new Mixture([1], eye, { dims: [2, 2, 2], data: [1, 0, 0, 1, 1, 0, 0, 1] }),
    "no components": () => new Mixture([], { dims: [0, 2], data: [] }, { dims: [0, 2, 2], data: [] }),
    "a sample shape of 0": () => normal().sample({ seed: 0, sampleShape: 0 }),
    "more draws than there are": () => normal().sample({ seed: 0, start: 2n ** 63n - 1n }),
    "more draws than memory": () => new Normal([0], [1]).sample({ seed: 0, sampleShape: 2 ** 50 }),
    "a head that there is not": () => normal().write("median" as never, new Float32Array(6)),
    "an out of another size": () => normal().write("mean", new Float32Array(5)),
  };
  for (const [what, make] of Object.entries(bad)) assert.throws(make, InputError, what);
});
