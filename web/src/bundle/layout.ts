/** The fields of a manifest of schema 3, and the type of each. */

import { boolean, either, float, integer, listOf, mapOf, objectOf, oneOf, orNull, string, wholeNumber } from "./fields.js";
import type {
  ConditionSpec,
  DeviationsSpec,
  DistributionSpec,
  FileSpec,
  GraphSpec,
  ImageSpec,
  Manifest,
  ScoresSpec,
  TensorSpec,
  TrainingSpec,
  VectorSpec,
} from "./schema.js";

const file = objectOf<FileSpec>({ name: string, bytes: integer, sha256: string });

const tensor = objectOf<TensorSpec>({
  name: string,
  dtype: oneOf("float32", "int32", "int64"),
  shape: listOf(either((value) => typeof value === "string", string, integer)),
  role: oneOf("event", "latent", "noise", "condition", ""),
});

const graph = objectOf<GraphSpec>({
  file,
  opset: integer,
  inputs: listOf(tensor),
  outputs: listOf(tensor),
  parameters: integer,
  multiplyAdds: integer,
});

const image = objectOf<ImageSpec>({
  kind: oneOf("image"),
  height: integer,
  width: integer,
  channels: integer,
  threshold: orNull(float),
  shift: float,
  scale: float,
});

const vector = objectOf<VectorSpec>({
  kind: oneOf("vector"),
  size: integer,
  names: listOf(string),
  shift: listOf(float),
  scale: listOf(float),
});

const condition = objectOf<ConditionSpec>({
  kind: oneOf("one_hot", "index", "vector"),
  size: integer,
  names: listOf(string),
});

const distribution = objectOf<DistributionSpec>({
  family: string,
  eventShape: listOf(integer),
  outputs: mapOf(string),
  constants: mapOf(float),
  file: orNull(file),
});

const deviations = objectOf<DeviationsSpec>({ file, weights: listOf(string) });

const training = objectOf<TrainingSpec>({
  dataset: string,
  datasetSha256: string,
  images: integer,
  epochs: integer,
  seed: wholeNumber,
  objective: string,
  command: string,
  commit: string,
  binarize: oneOf("none", "static", "dynamic"),
  pictures: mapOf(string),
});

const scores = objectOf<ScoresSpec>({
  file,
  statistics: listOf(string),
  codes: boolean,
  components: integer,
  draws: integer,
  threshold: float,
  thresholdWithoutLabel: orNull(float),
  falsePositiveRate: float,
  events: integer,
  heldOut: integer,
  dataset: string,
  datasetSha256: string,
  command: string,
});

/** A tree of JSON as a manifest; throws ManifestError where a field is missing, unknown or of another type. */
export const readManifest = objectOf<Manifest>({
  schema: integer,
  name: string,
  producer: string,
  versions: mapOf(string),
  event: either((value) => value instanceof Map && value.get("kind") === "vector", vector, image),
  condition: orNull(condition),
  latentSize: integer,
  graphs: objectOf<Manifest["graphs"]>({ encoder: graph, decoder: graph }, { prior: graph, priorInverse: graph }),
  posterior: distribution,
  likelihood: distribution,
  prior: distribution,
  deviations: orNull(deviations),
  precision: oneOf("fp32", "fp16", "int8"),
  probe: file,
  training: orNull(training),
  scores: orNull(scores),
  metrics: mapOf(float),
  parity: mapOf(float),
  digest: string,
});
