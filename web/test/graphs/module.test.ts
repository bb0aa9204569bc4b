/** The committed WebAssembly module is what its sources compile to. */

import assert from "node:assert/strict";
import { readFile } from "node:fs/promises";
import test from "node:test";

const ROOT = new URL("../../../", import.meta.url); // from build/test/graphs

test("the committed module is, byte for byte, what assembly/ compiles to", async () => {
  const script = (await import(new URL("scripts/kernels.mjs", ROOT).href)) as { build(): Promise<string> };
  assert.equal(await script.build(), await readFile(new URL("src/kernels/module.ts", ROOT), "utf8"));
});
