// The TypeScript side of agreement.py: prints hashes of noise and latents, and writes pixels to the folder that is given.
import { createHash } from "node:crypto";
import { writeFileSync } from "node:fs";

const [build, folder, plan] = [process.argv[2], process.argv[3], JSON.parse(process.argv[4])];
const { VAE } = await import(`${build}/src/index.js`);
const { normals, Purpose } = await import(`${build}/src/noise/index.js`);

const sha256 = (array) => createHash("sha256").update(array).digest("hex");
const seconds = (start) => (performance.now() - start) / 1000;
const found = { node: process.version, normals: {}, latents: {}, backends: {}, seconds: { normals: [], pixels: {} } };

for (const seed of plan.normal_seeds) {
  const start = performance.now();
  const drawn = normals(Purpose.PRIOR, { seed: BigInt(seed), start: 0n, stream: 0n }, plan.normals / 10, 10);
  found.seconds.normals.push(seconds(start));
  found.normals[seed] = sha256(drawn);
}
for (const name of plan.bundles) {
  const vae = await VAE.load(`${plan.artifacts}/${name}`);
  found.backends[name] = vae.backend;
  found.latents[name] = Object.fromEntries(plan.seeds.map((seed) => [seed, sha256(vae.prior.sample({ seed, sampleShape: plan.latents }).data)]));
  const start = performance.now();
  for (const head of ["sample", "mode", "mean"]) {
    for (const seed of head === "mean" ? plan.seeds.slice(0, 1) : plan.seeds) {
      writeFileSync(`${folder}/${name}-${head}-${seed}.f4`, (await vae.generate(plan.images, { head, seed })).data);
    }
  }
  found.seconds.pixels[name] = seconds(start);
}
console.log(JSON.stringify(found));
