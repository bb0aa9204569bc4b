/** The drawing pad: a canvas of the event's own pixels. */

import { announce, byId } from "./dom.js";
import type { Engine } from "./engine.js";
import { paint } from "./pixels.js";

type Place = readonly [number, number];

/** Draws with pointer or keys, and calls `changed` with the pixels (H, W, C); null once it is cleared. */
export class Pad {
  private readonly canvas = byId<HTMLCanvasElement>("pad");
  private readonly colour = byId<HTMLInputElement>("ink");
  private readonly eraser = byId("erase");
  private grey: Float32Array;
  private told: Float32Array | null = null;
  private last: Place | null = null;
  private cursor: [number, number];
  private showsCursor = false;

  constructor(
    private readonly engine: Engine,
    private readonly changed: (drawing: Float32Array | null) => void,
  ) {
    this.grey = this.empty();
    this.cursor = [Math.floor(engine.width / 2), Math.floor(engine.height / 2)];
    this.colour.hidden = engine.channels < 3;
    this.canvas.addEventListener("pointerdown", (event) => this.begin(event));
    this.canvas.addEventListener("pointermove", (event) => this.move(event));
    for (const name of ["pointerup", "pointercancel"]) this.canvas.addEventListener(name, () => (this.last = null));
    this.canvas.addEventListener("keydown", (event) => this.key(event));
    this.canvas.addEventListener("blur", () => this.showCursor(false));
    this.eraser.addEventListener("click", () => {
      this.eraser.setAttribute("aria-pressed", String(!this.erases));
    });
    byId("clear").addEventListener("click", () => this.clear());
    this.render();
  }

  /** Puts these pixels on the pad, without a call of `changed`; what was drawn here last is there already. */
  load(drawing: Float32Array | null): void {
    if (drawing === this.told) return;
    this.told = drawing;
    this.grey = drawing ? drawing.slice() : this.empty();
    this.render();
  }

  render(): void {
    paint(this.canvas, this.pixels(), this.engine);
    byId("pad-hint").hidden = this.grey.some((value) => value > 0) || this.showsCursor;
    if (!this.showsCursor) return;
    const context = this.canvas.getContext("2d")!;
    context.fillStyle = getComputedStyle(document.documentElement).getPropertyValue("--accent");
    context.fillRect(this.cursor[0], this.cursor[1], 1, 1);
  }

  private get erases(): boolean {
    return this.eraser.getAttribute("aria-pressed") === "true";
  }

  private empty(): Float32Array {
    return new Float32Array(this.engine.height * this.engine.width * this.engine.channels);
  }

  /** What the model reads: bytes of a picture, or 0 and 1. */
  private pixels(): Float32Array {
    const { threshold } = this.engine;
    return this.grey.map((value) => (threshold === null ? Math.round(value * 255) / 255 : Number(value > threshold)));
  }

  private begin(event: PointerEvent): void {
    if (event.button !== 0) return;
    this.canvas.setPointerCapture(event.pointerId);
    this.showsCursor = false;
    this.last = this.place(event);
    this.stroke(this.last, this.last);
    this.tell();
  }

  private move(event: PointerEvent): void {
    if (!this.last) return;
    const events = event.getCoalescedEvents?.() ?? [];
    for (const each of events.length ? events : [event]) {
      const here = this.place(each);
      this.stroke(this.last, here);
      this.last = here;
    }
    this.tell();
  }

  private place(event: PointerEvent): Place {
    const box = this.canvas.getBoundingClientRect();
    return [
      ((event.clientX - box.left) / box.width) * this.engine.width,
      ((event.clientY - box.top) / box.height) * this.engine.height,
    ];
  }

  /** A line of ink, about as thick as the digits of MNIST, with a soft edge. */
  private stroke(from: Place, to: Place): void {
    const { height, width } = this.engine;
    const radius = Math.max(0.6, Math.min(height, width) / 21);
    for (let row = 0; row < height; row++) {
      for (let column = 0; column < width; column++) {
        const cover = radius + 0.5 - distance([column + 0.5, row + 0.5], from, to);
        if (cover > 0) this.mix(row * width + column, Math.min(1, cover));
      }
    }
  }

  private mix(pixel: number, cover: number): void {
    const { channels } = this.engine;
    for (let channel = 0; channel < channels; channel++) {
      const at = pixel * channels + channel;
      const ink = this.erases ? 0 : this.ink(channel);
      this.grey[at] =
        channels === 1 && !this.erases ? Math.max(this.grey[at], cover) : this.grey[at] * (1 - cover) + ink * cover;
    }
  }

  private ink(channel: number): number {
    if (this.engine.channels < 3 || channel === 3) return 1;
    return parseInt(this.colour.value.slice(1 + channel * 2, 3 + channel * 2), 16) / 255;
  }

  private key(event: KeyboardEvent): void {
    const steps: Record<string, Place> = {
      ArrowLeft: [-1, 0],
      ArrowRight: [1, 0],
      ArrowUp: [0, -1],
      ArrowDown: [0, 1],
    };
    const step = steps[event.key];
    const { height, width } = this.engine;
    if (step) {
      this.cursor = [clamp(this.cursor[0] + step[0], width - 1), clamp(this.cursor[1] + step[1], height - 1)];
      if (event.shiftKey) this.dot();
      this.showCursor(true);
      announce(`column ${this.cursor[0] + 1}, row ${this.cursor[1] + 1}`);
    } else if (event.key === " ") {
      this.dot();
    } else if (event.key === "Delete" || event.key === "Backspace") {
      this.clear();
    } else {
      return;
    }
    event.preventDefault();
  }

  /** Paints the pixel under the cursor, or erases it where it is painted. */
  private dot(): void {
    const at = (this.cursor[1] * this.engine.width + this.cursor[0]) * this.engine.channels;
    const painted = this.grey[at] > 0.5;
    for (let channel = 0; channel < this.engine.channels; channel++)
      this.grey[at + channel] = painted ? 0 : this.ink(channel);
    this.tell();
  }

  private showCursor(shows: boolean): void {
    this.showsCursor = shows;
    this.render();
  }

  private clear(): void {
    this.grey = this.empty();
    this.tell();
    announce("cleared");
  }

  private tell(): void {
    this.render();
    const pixels = this.pixels();
    this.told = pixels.some((value) => value > 0) ? pixels : null;
    this.changed(this.told);
  }
}

/** How far a point is from the line between two others. */
function distance(point: Place, from: Place, to: Place): number {
  const [dx, dy] = [to[0] - from[0], to[1] - from[1]];
  const square = dx * dx + dy * dy;
  const t = square ? Math.max(0, Math.min(1, ((point[0] - from[0]) * dx + (point[1] - from[1]) * dy) / square)) : 0;
  return Math.hypot(point[0] - from[0] - t * dx, point[1] - from[1] - t * dy);
}

function clamp(value: number, most: number): number {
  return Math.max(0, Math.min(most, value));
}
