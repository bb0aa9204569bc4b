// The graphs of the bundles that ship: the small kernels beside onnxruntime-web, both sides in turns in one run.
//
//     cd web && npm ci && npx tsc -p tsconfig.json && node bench/graphs.mjs [bundle ...]
//
// onnxruntime-web runs on one thread. A round times both sides, one after the other; the ratio is the median of the
// rounds' ratios. Times are the process's CPU time, which does not count what else a shared machine does meanwhile.

import { readFileSync } from "node:fs";
import os from "node:os";
import * as ort from "onnxruntime-web/wasm";
import { openGraph } from "../build/src/graphs.js";

const root = new URL("../../", import.meta.url);
ort.env.wasm.numThreads = 1;

const ROUNDS = 61;
const median = (values) => [...values].sort((a, b) => a - b)[values.length >> 1];

/** Milliseconds of CPU time that one run takes, over `runs` of them. */
async function time(graph, inputs, runs) {
  const start = process.cpuUsage();
  for (let run = 0; run < runs; run++) await graph.run(inputs);
  const { user, system } = process.cpuUsage(start);
  return (user + system) / 1000 / runs;
}

const bundles = process.argv.length > 2 ? process.argv.slice(2) : ["mnist", "mnist-large", "mnist-tiny"];
console.log(`${os.cpus()[0].model}, Node ${process.version}, onnxruntime-web ${ort.env.versions.web}`);
console.log("| bundle | graph | events | kernels, ms | onnxruntime-web, ms | ratio | largest difference |");
console.log("|---|---|---|---|---|---|---|");
for (const bundle of bundles) {
  const folder = new URL(`artifacts/${bundle}/`, root);
  const { graphs } = JSON.parse(readFileSync(new URL("manifest.json", folder)));
  for (const name of ["decoder", "encoder"]) {
    const spec = graphs[name];
    const bytes = new Uint8Array(readFileSync(new URL(spec.file.name, folder)));
    const sides = [
      await openGraph(bytes, spec, { backend: "kernels" }),
      await openGraph(bytes, spec, { backend: "onnxruntime-web", ort }),
    ];
    for (const events of [1, 64]) {
      const [{ name: input, shape, role }] = spec.inputs;
      const dims = [events, ...shape.slice(1)];
      const length = dims.reduce((product, size) => product * size, 1);
      const number = role === "event" ? () => Number(Math.random() < 0.2) : () => Math.random() * 4 - 2;
      const inputs = { [input]: { dims, data: Float32Array.from({ length }, number) } };
      const [ours, theirs] = [await sides[0].run(inputs), await sides[1].run(inputs)];
      const worst = Math.max(
        ...spec.outputs.map((output) =>
          ours[output.name].data.reduce((most, value, at) => Math.max(most, Math.abs(value - theirs[output.name].data[at])), 0),
        ),
      );
      const runs = events === 1 ? 16 : 1;
      for (let warm = 0; warm < 10; warm++) for (const side of sides) await time(side, inputs, runs);
      const rounds = [];
      for (let round = 0; round < ROUNDS; round++) {
        const order = round % 2 ? [1, 0] : [0, 1];
        const times = [];
        for (const side of order) times[side] = await time(sides[side], inputs, runs);
        rounds.push(times);
      }
      const [a, b, ratio] = [(t) => t[0], (t) => t[1], (t) => t[1] / t[0]].map((of) => median(rounds.map(of)));
      console.log(
        `| ${bundle} | ${name} | ${events} | ${a.toFixed(3)} | ${b.toFixed(3)} | ${ratio.toFixed(2)} | ${worst.toExponential(1)} |`,
      );
    }
  }
}
