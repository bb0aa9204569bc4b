/** What a conditional model is given: buttons for labels, sliders for numbers. */

import { byId, choose, chosen, make } from "./dom.js";
import type { Engine, Given } from "./engine.js";
import type { Store } from "./store.js";

/** Fills and shows the panel, where the model takes a condition. */
export function showConditions(engine: Engine, store: Store): void {
  const place = byId("condition-choices");
  byId("condition").hidden = !engine.labels.length && !engine.numbers.length;
  if (engine.labels.length) {
    const labels = engine.labels.map((name, i) =>
      make("label", {}, make("input", { type: "radio", name: "label", value: String(i) }), make("span", {}, name)),
    );
    place.replaceChildren(
      make("fieldset", { class: "choice labels" }, make("legend", { class: "sr" }, "Label"), ...labels),
    );
    place.addEventListener("change", () => store.set({ label: Number(chosen("label")) }));
  } else {
    byId("condition-heading").textContent = "Condition";
    const rows = engine.numbers.map((name, i) => {
      const input = make("input", { type: "range", min: "-3", max: "3", step: "0.01" });
      const output = make("output");
      input.addEventListener("input", () => {
        store.set({ condition: store.state.condition.map((value, j) => (i === j ? Number(input.value) : value)) });
      });
      return make("label", {}, make("span", {}, name), input, output);
    });
    place.replaceChildren(make("div", { class: "numbers" }, ...rows));
  }
  const render = (): void => {
    choose("label", String(store.state.label));
    place.querySelectorAll("input[type=range]").forEach((input, i) => {
      (input as HTMLInputElement).value = store.state.condition[i].toFixed(2);
      (input.nextElementSibling as HTMLOutputElement).value = store.state.condition[i].toFixed(2);
    });
  };
  store.listen(render);
  render();
}

/** The condition of the state, as the engine takes it. */
export function givenOf(engine: Engine, store: Store): Given {
  if (engine.labels.length) return { label: store.state.label };
  return engine.numbers.length ? { condition: store.state.condition } : {};
}
