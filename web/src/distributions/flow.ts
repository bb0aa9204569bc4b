/** Normalizing flows, as priors: noise through a graph, and back through another. */

import { isSame, read, text } from "../arrays.js";
import { InputError } from "../errors.js";
import { Purpose } from "../noise/index.js";
import type { Float32Tensor, Float64Tensor, Numbers } from "../tensor.js";
import type { SampleOptions } from "./base.js";
import { Normal } from "./normal.js";

/** The two graphs of a flow at work. */
export interface FlowGraphs {
  /** z (n, L) of noise (n, L). */
  forward(noise: Float32Tensor): Promise<Float32Tensor>;
  /** The noise (n, L) of z (n, L), and log |det d noise / d z| (n). */
  inverse(z: Float32Tensor): Promise<[noise: Float32Tensor, logDet: Float32Tensor]>;
}

/**
 * A prior z = f(T eps) of standard normal noise (Dinh et al. 2017), T its temperature; batchShape [], eventShape [L].
 *
 * Its graphs run as all graphs do here, so `sample` and `logProb` return promises. Draw i takes its noise from
 * Purpose.PRIOR, as one of a standard normal prior does.
 */
export class Flow {
  readonly family = "flow";
  readonly batchShape: readonly number[] = [];
  readonly eventShape: readonly number[];
  readonly #graphs: FlowGraphs;
  readonly #base: Normal;

  constructor(graphs: FlowGraphs, size: number, temperature = 1) {
    this.eventShape = [size];
    this.#graphs = graphs;
    this.#base = new Normal(new Float32Array(size), [temperature], { purpose: Purpose.PRIOR });
  }

  /** Draws, of shape sampleShape + eventShape: those of the same seed have the same noise everywhere. */
  async sample(options: SampleOptions): Promise<Float32Tensor> {
    const { dims, data } = this.#base.sample(options);
    return { dims, data: (await this.#graphs.forward(this.rows(data))).data };
  }

  /** log p(value) in nats, of values (..., L). */
  async logProb(value: Numbers): Promise<Float64Tensor> {
    const { dims, data } = read("value", value);
    const { eventShape } = this;
    if (!isSame(dims.slice(-1), eventShape) || data.length === 0) {
      throw new InputError(`value should have shape (..., ${eventShape}), it has ${text(dims)}`);
    }
    const [noise, logDet] = await this.#graphs.inverse(this.rows(Float32Array.from(data)));
    // log p(z) = log N(T eps; 0, T^2) + log |det d (T eps) / d z|
    const found = this.#base.logProb(noise).data.map((each, i) => each + logDet.data[i]!);
    return { dims: dims.slice(0, -1), data: found };
  }

  private rows(data: Float32Array): Float32Tensor {
    const size = this.eventShape[0]!;
    return { dims: [data.length / size, size], data };
  }
}
