/** A slider for each latent dimension, the most active first. */

import { byId, make } from "./dom.js";
import type { Codes } from "./codes.js";
import type { Store } from "./store.js";

const FEW = 12;

/** Builds the sliders; `order` lists the dimensions, `activity` has a number each. */
export class Sliders {
  private readonly inputs: HTMLInputElement[] = [];
  private readonly outputs: HTMLOutputElement[] = [];
  private readonly list = byId("sliders");
  private readonly more = byId("more");

  constructor(
    private readonly store: Store,
    private readonly codes: Codes,
    order: readonly number[],
    activity: Float64Array,
  ) {
    const most = Math.max(activity[order[0]], 1e-9);
    this.list.replaceChildren(...order.map((dimension, rank) => this.row(dimension, rank, activity[dimension], most)));
    this.more.hidden = order.length <= FEW;
    this.more.addEventListener("click", () => this.expand(this.more.getAttribute("aria-expanded") !== "true"));
    this.expand(false);
    byId("origin").addEventListener("click", () => {
      store.set({ code: Float32Array.from(codes.mean), source: "the mean of the codes" });
    });
    const active = activity.filter((value) => value > 0.01).length;
    byId("activity-text").textContent = `${active} of ${order.length} active, most active first`;
    store.listen((state, changed) => {
      if (changed.has("code")) this.render(state.code);
    });
    this.render(store.state.code);
  }

  private row(dimension: number, rank: number, activity: number, most: number): HTMLLIElement {
    const { mean, deviation } = this.codes;
    const reach = Math.max(0.1, 3.5 * deviation[dimension]);
    const id = `z${dimension}`;
    const input = make("input", {
      id,
      type: "range",
      min: (mean[dimension] - reach).toFixed(2),
      max: (mean[dimension] + reach).toFixed(2),
      step: "0.01",
    });
    input.addEventListener("input", () => {
      const code = this.store.state.code.slice();
      code[dimension] = Number(input.value);
      this.store.set({ code, source: "moved by hand" });
    });
    const output = make("output", { for: id });
    this.inputs[dimension] = input;
    this.outputs[dimension] = output;
    const title = `activity ${activity.toFixed(2)}`;
    const meter = make("meter", {
      min: "0",
      max: "1",
      value: String(Math.sqrt(activity / most)),
      title,
      "aria-label": title,
    });
    const row = make("li", {}, make("label", { for: id }, id), meter, input, output);
    row.dataset.rank = String(rank);
    return row;
  }

  private expand(expanded: boolean): void {
    this.more.setAttribute("aria-expanded", String(expanded));
    this.more.textContent = expanded ? "Fewer" : `All ${this.inputs.length}`;
    for (const row of this.list.children as HTMLCollectionOf<HTMLElement>) {
      row.hidden = !expanded && Number(row.dataset.rank) >= FEW;
    }
  }

  private render(code: Float32Array): void {
    code.forEach((value, dimension) => {
      const text = value.toFixed(2).replace(/^-(0\.00)$/, "$1");
      if (this.outputs[dimension].value === text) return;
      this.inputs[dimension].value = text;
      this.outputs[dimension].value = text;
    });
  }
}
