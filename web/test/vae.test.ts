import assert from "node:assert/strict";
import test, { before } from "node:test";
import { InputError, VAE, VaeEdgeError, type GenerateOptions } from "../src/index.js";
import { filesOf, load, readJson } from "./vectors.js";

const { bundles } = readJson("tests/vectors/bundles.json");
const open = (name: string) =>
  VAE.load(
    Object.fromEntries(
      Object.entries<string>(bundles[name].files).map(([file, data]) => [
        file,
        Uint8Array.from(Buffer.from(data, "base64")),
      ]),
    ),
  );

let vae: VAE, labels: VAE, index: VAE, vector: VAE, table: VAE, grey: VAE, levels: VAE, autoencoder: VAE;
before(async () => {
  vae = await VAE.load(filesOf("tests/runtime/tiny"));
  [labels, index, vector, table, grey, levels, autoencoder] = [
    await open("labels"),
    await open("index"),
    await open("vector"),
    await open("table"),
    await open("grey"),
    await open("levels"),
    await open("autoencoder"),
  ];
});

test("a VAE says what it is", () => {
  assert.deepEqual([vae.latentSize, vae.eventShape, vae.labels], [3, [6, 4, 1], []]);
  assert.deepEqual(index.labels, ["spades", "hearts", "diamonds", "clubs"]);
  assert.deepEqual(vector.labels, []);
  assert.deepEqual(table.eventShape, [5]);
  assert.ok(["kernels", "onnxruntime-web"].includes(vae.backend));
  assert.ok(["kernels", "onnxruntime-web"].includes(vae.encoderBackend));
  assert.deepEqual([vae.prior.batchShape, vae.prior.eventShape], [[], [3]]);
  assert.throws(() => autoencoder.prior, /autoencoder: it has no prior/);
});

test("an event has the noise of its own draw, at any start and batch", async () => {
  const seed = "18446744073709551615";
  const all = await vae.generate(130, { head: "sample", seed, start: 2n ** 62n });
  const later = await vae.generate(3, { head: "sample", seed: 2n ** 64n - 1n, start: String(2n ** 62n + 127n) });
  assert.deepEqual(later.data, all.data.slice(127 * 24));
  assert.notDeepEqual(later.data, all.data.slice(0, 3 * 24));
});

test("encode and decode take more events than one run of a graph", async () => {
  const x = { dims: [150, 6, 4, 1], data: Float32Array.from({ length: 150 * 24 }, (_, i) => ((i * 7919) % 101) / 100) };
  const all = await vae.encode(x);
  const one = await vae.encode(x.data.subarray(149 * 24));
  assert.deepEqual(all.mean().data.slice(149 * 3), one.mean().data);
  assert.deepEqual((await vae.decode(all.mean())).mean().dims, [150, 6, 4, 1]);
});

test("labels go by name, by number, by number as text, one for all or one each", async () => {
  const options: GenerateOptions = { head: "sample", seed: 1 };
  for (const model of [labels, index]) {
    const [a, b] = [model.labels[1]!, model.labels[3]!];
    const named = await model.generate(2, { ...options, label: b });
    assert.deepEqual(await model.generate(2, { ...options, label: 3 }), named);
    assert.deepEqual(await model.generate(2, { ...options, label: "3" }), named);
    assert.deepEqual(await model.generate(2, { ...options, label: [3, b] }), named);
    const mixed = await model.generate(2, { ...options, label: [a, 3] });
    assert.deepEqual(mixed.data.slice(24), named.data.slice(24));
    const many = await model.generate(70, { ...options, label: Array.from({ length: 70 }, (_, i) => i % 4) });
    assert.deepEqual(
      (await model.generate(1, { ...options, label: 69 % 4, start: 69 })).data,
      many.data.slice(69 * 24),
    );
    const parts = [];
    for await (const batch of model.stream(70, {
      ...options,
      label: Array.from({ length: 70 }, (_, i) => i % 4),
      batchSize: 32,
    }))
      parts.push(...batch.data);
    assert.deepEqual(parts, [...many.data]);
  }
});

test("labels and conditions that do not go with the model are refused", async () => {
  const bad: [VAE, GenerateOptions, RegExp][] = [
    [vae, { label: 0 }, /takes no label/],
    [vae, { condition: [1] }, /takes no label/],
    [labels, {}, /should be given a label/],
    [labels, { condition: [1] }, /should be given a label/],
    [labels, { label: 10 }, /one of zero, one/],
    [labels, { label: -1 }, /one of zero, one/],
    [labels, { label: 0.5 }, /one of zero, one/],
    [labels, { label: "eleven" }, /it is "eleven"/],
    [labels, { label: [1] }, /one for each of the 2 events/],
    [labels, { label: [1, null as never] }, /one of zero/],
    [vector, {}, /2 numbers an event/],
    [vector, { label: 0 }, /2 numbers an event/],
    [vector, { condition: [1] }, /shape \(2\) or \(2, 2\)/],
    [vector, { condition: [NaN, 1] }, /finite/],
    [vector, { condition: { dims: [3, 2], data: new Float32Array(6) } }, /shape/],
  ];
  for (const [model, options, message] of bad)
    await assert.rejects(model.generate(2, options), { name: "InputError", message });
});

test("one vector is for all events, two are one each", async () => {
  const given = { head: "sample", seed: 4 } as const;
  const all = await vector.generate(2, { ...given, condition: [0.5, -1] });
  assert.deepEqual(await vector.generate(2, { ...given, condition: [0.5, -1, 0.5, -1] }), all);
  assert.deepEqual(await vector.generate(2, { ...given, condition: { dims: [2, 2], data: [0.5, -1, 0.5, -1] } }), all);
});

test("images are prepared as Python prepares them", () => {
  const bytes = Uint8Array.from({ length: 24 }, (_, i) => i * 11);
  const expected = Array.from(bytes, (byte) => (byte / 255 > 0.5 ? 1 : 0));
  for (const x of [
    bytes,
    Uint8ClampedArray.from(bytes),
    { dims: [6, 4], data: bytes },
    { dims: [1, 6, 4], data: bytes },
    { dims: [6, 4, 1], data: bytes },
  ]) {
    assert.deepEqual(vae.prepare(x), { dims: [1, 6, 4, 1], data: Float32Array.from(expected) });
  }
  const prepared = vae.prepare(bytes);
  assert.deepEqual(vae.prepare(prepared), prepared);
  assert.deepEqual(vae.prepare(Array.from(bytes, (byte) => byte / 255)).data, prepared.data);
  assert.deepEqual(
    grey.prepare(bytes).data,
    Float32Array.from(bytes, (byte) => byte / 255),
  ); // 256 levels
  assert.deepEqual(
    grey.prepare(Float32Array.from(bytes, (byte) => (byte + 0.3) / 255.3)).data,
    Float32Array.from(bytes, (byte) => Math.round(((byte + 0.3) / 255.3) * 255) / 255),
  );
  assert.deepEqual(
    levels.prepare(bytes).data,
    Float32Array.from(bytes, (byte) => Math.round((byte / 255) * 3) / 3),
  );
});

test("events that a model cannot read are refused", () => {
  const bad: [VAE, unknown, RegExp][] = [
    [vae, new Float32Array(23), /shape \(B, 6, 4, 1\) or \(B, 6, 4\)/],
    [vae, [], /B >= 1/],
    [vae, { dims: [4, 6], data: new Float32Array(24) }, /shape/],
    [vae, { dims: [0, 6, 4, 1], data: [] }, /B >= 1/],
    [vae, new Float32Array(24).fill(1.5), /in \[0, 1\], pixel 0 is 1\.5/],
    [vae, new Float32Array(24).fill(NaN), /in \[0, 1\]/],
    [vae, new Uint8Array(24).fill(1), /of 1 or of 255/],
    [vae, new Int32Array(24), /Int32Array/],
    [vae, "an image", /should be numbers/],
    [table, [1, 2, 3, 4], /vectors should have shape/],
    [table, [1, 2, 3, 4, NaN], /"dose" \(column 4\)/],
    [table, [1, 2, 3e39, 4, 5], /"weight" \(column 2\)/],
  ];
  for (const [model, x, message] of bad)
    assert.throws(() => model.prepare(x as never), { name: "InputError", message });
  assert.deepEqual(table.prepare(new Int32Array(10)).dims, [2, 5]);
});

test("arguments that make no sense are refused", async () => {
  const bad: [() => Promise<unknown>, RegExp][] = [
    [() => vae.generate(0), /n should be an integer in \[1/],
    [() => vae.generate(1.5), /n should be/],
    [() => vae.generate(1, { head: "median" as never }), /one of sample, mean, mode; it is "median"/],
    [() => vae.generate(1, { seed: -1 }), /seed should be/],
    [() => vae.generate(2, { start: 2n ** 63n - 1n }), /start should be/],
    [() => vae.generate(2 ** 40), /do not fit in memory/],
    [() => vae.reconstruct(new Float32Array(24), { latent: "mode" as never }), /latent should be mean or sample/],
    [() => vae.interpolate(new Float32Array(24), new Float32Array(48), 3), /one event each, they are 1 and 2/],
    [() => vae.interpolate(new Float32Array(24), new Float32Array(24), 0), /steps should be/],
    [() => vae.decode([1, 2]), /shape \(B, 3\)/],
    [() => vae.decode([]), /shape \(B, 3\)/],
    [() => vae.decode({ dims: [3], data: [1, 2, 3] }), /shape \(B, 3\)/],
    [() => vae.decode([1, 2, NaN]), /finite/],
    [() => autoencoder.generate(1), /autoencoder/],
  ];
  for (const [call, message] of bad) await assert.rejects(call, { name: "InputError", message });
  // a stream says at once what is wrong, not at its first batch
  assert.throws(() => vae.stream(0), InputError);
  assert.throws(() => vae.stream(1, { batchSize: 0 }), InputError);
  assert.throws(() => vae.stream(1, { head: "no" as never }), InputError);
  assert.throws(() => autoencoder.stream(1), InputError);
});

test("a stream of 10^18 events begins at once, and is left when its caller leaves", async () => {
  let batches = 0;
  for await (const batch of vae.stream(10n ** 18n, { batchSize: 5 })) {
    assert.deepEqual(batch.dims, [5, 6, 4, 1]);
    if (++batches === 3) break;
  }
  assert.equal(batches, 3);
});

test("one step of an interpolation is its beginning, and the last is its end", async () => {
  const { data } = load(bundles.binary.given.x);
  const [a, b] = [data.subarray(0, 24), data.subarray(24, 48)];
  const [q, r] = [await vae.encode(a), await vae.encode(b)];
  const [first, last] = [await vae.decode(q.mean()), await vae.decode(r.mean())];
  const path = await vae.interpolate(a, b, 5);
  assert.deepEqual(path.data.slice(0, 24), first.mean().data);
  assert.deepEqual(path.data.slice(4 * 24), last.mean().data);
  assert.deepEqual((await vae.interpolate(a, b, 1)).data, first.mean().data);
});

test("each error is one of the tree, and knows its name", async () => {
  const error = await vae.generate(0).catch((each) => each);
  assert.ok(error instanceof InputError && error instanceof VaeEdgeError && error instanceof Error);
  assert.match(String(error), /^InputError: n should be/);
});
