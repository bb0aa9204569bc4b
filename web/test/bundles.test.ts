/** Hand-built bundles of every family and condition against Python, and the bundles that ship. */
import assert from "node:assert/strict";
import test from "node:test";
import { VAE, type Float32Tensor, type Given, type Head } from "../src/index.js";
import { sourceOf } from "../src/bundle/source.js";
import { assertClose } from "./close.js";
import { filesOf, load, path, readJson, SHIPPED, type Stored } from "./vectors.js";

const { seed, start, bundles } = readJson("tests/vectors/bundles.json");
const at = { seed, start };

function decoded(files: Record<string, string>): Record<string, Uint8Array> {
  return Object.fromEntries(
    Object.entries(files).map(([name, data]) => [name, Uint8Array.from(Buffer.from(data, "base64"))]),
  );
}

/** The arguments of all three events, and of the first alone. */
function conditions(given: any): [Given, Given] {
  if (given.label !== undefined) return [{ label: given.label }, { label: given.label[0] }];
  if (given.condition === undefined) return [{}, {}];
  const condition = load(given.condition);
  return [{ condition }, { condition: condition.data.subarray(0, condition.dims[1]) }];
}

for (const [name, { files, given, results }] of Object.entries<any>(bundles)) {
  test(`the bundle "${name}" gives what Python gives`, async () => {
    const vae = await VAE.load(decoded(files));
    const x = load(given.x);
    const [each, one] = conditions(given);
    const q = await vae.encode(x, each);
    const p = await vae.decode(q.mean(), each);
    const event = (i: number) => ({
      dims: x.dims.slice(1),
      data: x.data.slice((i * x.data.length) / 3, ((i + 1) * x.data.length) / 3),
    });
    const found: Record<string, { dims: readonly number[]; data: ArrayLike<number> }> = {
      prepare: vae.prepare(x),
      "posterior mean": q.mean(),
      "posterior stddev": q.stddev(),
      "posterior sample": q.sample({ ...at, sampleShape: 2 }),
      log_prob: p.logProb(vae.prepare(x)),
      interpolate: await vae.interpolate(event(0), event(1), 4, { seed, ...one }),
    };
    for (const head of ["sample", "mean", "mode"] as Head[]) {
      found[`reconstruct ${head}`] = await vae.reconstruct(x, { head, latent: "sample", ...at, ...each });
      if (`generate ${head}` in results) found[`generate ${head}`] = await vae.generate(3, { head, ...at, ...each });
    }
    if ("prior sample" in results) {
      const prior = vae.priorGiven(one);
      found["prior sample"] = await prior.sample({ ...at, sampleShape: 4 });
      found["prior log_prob"] = await prior.logProb(load(results["prior sample"]));
    }
    assert.deepEqual(Object.keys(found).sort(), Object.keys(results).sort());
    for (const [result, stored] of Object.entries(results)) {
      assertClose(found[result]!, load(stored as Stored), result === "prepare" ? 0 : 1e-5, result);
    }
    vae.dispose();
  });
}

for (const name of SHIPPED) {
  test(`${name} loads, and streams what it generates at once`, async () => {
    const vae = await VAE.load(path(`artifacts/${name}`), {
      digest: readJson(`artifacts/${name}/manifest.json`).digest,
    });
    assert.deepEqual(vae.eventShape, [28, 28, 1]);
    assert.ok(Object.values(vae.probe).every((difference) => difference < 1e-4));
    const given = vae.labels.length > 0 ? { label: 3 } : {};
    const whole = await vae.generate(70, { head: "sample", seed: 3, start: 2n ** 40n, ...given });
    const streamed: Float32Tensor[] = [];
    for await (const batch of vae.stream(70, { head: "sample", seed: 3, start: 2n ** 40n, batchSize: 33, ...given }))
      streamed.push(batch);
    assert.deepEqual(
      streamed.map((batch) => batch.dims[0]),
      [33, 33, 4],
    );
    assert.deepEqual(
      streamed.flatMap((batch) => [...batch.data]),
      [...whole.data],
    );
    vae.dispose();
  });
}

for (const schema of ["schema1", "schema2"]) {
  test(`bundles of ${schema} are read`, async () => {
    const trainedAnew = Object.keys(filesOf("tests/runtime/schema3")); // their files are others now
    const manifests = Object.entries(filesOf(`tests/runtime/${schema}`));
    assert.ok(manifests.length > trainedAnew.length);
    for (const [file, manifest] of manifests.filter(([file]) => !trainedAnew.includes(file))) {
      const name = file.replace(".json", "");
      const folder = name === "tiny" ? "tests/runtime/tiny" : `artifacts/${name}`;
      const old = { ...filesOf(folder), "manifest.json": manifest };
      const [before, now] = [await VAE.load(old), await VAE.load(filesOf(folder))];
      const strip = ({ manifest: { digest, scores, ...rest } }: VAE) => rest; // the fit was sealed later
      assert.deepEqual(strip(before), strip(now));
    }
  });
}

test("files are arrays, buffers or blobs, and what is written to them later does not matter", async () => {
  const files = filesOf("tests/runtime/tiny");
  const mixed = {
    ...files,
    "encoder.onnx": files["encoder.onnx"]!.slice().buffer,
    "decoder.onnx": new Blob([files["decoder.onnx"]!.slice()]),
  };
  const probe = await sourceOf(mixed).read("probe.npz", 1 << 20);
  assert.ok(probe !== files["probe.npz"] && probe!.buffer !== files["probe.npz"]!.buffer); // what is hashed is what runs
  const loading = VAE.load(mixed);
  files["probe.npz"]!.fill(0);
  const vae = await loading.catch((error) => error);
  assert.ok(!(vae instanceof VAE)); // written to before it was read, so that its hash differs
  const again = filesOf("tests/runtime/tiny");
  const loaded = await VAE.load(again);
  const expected = await loaded.generate(2);
  for (const data of Object.values(again)) data.fill(0);
  assert.deepEqual(await loaded.generate(2), expected);
});
