/** Encodes the drawing while the hand moves. */

import type { Engine, Given, Posterior } from "./engine.js";
import type { Store } from "./store.js";

/** Turns each new drawing into q(z|x) and the current code; of drawings that come too fast, the last one wins. */
export class Encoder {
  private wanted = false;
  private busy = false;
  private tell: (posterior: Posterior | null) => void = () => undefined;

  constructor(
    private readonly engine: Engine,
    private readonly store: Store,
    private readonly given: () => Given,
  ) {
    store.listen((state, changed) => {
      const isRestored = changed.has("code");
      if (changed.has("drawing") || (state.drawing && (changed.has("label") || changed.has("condition")))) {
        void this.encode(!isRestored);
      }
    });
  }

  /** Calls `tell` with q(z|x) of the drawing, now and from now on; null where there is none. */
  attach(tell: (posterior: Posterior | null) => void): void {
    this.tell = tell;
    void this.encode(false);
  }

  private async encode(moves: boolean): Promise<void> {
    this.wanted = true;
    if (this.busy) return;
    this.busy = true;
    try {
      while (this.wanted) {
        this.wanted = false;
        const { drawing } = this.store.state;
        const posterior = drawing && (await this.engine.encode(drawing, this.given()));
        this.tell(posterior);
        if (posterior && moves) this.store.set({ code: posterior.mean, source: "your drawing" });
      }
    } finally {
      this.busy = false;
    }
  }
}
