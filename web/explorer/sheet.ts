/** New images: draws of the prior, decoded. They are the ones that `vae-edge generate` makes. */

import { command } from "./command.js";
import { byId, choose, chosen, make } from "./dom.js";
import type { Engine, Given, Head } from "./engine.js";
import { npy, png, save } from "./files.js";
import { paint } from "./pixels.js";
import { MAX_SEED, MAX_START, whole } from "./state.js";
import type { Store } from "./store.js";

/** How many images a sheet has. */
export const COUNT = 24;

/** The panel of new images. */
export class Sheet {
  private readonly seed = byId<HTMLInputElement>("seed");
  private readonly start = byId<HTMLInputElement>("start");
  private readonly temperature = byId<HTMLInputElement>("temperature");
  private readonly error = byId("seed-error");
  private readonly images: HTMLButtonElement[];
  private pixels = new Float32Array();
  private run = 0;

  constructor(
    private readonly engine: Engine,
    private readonly store: Store,
    private readonly given: () => Given,
  ) {
    this.images = Array.from({ length: COUNT }, (_, i) => {
      const button = make("button", { type: "button" }, make("canvas"));
      button.addEventListener("click", () => void this.take(i));
      return button;
    });
    byId("images").replaceChildren(...this.images);
    this.seed.addEventListener("input", () => this.read());
    this.start.addEventListener("input", () => this.read());
    this.temperature.addEventListener("input", () => store.set({ temperature: Number(this.temperature.value) }));
    byId("head").addEventListener("change", () => store.set({ head: chosen("head") as Head }));
    byId("previous").addEventListener("click", () => this.page(-BigInt(COUNT)));
    byId("next").addEventListener("click", () => this.page(BigInt(COUNT)));
    byId("sheet-png").addEventListener("click", async () =>
      save(await png(this.pixels, COUNT, engine, 8), "generated.png"),
    );
    byId("sheet-npy").addEventListener("click", () => {
      save(npy(this.pixels, [COUNT, engine.height, engine.width, engine.channels]), "generated.npy");
    });
    store.listen((_, changed) => {
      const names = ["seed", "start", "temperature", "head", "label", "condition"] as const;
      if (names.some((name) => changed.has(name))) void this.show();
      else if (changed.has("draw") || changed.has("code")) this.mark();
    });
  }

  /** Generates and paints the images of the state. */
  async show(): Promise<void> {
    const { seed, start, temperature, head } = this.store.state;
    const run = ++this.run;
    if (this.seed !== document.activeElement) this.seed.value = String(seed);
    if (this.start !== document.activeElement) this.start.value = String(start);
    this.temperature.value = String(temperature);
    byId<HTMLOutputElement>("temperature-value").value = temperature.toFixed(2);
    choose("head", head);
    byId<HTMLButtonElement>("previous").disabled = start === 0n;
    byId("command").textContent = command(this.engine, this.store.state, COUNT);
    const pixels = await this.engine.generate(COUNT, head, seed, start, { ...this.given(), temperature });
    if (run !== this.run) return;
    this.pixels = pixels as Float32Array<ArrayBuffer>;
    this.render();
    this.mark();
  }

  render(): void {
    if (!this.pixels.length) return;
    this.images.forEach((button, i) => paint(button.firstChild as HTMLCanvasElement, this.pixels, this.engine, i));
  }

  private mark(): void {
    const { start, draw, source } = this.store.state;
    this.images.forEach((button, i) => {
      const number = start + BigInt(i);
      button.setAttribute("aria-label", `Image ${number}`);
      button.setAttribute("aria-current", String(number === draw && source === this.source(number)));
    });
  }

  /** Makes the code of image i the current one; the sample beside it then has that image's noise. */
  private async take(i: number): Promise<void> {
    const { seed, start, temperature } = this.store.state;
    const draw = start + BigInt(i);
    const source = this.source(draw);
    const code = await this.engine.codes(1, seed, draw, { ...this.given(), temperature });
    this.store.set({ code, draw, source });
  }

  /** Where the code of a new image comes from, in words. */
  private source(draw: bigint): string {
    const { seed, temperature } = this.store.state;
    return `image ${draw} of seed ${seed}${temperature === 1 ? "" : `, temperature ${temperature}`}`;
  }

  private page(by: bigint): void {
    const { start } = this.store.state;
    const next = start + by;
    this.store.set({ start: next < 0n ? 0n : next > MAX_START ? MAX_START : next });
    this.start.value = String(this.store.state.start);
  }

  private read(): void {
    const seed = whole(this.seed.value, MAX_SEED);
    const start = whole(this.start.value, MAX_START);
    this.seed.setAttribute("aria-invalid", String(seed === null));
    this.start.setAttribute("aria-invalid", String(start === null));
    this.error.textContent =
      seed === null
        ? `A seed is a whole number from 0 to ${MAX_SEED}.`
        : start === null
          ? `The start is a whole number from 0 to ${MAX_START}.`
          : "";
    if (seed !== null && start !== null) this.store.set({ seed, start });
  }
}
