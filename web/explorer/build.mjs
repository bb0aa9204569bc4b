/**
 * Builds the explorer's page without a bundle: one HTML file that the Python package carries.
 *
 *     node explorer/build.mjs            writes into ../cli/explorer
 *     node explorer/build.mjs FOLDER     writes into FOLDER
 *
 * Beside template.html lies operators.json, the operators that the page's kernels compute. The same sources give the same
 * bytes, which tests/web/test_template.py holds.
 */

import { createHash } from "node:crypto";
import { readFile, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { build } from "esbuild";

const here = (name) => fileURLToPath(new URL(name, import.meta.url));

async function bundled(entry) {
  const { outputFiles } = await build({
    entryPoints: [here(entry)],
    absWorkingDir: here(".."),
    bundle: true,
    charset: "ascii",
    external: ["onnxruntime-web", "onnxruntime-web/*", "node:*"],
    format: "esm",
    legalComments: "none",
    minify: true,
    target: ["es2022"],
    write: false,
  });
  return outputFiles[0].text.trim().replaceAll("</script", "<\\/script").replaceAll("<!--", "<\\!--");
}

const hash = (text) => `'sha256-${createHash("sha256").update(text).digest("base64")}'`;

const script = await bundled(process.env.VAE_EDGE_EXPLORER_ENTRY ?? "main.ts");
const style = await bundled("style.css");
// Nothing is fetched: no connect-src, and pictures are data of the page's own.
const policy = [
  "default-src 'none'",
  `script-src ${hash(script)} 'wasm-unsafe-eval'`,
  `style-src ${hash(style)}`,
  "img-src data: blob:",
  "base-uri 'none'",
  "form-action 'none'",
].join("; ");

let page = await readFile(here("index.html"), "utf8");
for (const [mark, text] of Object.entries({ CSP: policy, STYLE: style, SCRIPT: script })) {
  page = page.replace(`%${mark}%`, () => text);
}
const covered = await bundled("../src/kernels/graph.ts");
const { COVERED } = await import(`data:text/javascript;base64,${Buffer.from(covered).toString("base64")}`);

const out = process.argv[2] ?? here("../../cli/explorer");
await writeFile(join(out, "template.html"), page);
await writeFile(join(out, "operators.json"), `${JSON.stringify(COVERED, null, 1)}\n`);
console.log(`${out}: a template of ${page.length.toLocaleString("en")} bytes, ${COVERED.length} operators`);
