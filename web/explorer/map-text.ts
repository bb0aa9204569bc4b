/** What the map is, in sentences. */

import type { Engine } from "./engine.js";
import type { Plane } from "./plane.js";
import type { State } from "./state.js";

/** What is drawn, what the axes are, and what the marks mean. */
export function explain(engine: Engine, state: State, plane: Plane, order: readonly number[]): string {
  const said = [axes(engine, state, plane, order), ground(engine, state)];
  said.push(state.drawing ? "The ellipses hold q(z|x) of your drawing at one and two standard deviations." : "");
  said.push(
    {
      move: "Point at the map to decode, press to stay there.",
      path: "Draw a line on the map to morph along it.",
      line:
        state.path.length === 1
          ? "Now press where B should be."
          : "Press at A, then at B, to interpolate between them.",
    }[state.tool],
  );
  return said.filter(Boolean).join(" ");
}

function axes(engine: Engine, state: State, plane: Plane, order: readonly number[]): string {
  const size = engine.latentSize;
  if (size === 1) return "The latent space is a line: only left and right count.";
  if (size === 2) return "The latent space has two dimensions, z0 across and z1 upwards.";
  const space = `The latent space has ${size} dimensions.`;
  const share = `${Math.round(plane.explained * 100)} % of their variance`;
  const codes = engine.prior === "none" ? "codes" : "codes of the prior";
  return state.axes === "principal"
    ? `${space} The map is the plane along which ${codes} vary most (two principal axes, ${share}).`
    : `${space} The map shows the two most active, z${order[0]} across and z${order[1]} upwards (${share}).`;
}

function ground(engine: Engine, state: State): string {
  if (engine.latentSize <= 2) return state.ground === "dots" ? "A dot is a code of the prior." : "";
  if (state.ground === "slice") return "Pictures are decoded from the current code, changed along the two axes alone.";
  const one = engine.prior === "none" ? "a code spread like those of the examples" : "a code drawn from the prior";
  const what = state.ground === "dots" ? `A dot is ${one}` : `A picture is ${one}, where it falls on the plane`;
  return `${what}; between them codes are blended.`;
}
