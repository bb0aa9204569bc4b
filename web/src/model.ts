/**
 * A bundle's graphs at work: events and latents in, distributions out, a batch at a time.
 *
 * Everything here takes what was checked before: `VAE` does that.
 */

import { isSame, sizeOf, text } from "./arrays.js";
import type { DistributionSpec, GraphSpec, Manifest } from "./bundle/schema.js";
import type { Rows } from "./conditions.js";
import { Distribution, type FlowGraphs, type Head } from "./distributions/index.js";
import { empty, type Family, type Parameters } from "./distributions/base.js";
import { familyOf } from "./distributions/registry.js";
import { affineOf, fromStandard, standardise } from "./events.js";
import { IntegrityError } from "./errors.js";
import type { Graph, Tensor } from "./graph.js";
import { Purpose } from "./noise/index.js";
import type { Float32Tensor } from "./tensor.js";

const BATCH_SIZE = 64; // events of one run of a graph

/** A graph's outputs by name, each (B, ...shape). */
export type Outputs = Record<string, Float32Tensor>;

/** The graphs that a manifest may name. */
export type GraphName = keyof Manifest["graphs"];
export type Graphs = Readonly<Partial<Record<GraphName, Graph>>> & { readonly encoder: Graph; readonly decoder: Graph };

export class Model {
  readonly manifest: Manifest;
  readonly graphs: Graphs;
  readonly #posterior: Family;
  readonly #likelihood: Family;

  constructor(manifest: Manifest, graphs: Graphs) {
    this.manifest = manifest;
    this.graphs = graphs;
    this.#posterior = familyOf(manifest.posterior.family, "posterior")!; // the manifest has been checked
    this.#likelihood = familyOf(manifest.likelihood.family, "likelihood")!;
  }

  /** q(z|x) of prepared events. */
  async encode(x: Float32Tensor, rows?: Rows): Promise<Distribution> {
    const spec = this.manifest.posterior;
    const standard = standardise(x, this.manifest.event);
    const outputs = await this.run("encoder", standard, rows);
    return this.#posterior.fromParameters(
      parametersOf(this.#posterior, spec, outputs),
      spec.constants,
      spec.eventShape,
      Purpose.POSTERIOR,
    );
  }

  /** p(x|z) of latents (B, L). */
  async decode(z: Float32Tensor, rows?: Rows): Promise<Distribution> {
    return this.likelihood(await this.run("decoder", z, rows));
  }

  /** The events (n, ...eventShape) that a head makes of latents, which come by parts. */
  async render(
    n: number,
    latents: (first: number, count: number) => Float32Array | Promise<Float32Array>,
    head: Head,
    seed: bigint,
    start: bigint,
    rows?: Rows,
  ): Promise<Float32Tensor> {
    const shape = this.manifest.likelihood.eventShape;
    const out = empty([n, ...shape]);
    const size = sizeOf(shape);
    for (let first = 0; first < n; first += BATCH_SIZE) {
      const count = Math.min(BATCH_SIZE, n - first);
      const z = { dims: [count, this.manifest.latentSize], data: await latents(first, count) };
      const outputs = await this.runOnce("decoder", z, rows, first);
      const pixels = out.data.subarray(first * size, (first + count) * size);
      this.likelihood(outputs).write(head, pixels, { seed, start: start + BigInt(first) });
    }
    return out;
  }

  /** All outputs of a graph for any number of inputs. */
  async run(name: GraphName, input: Float32Tensor, rows?: Rows): Promise<Outputs> {
    const n = input.dims[0]!;
    if (n <= BATCH_SIZE) return this.runOnce(name, input, rows, 0);
    const size = input.data.length / n;
    const whole: Outputs = {};
    for (const { name: output, shape } of this.manifest.graphs[name]!.outputs) {
      whole[output] = empty([n, ...(shape.slice(1) as number[])]);
    }
    for (let first = 0; first < n; first += BATCH_SIZE) {
      const count = Math.min(BATCH_SIZE, n - first);
      const data = input.data.slice(first * size, (first + count) * size);
      const part = await this.runOnce(name, { dims: [count, ...input.dims.slice(1)], data }, rows, first);
      for (const [output, { data: values }] of Object.entries(part)) {
        whole[output]!.data.set(values, (first * values.length) / count);
      }
    }
    return whole;
  }

  /** The graphs of a flow prior, for vectors of these conditions. */
  flow(rows?: Rows): FlowGraphs {
    const named = this.manifest.prior.outputs;
    return {
      forward: async (noise) => (await this.run("prior", noise, rows))[named.sample!]!,
      inverse: async (z) => {
        const outputs = await this.run("priorInverse", z, rows);
        return [outputs[named.noise!]!, outputs[named.log_det!]!];
      },
    };
  }

  dispose(): void {
    Object.values(this.graphs).forEach((graph) => graph.dispose());
  }

  private async runOnce(
    name: GraphName,
    input: Float32Tensor,
    rows: Rows | undefined,
    first: number,
  ): Promise<Outputs> {
    const spec = this.manifest.graphs[name]!;
    const n = input.dims[0]!;
    const inputs: Record<string, Tensor> = {};
    for (const tensor of spec.inputs) {
      inputs[tensor.name] = tensor.role === "condition" ? rows!(tensor, first, n) : input;
    }
    return checkedOutputs(spec, await this.graphs[name]!.run(inputs), n);
  }

  private likelihood(outputs: Outputs): Distribution {
    const { likelihood: spec, event } = this.manifest;
    let parameters = parametersOf(this.#likelihood, spec, outputs);
    const affine = this.#likelihood.isLocationScale ? affineOf(event) : undefined;
    if (affine !== undefined) {
      // the graph speaks of (x - shift) / scale
      const { shift, scale } = affine;
      parameters = { loc: fromStandard(parameters.loc!, scale, shift), scale: fromStandard(parameters.scale!, scale) };
    }
    return this.#likelihood.fromParameters(parameters, spec.constants, spec.eventShape, Purpose.PIXEL);
  }
}

/** The parameters of a distribution: outputs of its graph, and constants as tensors without axes. */
function parametersOf(family: Family, spec: DistributionSpec, outputs: Outputs): Parameters {
  return Object.fromEntries(
    Object.keys(family.parameters).map((name) => {
      const output = spec.outputs[name];
      return [
        name,
        output === undefined ? { dims: [], data: Float32Array.of(spec.constants[name]!) } : outputs[output]!,
      ];
    }),
  );
}

/** What a graph gave, where it is what the manifest says. */
function checkedOutputs(spec: GraphSpec, given: Record<string, Tensor>, n: number): Outputs {
  return Object.fromEntries(
    spec.outputs.map(({ name, shape }) => {
      const wanted = [n, ...(shape.slice(1) as number[])];
      const found = given[name];
      if (
        !(found?.data instanceof Float32Array) ||
        !isSame(found.dims, wanted) ||
        found.data.length !== sizeOf(wanted)
      ) {
        throw new IntegrityError(
          `${spec.file.name} should give ${name} as float32 ${text(wanted)}, it gives ` +
            `${found === undefined ? "nothing" : text(found.dims)}; export the bundle again`,
        );
      }
      return [name, found as Float32Tensor];
    }),
  );
}
