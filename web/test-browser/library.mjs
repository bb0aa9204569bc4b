/** The runtime as one script for an empty page, and the files of a bundle as what a page can be handed. */

import { readdir, readFile } from "node:fs/promises";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { build } from "esbuild";

const ENTRY = `
  export * from "./src/index.js";
  export { openGraph } from "./src/graphs.js";
  export { normals, Purpose } from "./src/noise/index.js";
  export { sha256 } from "./src/bundle/sha256.js";
`;

/** A script that puts the runtime's names, public and some of its own, into globalThis.vaeEdge. */
export async function library() {
  const { outputFiles } = await build({
    stdin: { contents: ENTRY, resolveDir: fileURLToPath(new URL("..", import.meta.url)) },
    bundle: true,
    external: ["onnxruntime-web", "onnxruntime-web/*", "node:*"],
    format: "iife",
    globalName: "vaeEdge",
    minify: true,
    write: false,
  });
  return outputFiles[0].text;
}

/** The files of a bundle's folder as base64, by name. */
export async function bundleFiles(folder) {
  const names = (await readdir(folder)).filter((name) => /\.(json|onnx|npz)$/.test(name));
  const files = await Promise.all(names.map((name) => readFile(join(folder, name), "base64")));
  return Object.fromEntries(names.map((name, i) => [name, files[i]]));
}
