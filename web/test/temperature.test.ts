/** Draws of a prior at a temperature: of each family, with and without conditions. */

import assert from "node:assert/strict";
import test, { after, before } from "node:test";
import { Flow, InputError, Mixture, Normal, Purpose, VAE, type Float32Tensor, type Given } from "../src/index.js";
import { normals } from "../src/noise/index.js";
import { bits, readJson } from "./vectors.js";

const { bundles } = readJson("tests/vectors/bundles.json");
const open = (name: string) => {
  const files = Object.entries<string>(bundles[name].files);
  const bytes = files.map(([file, data]) => [file, Uint8Array.from(Buffer.from(data, "base64"))]);
  return VAE.load(Object.fromEntries(bytes));
};
const T = Math.fround(0.7);
const at = { seed: 5, start: 2n ** 40n };

/** A bundle for each family of a prior, and what these events are given. */
const CASES: Record<string, (events: number[]) => Given> = {
  grey: () => ({}),
  mixture: () => ({}),
  "labelled mixture": (events) => ({ label: events.map((i) => (7 * i) % 10) }),
  flow: () => ({}),
  "flow-labels": (events) => ({ label: events.map((i) => (7 * i) % 10) }),
  "flow-index": (events) => ({ label: events.map((i) => (7 * i) % 4) }),
  "flow-vector": (events) => ({ condition: events.flatMap((i) => [i / 20, -1]) }),
};
const MANY = Array.from({ length: 70 }, (_, i) => i); // a graph runs 64 at a time
const vaes = new Map<string, VAE>();
before(async () => {
  for (const name of Object.keys(CASES)) vaes.set(name, await open(name));
});
after(() => vaes.forEach((vae) => vae.dispose()));

for (const [name, given] of Object.entries(CASES)) {
  const one = given([2]);

  test(`${name}: temperature 1 is none, and another one gives other events`, async () => {
    const vae = vaes.get(name)!;
    const plain = await vae.generate(70, { ...at, ...given(MANY) });
    assert.deepEqual(await vae.generate(70, { ...at, ...given(MANY), temperature: 1 }), plain);
    assert.notDeepEqual(await vae.generate(70, { ...at, ...given(MANY), temperature: T }), plain);
    assert.deepEqual(await vae.generate(70, { ...at, ...given(MANY) }), plain); // nothing of it stays behind
    const z = await vae.priorGiven(one).sample(at);
    assert.deepEqual(await vae.priorGiven({ ...one, temperature: 1 }).sample(at), z);
    assert.notDeepEqual(await vae.priorGiven({ ...one, temperature: T }).sample(at), z);
  });

  test(`${name}: events are decoded draws of the prior at that temperature`, async () => {
    const vae = vaes.get(name)!;
    const [z, alike] = [vae.priorGiven({ ...one, temperature: T }), given([2, 2, 2, 2])];
    const p = await vae.decode(await z.sample({ ...at, sampleShape: 4 }), alike);
    assert.deepEqual(await vae.generate(4, { head: "sample", ...at, ...alike, temperature: T }), p.sample(at));
  });

  test(`${name}: a stream has the events of generate, each with its own condition`, async () => {
    const vae = vaes.get(name)!;
    const options = { head: "sample", seed: at.seed, temperature: 0.7 } as const;
    const all = await vae.generate(70, { ...options, start: at.start, ...given(MANY) });
    const batches: Float32Tensor[] = [];
    for await (const batch of vae.stream(70, { ...options, start: at.start, ...given(MANY), batchSize: 33 })) {
      batches.push(batch);
      await vae.generate(1, { ...one, temperature: 2 }); // which does not change what the stream goes on with
    }
    assert.deepEqual(
      batches.flatMap((batch) => [...batch.data]),
      [...all.data],
    );
    const last = await vae.generate(1, { ...options, start: at.start + 69n, ...given([69]) });
    assert.deepEqual(last.data, all.data.slice(-last.data.length));
  });

  test(`${name}: what is no number from 0.01 to 10 is refused`, async () => {
    const vae = vaes.get(name)!;
    const bad = [0, -1, NaN, 11, Infinity, 0.009, "0.9", null, true, [1], 1n];
    for (const temperature of bad as number[]) {
      const message = /^temperature should be a number from 0\.01 to 10, it is/;
      await assert.rejects(vae.generate(1, { ...one, temperature }), { name: "InputError", message });
      // a stream says it at once, not at its first batch
      assert.throws(() => vae.stream(1, { ...one, temperature }), { name: "InputError", message });
      assert.throws(() => vae.priorGiven({ ...one, temperature }), { name: "InputError", message });
    }
    assert.throws(() => vae.priorGiven({ ...one, temperature: "0.9" as never }), /it is "0\.9"$/);
    for (const temperature of [0.01, Math.fround(0.01), 10]) await vae.generate(1, { ...one, temperature });
  });
}

test("the last prior at a temperature is kept, of each label too", () => {
  for (const name of ["grey", "mixture", "labelled mixture"]) {
    const vae = vaes.get(name)!;
    const one = CASES[name]!([2]);
    const prior = vae.priorGiven({ ...one, temperature: 0.7 });
    assert.equal(vae.priorGiven({ ...one, temperature: T }), prior); // the same number in float32
    assert.notEqual(vae.priorGiven({ ...one, temperature: 0.8 }), prior);
    assert.notEqual(vae.priorGiven(one), prior);
  }
});

test("a standard normal prior has the temperature as its scale, and the noise of the prior", () => {
  const prior = vaes.get("grey")!.priorGiven({ temperature: 0.7 });
  assert.ok(prior instanceof Normal);
  assert.deepEqual(prior.scale, new Float32Array(prior.eventShape[0]!).fill(T));
  const eps = normals(Purpose.PRIOR, { seed: 5n, start: at.start, stream: 0n }, 1, prior.scale.length);
  assert.deepEqual(
    prior.sample(at).data,
    eps.map((each) => each * T),
  );
});

test("an autoencoder has no prior at any temperature", async () => {
  const vae = await open("autoencoder");
  await assert.rejects(vae.generate(1, { temperature: 0.7 }), /autoencoder: it has no prior/);
  assert.throws(() => vae.stream(1, { temperature: 0.7 }), /autoencoder: it has no prior/);
  assert.throws(() => vae.priorGiven({ temperature: 0.7 }), /autoencoder: it has no prior/);
  vae.dispose();
});

for (const name of ["flow", "flow-labels", "flow-vector"]) {
  test(`${name}: the density of a draw is that of its noise`, async () => {
    const vae = vaes.get(name)!;
    const one = CASES[name]!([2]);
    const size = vae.latentSize;
    const cool = vae.priorGiven({ ...one, temperature: T });
    const z = await cool.sample({ ...at, sampleShape: 20 });
    const [found, plain] = [await cool.logProb(z), await vae.priorGiven(one).logProb(z)];
    const eps = normals(Purpose.PRIOR, { seed: 5n, start: at.start, stream: 0n }, 20, size);
    for (let i = 0; i < 20; i++) {
      const squares = eps.subarray(i * size, (i + 1) * size).reduce((sum, each) => sum + each ** 2, 0);
      // z = f(T eps): log N(T eps; 0, T^2) - log N(T eps; 0, 1) = -(1 - T^2) |eps|^2 / 2 - L log T
      const expected = (-(1 - T ** 2) * squares) / 2 - size * Math.log(T);
      const difference = found.data[i]! - plain.data[i]! - expected;
      assert.ok(Math.abs(difference) < 1e-4, `draw ${i}: ${difference}`);
    }
  });
}

test("a flow's density at a temperature is the change of variables, and its integral is 1", async () => {
  // z = sinh(x): log |dx / dz| = -log(1 + z^2) / 2
  const map = (f: (each: number) => number, { dims, data }: Float32Tensor) => ({ dims, data: data.map(f) });
  const logDet = (z: number) => -Math.log1p(z * z) / 2;
  const graphs = {
    forward: async (x: Float32Tensor) => map(Math.sinh, x),
    inverse: async (z: Float32Tensor): Promise<[Float32Tensor, Float32Tensor]> => [map(Math.asinh, z), map(logDet, z)],
  };
  for (const temperature of [0.5, 1, 1.5]) {
    const flow = new Flow(graphs, 1, temperature);
    const step = 1 / 128;
    const z = Float32Array.from({ length: 2 ** 17 }, (_, i) => (i - 2 ** 16) * step);
    const { data } = await flow.logProb({ dims: [z.length, 1], data: z });
    data.forEach((found, i) => {
      const x = Math.asinh(z[i]!) / temperature;
      const expected = -(x * x + Math.log(2 * Math.PI)) / 2 - Math.log(temperature) + logDet(z[i]!);
      assert.ok(Math.abs(found - expected) < 1e-4, `${found} ${expected}`);
    });
    const integral = data.reduce((sum, each) => sum + Math.exp(each) * step, 0);
    assert.ok(Math.abs(integral - 1) < 1e-3, String(integral));
    const drawn = await flow.sample({ ...at, sampleShape: 50 });
    const eps = normals(Purpose.PRIOR, { seed: 5n, start: at.start, stream: 0n }, 50, 1);
    assert.deepEqual(drawn.data, eps.map((each) => each * temperature).map(Math.sinh));
  }
});

test("a mixture at a temperature keeps its weights to the bit, and its loc; each scaleTril is rounded once", () => {
  const dims = [3, 2];
  const tril = Float32Array.of(0.3, 0, -9, 1e-3, 1.7, 0, 0.1, 2.2, 5, 0, 1e3, 0.7);
  const mixture = new Mixture(
    Float32Array.of(0.025, 0.125, 0.85), // divided by their sum, they sum to 1 - 2^-53
    { dims, data: [0, 1 / 3, 5, -7, 1e-6, 2] },
    { dims: [...dims, 2], data: tril },
  );
  const twice = mixture.atTemperature(2).atTemperature(0.9);
  const again = new Mixture(mixture.weights, { dims, data: mixture.loc }, { dims: [...dims, 2], data: tril });
  assert.notDeepEqual(bits(again.weights), bits(mixture.weights)); // so that dividing anew would be noticed
  assert.deepEqual(bits(twice.weights), bits(mixture.weights));
  assert.deepEqual(twice.loc, mixture.loc);
  assert.deepEqual(
    twice.scaleTril,
    tril.map((each) => Math.fround(each * 2) * Math.fround(0.9)),
  );
  const place = { seed: 3n, start: 0n, stream: 0n };
  assert.deepEqual(twice.components(place, 1000), mixture.components(place, 1000));
  assert.deepEqual(mixture.atTemperature(1).sample(at), mixture.sample(at));
  for (const temperature of [0, -1, NaN, Infinity, 1e-45])
    assert.throws(() => mixture.atTemperature(temperature), InputError, String(temperature));
});
