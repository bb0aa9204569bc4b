/** Damaged and hostile bundles are refused, by a typed error, before anything is parsed. */
import assert from "node:assert/strict";
import test from "node:test";
import { BundleError, BundleNotFound, IntegrityError, ManifestError, UnsafeBundle, VAE } from "../src/index.js";
import { parseRaw, Raw, seal, sealText, sha256 } from "./resealing.js";
import { filesOf, readJson } from "./vectors.js";

const TINY = filesOf("tests/runtime/tiny");
const NAMES = Object.keys(TINY);
const decode = (data: Uint8Array) => new TextDecoder().decode(data);
const encode = (text: string) => new TextEncoder().encode(text);
const manifest = () => parseRaw(decode(TINY["manifest.json"]!));
const int = (value: number | bigint | string) => new Raw(String(value));
const float = (value: number) => new Raw(Number.isInteger(value) ? `${value}.0` : String(value));

/** A generator that gives the same numbers in each run. */
function dice(seed: number): (n: number) => number {
  let state = seed;
  return (n) => {
    state = (Math.imul(state, 1664525) + 1013904223) >>> 0;
    return Math.floor((state / 2 ** 32) * n);
  };
}

/** The tiny bundle with other files; the manifest has the sizes and hashes of the new bytes. */
function resealed(
  files: Record<string, Uint8Array>,
  change: (tree: any) => void = () => undefined,
): Record<string, Uint8Array> {
  const all = { ...TINY, ...files };
  const tree = manifest();
  for (const file of [tree.graphs.encoder.file, tree.graphs.decoder.file, tree.probe]) {
    file.bytes = int(all[file.name]!.length);
    file.sha256 = sha256(all[file.name]!);
  }
  change(tree);
  return { ...all, "manifest.json": seal(tree) };
}

async function refuses(
  files: Record<string, Uint8Array>,
  what: string,
  kind: new (message: string) => Error = BundleError,
): Promise<void> {
  await assert.rejects(
    VAE.load(files),
    (error: Error) => {
      assert.ok(error instanceof kind, `${what}: ${error.stack}`);
      return true;
    },
    what,
  );
}

test("the tiny bundle, sealed again, is accepted: what follows is refused for its damage alone", async () => {
  assert.ok((await VAE.load(resealed({}))) instanceof VAE);
});

test("a bundle without one of its files is refused", async () => {
  for (const name of NAMES) {
    const { [name]: _, ...rest } = TINY;
    await refuses(rest, name, name === "manifest.json" ? BundleNotFound : IntegrityError);
  }
});

test("a file that is cut, extended, empty or of another bundle is refused", async () => {
  const other = filesOf("artifacts/mnist-tiny");
  for (const name of NAMES) {
    const data = TINY[name]!;
    const damaged = {
      empty: new Uint8Array(0),
      cut: data.slice(0, -1),
      half: data.slice(0, data.length / 2),
      longer: Uint8Array.of(...data, 10),
      other: other[name]!,
    };
    for (const [how, bytes] of Object.entries(damaged)) {
      if (name === "manifest.json" && how === "other") continue;
      await refuses({ ...TINY, [name]: bytes }, `${name}, ${how}`);
    }
  }
});

test("each flipped bit is noticed", async () => {
  const roll = dice(1);
  for (let i = 0; i < 400; i++) {
    const name = NAMES[roll(NAMES.length)]!;
    const data = TINY[name]!.slice();
    const place = roll(data.length),
      bit = roll(8);
    data[place]! ^= 1 << bit;
    await refuses({ ...TINY, [name]: data }, `${name}, bit ${bit} of byte ${place}`);
  }
});

test("a bundle whose digest is not the one that was asked for is refused", async () => {
  const digest = readJson("tests/runtime/tiny/manifest.json").digest;
  assert.ok(await VAE.load(TINY, { digest }));
  await assert.rejects(
    VAE.load(TINY, { digest: digest.replace(/./, (d: string) => (d === "0" ? "1" : "0")) }),
    ManifestError,
  );
  await assert.rejects(VAE.load(TINY, { digest: "abc" }), /64 hexadecimal digits/);
});

test("files are no larger than the caller allows", async () => {
  await assert.rejects(VAE.load(TINY, { maxFileBytes: 100 }), UnsafeBundle);
});

/** Every place of a tree: its path. */
function places(value: any, at: (string | number)[] = []): (string | number)[][] {
  if (value instanceof Raw || typeof value !== "object" || value === null) return [at];
  return [...(at.length > 0 ? [at] : []), ...Object.keys(value).flatMap((key) => places(value[key], [...at, key]))];
}

function put(tree: any, at: (string | number)[], value: unknown): void {
  const holder = at.slice(0, -1).reduce((node, key) => node[key], tree);
  if (value === undefined) delete holder[at.at(-1)!];
  else holder[at.at(-1)!] = value;
}

test("each field that is missing or of another type is refused", async () => {
  const free = ["versions", "metrics", "parity"]; // of any keys
  const nullable = ["condition", "training", "file", "threshold"];
  for (const at of places(manifest())) {
    const name = String(at.at(-1));
    if (name === "digest") continue;
    const original = at.reduce((node, key) => node[key], manifest());
    const others = [true, "text of no meaning", int(-7), float(-7.5), [], [int(1)], {}, null, undefined];
    for (const value of others) {
      const [a, b] = [original, value].map((each) =>
        each instanceof Raw
          ? /[.e]/.test(each.text)
            ? "float"
            : "int"
          : Array.isArray(each)
            ? "list"
            : each === null
              ? "null"
              : typeof each,
      );
      const isFree = free.includes(String(at[0]));
      if (a === b || (value === null && nullable.includes(name)) || (value === undefined && isFree && at.length > 1))
        continue;
      if (Array.isArray(original) && JSON.stringify(original) === JSON.stringify(value)) continue;
      await refuses(
        resealed({}, (tree) => put(tree, at, value)),
        `${at.join(".")} = ${JSON.stringify(value)}`,
      );
    }
  }
});

test("an unknown field is refused, in every object", async () => {
  const objects = [
    [],
    ["event"],
    ["graphs"],
    ["graphs", "encoder"],
    ["graphs", "encoder", "file"],
    ["probe"],
    ["prior"],
    ["training"],
  ];
  for (const at of objects)
    await refuses(
      resealed({}, (tree) => put(tree, [...at, "more"], "x")),
      at.join("."),
      ManifestError,
    );
});

test("values that make no sense are refused", async () => {
  const graph = (name: string) => (tree: any) => tree.graphs[name];
  const encoder = graph("encoder"),
    decoder = graph("decoder");
  const labels = (names: string[], size = names.length, kind = "one_hot") => ({ kind, size: int(size), names });
  const given = (dtype: string, ...shape: number[]) => ({
    name: "given",
    dtype,
    shape: ["batch", ...shape.map(int)],
    role: "condition",
  });
  const vector = (fields: object) => ({ kind: "vector", size: int(24), names: [], shift: [], scale: [], ...fields });
  const uncertain = (weights: string[], name = "weights.npz") => ({
    file: { name, bytes: int(1), sha256: "0".repeat(64) },
    weights,
  });
  const output = (shape: unknown[], name = "other") => ({ name, dtype: "float32", shape, role: "" });
  const changes: Record<string, (tree: any) => void> = {
    "schema 4": (t) => (t.schema = int(4)),
    "pictures that are none": (t) => (t.training.pictures = []),
    "deviations of no weights": (t) => (t.deviations = uncertain([])),
    "deviations of a weight twice": (t) => (t.deviations = uncertain(["weights", "weights"])),
    "deviations of a weight without a name": (t) => (t.deviations = uncertain([""])),
    "deviations in a file of another name": (t) => (t.deviations = uncertain(["weights"], "../weights.npz")),
    "deviations of weights in int8": (t) => {
      t.deviations = uncertain(["weights"]);
      t.precision = "int8";
    },
    "schema 0": (t) => (t.schema = int(0)),
    "a precision": (t) => (t.precision = "fp64"),
    "no latent": (t) => (t.latent_size = int(0)),
    "a huge latent": (t) => (t.latent_size = int(4097)),
    "another latent": (t) => (t.latent_size = int(4)),
    "an integer past 2^53": (t) => (t.graphs.encoder.parameters = int(2n ** 60n)),
    "an image without rows": (t) => (t.event.height = int(0)),
    "a huge image": (t) => (t.event.width = int(5000)),
    "a threshold of 1": (t) => (t.event.threshold = float(1)),
    "a negative threshold": (t) => (t.event.threshold = float(-0.5)),
    "an infinite shift": (t) => (t.event.shift = new Raw("1e999")),
    "a scale of 0": (t) => (t.event.scale = float(0)),
    "an event of no kind": (t) => (t.event.kind = "sound"),
    "a vector for an image": (t) => (t.event = vector({})),
    "too few names": (t) => (t.event = vector({ names: ["a"] })),
    "names alike": (t) => (t.event = vector({ size: int(2), names: ["a", "a"] })),
    "a third graph": (t) => (t.graphs.prior = t.graphs.encoder),
    "a name with a folder": (t) => (t.probe.name = "a/probe.npz"),
    "a name that climbs": (t) => (t.probe.name = "../probe.npz"),
    "a name that begins with a dot": (t) => (t.probe.name = ".probe.npz"),
    "a long name": (t) => (t.probe.name = "a".repeat(65)),
    "no bytes": (t) => (t.probe.bytes = int(0)),
    "a hash in capitals": (t) => (t.probe.sha256 = t.probe.sha256.toUpperCase()),
    "a file twice": (t) => (t.probe = t.graphs.encoder.file),
    "negative costs": (t) => (encoder(t).multiply_adds = int(-1)),
    "negative parameters": (t) => (encoder(t).parameters = int(-1)),
    "no inputs": (t) => (encoder(t).inputs = []),
    "an input of another role": (t) => (encoder(t).inputs[0].role = "latent"),
    "an input of another dtype": (t) => (encoder(t).inputs[0].dtype = "int32"),
    "an input of a dtype that there is not": (t) => (encoder(t).inputs[0].dtype = "float64"),
    "an input of another shape": (t) => (encoder(t).inputs[0].shape = ["batch", int(24)]),
    "a condition that the model has not": (t) => encoder(t).inputs.push(given("float32", 2)),
    "two conditions": (t) => {
      t.condition = labels(["a", "b"]);
      encoder(t).inputs.push(given("float32", 2), { ...given("float32", 2), name: "more" });
    },
    "a condition of another size": (t) => {
      t.condition = labels(["a", "b"]);
      encoder(t).inputs.push(given("float32", 3));
    },
    "an index of floats": (t) => {
      t.condition = labels(["a", "b"], 2, "index");
      encoder(t).inputs.push(given("float32"));
    },
    "labels of no kind": (t) => (t.condition = labels(["a", "b"], 2, "two_hot")),
    "labels alike": (t) => (t.condition = labels(["a", "a"])),
    "too many labels": (t) => (t.condition = labels(["a"], 4097)),
    "labels without names": (t) => (t.condition = labels([], 2)),
    "an output without a batch": (t) => (decoder(t).outputs[0].shape = [int(6), int(4), int(1)]),
    "an output of no size": (t) => decoder(t).outputs.push(output(["batch", int(0)])),
    "an output of two batches": (t) => decoder(t).outputs.push(output(["batch", "batch"])),
    "an output with a role": (t) => (decoder(t).outputs[0].role = "event"),
    "tensors alike": (t) => (decoder(t).outputs[0].name = "loc"),
    "a tensor named tolerance": (t) => decoder(t).outputs.push(output(["batch"], "tolerance")),
    "a tensor without a name": (t) => decoder(t).outputs.push(output(["batch"], "")),
    "a tensor named with a space": (t) => decoder(t).outputs.push(output(["batch"], "a b")),
    "a family that there is not": (t) => (t.likelihood.family = "poisson"),
    "a family in another role": (t) => (t.posterior.family = "bernoulli"),
    "a family of JavaScript's": (t) => (t.likelihood.family = "constructor"),
    "another event shape": (t) => (t.likelihood.event_shape = [int(24)]),
    "an output that there is not": (t) => (t.likelihood.outputs.logits = "nothing"),
    "an output of JavaScript's": (t) => (t.likelihood.outputs.logits = "constructor"),
    "an output of the other graph": (t) => (t.likelihood.outputs.logits = "loc"),
    "no parameters": (t) => (t.likelihood.outputs = {}),
    "a parameter too many": (t) => (t.likelihood.constants.scale = float(1)),
    "a parameter twice": (t) => (t.posterior.constants.loc = float(0)),
    "constants alone": (t) =>
      (t.posterior = { ...t.posterior, outputs: {}, constants: { loc: float(0), scale: float(1) } }),
    "a negative scale": (t) =>
      (t.posterior = { ...t.posterior, outputs: { loc: "loc" }, constants: { scale: float(-1) } }),
    "an infinite scale": (t) =>
      (t.posterior = { ...t.posterior, outputs: { loc: "loc" }, constants: { scale: new Raw("1e999") } }),
    "a constant matrix": (t) =>
      (t.posterior = {
        ...t.posterior,
        family: "multivariate_normal_tril",
        outputs: { loc: "loc" },
        constants: { scale_tril: float(1) },
      }),
    "a matrix that is a vector": (t) =>
      (t.posterior = {
        ...t.posterior,
        family: "multivariate_normal_tril",
        outputs: { loc: "loc", scale_tril: "scale" },
      }),
    "no levels": (t) => (t.likelihood = { ...t.likelihood, family: "categorical" }),
    "one level": (t) => (t.likelihood = { ...t.likelihood, family: "categorical", constants: { levels: float(1) } }),
    "half a level": (t) =>
      (t.likelihood = { ...t.likelihood, family: "categorical", constants: { levels: float(2.5) } }),
    "levels that the graph has not": (t) =>
      (t.likelihood = { ...t.likelihood, family: "categorical", constants: { levels: float(2) } }),
    "a mixture without a file": (t) =>
      (t.prior = { ...t.prior, family: "mixture", constants: { components: float(2) } }),
    "a mixture of nothing": (t) => (t.prior = { ...t.prior, family: "mixture", constants: {} }),
    "a normal prior with a file": (t) =>
      (t.prior = { ...t.prior, file: { name: "prior.npz", bytes: int(1), sha256: "0".repeat(64) } }),
    "an infinite metric": (t) => (t.metrics = { nll: new Raw("1e999") }),
    "how images became binary": (t) => (t.training.binarize = "maybe"),
  };
  for (const [what, change] of Object.entries(changes)) await refuses(resealed({}, change), what, ManifestError);
});

test("text that is no manifest is refused", async () => {
  const text = decode(TINY["manifest.json"]!);
  const changes: Record<string, string> = {
    "a key twice": text.replace('\n  "digest"', '\n  "name": "other",\n  "digest"'),
    NaN: text.replace('"threshold": 0.5', '"threshold": NaN'),
    "a point without digits": text.replace('"threshold": 0.5', '"threshold": 0.'),
    "a leading zero": text.replace('"threshold": 0.5', '"threshold": 00.5'),
    "letters beyond ASCII": text.replace('"tiny"', '"tïny"'),
    "a trailing comma": text.replace(/\n\}\s*$/, ",\n}\n"),
    "more behind it": `${text}{}`,
    "another word": text.replace('"condition": null', '"condition": none'),
    "a control character": text.replace('"tiny"', '"ti\tny"'),
    "an escape that there is not": text.replace('"tiny"', '"ti\\xny"'),
    "no colon": text.replace('"name":', '"name"'),
    "a key that is a number": text.replace('"name":', "1:"),
    "an endless list": text.replace('"condition": null', `"condition": ${"[".repeat(5000)}`),
    "an endless integer": text.replace('"latent_size": 3', `"latent_size": ${"9".repeat(5000)}`),
    "an open list": text.replace(/\],/, ";,"),
  };
  for (const [what, changed] of Object.entries(changes)) {
    assert.notEqual(changed, text, what);
    await refuses({ ...TINY, "manifest.json": sealText(changed) }, what, ManifestError);
  }
  for (const whole of ["", "[]", "1", "null", '"text"', "{}", "{", " ", "\u0000", "x".repeat((1 << 20) + 1)]) {
    await refuses({ ...TINY, "manifest.json": encode(whole) }, whole.slice(0, 20));
  }
});

test("a digest on two lines, or on none, is refused", async () => {
  const text = decode(TINY["manifest.json"]!);
  const line = /\n  "digest": "([0-9a-f]{64})",?/.exec(text)!;
  await refuses(
    { ...TINY, "manifest.json": encode(text.replace(line[0], line[0].replace(/  "/, '   "'))) },
    "indented",
    ManifestError,
  );
  await refuses(
    {
      ...TINY,
      "manifest.json": encode(text.replace('"producer"', `"producer": {${line[0].replace(/,$/, "")}\n  }, "more"`)),
    },
    "twice",
    ManifestError,
  );
});

test("arrays that are not those of the bundle are refused", async () => {
  const probe = TINY["probe.npz"]!;
  const edited = (edit: (bytes: Uint8Array, view: DataView) => void) => {
    const bytes = probe.slice();
    edit(bytes, new DataView(bytes.buffer));
    return bytes;
  };
  const find = (text: string) => Buffer.from(probe).indexOf(text, 0, "latin1");
  const damaged: Record<string, Uint8Array> = {
    "no archive": encode("no archive"),
    "an empty archive": Uint8Array.of(0x50, 0x4b, 5, 6, ...new Uint8Array(18)),
    "cut members": probe.slice(0, 100),
    "compressed members": edited((_, view) => view.setUint16(8, 8, true)),
    "encrypted members": edited((_, view) => view.setUint16(6, 1, true)),
    "a checksum": edited((_, view) => view.setUint32(14, 1, true)),
    "a size past the end": edited((_, view) => [18, 22].forEach((at) => view.setUint32(at, 1 << 30, true))),
    "another name": edited((bytes) => (bytes[30]! ^= 1)),
    "another dtype": patchMember(probe, "|u1", "|i1"),
    "Fortran's order": patchMember(probe, "False", "True "),
    "another version": patchMember(probe, "NUMPY\x01", "NUMPY\x02"),
  };
  assert.ok(find("|u1") > 0);
  for (const [what, bytes] of Object.entries(damaged))
    await refuses(resealed({ "probe.npz": bytes }), what, IntegrityError);
});

/** The archive with a text replaced in its first member that has it, and with the checksum that belongs to it. */
function patchMember(archive: Uint8Array, from: string, to: string): Uint8Array {
  const bytes = Buffer.from(archive);
  const at = bytes.indexOf(from, 0, "latin1");
  bytes.write(to, at, "latin1");
  let begin = bytes.lastIndexOf("PK\x03\x04", at, "latin1");
  const body = begin + 30 + bytes.readUInt16LE(begin + 26) + bytes.readUInt16LE(begin + 28);
  bytes.writeUInt32LE(crc32(bytes.subarray(body, body + bytes.readUInt32LE(begin + 18))), begin + 14);
  return Uint8Array.from(bytes);
}

function crc32(data: Uint8Array): number {
  let crc = -1;
  for (const byte of data) {
    crc ^= byte;
    for (let bit = 0; bit < 8; bit++) crc = (crc >>> 1) ^ (crc & 1 ? 0xedb88320 : 0);
  }
  return ~crc >>> 0;
}

test("a probe that the graphs do not give is a failed check", async () => {
  const probe = TINY["probe.npz"]!;
  const at = Buffer.from(probe).indexOf("logits.npy", 0, "latin1");
  const bytes = Buffer.from(probe);
  const body = at + "logits.npy".length + bytes.readUInt16LE(at - 2);
  const size = bytes.readUInt32LE(at - 12);
  bytes.writeFloatLE(bytes.readFloatLE(body + size - 4) + 0.01, body + size - 4);
  bytes.writeUInt32LE(crc32(bytes.subarray(body, body + size)), at - 16);
  await assert.rejects(VAE.load(resealed({ "probe.npz": Uint8Array.from(bytes) })), {
    name: "CheckFailed",
    message: /logits differs/,
  });
});

test("schema 1 that is none is refused", async () => {
  const old = filesOf("tests/runtime/schema1")["tiny.json"]!;
  const tree = () => parseRaw(decode(old));
  const changes: Record<string, (tree: any) => void> = {
    "a field more": (t) => (t.event = null),
    "a field less": (t) => delete t.binarize,
    "an image that is none": (t) => (t.image = []),
    "no inputs": (t) => (t.encoder.inputs = []),
    "inputs that are none": (t) => (t.encoder.inputs = [null]),
    "a prior of no kind": (t) => (t.prior.kind = "other"),
    "training that is none": (t) => (t.training = null),
    "a schema of its own": (t) => (t.schema = "1"),
  };
  for (const [what, change] of Object.entries(changes)) {
    const changed = tree();
    change(changed);
    await refuses({ ...TINY, "manifest.json": seal(changed) }, what, ManifestError);
  }
  await refuses({ ...TINY, "manifest.json": encode(decode(old).replace('"tiny"', '"tinY"')) }, "edited", ManifestError);
});
