/**
 * Schema 2 for schema 1: images in, a diagonal normal posterior, a Bernoulli; a prior of three kinds.
 *
 * A pure function from one tree of JSON to the other; fields of a wrong type are left for the reader of schema 2.
 */

import { ManifestError } from "../errors.js";
import type { Json } from "./json.js";

type Tree = Map<string, Json>;

const KEPT = ["name", "producer", "versions", "latent_size", "precision", "probe", "metrics", "parity", "digest"];
const FIELDS = [...KEPT, "schema", "image", "prior", "likelihood", "binarize", "encoder", "decoder", "training"];

/** The tree of schema 2 for one of schema 1; throws ManifestError where it is none. */
export function migrate(tree: Tree): Tree {
  if (tree.get("schema") !== 1n)
    throw new ManifestError(`manifest: schema should be 1 or 2, it is ${String(tree.get("schema"))}`);
  const odd = [...FIELDS.filter((key) => !tree.has(key)), ...[...tree.keys()].filter((key) => !FIELDS.includes(key))];
  if (odd.length > 0) throw new ManifestError(`manifest: schema 1 has other fields: ${odd.join(", ").slice(0, 80)}`);
  const image = part(tree, "image");
  const prior = part(tree, "prior");
  const latent = [tree.get("latent_size")!];
  const shape = ["height", "width", "channels"].map((key) => image.get(key) ?? null);
  const components: [string, Json][] =
    prior.get("kind") === "mixture" ? [["components", Number(prior.get("components"))]] : [];
  // Schema 1 wrote an autoencoder's code as a normal of scale 0.
  const posterior =
    prior.get("kind") === "none"
      ? spec("deterministic", latent, [["loc", "loc"]])
      : spec("normal", latent, [
          ["loc", "loc"],
          ["scale", "scale"],
        ]);
  return new Map<string, Json>([
    ...KEPT.map((key) => [key, tree.get(key)!] as [string, Json]),
    ["schema", 2n],
    ["event", new Map<string, Json>([...image, ["kind", "image"], ["shift", 0], ["scale", 1]])],
    ["condition", null],
    [
      "graphs",
      new Map<string, Json>([
        ["encoder", graph(part(tree, "encoder"), "event")],
        ["decoder", graph(part(tree, "decoder"), "latent")],
      ]),
    ],
    ["posterior", posterior],
    ["likelihood", spec(tree.get("likelihood")!, shape, [["logits", "logits"]])],
    ["prior", spec(prior.get("kind") ?? null, latent, [], components, prior.get("file") ?? null)],
    ["training", new Map<string, Json>([...part(tree, "training"), ["binarize", tree.get("binarize")!]])],
  ]);
}

function graph(tree: Tree, role: string): Tree {
  const [inputs, outputs] = [tree.get("inputs"), tree.get("outputs")];
  if (!Array.isArray(inputs) || inputs.length !== 1 || !Array.isArray(outputs)) {
    throw new ManifestError("manifest: a graph of schema 1 should have one input; export the bundle again");
  }
  return new Map([...tree, ["inputs", withRole(inputs, role)], ["outputs", withRole(outputs, "")]]);
}

function withRole(tensors: Json[], role: string): Json[] {
  return tensors.map((tensor) => (tensor instanceof Map ? new Map([...tensor, ["role", role]]) : tensor));
}

function spec(
  family: Json,
  eventShape: Json[],
  outputs: [string, Json][],
  constants: [string, Json][] = [],
  file: Json = null,
): Tree {
  return new Map<string, Json>([
    ["family", family],
    ["event_shape", eventShape],
    ["outputs", new Map(outputs)],
    ["constants", new Map(constants)],
    ["file", file],
  ]);
}

function part(tree: Tree, key: string): Tree {
  const found = tree.get(key);
  if (!(found instanceof Map))
    throw new ManifestError(`manifest: ${key} of schema 1 should be an object; export the bundle again`);
  return found;
}
