/** From the data blocks of the page to a VAE that the page can use. */

import { parseProbe } from "../src/probe.js";
import { BackendError, Normal, Purpose, VAE, type Distribution, type Files } from "../src/index.js";
import type { OnnxRuntime } from "../src/graphs.js";
import { fromBase64 } from "./base64.js";
import type { Decoded, Engine, Given, Head, Posterior, PriorGiven } from "./engine.js";

/** The VAE of the bundle in the page, verified by its digest. Throws what VAE.load throws, or Error for a table. */
export async function openEngine(): Promise<Engine> {
  const files = bundleFiles();
  const ort = await onnxruntime();
  try {
    return new PageEngine(await VAE.load(files, ort ? { ort } : { backend: "kernels" }), files);
  } catch (error) {
    if (ort || !(error instanceof BackendError)) throw error;
    const command = "vae-edge explore BUNDLE --onnxruntime-web node_modules/onnxruntime-web";
    throw new Error(`${error.message}. Write the page again with: ${command}`, { cause: error });
  }
}

function bundleFiles(): Record<string, Uint8Array> {
  const blocks = document.querySelectorAll<HTMLElement>("script[data-file]");
  return Object.fromEntries(Array.from(blocks, (block) => [block.dataset.file!, fromBase64(block.textContent ?? "")]));
}

/** onnxruntime-web, where the page carries it: its script has run, and its WebAssembly is unpacked here. */
async function onnxruntime(): Promise<OnnxRuntime | null> {
  const block = document.querySelector<HTMLElement>("script[data-wasm]");
  const { ort } = globalThis as {
    ort?: OnnxRuntime & { env: { wasm: { numThreads: number; wasmBinary: ArrayBuffer } } };
  };
  if (!block || !ort) return null;
  const packed = new Blob([fromBase64(block.textContent ?? "")]).stream();
  ort.env.wasm.numThreads = 1; // threads would need a worker, which the page's policy does not allow
  ort.env.wasm.wasmBinary = await new Response(packed.pipeThrough(new DecompressionStream("gzip"))).arrayBuffer();
  return ort;
}

class PageEngine implements Engine {
  readonly name: string;
  readonly about: string;
  readonly height: number;
  readonly width: number;
  readonly channels: number;
  readonly threshold: number | null;
  readonly likelihood: string;
  readonly latentSize: number;
  readonly prior: string;
  readonly labels: readonly string[];
  readonly numbers: readonly string[];
  readonly examples: Engine["examples"];
  readonly cost: number;

  constructor(
    private readonly vae: VAE,
    files: Files,
  ) {
    const { manifest } = vae;
    const { event, condition } = manifest;
    if (event.kind !== "image") throw new Error(`${manifest.name} is of a table: the explorer shows images`);
    ({ height: this.height, width: this.width, channels: this.channels, threshold: this.threshold } = event);
    this.name = manifest.name;
    this.likelihood = manifest.likelihood.family;
    this.latentSize = manifest.latentSize;
    this.prior = manifest.prior.family;
    this.cost = manifest.graphs.encoder.multiplyAdds + manifest.graphs.decoder.multiplyAdds;
    this.labels = vae.labels;
    const numbers = condition?.kind === "vector" ? condition : null;
    this.numbers = Array.from({ length: numbers?.size ?? 0 }, (_, i) => numbers!.names[i] ?? String(i));
    const backends = new Set([vae.encoderBackend, vae.backend]);
    const names = Array.from(backends, (name) => (name === "kernels" ? "the page’s own WebAssembly kernels" : name));
    this.about =
      `Bundle ${manifest.name}, digest ${manifest.digest.slice(0, 16)}…, verified when this page was opened. ` +
      `${manifest.precision} weights, run by ${names.join(" and ")}. Nothing that you do here leaves the page.`;
    this.examples = this.readExamples(files);
  }

  async encode(x: Float32Array, given: Given): Promise<Posterior> {
    return new PagePosterior(await this.vae.encode({ dims: this.dims(1), data: x }, given));
  }

  async encodeMeans(x: Float32Array, n: number, given: Given): Promise<Float32Array> {
    return (await this.vae.encode({ dims: this.dims(n), data: x }, given)).mean().data;
  }

  async decode(z: Float32Array, n: number, given: Given): Promise<Decoded> {
    const p = await this.vae.decode({ dims: [n, this.latentSize], data: z }, given);
    return {
      head: (head, seed, start) => (head === "sample" ? p.sample({ seed, start }) : p[head]()).data,
    };
  }

  async codes(n: number, seed: bigint, start: bigint, given: PriorGiven): Promise<Float32Array> {
    const zeros = new Float32Array(this.latentSize);
    const standard = () => new Normal(zeros, zeros.map(() => 1), { purpose: Purpose.PRIOR }); // prettier-ignore
    const prior = this.prior === "none" ? standard() : this.vae.priorGiven(given);
    return (await prior.sample({ seed, start, sampleShape: n })).data;
  }

  async generate(n: number, head: Head, seed: bigint, start: bigint, given: PriorGiven): Promise<Float32Array> {
    return (await this.vae.generate(n, { head, seed, start, ...given })).data;
  }

  private dims(n: number): number[] {
    return [n, this.height, this.width, this.channels];
  }

  /** The events of the probe, which is in every bundle. */
  private readExamples(files: Files): Engine["examples"] {
    const { manifest } = this.vae;
    const event = manifest.graphs.encoder.inputs.find((tensor) => tensor.role === "event")!;
    const { dims, data } = parseProbe(manifest, files[manifest.probe.name] as Uint8Array).get(event.name)!;
    return { pixels: Float32Array.from(data as Float32Array), count: dims[0] };
  }
}

/** q(z|x) of any family: its mean, and its scale as a matrix T with covariance T T'. */
class PagePosterior implements Posterior {
  readonly mean: Float32Array;

  constructor(private readonly q: Distribution) {
    this.mean = q.mean().data;
  }

  spread(direction: Float64Array): Float64Array {
    const size = direction.length;
    const tril = "scaleTril" in this.q ? (this.q.scaleTril as Float32Array) : null;
    if (!tril) {
      const scale = this.q.family === "deterministic" ? new Float32Array(size) : this.q.stddev().data;
      return direction.map((value, j) => value * scale[j]);
    }
    return direction.map((_, j) => {
      let sum = 0;
      for (let i = j; i < size; i++) sum += tril[i * size + j] * direction[i];
      return sum;
    });
  }
}
