/** Where a bundle comes from: URLs, folders of Node's, files by name. */
import assert from "node:assert/strict";
import { cpSync, mkdirSync, mkdtempSync, renameSync, rmSync, symlinkSync } from "node:fs";
import { createServer, type Server } from "node:http";
import type { AddressInfo } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import test from "node:test";
import { pathToFileURL } from "node:url";
import { BundleError, BundleNotFound, InputError, IntegrityError, VAE } from "../src/index.js";
import { sourceOf } from "../src/bundle/source.js";
import { filesOf, path } from "./vectors.js";

const TINY = filesOf("tests/runtime/tiny");

/** Serves files by name below /bundle/; other names are not there. */
async function serve(
  files: Record<string, Uint8Array | number>,
  use: (url: string, asked: string[]) => Promise<void>,
): Promise<void> {
  const asked: string[] = [];
  const server: Server = createServer((request, response) => {
    asked.push(request.url!);
    const found = files[new URL(request.url!, "http://x").pathname.replace("/bundle/", "")];
    if (typeof found === "number") response.writeHead(found).end();
    else if (found === undefined) response.writeHead(404).end();
    else response.writeHead(200).end(found);
  });
  await new Promise<void>((done) => server.listen(0, "127.0.0.1", done));
  try {
    await use(`http://127.0.0.1:${(server.address() as AddressInfo).port}/bundle`, asked);
  } finally {
    await new Promise((done) => server.close(done));
    server.closeAllConnections();
  }
}

test("a bundle is loaded from its folder's URL, with or without a slash, or from its manifest's", async () => {
  await serve(TINY, async (url, asked) => {
    const expected = await (await VAE.load(TINY)).generate(2);
    for (const each of [url, `${url}/`, new URL(`${url}/manifest.json`), `${url}?key=a`]) {
      asked.length = 0;
      assert.deepEqual(await (await VAE.load(each)).generate(2), expected);
      assert.equal(asked[0]!.split("?")[0], "/bundle/manifest.json");
      assert.equal(asked.length, 4); // each file once
      assert.ok(asked.every((address) => address.endsWith("?key=a") === String(each).endsWith("?key=a")));
    }
  });
});

test("a URL with nothing behind it is a bundle that is not found", async () => {
  await serve({}, (url) => assert.rejects(VAE.load(url), BundleNotFound));
  await serve({ ...TINY, "manifest.json": 410 }, (url) => assert.rejects(VAE.load(url), BundleNotFound));
});

test("a server that lacks a file, fails, or is not there gives an error that says so", async () => {
  const { "probe.npz": _, ...rest } = TINY;
  await serve(rest, (url) => assert.rejects(VAE.load(url), IntegrityError));
  await serve({ ...TINY, "probe.npz": 500 }, (url) => assert.rejects(VAE.load(url), /answers 500/));
  await serve({ ...TINY, "probe.npz": 204 }, (url) => assert.rejects(VAE.load(url), BundleError));
  let gone = "";
  await serve({}, async (url) => void (gone = url));
  await assert.rejects(VAE.load(gone), /cannot be fetched/);
});

test("a download that is longer than the manifest says is given up", async () => {
  await serve({ ...TINY, "decoder.onnx": new Uint8Array(1 << 20) }, (url) =>
    assert.rejects(VAE.load(url), /expected at most/),
  );
  await serve({ "manifest.json": new Uint8Array((1 << 20) + 1) }, (url) =>
    assert.rejects(VAE.load(url), IntegrityError),
  );
});

test("the caller's fetch is used", async () => {
  const asked: string[] = [];
  const fetcher = (async (address: URL) => {
    asked.push(address.href);
    return new Response(TINY[address.pathname.split("/").at(-1)!]!.slice());
  }) as typeof fetch;
  await VAE.load("https://example.org/models/tiny", { fetch: fetcher });
  assert.deepEqual(new Set(asked), new Set(Object.keys(TINY).map((name) => `https://example.org/models/tiny/${name}`)));
});

test("in Node a bundle is also a path, or a file: URL", async () => {
  const folder = path("tests/runtime/tiny");
  for (const place of [folder, `${folder}/manifest.json`, pathToFileURL(folder)]) assert.ok(await VAE.load(place));
  await assert.rejects(VAE.load(path("tests")), BundleNotFound);
  await assert.rejects(VAE.load(`${folder}/manifest.json/x`), BundleNotFound);
});

test("a file of a folder that is a link or no regular file is refused", async () => {
  const folder = mkdtempSync(join(tmpdir(), "vae-edge-"));
  try {
    cpSync(path("tests/runtime/tiny"), folder, { recursive: true });
    renameSync(join(folder, "probe.npz"), join(folder, "original"));
    symlinkSync(join(folder, "original"), join(folder, "probe.npz"));
    await assert.rejects(VAE.load(folder), /symbolic link/);
    rmSync(join(folder, "probe.npz"));
    mkdirSync(join(folder, "probe.npz"));
    await assert.rejects(VAE.load(folder), /no regular file/);
    rmSync(join(folder, "probe.npz"), { recursive: true });
    await assert.rejects(VAE.load(folder), /lacks probe\.npz/);
    cpSync(join(folder, "decoder.onnx"), join(folder, "probe.npz"));
    cpSync(path("artifacts/mnist-tiny/decoder.onnx"), join(folder, "decoder.onnx"));
    await assert.rejects(VAE.load(folder), /expected at most/);
  } finally {
    rmSync(folder, { recursive: true });
  }
});

test("what is no bundle is refused", async () => {
  for (const bundle of [null, undefined, 3, true]) await assert.rejects(VAE.load(bundle as never), InputError);
  await assert.rejects(VAE.load("http://"), InputError);
  await assert.rejects(VAE.load({ ...TINY, "probe.npz": "text" as never }), InputError);
  await assert.rejects(VAE.load({}), BundleNotFound);
});

test("in a browser a URL may be relative to the page, and no module of Node's is asked for", async () => {
  const { process } = globalThis;
  Object.assign(globalThis, { document: { baseURI: "https://example.org/app/index.html" } });
  Object.defineProperty(globalThis, "process", { value: undefined, configurable: true, writable: true });
  try {
    assert.equal(sourceOf("models/mnist").where, "https://example.org/app/models/mnist/");
    Reflect.deleteProperty(globalThis, "document");
    Object.assign(globalThis, { location: { href: "https://example.org/worker.js" } });
    assert.equal(sourceOf("mnist/manifest.json").where, "https://example.org/mnist/");
    Reflect.deleteProperty(globalThis, "location");
    assert.throws(() => sourceOf("mnist"), /absolute/);
  } finally {
    Object.defineProperty(globalThis, "process", { value: process, configurable: true, writable: true });
  }
});
