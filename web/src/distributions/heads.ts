/** The heads, which make an event of a likelihood: one draw, the mean, or the likeliest value. */

import { InputError } from "../errors.js";

export const HEADS = ["sample", "mean", "mode"] as const;
export type Head = (typeof HEADS)[number];

/** `name` where a head has it; throws InputError that lists them. */
export function checkHead(name: unknown): Head {
  const head = HEADS.find((each) => each === name);
  if (head === undefined) {
    throw new InputError(`head should be one of ${HEADS.join(", ")}; it is ${JSON.stringify(name)?.slice(0, 60)}`);
  }
  return head;
}
