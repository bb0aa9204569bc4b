/** The VAE in TypeScript: its graphs, a prior, and the heads of the likelihood. */

import { isSame, read, sizeOf, text } from "./arrays.js";
import { openPrior } from "./bundle/prior.js";
import { readBundle, type ReadOptions } from "./bundle/reading.js";
import type { GraphSpec, Manifest } from "./bundle/schema.js";
import { sourceOf, type Files } from "./bundle/source.js";
import { eventShape } from "./bundle/validation.js";
import { checkGiven, type Given, type Rows } from "./conditions.js";
import type { Distribution, Flow } from "./distributions/index.js";
import { checkHead, type Head } from "./distributions/heads.js";
import { InputError } from "./errors.js";
import { prepare } from "./events.js";
import type { Backend, Graph } from "./graph.js";
import { openGraph, type GraphOptions } from "./graphs.js";
import { Model, type GraphName, type Graphs } from "./model.js";
import { checkDraws, checkSeed, MAX_DRAW, whole, type Whole } from "./noise/index.js";
import { Prior, type Stored } from "./prior.js";
import { checkProbe } from "./probe.js";
import type { Float32Tensor, Numbers } from "./tensor.js";

const BATCH_SIZE = 256; // events of a stream's batch

export interface LoadOptions extends GraphOptions, ReadOptions {
  /** In place of the global `fetch`. */
  readonly fetch?: typeof fetch;
}

export interface PriorOptions extends Given {
  /**
   * From 0.01 to 10, rounded to float32; 1 where nothing is said. It multiplies the standard deviations of the prior's
   * normals: below 1, events are more typical and less varied.
   */
  readonly temperature?: number;
}

export interface GenerateOptions extends PriorOptions {
  readonly head?: Head;
  /** 0 where nothing is said. */
  readonly seed?: Whole;
  /** The number of the first draw; 0 where nothing is said. */
  readonly start?: Whole;
}

export interface StreamOptions extends GenerateOptions {
  /** How many events come at a time, 256 where nothing is said. */
  readonly batchSize?: number;
}

export interface ReconstructOptions extends Omit<GenerateOptions, "temperature"> {
  /** Which z is decoded: the mean of q(z|x), or one sample of it. */
  readonly latent?: "mean" | "sample";
}

export interface InterpolateOptions extends Given {
  readonly head?: Head;
  readonly seed?: Whole;
}

/**
 * A variational autoencoder (Kingma & Welling 2014) in the browser and in Node.
 *
 * An event is an image (H, W, C) with pixels in [0, 1], or a vector in its own units. A head makes an event of the
 * decoder's p(x|z): `sample` is one draw, `mean` its mean, `mode` its likeliest value. Event i has the noise of draw i
 * of the seed, at any batch size, as in Python. What a graph gives agrees to rounding, so that a pixel at the very edge
 * of its draw can flip.
 *
 * A conditional model also takes `label`, by name or number, one for all events or one each; or `condition`, real
 * numbers.
 */
export class VAE {
  readonly manifest: Manifest;
  /** The largest difference of each output from the bundle's probe, found when it was loaded. */
  readonly probe: Readonly<Record<string, number>>;
  readonly #model: Model;
  readonly #prior: Prior;

  private constructor(model: Model, stored: Stored, probe: Record<string, number>) {
    this.manifest = model.manifest;
    this.probe = probe;
    this.#model = model;
    this.#prior = new Prior(model, stored);
  }

  /**
   * The VAE of a bundle: its folder's URL (in Node also a path), or its files by name.
   *
   * Sizes and SHA-256 are verified before anything is parsed, and the bundle's probe is checked before it is returned.
   * `digest` is the one that the manifest should have. Throws BundleError, BackendError, or CheckFailed where the
   * graphs do not give what they gave at export.
   */
  static async load(bundle: string | URL | Files, options: LoadOptions = {}): Promise<VAE> {
    const { manifest, files } = await readBundle(sourceOf(bundle, options.fetch), options);
    const prior = openPrior(manifest, files);
    const graphs: Partial<Record<GraphName, Graph>> = {};
    try {
      for (const [name, spec] of Object.entries(manifest.graphs) as [GraphName, GraphSpec][]) {
        graphs[name] = await openGraph(files.get(spec.file.name)!, spec, options);
      }
      const model = new Model(manifest, graphs as Graphs);
      return new VAE(model, prior, await checkProbe(model, files.get(manifest.probe.name)!));
    } catch (error) {
      Object.values(graphs).forEach((graph) => graph.dispose());
      throw error;
    }
  }

  /** What computes the decoder's graph. */
  get backend(): Backend {
    return this.#model.graphs.decoder.backend;
  }

  /** What computes the encoder's graph: another one where only one of the two runs on the small kernels. */
  get encoderBackend(): Backend {
    return this.#model.graphs.encoder.backend;
  }

  /** L, the size of z. */
  get latentSize(): number {
    return this.manifest.latentSize;
  }

  /** [H, W, C] of images, [size] of vectors. */
  get eventShape(): readonly number[] {
    return eventShape(this.manifest.event);
  }

  /** The names of a conditional model's labels; [] where it takes none. */
  get labels(): readonly string[] {
    const { condition } = this.manifest;
    return condition === null || condition.kind === "vector" ? [] : condition.names;
  }

  /**
   * p(z), of batchShape [] and eventShape [L]. Throws InputError for an autoencoder, which has none, and where the prior
   * follows the condition: see `priorGiven`.
   */
  get prior(): Distribution | Flow {
    return this.#prior.given();
  }

  /**
   * p(z|y) of one label or condition, of batchShape [] and eventShape [L]; where the prior follows none it is p(z).
   *
   * `temperature` is that of `generate`. Throws InputError.
   */
  priorGiven(options: PriorOptions): Distribution | Flow {
    return this.#prior.at(options.temperature).given(this.rows(options, 1));
  }

  /**
   * Events as the model knows them, (B, ...eventShape): what `logProb` of a decoded distribution takes.
   *
   * Images are floats in [0, 1], or bytes in a Uint8Array or Uint8ClampedArray, (B, H, W, C), (B, H, W) where C is 1,
   * one image, or without dims any number of images. The bundle's threshold makes them 0 and 1, and where the
   * likelihood is of discrete levels they are rounded to the nearest. Throws InputError.
   */
  prepare(x: Numbers): Float32Tensor {
    const { levels } = this.manifest.likelihood.constants;
    return prepare(x, this.manifest.event, levels);
  }

  /** q(z|x) of each event, batchShape [B] and eventShape [L]: Normal, MultivariateNormalTriL or Deterministic. */
  async encode(x: Numbers, given: Given = {}): Promise<Distribution> {
    const prepared = this.prepare(x);
    return this.#model.encode(prepared, this.rows(given, prepared.dims[0]!));
  }

  /** p(x|z) of each latent vector, batchShape [B] and eventShape that of x; `z` is (B, L). */
  async decode(z: Numbers, given: Given = {}): Promise<Distribution> {
    const latents = this.latents(z);
    return this.#model.decode(latents, this.rows(given, latents.dims[0]!));
  }

  /** n new events, (n, ...eventShape): events start to start + n of this seed's endless series. */
  async generate(n: number, options: GenerateOptions = {}): Promise<Float32Tensor> {
    const { head, seed, start, rows } = this.checked(n, "mean", options);
    const latents = this.#prior.at(options.temperature).draws(seed, start, rows);
    return this.#model.render(Number(n), latents, head, seed, start, rows);
  }

  /** The events of `generate` in batches (b, ...eventShape), b <= batchSize; memory does not grow with n. */
  stream(n: Whole, options: StreamOptions = {}): AsyncIterableIterator<Float32Tensor> {
    // what is wrong is said now, not at the first batch
    const size = count("batchSize", options.batchSize ?? BATCH_SIZE);
    const { head, seed, start, rows } = this.checked(n, "mean", options);
    const prior = this.#prior.at(options.temperature);
    const events = whole("n", n, MAX_DRAW, 1n);
    const model = this.#model;
    return (async function* () {
      for (let at = 0n; at < events; at += BigInt(size)) {
        const left = events - at;
        const here = left < BigInt(size) ? Number(left) : size;
        const shifted: Rows | undefined = rows && ((input, first, amount) => rows(input, Number(at) + first, amount));
        const latents = prior.draws(seed, start + at, shifted);
        yield await model.render(here, latents, head, seed, start + at, shifted);
      }
    })();
  }

  /** Each event through z and back, (B, ...eventShape); z is the mean of q(z|x), or one sample of it. */
  async reconstruct(x: Numbers, options: ReconstructOptions = {}): Promise<Float32Tensor> {
    const { latent = "mean" } = options;
    if (latent !== "mean" && latent !== "sample") {
      throw new InputError(`latent should be mean or sample, it is ${String(latent).slice(0, 60)}`);
    }
    const prepared = this.prepare(x);
    const n = prepared.dims[0]!;
    const { head, seed, start, rows } = this.checked(n, "mode", options);
    const q = await this.#model.encode(prepared, rows);
    const z = latent === "mean" ? q.mean() : q.sample({ seed, start });
    return this.#model.render(n, this.partsOf(z.data), head, seed, start, rows);
  }

  /** (steps, ...eventShape): from event a to event b in equal steps between the means of their posteriors. */
  async interpolate(a: Numbers, b: Numbers, steps: number, options: InterpolateOptions = {}): Promise<Float32Tensor> {
    const { head, seed, rows } = this.checked(count("steps", steps), "mean", options);
    const { label, condition } = options;
    const given = { ...(label !== undefined && { label }), ...(condition !== undefined && { condition }) };
    const ends: Float32Tensor[] = [];
    for (const end of [a, b]) ends.push((await this.encode(end, given)).mean());
    if (ends.some((end) => end.dims[0] !== 1)) {
      throw new InputError(`a and b should be one event each, they are ${ends[0]!.dims[0]} and ${ends[1]!.dims[0]}`);
    }
    const [from, to] = ends.map((end) => end.data) as [Float32Array, Float32Array];
    const z = Float32Array.from({ length: steps * this.latentSize }, (_, i) => {
      const step = Math.floor(i / this.latentSize),
        j = i % this.latentSize;
      const t = step === 0 ? 0 : step === steps - 1 ? 1 : Math.fround(step * (1 / (steps - 1)));
      // z = (1 - t) z_a + t z_b meets both ends exactly; each operation in float32
      return Math.fround(Math.fround(1 - t) * from[j]!) + Math.fround(t * to[j]!);
    });
    return this.#model.render(steps, this.partsOf(z), head, seed, 0n, rows);
  }

  /** Frees both graphs; the VAE cannot run afterwards. */
  dispose(): void {
    this.#model.dispose();
  }

  private checked(n: Whole, usual: Head, { head = usual, seed = 0, start = 0, ...given }: GenerateOptions) {
    const events = whole("n", n, MAX_DRAW, 1n);
    return {
      head: checkHead(head),
      seed: checkSeed(seed),
      start: checkDraws(start, events),
      rows: this.rows(given, Number(events)),
    };
  }

  private rows(given: Given, n: number): Rows | undefined {
    return checkGiven(this.manifest.condition, given, n);
  }

  private partsOf(z: Float32Array): (first: number, n: number) => Float32Array {
    return (first, n) => z.slice(first * this.latentSize, (first + n) * this.latentSize);
  }

  private latents(z: Numbers): Float32Tensor {
    const { dims, data } = read("z", z);
    const size = this.latentSize;
    const isPlain = !("dims" in z) && data.length % size === 0;
    if ((!isPlain && !(dims.length === 2 && isSame(dims.slice(1), [size]))) || sizeOf(dims) === 0) {
      throw new InputError(`z should be real numbers of shape (B, ${size}), B >= 1; it has shape ${text(dims)}`);
    }
    const narrow = new Float32Array(data);
    if (!narrow.every(Number.isFinite))
      throw new InputError("z should be finite in float32, there is a NaN or an infinity in it");
    return { dims: [narrow.length / size, size], data: narrow };
  }
}

function count(name: string, value: number): number {
  if (!Number.isSafeInteger(value) || value < 1)
    throw new InputError(`${name} should be a positive integer, it is ${String(value).slice(0, 60)}`);
  return value;
}
