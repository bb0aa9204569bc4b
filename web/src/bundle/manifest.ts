/**
 * The manifest as a file: its digest is checked, then its content.
 *
 * The digest is the SHA-256 of the file's own bytes with the digest's value left out. It guards against damage; it is
 * no signature: for that, keep the digest elsewhere and pass it to `VAE.load`.
 */

import { ManifestError } from "../errors.js";
import { parseJson, type Json } from "./json.js";
import { readManifest } from "./layout.js";
import { migrate, SCHEMA } from "./migration.js";
import type { Manifest } from "./schema.js";
import { sha256 } from "./sha256.js";
import { checkManifest } from "./validation.js";

export const MANIFEST = "manifest.json";
export const MAX_MANIFEST_BYTES = 1 << 20;

const DIGEST_LINE = /\n {2}"digest": "([0-9a-f]{64})"/g;

/** The manifest in `data`, of schema 3, 2 or 1; throws ManifestError where it is damaged or malformed. */
export async function parseManifest(data: Uint8Array): Promise<Manifest> {
  if (data.length > MAX_MANIFEST_BYTES) {
    throw new ManifestError(`the manifest has ${data.length} bytes, at most ${MAX_MANIFEST_BYTES} are read`);
  }
  const tree = await verified(data);
  const schema = tree.get("schema");
  if (typeof schema === "bigint" && schema > SCHEMA) {
    throw new ManifestError(`the manifest has schema ${schema}, this release reads up to ${SCHEMA}: upgrade vae-edge`);
  }
  const manifest = readManifest(migrate(tree), "manifest");
  checkManifest(manifest);
  return manifest;
}

/** The tree in `data`, once its digest is that of its bytes. Schema 1, written canonically, has the same digest. */
async function verified(data: Uint8Array): Promise<Map<string, Json>> {
  if (!data.every((byte) => byte < 128))
    throw new ManifestError("the manifest should be ASCII, it is not: export the bundle again");
  const text = new TextDecoder().decode(data);
  let tree: Json;
  try {
    tree = parseJson(text);
  } catch (error) {
    throw new ManifestError(`the manifest is not JSON (${(error as Error).message}); export the bundle again`, {
      cause: error,
    });
  }
  if (!(tree instanceof Map)) throw new ManifestError("the manifest should be a JSON object, it is another value");
  const [line, more] = [...text.matchAll(DIGEST_LINE)];
  const schema = tree.get("schema");
  const isNewer = typeof schema === "bigint" && schema > SCHEMA; // whose digest may be another
  if (isNewer) return tree;
  if (line === undefined || more !== undefined || line[1] !== tree.get("digest")) {
    throw new ManifestError('the manifest should have one line `  "digest": "..."` of 64 hexadecimal digits');
  }
  const end = line.index + line[0].length - 1; // the quote that follows the digits
  const blank = new Uint8Array(data.length - 64);
  blank.set(data.subarray(0, end - 64));
  blank.set(data.subarray(end), end - 64);
  if ((await sha256(blank)) !== line[1]) {
    throw new ManifestError(
      "the manifest's digest is not that of its bytes (damaged or edited?); export the bundle again",
    );
  }
  return tree;
}
