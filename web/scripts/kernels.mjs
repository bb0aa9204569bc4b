// Compiles assembly/ to WebAssembly and writes it into src/kernels/module.ts.

import { readFileSync, writeFileSync } from "node:fs";
import { fileURLToPath } from "node:url";
import asc from "assemblyscript/asc";

const root = new URL("../", import.meta.url);
const target = new URL("src/kernels/module.ts", root);

/** The text of src/kernels/module.ts, from the sources. */
export async function build() {
  let bytes;
  const runtime = ["--runtime", "stub", "--importMemory", "--enable", "simd"];
  const options = ["-O3", "--noAssert", "--disableWarning", "112", ...runtime];
  const { error, stderr } = await asc.main(["assembly/index.ts", ...options, "--outFile", "kernels.wasm"], {
    readFile: (name, base) => {
      try {
        return readFileSync(new URL(name, new URL(`${base}/`, root)), "utf8");
      } catch {
        return null;
      }
    },
    writeFile: (name, contents) => void (bytes = contents),
    listFiles: () => [],
  });
  if (error) throw new Error(`the kernels do not compile: ${error.message}\n${stderr}`);
  const text = Buffer.from(bytes).toString("base64");
  return (
    "/** assembly/ as WebAssembly, in base64. Written by `npm run kernels`; a test builds it again and compares. */\n" +
    `export const MODULE =\n  "${text}";\n`
  );
}

if (process.argv[1] === fileURLToPath(import.meta.url)) writeFileSync(target, await build());
