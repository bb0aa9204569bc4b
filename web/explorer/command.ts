/** The command that makes the same images in Python. */

import type { Engine } from "./engine.js";
import type { State } from "./state.js";

/** `vae-edge generate` with the options that give `count` images of the state. */
export function command(engine: Engine, state: State, count: number): string {
  const { seed, start, temperature, head, label, condition } = state;
  const words = [
    `vae-edge generate --n ${count} --seed ${seed} --start ${start} --head ${head} --bundle ${engine.name}`,
  ];
  if (temperature !== 1) words.push(`--temperature ${temperature}`);
  const name = engine.labels[label];
  // A comma parts labels on the command line: a name that has one is given by its number.
  if (name !== undefined) words.push(`--label ${name.includes(",") ? label : quoted(name)}`);
  if (engine.numbers.length) words.push(`--condition=${Array.from(condition, shortest).join(",")}`);
  return words.join(" ");
}

/** The fewest digits that give this float32 again. */
function shortest(value: number): string {
  const digits = [1, 2, 3, 4, 5, 6, 7, 8, 9].find((digits) => Math.fround(Number(value.toPrecision(digits))) === value);
  return String(Number(value.toPrecision(digits ?? 9)));
}

function quoted(word: string): string {
  return /^[\w.-]+$/.test(word) ? word : `'${word.replaceAll("'", `'\\''`)}'`;
}
