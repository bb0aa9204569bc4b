/** The decoder of a bundle on the kernels and on onnxruntime-web (wasm, one thread), in turn. Milliseconds a run. */

import { createServer } from "node:http";
import { readFile } from "node:fs/promises";
import { bundleFiles, library } from "./library.mjs";

const DIST = new URL("../node_modules/onnxruntime-web/dist/", import.meta.url);
const TYPES = { mjs: "text/javascript", wasm: "application/wasm", html: "text/html" };

export default async function decoders({ fresh }, { bundle, sizes = [1, 64], rounds = 15, runs = 20 }) {
  const server = createServer(async ({ url }, response) => {
    const name = url.slice(1);
    const data = name === "page.html" ? "<!doctype html>" : await readFile(new URL(name, DIST)).catch(() => null);
    response.writeHead(data === null ? 404 : 200, { "content-type": TYPES[name.split(".").pop()] ?? "text/plain" });
    response.end(data ?? "");
  });
  await new Promise((resolve) => server.listen(0, "127.0.0.1", resolve));
  try {
    const page = await fresh();
    const { port } = server.address();
    await page.goto(`http://127.0.0.1:${port}/page.html`);
    await page.addScriptTag({ content: await library() });
    return await page.evaluate(measure, { files: await bundleFiles(bundle), sizes, rounds, runs });
  } finally {
    server.close();
  }
}

/** Runs in the page: each round times both backends, so that a busy machine is busy for both. */
async function measure({ files, sizes, rounds, runs }) {
  const { VAE, openGraph } = globalThis.vaeEdge;
  const ort = await import("/ort.wasm.bundle.min.mjs");
  ort.env.wasm.numThreads = 1;
  ort.env.wasm.wasmPaths = "/";
  const unpacked = Object.fromEntries(
    Object.entries(files).map(([name, data]) => [name, Uint8Array.from(atob(data), (letter) => letter.charCodeAt(0))]),
  );
  const vae = await VAE.load(unpacked, { ort });
  const spec = vae.manifest.graphs.decoder;
  const found = { agent: navigator.userAgent, sizes: {} };
  const graphs = {};
  for (const backend of ["kernels", "onnxruntime-web"]) {
    graphs[backend] = await openGraph(unpacked[spec.file.name], spec, { backend, ort });
  }
  for (const n of sizes) {
    const z = { dims: [n, vae.latentSize], data: vae.prior.sample({ seed: 0, sampleShape: n }).data };
    const input = { [spec.inputs[0].name]: z };
    const times = { kernels: [], "onnxruntime-web": [] };
    for (let round = -2; round < rounds; round++) {
      for (const [backend, graph] of Object.entries(graphs)) {
        const start = performance.now();
        for (let run = 0; run < runs; run++) await graph.run(input);
        if (round >= 0) times[backend].push((performance.now() - start) / runs);
      }
    }
    found.sizes[n] = times;
  }
  return found;
}
