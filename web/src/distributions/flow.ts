/** Normalizing flows, as priors: noise through a graph, and back through another. */

import { isSame, read, sizeOf, text } from "../arrays.js";
import { InputError } from "../errors.js";
import { checkDraws, checkSeed, checkStream, normals, Purpose } from "../noise/index.js";
import type { Float32Tensor, Float64Tensor, Numbers } from "../tensor.js";
import { empty, LOG_2_PI, type SampleOptions } from "./base.js";

/** The two graphs of a flow at work. */
export interface FlowGraphs {
  /** z (n, L) of noise (n, L). */
  forward(noise: Float32Tensor): Promise<Float32Tensor>;
  /** The noise (n, L) of z (n, L), and log |det d noise / d z| (n). */
  inverse(z: Float32Tensor): Promise<[noise: Float32Tensor, logDet: Float32Tensor]>;
}

/**
 * A prior z = f(eps) of standard normal noise (Dinh et al. 2017); batchShape [], eventShape [L].
 *
 * Its graphs run as all graphs do here, so `sample` and `logProb` return promises. Draw i takes its noise from
 * Purpose.PRIOR, as one of a standard normal prior does.
 */
export class Flow {
  readonly family = "flow";
  readonly batchShape: readonly number[] = [];
  readonly eventShape: readonly number[];
  readonly #graphs: FlowGraphs;

  constructor(graphs: FlowGraphs, size: number) {
    this.eventShape = [size];
    this.#graphs = graphs;
  }

  /** Draws, of shape sampleShape + eventShape: those of the same seed have the same noise everywhere. */
  async sample({ seed, start = 0, stream = 0, sampleShape = [] }: SampleOptions): Promise<Float32Tensor> {
    const shape = typeof sampleShape === "number" ? [sampleShape] : [...sampleShape];
    if (!shape.every((each) => Number.isSafeInteger(each) && each > 0)) {
      throw new InputError(`sampleShape should hold positive integers, it is ${String(sampleShape)}`);
    }
    const n = sizeOf(shape);
    const size = this.eventShape[0]!;
    const out = empty([...shape, size]);
    const at = { seed: checkSeed(seed), start: checkDraws(start, n), stream: checkStream(stream) };
    const noise = { dims: [n, size], data: normals(Purpose.PRIOR, at, n, size) };
    out.data.set((await this.#graphs.forward(noise)).data);
    return out;
  }

  /** log p(value) in nats, of values (..., L). */
  async logProb(value: Numbers): Promise<Float64Tensor> {
    const { dims, data } = read("value", value);
    const size = this.eventShape[0]!;
    if (!isSame(dims.slice(-1), [size]) || data.length === 0) {
      throw new InputError(`value should have shape (..., ${size}), it has ${text(dims)}`);
    }
    const n = data.length / size;
    const [noise, logDet] = await this.#graphs.inverse({ dims: [n, size], data: Float32Array.from(data) });
    // log p(z) = log N(eps; 0, 1) + log |det d eps / d z|
    const found = Float64Array.from({ length: n }, (_, i) => {
      let squares = 0;
      for (let j = 0; j < size; j++) squares += noise.data[i * size + j]! ** 2;
      return logDet.data[i]! - squares / 2 - (size * LOG_2_PI) / 2;
    });
    return { dims: dims.slice(0, -1), data: found };
  }
}
