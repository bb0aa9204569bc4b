/**
 * Manifests of earlier schemas: each step is a pure function from one tree of JSON to the next schema's.
 *
 * Fields of a wrong type are left for the reader of the last schema.
 */

import { ManifestError } from "../errors.js";
import type { Json } from "./json.js";

type Tree = Map<string, Json>;

const KEPT = ["name", "producer", "versions", "latent_size", "precision", "probe", "metrics", "parity", "digest"];
const FIELDS_1 = [...KEPT, "schema", "image", "prior", "likelihood", "binarize", "encoder", "decoder", "training"];
const SPECS = ["posterior", "likelihood", "prior"];
const FIELDS_2 = [...KEPT, "schema", "event", "condition", "graphs", ...SPECS, "training"];

/** What the last step gives. */
export const SCHEMA = 3;

/** The tree of this release's schema for one of any schema; throws ManifestError where it is none. */
export function migrate(tree: Tree): Tree {
  const steps: [bigint, readonly string[], (tree: Tree) => Tree][] = [
    [1n, FIELDS_1, from1],
    [2n, FIELDS_2, from2],
  ];
  for (const [schema, fields, step] of steps) {
    if (tree.get("schema") !== schema) continue;
    const odd = [...fields.filter((key) => !tree.has(key)), ...[...tree.keys()].filter((key) => !fields.includes(key))];
    if (odd.length > 0) {
      throw new ManifestError(`manifest: schema ${schema} has other fields: ${odd.join(", ").slice(0, 80)}`);
    }
    tree = step(tree);
  }
  if (tree.get("schema") !== BigInt(SCHEMA)) {
    throw new ManifestError(`manifest: schema should be 1 to ${SCHEMA}, it is ${String(tree.get("schema"))}`);
  }
  return tree;
}

/** Schema 3 for schema 2: it says how pictures were read, how uncertain weights are, and what events are scored by. */
function from2(tree: Tree): Tree {
  const training = tree.get("training")!;
  const told: Json = training instanceof Map ? new Map<string, Json>([...training, ["pictures", new Map()]]) : training;
  return new Map<string, Json>([...tree, ["schema", 3n], ["deviations", null], ["scores", null], ["training", told]]);
}

/** Schema 2 for schema 1: images in, a diagonal normal posterior, a Bernoulli; a prior of three kinds. */
function from1(tree: Tree): Tree {
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
