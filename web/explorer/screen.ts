/** Decodes the code that is looked at, and shows it as sample, mean and mode. */

import { byId } from "./dom.js";
import { HEADS, type Decoded, type Engine, type Given, type Head } from "./engine.js";
import { paint } from "./pixels.js";
import type { Store } from "./store.js";

/** What each head is, in a few words, by the likelihood's family. */
const TELLS: Readonly<Record<string, Readonly<Record<Head, string>>>> = {
  bernoulli: { sample: "a coin toss a pixel", mean: "the probabilities", mode: "the likelier value" },
  categorical: { sample: "one draw a pixel", mean: "the expected levels", mode: "the likeliest level" },
  discretized_logistic: { sample: "one draw a pixel", mean: "the expected levels", mode: "the likeliest level" },
  normal: { sample: "loc + scale × noise", mean: "loc alone", mode: "a normal’s peak is its mean" },
};

/** The three pictures beside each other. */
export class Screen {
  /** The pictures as they stand, (H, W, C) each. */
  readonly pictures = new Map<Head, Float32Array>();
  private readonly canvases = new Map(HEADS.map((head) => [head, byId<HTMLCanvasElement>(`head-${head}`)]));
  private preview: Float32Array | null = null;
  private decoded: Decoded | null = null;
  private busy = false;
  private again = false;

  /** `given` says what a conditional model is given; `shown` hears of each new mean. */
  constructor(
    private readonly engine: Engine,
    private readonly store: Store,
    private readonly given: () => Given,
    private readonly shown: (mean: Float32Array) => void,
  ) {
    for (const head of HEADS) byId(`tells-${head}`).textContent = TELLS[engine.likelihood]?.[head] ?? "";
    byId("redraw").addEventListener("click", () => store.set({ draw: store.state.draw + 1n }));
    store.listen((_, changed) => {
      if (changed.has("code") || changed.has("label") || changed.has("condition")) void this.show();
      else if (changed.has("draw") || changed.has("seed")) this.render();
    });
  }

  /** Shows a code that the pointer is at, or the current one again. */
  look(code: Float32Array | null): void {
    this.preview = code;
    void this.show();
  }

  /** Decodes and shows; while it is at work, only the last of several wishes is kept. */
  async show(): Promise<void> {
    this.again = true;
    if (this.busy) return;
    this.busy = true;
    try {
      while (this.again) {
        this.again = false;
        this.decoded = await this.engine.decode(this.preview ?? this.store.state.code, 1, this.given());
        this.render();
      }
    } finally {
      this.busy = false;
    }
  }

  render(): void {
    if (!this.decoded) return;
    const { seed, draw, source } = this.store.state;
    for (const [head, canvas] of this.canvases) {
      const pixels = this.decoded.head(head, seed, draw);
      this.pictures.set(head, pixels);
      paint(canvas, pixels, this.engine);
    }
    byId("draw-number").textContent = `Draw ${draw} of seed ${seed}`;
    byId("source").textContent = this.preview ? "under the pointer" : source;
    this.shown(this.pictures.get("mean")!);
  }
}
