/** The path's filmstrip, and the morph along it. */

import { byId } from "./dom.js";
import type { Engine, Given } from "./engine.js";
import { npy, png, save } from "./files.js";
import { Journey } from "./journey.js";
import type { CodeMap } from "./map.js";
import { toAtlas } from "./pixels.js";
import type { Store } from "./store.js";

const FRAMES = 12;
const SECONDS = 4; // from A to B

/** Shows the images along the path, and moves the current code along it. */
export class Player {
  private readonly panel = byId("journey");
  private readonly strip = byId<HTMLCanvasElement>("strip");
  private readonly along = byId<HTMLInputElement>("along");
  private readonly button = byId("play");
  private journey: Journey | null = null;
  private pixels = new Float32Array();
  private built = 0;
  private frame = 0;

  constructor(
    private readonly engine: Engine,
    private readonly store: Store,
    private readonly map: CodeMap,
    private readonly given: () => Given,
  ) {
    this.along.addEventListener("input", () => {
      this.stop();
      this.go(Number(this.along.value));
    });
    this.button.addEventListener("click", () => (this.frame ? this.stop() : this.play()));
    byId("path-clear").addEventListener("click", () => store.set({ path: [] }));
    byId("path-png").addEventListener("click", async () =>
      save(await png(this.pixels, FRAMES, engine, FRAMES), "path.png"),
    );
    byId("path-npy").addEventListener("click", () => {
      save(npy(this.pixels, [FRAMES, engine.height, engine.width, engine.channels]), "path.npy");
    });
    store.listen((_, changed) => {
      if (["path", "label", "condition", "axes", "ground"].some((name) => changed.has(name as "path"))) this.rebuild();
    });
  }

  /** Plans the path again and decodes its frames. */
  rebuild(): void {
    const { path } = this.store.state;
    this.stop();
    this.panel.hidden = path.length < 2;
    if (path.length < 2) return;
    const size = this.engine.latentSize;
    const waypoints = new Float32Array(path.length * size);
    path.forEach((point, i) => waypoints.set(this.map.codeAt(point), i * size));
    this.journey = new Journey(waypoints, size);
    void this.render();
  }

  async render(): Promise<void> {
    if (!this.journey) return;
    const run = ++this.built;
    const decoded = await this.engine.decode(this.journey.steps(FRAMES), FRAMES, this.given());
    if (run !== this.built) return;
    this.pixels = decoded.head("mean", 0n, 0n) as Float32Array<ArrayBuffer>;
    const atlas = toAtlas(this.pixels, FRAMES, this.engine);
    this.strip.width = atlas.width;
    this.strip.height = atlas.height;
    this.strip.getContext("2d")!.drawImage(atlas, 0, 0);
  }

  private go(t: number): void {
    if (this.journey) this.store.set({ code: this.journey.at(t), source: `${Math.round(t * 100)} % along the path` });
  }

  private play(): void {
    const started = performance.now() - (Number(this.along.value) % 1) * SECONDS * 1000;
    this.button.textContent = "Pause";
    const step = (now: number): void => {
      const t = Math.min(1, Math.max(0, (now - started) / (SECONDS * 1000)));
      this.along.value = String(t);
      this.go(t);
      if (t < 1) this.frame = requestAnimationFrame(step);
      else this.stop();
    };
    this.frame = requestAnimationFrame(step);
  }

  private stop(): void {
    cancelAnimationFrame(this.frame);
    this.frame = 0;
    this.button.textContent = "Play";
  }
}
