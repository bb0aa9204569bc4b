/** A bundle's prior at work: p(z), or p(z|y) where it follows the condition. */

import type { Manifest } from "./bundle/schema.js";
import type { Rows } from "./conditions.js";
import { Distribution, Flow, Mixture, Normal } from "./distributions/index.js";
import { NO_PRIOR } from "./distributions/registry.js";
import { InputError } from "./errors.js";
import type { Model } from "./model.js";
import { Purpose } from "./noise/index.js";

/** What a prior's arrays hold: one distribution, or a mixture of the same normals for each label. */
export type Stored = Normal | Mixture | readonly Mixture[] | undefined;

export class Prior {
  /** What the standard deviations of its normals are multiplied by. */
  readonly temperature: number;
  readonly #manifest: Manifest;
  readonly #model: Model;
  readonly #stored: Stored;
  #tempered: Prior | undefined;

  constructor(model: Model, stored: Stored, temperature = 1) {
    this.#manifest = model.manifest;
    this.#model = model;
    this.#stored = stored;
    this.temperature = temperature;
  }

  /** This prior at a temperature; the last one is kept for the next call. Throws InputError, as `expect` does. */
  at(temperature?: number): Prior {
    this.expect();
    const t = checkTemperature(temperature);
    if (t === 1) return this;
    if (this.#tempered?.temperature !== t) this.#tempered = new Prior(this.#model, tempered(this.#stored, t), t);
    return this.#tempered;
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
    return this.flow(this.isConditional ? rows : undefined);
  }

  /** The draws from `start` on by parts: `first` to `first` + n of them, (n, L), each by the condition of its event. */
  draws(seed: bigint, start: bigint, rows?: Rows): (first: number, n: number) => Promise<Float32Array> {
    const size = this.#manifest.latentSize;
    const stored = this.#stored;
    return async (first, n) => {
      const at = { seed, start: start + BigInt(first), sampleShape: n };
      if (stored instanceof Distribution) return stored.sample(at).data;
      if (stored === undefined) {
        const shifted: Rows | undefined = rows && ((input, from, count) => rows(input, first + from, count));
        return (await this.flow(shifted).sample(at)).data;
      }
      const out = new Float32Array(n * size);
      this.places(rows!, first, n).forEach((place, i) => {
        out.set(stored[place]!.sample({ seed, start: at.start + BigInt(i), sampleShape: 1 }).data, i * size);
      });
      return out;
    };
  }

  private flow(rows?: Rows): Flow {
    return new Flow(this.#model.flow(rows), this.#manifest.latentSize, this.temperature);
  }

  /** The numbers of the labels of events first to first + n. */
  private places(rows: Rows, first: number, n: number): number[] {
    const input = { name: "", dtype: "int64", shape: ["batch"], role: "condition" } as const;
    return Array.from(rows(input, first, n).data as BigInt64Array, Number);
  }
}

/** `temperature` rounded to float32, as the seed contract says; throws InputError unless it is from 0.01 to 10. */
function checkTemperature(temperature: unknown = 1): number {
  const found = typeof temperature === "number" ? Math.fround(temperature) : NaN;
  if (found >= Math.fround(0.01) && found <= 10) return found;
  const shown = typeof temperature === "string" ? JSON.stringify(temperature) : String(temperature);
  throw new InputError(`temperature should be a number from 0.01 to 10, it is ${shown.slice(0, 60)}`);
}

/** What is stored, at a temperature; a flow's graphs stay as they are. */
function tempered(stored: Stored, temperature: number): Stored {
  if (stored instanceof Normal) {
    return new Normal(stored.loc, [temperature], { purpose: Purpose.PRIOR });
  }
  return stored instanceof Mixture
    ? stored.atTemperature(temperature)
    : stored?.map((mixture) => mixture.atTemperature(temperature));
}
