/** A graph on onnxruntime-web: the app brings it (`ort`), or it is imported where it is installed. Never from a CDN. */

import { BackendError, InputError } from "../errors.js";
import type { Graph, Tensor } from "../graph.js";
import { INT32, INT64 } from "../guard/kinds.js";
import type { Model } from "../guard/terms.js";
import { checkInputs, inputNames } from "./inputs.js";

/** What is used of onnxruntime-web, its `/wasm` entry. */
export interface OnnxRuntime {
  readonly InferenceSession: {
    create(bytes: Uint8Array, options?: object): Promise<Session>;
  };
  readonly Tensor: new (type: never, data: never, dims: readonly number[]) => object;
}

interface Session {
  run(feeds: never): Promise<Readonly<Record<string, { readonly dims: readonly number[]; readonly data: unknown }>>>;
  release(): Promise<void>;
}

/** The graph in `bytes`, of which `largest` events fit in one run. Throws BackendError where it cannot be made. */
export async function openSession(
  bytes: Uint8Array,
  model: Model,
  largest: number,
  given: OnnxRuntime | undefined,
): Promise<Graph> {
  const ort = given ?? (await imported());
  let session: Session;
  try {
    session = await ort.InferenceSession.create(bytes, { executionProviders: ["wasm"], logSeverityLevel: 4 });
  } catch (error) {
    throw new BackendError(
      `onnxruntime-web cannot make a session: ${error instanceof Error ? error.message : String(error)}; ` +
        "see that ort.env.wasm.wasmPaths leads to the files of its own version",
      { cause: error },
    );
  }
  return new SessionGraph(ort, session, model, largest);
}

async function imported(): Promise<OnnxRuntime> {
  try {
    const ort = await import("onnxruntime-web/wasm");
    ort.env.wasm.numThreads ??= 1; // more are workers, which a page's policy may forbid: the app may ask for them
    return ort as unknown as OnnxRuntime;
  } catch (error) {
    throw new BackendError(
      "this graph needs onnxruntime-web, which is not installed: npm install onnxruntime-web, or pass the module in " +
        "the option ort",
      { cause: error },
    );
  }
}

class SessionGraph implements Graph {
  readonly backend = "onnxruntime-web";
  private gone = false;

  constructor(
    private readonly ort: OnnxRuntime,
    private readonly session: Session,
    private readonly model: Model,
    private readonly largest: number,
  ) {}

  async run(inputs: Readonly<Record<string, Tensor>>): Promise<Record<string, Tensor>> {
    if (this.gone) throw new InputError("the graph was disposed of; open it again");
    const events = checkInputs(this.model, inputs);
    const parts: Record<string, Tensor>[] = [];
    for (let at = 0; at < events || at === 0; at += this.largest) {
      parts.push(await this.part(inputs, at, Math.min(events, at + this.largest)));
    }
    const names = Object.keys(parts[0]!);
    return Object.fromEntries(names.map((name) => [name, joined(parts.map((part) => part[name]!))]));
  }

  dispose(): void {
    if (!this.gone) void this.session.release();
    this.gone = true;
  }

  private async part(
    inputs: Readonly<Record<string, Tensor>>, from: number, to: number,
  ): Promise<Record<string, Tensor>> {
    const feeds = inputNames(this.model).map((name) => {
      const { dims, data } = inputs[name]!;
      const each = dims.slice(1).reduce((product, size) => product * size, 1);
      const part = data.subarray(from * each, to * each);
      const type = this.model.types.get(name);
      const wanted = type === INT64 ? "int64" : type === INT32 ? "int32" : "float32";
      return [name, new this.ort.Tensor(wanted as never, part as never, [to - from, ...dims.slice(1)])];
    });
    const made = await this.session.run(Object.fromEntries(feeds) as never);
    return Object.fromEntries(
      Object.entries(made).map(([name, { dims, data }]) => [name, { dims: [...dims], data: data as Float32Array }]),
    );
  }
}

/** The parts of one tensor along the batch. */
function joined(parts: readonly Tensor[]): Tensor {
  const [first] = parts as [Tensor];
  if (parts.length === 1) return first;
  const rows = parts.reduce((sum, part) => sum + part.dims[0]!, 0);
  const total = parts.reduce((sum, part) => sum + part.data.length, 0);
  const data = new (first.data.constructor as Float32ArrayConstructor)(total);
  let at = 0;
  for (const part of parts) {
    data.set(part.data as Float32Array, at);
    at += part.data.length;
  }
  return { dims: [rows, ...first.dims.slice(1)], data };
}
