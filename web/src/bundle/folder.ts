/** Bundles in folders, in Node. Its modules are asked for by name when they are needed: a bundler must not see them. */

import { BundleError } from "../errors.js";
import { checkSize } from "./sizes.js";
import type { Source } from "./source.js";

interface File {
  stat(): Promise<{ isFile(): boolean; readonly size: number }>;
  readFile(): Promise<Uint8Array>;
  close(): Promise<void>;
}

interface Node {
  getBuiltinModule(name: "node:url"): { fileURLToPath(url: string): string };
  getBuiltinModule(name: "node:fs/promises"): {
    open(path: string, flags: number): Promise<File>;
    readonly constants: { readonly O_RDONLY: number; readonly O_NOFOLLOW?: number; readonly O_NONBLOCK?: number };
  };
}

function node(): Node | undefined {
  const found = (globalThis as { process?: Partial<Node> }).process;
  return typeof found?.getBuiltinModule === "function" ? (found as Node) : undefined;
}

/** The folder that a path or a file: URL names in Node; undefined for other URLs, and in browsers. */
export function pathOf(bundle: string | URL): string | undefined {
  const here = node();
  if (here === undefined) return undefined;
  const text = String(bundle);
  if (text.startsWith("file:")) return here.getBuiltinModule("node:url").fileURLToPath(text);
  return /^[a-z][a-z0-9+.-]+:/i.test(text) ? undefined : text; // "C:\\bundle" has a scheme of one letter
}

/** The source that reads a folder; a link or what is no regular file is a BundleError. */
export function fromFolder(path: string): Source {
  const folder = path.replace(/[/\\]manifest\.json$/, "");
  return {
    where: folder,
    async read(name, limit) {
      const place = `${folder}/${name}`;
      const file = await opened(place);
      if (file === undefined) return undefined;
      try {
        const status = await file.stat();
        if (!status.isFile()) throw new BundleError(`${place} is no regular file`);
        checkSize(place, status.size, limit);
        return new Uint8Array(await file.readFile());
      } finally {
        await file.close();
      }
    },
  };
}

/** A file, never through a link and without waiting (for a pipe's writer); undefined where there is none. */
async function opened(place: string): Promise<File | undefined> {
  const { open, constants } = node()!.getBuiltinModule("node:fs/promises");
  const { O_RDONLY, O_NOFOLLOW = 0, O_NONBLOCK = 0 } = constants;
  try {
    return await open(place, O_RDONLY | O_NOFOLLOW | O_NONBLOCK);
  } catch (error) {
    const { code } = error as { code?: string };
    if (code === "ENOENT" || code === "ENOTDIR") return undefined;
    const why = code === "ELOOP" ? "is a symbolic link: a bundle holds its files itself" : `cannot be read (${code})`;
    throw new BundleError(`${place} ${why}`, { cause: error });
  }
}
