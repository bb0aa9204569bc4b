/** Draws normals, latents and black-and-white pixels in the browser: hashes of the first two, the bits of the last. */

import { bundleFiles, library } from "./library.mjs";

export default async function agreement({ fresh }, { bundle, normals, normalSeeds, latents, images, seeds }) {
  const page = await fresh();
  await page.addScriptTag({ content: await library() });
  const files = await bundleFiles(bundle);
  return page.evaluate(
    async ({ files, normals, normalSeeds, latents, images, seeds }) => {
      const { VAE, normals: draw, Purpose, sha256 } = globalThis.vaeEdge;
      const bytes = (text) => Uint8Array.from(atob(text), (letter) => letter.charCodeAt(0));
      const text = (array) => {
        let out = "";
        for (let at = 0; at < array.length; at += 32768) out += String.fromCharCode(...array.subarray(at, at + 32768));
        return btoa(out);
      };
      const hash = (array) => sha256(new Uint8Array(array.buffer, array.byteOffset, array.byteLength));
      const vae = await VAE.load(Object.fromEntries(Object.entries(files).map(([name, data]) => [name, bytes(data)])));
      const found = {
        agent: navigator.userAgent,
        backend: vae.backend,
        normals: {},
        latents: {},
        sample: {},
        mode: {},
      };
      for (const seed of normalSeeds) {
        const place = { seed: BigInt(seed), start: 0n, stream: 0n };
        found.normals[seed] = await hash(draw(Purpose.PRIOR, place, normals / 10, 10));
      }
      for (const seed of seeds) {
        found.latents[seed] = await hash(vae.prior.sample({ seed, sampleShape: latents }).data);
        for (const head of ["sample", "mode"]) {
          const { data } = await vae.generate(images, { head, seed });
          const bits = new Uint8Array(Math.ceil(data.length / 8));
          for (let i = 0; i < data.length; i++) bits[i >> 3] |= data[i] << (i & 7);
          found[head][seed] = text(bits);
        }
      }
      return found;
    },
    { files, normals, normalSeeds, latents, images, seeds },
  );
}
