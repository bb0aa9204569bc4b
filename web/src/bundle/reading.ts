/** A bundle, read so that what was hashed is what runs: files are read once, and the same bytes are hashed and used. */

import { InputError, IntegrityError, ManifestError, UnsafeBundle } from "../errors.js";
import { MAX_MANIFEST_BYTES, parseManifest } from "./manifest.js";
import type { FileSpec, Manifest } from "./schema.js";
import { sha256 } from "./sha256.js";
import { readManifestBytes, type Source } from "./source.js";
import { filesOf } from "./validation.js";

export const MAX_FILE_BYTES = 1 << 26;

/** A manifest and the bytes of each file that it vouches for, all verified. */
export interface Bundle {
  readonly manifest: Manifest;
  readonly files: ReadonlyMap<string, Uint8Array>;
}

export interface ReadOptions {
  /** The digest that the manifest should have, 64 hexadecimal digits: the bundle is this one, or an error. */
  readonly digest?: string;
  /** The most bytes that a file may have; 64 MiB where nothing is said. */
  readonly maxFileBytes?: number;
}

/** The bundle of a source. Throws BundleNotFound, ManifestError, IntegrityError or UnsafeBundle. */
export async function readBundle(
  source: Source,
  { digest, maxFileBytes = MAX_FILE_BYTES }: ReadOptions = {},
): Promise<Bundle> {
  if (digest !== undefined && !/^[0-9a-f]{64}$/.test(digest)) {
    throw new InputError(`digest should be 64 hexadecimal digits in lower case, it is ${String(digest).slice(0, 80)}`);
  }
  const bytes = await readManifestBytes(source, MAX_MANIFEST_BYTES);
  const manifest = await parseManifest(bytes);
  if (digest !== undefined && manifest.digest !== digest) {
    throw new ManifestError(
      `${source.where} should have digest ${digest}, it has ${manifest.digest}: it is another bundle or version`,
    );
  }
  const entries = await Promise.all(
    filesOf(manifest).map(async (file) => [file.name, await readVerified(source, file, maxFileBytes)] as const),
  );
  return { manifest, files: new Map(entries) };
}

async function readVerified(source: Source, file: FileSpec, most: number): Promise<Uint8Array> {
  if (file.bytes > most) {
    throw new UnsafeBundle(
      `${file.name} has ${file.bytes} bytes as its manifest says, at most ${most} are read: ` +
        "raise maxFileBytes for a bundle that you trust",
    );
  }
  const data = await source.read(file.name, file.bytes);
  if (data === undefined)
    throw new IntegrityError(`${source.where} lacks ${file.name}, which its manifest lists; export it again`);
  const found = await sha256(data);
  if (data.length !== file.bytes || found !== file.sha256) {
    throw new IntegrityError(
      `${file.name} should have ${file.bytes} bytes of SHA-256 ${file.sha256.slice(0, 12)}..., it has ` +
        `${data.length} of ${found.slice(0, 12)}...: it is damaged or of another bundle; export or copy it again`,
    );
  }
  return data;
}
