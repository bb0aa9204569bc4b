/** What a manifest holds. `docs/bundle-format.md` specifies each field; the names here are the JSON's in camelCase. */

/** A file of the bundle: its name (no folder), size in bytes and SHA-256 in hexadecimal. */
export interface FileSpec {
  readonly name: string;
  readonly bytes: number;
  readonly sha256: string;
}

/**
 * A graph's input or output. The first axis of `shape` is the string "batch", the others are integers.
 * `role` says what an input takes; an output's is "".
 */
export interface TensorSpec {
  readonly name: string;
  readonly dtype: "float32" | "int32" | "int64";
  readonly shape: readonly (number | string)[];
  readonly role: "event" | "latent" | "noise" | "condition" | "";
}

/** An ONNX graph and its signature; `multiplyAdds` is the cost of one event (matrix products and convolutions). */
export interface GraphSpec {
  readonly file: FileSpec;
  readonly opset: number;
  readonly inputs: readonly TensorSpec[];
  readonly outputs: readonly TensorSpec[];
  readonly parameters: number;
  readonly multiplyAdds: number;
}

/** An event (height, width, channels) of pixels in [0, 1]; with a threshold they are made 1 where above it, else 0. */
export interface ImageSpec {
  readonly kind: "image";
  readonly height: number;
  readonly width: number;
  readonly channels: number;
  readonly threshold: number | null;
  readonly shift: number;
  readonly scale: number;
}

/** An event of `size` numbers in their own units, a row of a table. Empty lists stand for no names, for 0 and for 1. */
export interface VectorSpec {
  readonly kind: "vector";
  readonly size: number;
  readonly names: readonly string[];
  readonly shift: readonly number[];
  readonly scale: readonly number[];
}

export type EventSpec = ImageSpec | VectorSpec;

/** What a conditional model is given beside x or z: one of `size` labels, or `size` real numbers ("vector"). */
export interface ConditionSpec {
  readonly kind: "one_hot" | "index" | "vector";
  readonly size: number;
  readonly names: readonly string[];
}

/**
 * A distribution: its family and where its parameters come from.
 * `outputs` maps a parameter to the graph's output that gives it, `constants` holds what is the same for every event,
 * and `file` a mixture's arrays. A flow's outputs are those of its two graphs.
 */
export interface DistributionSpec {
  readonly family: string;
  readonly eventShape: readonly number[];
  readonly outputs: Readonly<Record<string, string>>;
  readonly constants: Readonly<Record<string, number>>;
  readonly file: FileSpec | null;
}

/**
 * How uncertain the decoder's weights are: `weights` names initializers of its graph, and `file` holds the standard
 * deviations of their numbers. This runtime uses the means, which are the graph's own.
 */
export interface DeviationsSpec {
  readonly file: FileSpec;
  readonly weights: readonly string[];
}

/** How the weights were learned. */
export interface TrainingSpec {
  readonly dataset: string;
  readonly datasetSha256: string;
  readonly images: number;
  readonly epochs: number;
  readonly seed: number | bigint;
  readonly objective: string;
  readonly command: string;
  readonly commit: string;
  readonly binarize: "none" | "static" | "dynamic";
  readonly pictures: Readonly<Record<string, string>>;
}

/** The fit that events are scored by; it is Python's to read. */
export interface ScoresSpec {
  readonly file: FileSpec;
  readonly statistics: readonly string[];
  readonly codes: boolean;
  readonly components: number;
  readonly draws: number;
  readonly threshold: number;
  readonly thresholdWithoutLabel: number | null;
  readonly falsePositiveRate: number;
  readonly events: number;
  readonly heldOut: number;
  readonly dataset: string;
  readonly datasetSha256: string;
  readonly command: string;
}

export type Precision = "fp32" | "fp16" | "int8";

/** All that a bundle says of itself. */
export interface Manifest {
  readonly schema: number;
  readonly name: string;
  readonly producer: string;
  readonly versions: Readonly<Record<string, string>>;
  readonly event: EventSpec;
  readonly condition: ConditionSpec | null;
  readonly latentSize: number;
  readonly graphs: {
    readonly encoder: GraphSpec;
    readonly decoder: GraphSpec;
    /** The graphs of a flow prior: noise -> z, and z -> noise and log-determinant. */
    readonly prior?: GraphSpec;
    readonly priorInverse?: GraphSpec;
  };
  readonly posterior: DistributionSpec;
  readonly likelihood: DistributionSpec;
  readonly prior: DistributionSpec;
  readonly deviations: DeviationsSpec | null;
  readonly precision: Precision;
  readonly probe: FileSpec;
  readonly training: TrainingSpec | null;
  readonly scores: ScoresSpec | null;
  readonly metrics: Readonly<Record<string, number>>;
  readonly parity: Readonly<Record<string, number>>;
  readonly digest: string;
}
