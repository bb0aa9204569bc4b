/** What pointer and keys do on the map: move the code, draw a path, mark two points. */

import { announce, byId } from "./dom.js";
import type { Engine } from "./engine.js";
import type { CodeMap } from "./map.js";
import { paint } from "./pixels.js";
import type { Screen } from "./screen.js";
import type { Point } from "./state.js";
import type { Store } from "./store.js";

const KEYS: Readonly<Record<string, Point>> = {
  ArrowLeft: [-1, 0],
  ArrowRight: [1, 0],
  ArrowUp: [0, 1],
  ArrowDown: [0, -1],
};
const MOST_POINTS = 120;

/** Listens on the map's canvas. */
export class MapInput {
  private readonly loupe = byId<HTMLCanvasElement>("loupe");
  private from: Point | null = null;

  constructor(
    private readonly engine: Engine,
    private readonly store: Store,
    private readonly map: CodeMap,
    private readonly screen: Screen,
  ) {
    const { canvas } = map;
    canvas.addEventListener("pointerdown", (event) => this.begin(event));
    canvas.addEventListener("pointermove", (event) => this.move(event));
    for (const name of ["pointerup", "pointercancel"] as const)
      canvas.addEventListener(name, (event) => this.end(event));
    canvas.addEventListener("pointerleave", () => this.leave());
    canvas.addEventListener("keydown", (event) => this.key(event));
    canvas.addEventListener("blur", () => this.setCursor(null));
  }

  /** Shows the mean in the loupe, while the pointer is on the map. */
  magnify(mean: Float32Array): void {
    if (!this.loupe.hidden) paint(this.loupe, mean, this.engine);
  }

  private begin(event: PointerEvent): void {
    if (event.button !== 0) return;
    this.map.canvas.setPointerCapture(event.pointerId);
    const point = this.map.pointOf(event);
    const { tool, path } = this.store.state;
    this.from = point;
    this.follow(event);
    if (tool === "line" && path.length === 1) this.go(point, [path[0], point]);
    else this.go(point, tool === "move" ? undefined : [point]);
  }

  private move(event: PointerEvent): void {
    const point = this.map.pointOf(event);
    this.follow(event);
    if (!this.from) {
      this.screen.look(this.map.codeAt(point));
      return;
    }
    const { tool, path } = this.store.state;
    if (tool === "move") this.go(point);
    else if (tool === "line") this.go(point, [path[0], point]);
    else if (far(path[path.length - 1], point) > this.map.step * 1.5 && path.length < MOST_POINTS)
      this.go(point, [...path, point]);
  }

  private end(event: PointerEvent): void {
    if (!this.from) return;
    const point = this.map.pointOf(event);
    const { tool, path } = this.store.state;
    // A click sets A alone; the next one sets B.
    if (tool === "line" && path.length === 2 && far(path[0], point) < this.map.step)
      this.store.set({ path: [path[0]] });
    this.from = null;
    if (event.pointerType !== "mouse") this.leave();
  }

  private leave(): void {
    if (this.from) return;
    this.loupe.hidden = true;
    this.screen.look(null);
  }

  /** Makes the code at `point` the current one. */
  private go(point: Point, path?: readonly Point[]): void {
    this.screen.look(null);
    this.store.set({ code: this.map.codeAt(point), source: "a point of the map", ...(path && { path }) });
  }

  /** The loupe stands above the pointer, below it at the upper edge, and never leaves the map. */
  private follow(event: PointerEvent): void {
    const box = this.map.canvas.getBoundingClientRect();
    this.loupe.hidden = false;
    const [x, y] = [event.clientX - box.left, event.clientY - box.top];
    const { offsetWidth: width, offsetHeight: height } = this.loupe;
    const left = Math.max(4, Math.min(box.width - width - 4, x - width / 2));
    const top = y > height + 28 ? y - height - 20 : y + 24;
    this.loupe.style.transform = `translate(${left}px, ${top}px)`;
  }

  private key(event: KeyboardEvent): void {
    const direction = KEYS[event.key];
    const { tool, path } = this.store.state;
    if (direction) {
      const step = this.map.step * (event.shiftKey ? 5 : 1);
      const [x, y] = this.map.cursor ?? this.map.place;
      const point: Point = [x + direction[0] * step, y + direction[1] * step];
      this.setCursor(tool === "move" ? null : point);
      this.go(point);
      announce(`${point[0].toFixed(2)}, ${point[1].toFixed(2)}`);
    } else if (event.key === "Enter" && tool !== "move") {
      const point = this.map.cursor ?? this.map.place;
      const marked = tool === "line" && path.length !== 1 ? [point] : [...path, point];
      this.store.set({ path: marked });
      announce(marked.length === 1 ? "A is marked" : `${marked.length} points are marked`);
    } else if (event.key === "Escape") {
      this.store.set({ path: [] });
      announce("the path is cleared");
    } else {
      return;
    }
    event.preventDefault();
  }

  private setCursor(cursor: Point | null): void {
    this.map.cursor = cursor;
    this.map.draw();
  }
}

function far(a: Point, b: Point): number {
  return Math.hypot(a[0] - b[0], a[1] - b[1]);
}
