/** A bundle's prior at work: p(z), or p(z|y) where it follows the condition. */

import type { Manifest } from "./bundle/schema.js";
import type { Rows } from "./conditions.js";
import { Distribution, Flow, Mixture } from "./distributions/index.js";
import { NO_PRIOR } from "./distributions/registry.js";
import { InputError } from "./errors.js";
import type { Model } from "./model.js";
import { normals, Purpose } from "./noise/index.js";

/** What a prior's arrays hold: one distribution, or a mixture of the same normals for each label. */
export type Stored = Distribution | readonly Mixture[] | undefined;

export class Prior {
  readonly #manifest: Manifest;
  readonly #model: Model;
  readonly #stored: Stored;

  constructor(model: Model, stored: Stored) {
    this.#manifest = model.manifest;
    this.#model = model;
    this.#stored = stored;
  }

  /** Throws InputError for an autoencoder, which has no prior. */
  expect(): void {
    if (this.#manifest.prior.family !== NO_PRIOR) return;
    throw new InputError(
      `${this.#manifest.name} is an autoencoder: it has no prior to generate from; it can reconstruct`,
    );
  }

  /** Whether it is p(z|y). */
  get isConditional(): boolean {
    const { prior, graphs } = this.#manifest;
    return "labels" in prior.constants || graphs.prior?.inputs.some((tensor) => tensor.role === "condition") === true;
  }

  /** p(z), or p(z|y) of the one condition that `rows` holds. */
  given(rows?: Rows): Distribution | Flow {
    this.expect();
    if (this.isConditional && rows === undefined) {
      throw new InputError(
        `the prior of ${this.#manifest.name} follows the condition: use vae.priorGiven({ label }) or { condition }`,
      );
    }
    if (this.#stored instanceof Distribution) return this.#stored;
    if (this.#stored !== undefined) return this.#stored[this.places(rows!, 0, 1)[0]!]!;
    const { latentSize } = this.#manifest;
    return new Flow(this.#model.flow(this.isConditional ? rows : undefined), latentSize);
  }

  /** Draws start to start + n, (n, L), each by its own condition: that of event `first`, first + 1, ... */
  async draw(seed: bigint, start: bigint, first: number, n: number, rows?: Rows): Promise<Float32Array> {
    const size = this.#manifest.latentSize;
    const stored = this.#stored;
    if (stored instanceof Distribution) return stored.sample({ seed, start, sampleShape: n }).data;
    if (stored === undefined) {
      const noise = { dims: [n, size], data: normals(Purpose.PRIOR, { seed, start, stream: 0n }, n, size) };
      const shifted: Rows | undefined = rows && ((input, at, count) => rows(input, first + at, count));
      return (await this.#model.flow(shifted).forward(noise)).data;
    }
    const out = new Float32Array(n * size);
    this.places(rows!, first, n).forEach((place, i) => {
      out.set(stored[place]!.sample({ seed, start: start + BigInt(i), sampleShape: 1 }).data, i * size);
    });
    return out;
  }

  /** The numbers of the labels of events first to first + n. */
  private places(rows: Rows, first: number, n: number): number[] {
    const input = { name: "", dtype: "int64", shape: ["batch"], role: "condition" } as const;
    return Array.from(rows(input, first, n).data as BigInt64Array, Number);
  }
}
