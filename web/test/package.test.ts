/** What is published: its names, its size, and that it asks for nothing else. */
import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import test from "node:test";
import { pathToFileURL } from "node:url";
import { gzipSync } from "node:zlib";
import { build } from "esbuild";
import * as api from "../src/index.js";
import { path } from "./vectors.js";

const OURS_KB = 24; // gzipped, minified, without what runs graphs
const ALL_KB = 53; // with the small kernels and the guard, without onnxruntime-web

async function bundled(external: string[]): Promise<string> {
  const { outputFiles } = await build({
    entryPoints: [path("web/src/index.ts")],
    bundle: true,
    minify: true,
    write: false,
    format: "esm",
    target: "es2022",
    platform: "browser",
    external: ["onnxruntime-web", "onnxruntime-web/*", ...external],
  });
  return outputFiles[0]!.text;
}

test("the public names are these", () => {
  assert.deepEqual(Object.keys(api).sort(), [
    "BackendError",
    "Bernoulli",
    "BundleError",
    "BundleNotFound",
    "Categorical",
    "CheckFailed",
    "Deterministic",
    "DiscretizedLogistic",
    "Distribution",
    "Flow",
    "HEADS",
    "InputError",
    "IntegrityError",
    "ManifestError",
    "Mixture",
    "MultivariateNormalTriL",
    "Normal",
    "Purpose",
    "UnsafeBundle",
    "VAE",
    "VaeEdgeError",
  ]);
});

test("the package is small, and a bundler for browsers needs nothing beside it", async () => {
  const all = await bundled([]);
  assert.ok(gzipSync(all, { level: 9 }).length < ALL_KB * 1000, `${gzipSync(all, { level: 9 }).length} bytes`);
  const ours = await bundled([path("web/src/graphs.ts")]);
  assert.ok(gzipSync(ours, { level: 9 }).length < OURS_KB * 1000, `${gzipSync(ours, { level: 9 }).length} bytes`);
  assert.doesNotMatch(all, /\bfrom"(?!onnxruntime-web)|\bimport\("(?!onnxruntime-web)/);
  assert.doesNotMatch(all, /https?:\/\/(?!www\.w3\.org)|\beval\(|new Function\(/);
});

test("what is published compiles without Node's types, and works as a module", async () => {
  const folder = mkdtempSync(join(tmpdir(), "vae-edge-"));
  try {
    execFileSync(process.execPath, [
      path("web/node_modules/typescript/bin/tsc"),
      "-p",
      path("web/tsconfig.build.json"),
      "--outDir",
      folder,
    ]);
    const { VAE } = await import(pathToFileURL(join(folder, "index.js")).href);
    assert.equal(typeof VAE.load, "function");
    assert.match(readFileSync(join(folder, "index.d.ts"), "utf8"), /vae\.js/);
  } finally {
    rmSync(folder, { recursive: true });
  }
});
