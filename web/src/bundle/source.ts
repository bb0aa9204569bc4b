/** Where the files of a bundle come from: a URL, a folder of Node's, or bytes that the caller has. */

import { BundleError, BundleNotFound, InputError } from "../errors.js";
import { fromFolder, pathOf } from "./folder.js";
import { MANIFEST } from "./manifest.js";
import { checkSize } from "./sizes.js";

/** The files of a bundle by name, "manifest.json" among them. */
export type Files = Readonly<Record<string, Uint8Array | ArrayBuffer | Blob>>;

/** A bundle's place, for messages, and what reads one file: at most `limit` bytes, or undefined where there is none. */
export interface Source {
  readonly where: string;
  read(name: string, limit: number): Promise<Uint8Array | undefined>;
}

/** The source of a bundle; throws InputError for what is none. */
export function sourceOf(bundle: string | URL | Files, fetcher: typeof fetch = globalThis.fetch): Source {
  if (typeof bundle === "string" || bundle instanceof URL) {
    const path = pathOf(bundle);
    return path === undefined ? fromUrl(bundle, fetcher) : fromFolder(path);
  }
  if (typeof bundle !== "object" || bundle === null) {
    throw new InputError(`a bundle should be a URL, a path, or its files by name; it is ${String(bundle)}`);
  }
  return fromFiles(bundle);
}

function fromFiles(files: Files): Source {
  return {
    where: "the bundle",
    async read(name, limit) {
      const found = Object.hasOwn(files, name) ? files[name]! : undefined;
      if (found === undefined) return undefined;
      if (found instanceof Blob) {
        checkSize(name, found.size, limit);
        return new Uint8Array(await found.arrayBuffer());
      }
      if (!(found instanceof Uint8Array) && !(found instanceof ArrayBuffer)) {
        throw new InputError(`${name} should be a Uint8Array, an ArrayBuffer or a Blob, it is ${typeof found}`);
      }
      checkSize(name, found.byteLength, limit);
      // A copy: what is hashed is what runs, whatever the caller writes to the array later.
      return found instanceof Uint8Array ? new Uint8Array(found) : new Uint8Array(found.slice(0));
    },
  };
}

function fromUrl(url: string | URL, fetcher: typeof fetch): Source {
  const base = typeof document === "undefined" ? globalThis.location?.href : document.baseURI;
  let folder: URL;
  try {
    folder = new URL(url, base);
  } catch (error) {
    throw new InputError(`a bundle's URL should be absolute here, it is ${String(url).slice(0, 80)}`, { cause: error });
  }
  folder.pathname = folder.pathname.replace(/\/manifest\.json$/, "").replace(/\/*$/, "/");
  return {
    where: folder.href,
    async read(name, limit) {
      const address = new URL(name, folder);
      address.search = folder.search;
      let response: Response;
      try {
        response = await fetcher(address);
      } catch (error) {
        throw new BundleError(
          `${address.href} cannot be fetched (${(error as Error).message}): is the server there, and does it allow ` +
            "this page (CORS)?",
          { cause: error },
        );
      }
      if (response.status === 404 || response.status === 410) return undefined;
      if (!response.ok || response.body === null)
        throw new BundleError(`${address.href} answers ${response.status}, 200 was expected`);
      return readStream(response.body, address.href, limit);
    },
  };
}

/** All of a stream, which is cancelled once it is longer than `limit`. */
async function readStream(stream: ReadableStream<Uint8Array>, name: string, limit: number): Promise<Uint8Array> {
  const parts: Uint8Array[] = [];
  const reader = stream.getReader();
  let length = 0;
  for (let next = await reader.read(); !next.done; next = await reader.read()) {
    parts.push(next.value);
    length += next.value.length;
    if (length > limit) {
      await reader.cancel();
      checkSize(name, length, limit);
    }
  }
  const out = new Uint8Array(length);
  let at = 0;
  for (const part of parts) {
    out.set(part, at);
    at += part.length;
  }
  return out;
}

/** A manifest's bytes; throws BundleNotFound where there is none. */
export async function readManifestBytes(source: Source, limit: number): Promise<Uint8Array> {
  const data = await source.read(MANIFEST, limit);
  if (data === undefined)
    throw new BundleNotFound(`${source.where} is no bundle: it has no ${MANIFEST}; make one with vae-edge export`);
  return data;
}
