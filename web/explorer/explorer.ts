/** The page's parts, put together around one loaded VAE. */

import { keepAddress } from "./address.js";
import { drawCodes, measureActivity } from "./codes.js";
import { givenOf, showConditions } from "./conditions.js";
import { byId, choose, chosen, make } from "./dom.js";
import { Encoder } from "./encoder.js";
import { HEADS, type Engine, type Given } from "./engine.js";
import { npy, png, save } from "./files.js";
import { CodeMap } from "./map.js";
import { explain } from "./map-text.js";
import { MapInput } from "./map-input.js";
import { Pad } from "./pad.js";
import { paint } from "./pixels.js";
import { Player } from "./player.js";
import { Screen } from "./screen.js";
import { Sheet } from "./sheet.js";
import { Sliders } from "./sliders.js";
import { fromFragment, type Axes, type Ground, type State, type Tool } from "./state.js";
import { Store } from "./store.js";
import { followTheme } from "./theme.js";

/** Fills the page, first what is looked at first; resolves once all of it is there. */
export async function explore(engine: Engine): Promise<void> {
  const initial = await begin(engine);
  const store = new Store(fromFragment(location.hash, initial, engine));
  const given = (): Given => givenOf(engine, store);
  let input: MapInput | null = null;
  const screen = new Screen(engine, store, given, (mean) => input?.magnify(mean));
  const encoder = new Encoder(engine, store, given);
  const pad = new Pad(engine, (drawing) => store.set({ drawing }));
  pad.load(store.state.drawing);
  describe(engine);
  showConditions(engine, store);
  await screen.show();
  mark("first");

  const sheet = engine.prior === "none" ? null : new Sheet(engine, store, given);
  byId("sheet").hidden = !sheet;
  await sheet?.show();
  showExamples(engine, (drawing) => store.set({ drawing }));

  const codes = await drawCodes(engine, given());
  const activity = await measureActivity(engine, codes, given());
  const order = Array.from(activity.keys()).sort((a, b) => activity[b] - activity[a]);
  new Sliders(store, codes, order, activity);
  const map: CodeMap = new CodeMap(engine, store, codes.values, order, given, () => player.rebuild());
  const player = new Player(engine, store, map, given);
  input = new MapInput(engine, store, map, screen);
  const tell = (): void => {
    byId("map-text").textContent = explain(engine, store.state, map.plane, order);
  };
  store.listen((state, changed) => {
    if (changed.has("drawing")) pad.load(state.drawing);
    tell();
  });
  encoder.attach((posterior) => {
    map.posterior = posterior;
    map.draw();
  });
  bindMapChoices(engine, store);
  keepAddress(engine, store, initial);
  bindButtons(engine, screen);
  tell();
  followTheme(() => {
    pad.render();
    screen.render();
    sheet?.render();
    map.recolour();
    void player.render();
    showExamples(engine, (drawing) => store.set({ drawing }));
  });
  byId("explorer").setAttribute("aria-busy", "false");
  mark("complete");
}

/** The state of a page that is opened without a fragment: image 0 of seed 0. */
async function begin(engine: Engine): Promise<State> {
  const condition = new Float32Array(engine.numbers.length);
  const first = engine.labels.length > 0 ? { label: 0 } : condition.length > 0 ? { condition } : {};
  return {
    seed: 0n,
    start: 0n,
    temperature: 1,
    head: "mean",
    draw: 0n,
    code: engine.prior === "none" ? new Float32Array(engine.latentSize) : await engine.codes(1, 0n, 0n, first),
    source: engine.prior === "none" ? "the code of zeros" : "image 0 of seed 0",
    drawing: null,
    label: 0,
    condition,
    tool: "move",
    ground: "pictures",
    // A standard normal varies alike in all directions: it has no principal axes.
    axes: engine.prior === "mixture" || engine.prior === "flow" ? "principal" : "active",
    path: [],
  };
}

function describe(engine: Engine): void {
  const { height, width, channels, latentSize } = engine;
  const kind = engine.threshold !== null ? "black and white" : channels === 1 ? "grey" : "in colour";
  byId("facts").textContent =
    `${height} × ${width} pixels, ${kind}, from ${latentSize} ${latentSize === 1 ? "number" : "numbers"}`;
  byId("about").textContent = engine.about;
  document.documentElement.style.setProperty("--aspect", String(width / height));
}

function showExamples(engine: Engine, use: (drawing: Float32Array) => void): void {
  const { pixels, count } = engine.examples;
  const size = pixels.length / count;
  const buttons = Array.from({ length: Math.min(6, count) }, (_, i) => {
    const button = make("button", { type: "button", "aria-label": `Example ${i + 1}` }, make("canvas"));
    paint(button.firstChild as HTMLCanvasElement, pixels, engine, i);
    button.addEventListener("click", () => use(pixels.slice(i * size, (i + 1) * size)));
    return button;
  });
  byId("examples").hidden = !count;
  byId("examples").replaceChildren(make("span", {}, "or begin with"), ...buttons);
}

function bindMapChoices(engine: Engine, store: Store): void {
  const plane = byId<HTMLSelectElement>("plane");
  byId("plane-choice").hidden = byId("ground-slice").hidden = engine.latentSize <= 2;
  byId("tool").addEventListener("change", () => store.set({ tool: chosen("tool") as Tool, path: [] }));
  byId("ground").addEventListener("change", () => store.set({ ground: chosen("ground") as Ground }));
  plane.addEventListener("change", () => store.set({ axes: plane.value as Axes, path: [] }));
  const render = (): void => {
    choose("tool", store.state.tool);
    choose("ground", store.state.ground);
    plane.value = store.state.axes;
  };
  store.listen(render);
  render();
}

function bindButtons(engine: Engine, screen: Screen): void {
  const shape = [engine.height, engine.width, engine.channels];
  const all = (): Float32Array => {
    const pictures = HEADS.map((head) => screen.pictures.get(head)!);
    return Float32Array.from(pictures.flatMap((picture) => Array.from(picture)));
  };
  byId("heads-png").addEventListener("click", async () => save(await png(all(), 3, engine, 3), "heads.png"));
  byId("heads-npy").addEventListener("click", () => save(npy(all(), [3, 1, ...shape]), "heads.npy"));
}

function mark(name: string): void {
  performance.mark(`vae-edge-${name}`);
}
