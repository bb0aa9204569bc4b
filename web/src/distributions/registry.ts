/** The families by name, and whether a manifest's spec describes a distribution of one of them. */

import { isSame, text, type Shape } from "../arrays.js";
import type { DistributionSpec } from "../bundle/schema.js";
import type { Family, Role } from "./base.js";
import { bernoulli } from "./bernoulli.js";
import { categorical } from "./categorical.js";
import { deterministic } from "./deterministic.js";
import { discretizedLogistic } from "./discretized-logistic.js";
import { multivariateNormalTriL } from "./multivariate-normal.js";
import { normal } from "./normal.js";

const FAMILIES: readonly Family[] = [
  bernoulli,
  categorical,
  deterministic,
  discretizedLogistic,
  multivariateNormalTriL,
  normal,
];

export const FLOW = "flow"; // two graphs: noise to z, and back
export const MIXTURE = "mixture"; // its arrays come from a file, not from a graph
export const NO_PRIOR = "none"; // an autoencoder's: it reconstructs, and has nothing to generate from
const MOST_COMPONENTS = 4096;
const MOST_LABELS = 4096; // for each of which a mixture may have weights

/** The family of that name that can have the role, or undefined. */
export function familyOf(name: string, role: Role): Family | undefined {
  return FAMILIES.find((family) => family.name === name && family.roles.includes(role));
}

/** Why `spec` makes no sense, as the end of a sentence, or undefined; `outputs` are the shapes of its graph's outputs. */
export function problem(
  role: Role,
  spec: DistributionSpec,
  outputs: Readonly<Record<string, Shape>>,
): string | undefined {
  const { family: name, constants } = spec;
  const isStored = role === "prior" && (name === MIXTURE || name === NO_PRIOR || name === FLOW);
  const family = familyOf(name, role);
  if (family === undefined && !isStored) {
    const known = FAMILIES.filter((each) => each.roles.includes(role)).map((each) => each.name);
    if (role === "prior") known.push(FLOW, MIXTURE, NO_PRIOR);
    return `family should be one of ${known.join(", ")}, it is ${JSON.stringify(name).slice(0, 60)}`;
  }
  const labels = Object.hasOwn(constants, "labels") && { labels: [1, MOST_LABELS] as const };
  const mixture = { components: [1, MOST_COMPONENTS] as const, ...labels };
  const settings = family?.settings ?? (name === MIXTURE ? mixture : {});
  for (const [setting, [low, high]] of Object.entries(settings)) {
    const value = own(constants, setting) ?? NaN;
    if (!(value >= low && value <= high && Number.isInteger(value))) {
      return `${name} should have ${setting}, a whole number from ${low} to ${high}, in constants`;
    }
  }
  const fixed: Record<string, Shape> =
    name === FLOW ? { sample: spec.eventShape, noise: spec.eventShape, log_det: [] } : {};
  const wanted = role === "prior" || family === undefined ? fixed : family.parameterShapes(spec.eventShape, constants);
  const parameters = Object.keys(constants).filter((key) => !Object.hasOwn(settings, key));
  const given = [...Object.keys(spec.outputs), ...parameters];
  if (!isSame([...given].sort(), Object.keys(wanted).sort())) {
    const parameterNames = Object.keys(wanted).join(", ") || "no parameters";
    return `${name} should have ${parameterNames}, it has ${given.join(", ") || "none"}`;
  }
  for (const [parameter, output] of Object.entries(spec.outputs)) {
    const [shape, most] = [outputs[output]!, wanted[parameter]!];
    if (shape.length !== most.length || !shape.every((size, axis) => size === 1 || size === most[axis])) {
      return `${parameter} should have shape ${text(most)}, or 1 along an axis, it has ${text(shape)}`;
    }
  }
  if (Object.keys(wanted).length > 0 && Object.keys(spec.outputs).length === 0) {
    return `${name} should have a parameter that its graph gives, all are constants`;
  }
  for (const parameter of parameters) {
    const range = family!.parameters[parameter]!;
    if (range === "lower_triangular") return `${parameter} is a matrix, it should be a graph's output, no constant`;
    const value = constants[parameter]!;
    if (!Number.isFinite(value) || (range === "positive" && value <= 0))
      return `${parameter} should be ${range}, it is ${value}`;
  }
  if ((spec.file !== null) !== (role === "prior" && name === MIXTURE)) {
    return `${name} ${spec.file === null ? "needs a" : "has no"} file of arrays`;
  }
  return undefined;
}

function own(object: Readonly<Record<string, number>>, key: string): number | undefined {
  return Object.hasOwn(object, key) ? object[key] : undefined;
}
