/** The map of codes: its ground, and what is drawn on it. */

import { byId, eachFrame } from "./dom.js";
import type { Engine, Given, Posterior } from "./engine.js";
import { survey, viewOf, type Landscape, type View } from "./landscape.js";
import { Marks } from "./marks.js";
import { toAtlas } from "./pixels.js";
import { ellipse, lift, ofDimensions, principal, project, type Plane } from "./plane.js";
import type { Axes, Ground, Point } from "./state.js";
import type { Store } from "./store.js";

const BREATH = 12; // milliseconds of decoding, after which the page takes one

/** Draws the map; `map-input.ts` has what hands do to it. */
export class CodeMap {
  readonly canvas = byId<HTMLCanvasElement>("map");
  plane: Plane;
  landscape: Landscape | null = null;
  /** q(z|x) of the drawing. */
  posterior: Posterior | null = null;
  /** Where keys are, with the tools that mark points. */
  cursor: Point | null = null;
  private view: View = { left: -1, right: 1, bottom: -1, top: 1 };
  private atlas: HTMLCanvasElement | null = null;
  private surveyed = 0;
  private timer = 0;
  readonly draw = eachFrame(() => this.render());

  constructor(
    private readonly engine: Engine,
    private readonly store: Store,
    private readonly codes: Float32Array,
    private readonly order: readonly number[],
    private readonly given: () => Given,
    private readonly ready: () => void,
  ) {
    this.plane = this.choose(store.state.axes);
    new ResizeObserver(() => this.resize()).observe(this.canvas);
    store.listen((state, changed) => {
      if (changed.has("axes")) this.plane = this.choose(state.axes);
      if (["axes", "ground", "label", "condition"].some((name) => changed.has(name as "axes"))) this.rebuild(0);
      else if (changed.has("code") && this.isStale()) this.rebuild(60);
      this.draw();
    });
  }

  /** The point under a pointer. */
  pointOf(event: MouseEvent): Point {
    const box = this.canvas.getBoundingClientRect();
    const { left, right, bottom, top } = this.view;
    return [
      left + ((event.clientX - box.left) / box.width) * (right - left),
      top - ((event.clientY - box.top) / box.height) * (top - bottom),
    ];
  }

  /** The code at a point; the current one where the map is not ready. */
  codeAt(point: Point): Float32Array {
    const { code } = this.store.state;
    return this.landscape?.at(point, code) ?? lift(this.plane, point, code);
  }

  /** The place of the current code. */
  get place(): Point {
    return project(this.plane, this.store.state.code);
  }

  /** A hundredth of the map's width. */
  get step(): number {
    return (this.view.right - this.view.left) / 100;
  }

  /** Surveys the ground again, `delay` milliseconds after the last call. */
  rebuild(delay: number): void {
    window.clearTimeout(this.timer);
    this.timer = window.setTimeout(() => void this.survey(), delay);
  }

  private choose(axes: Axes): Plane {
    const size = this.engine.latentSize;
    if (size <= 2) return ofDimensions(this.codes, size, 0, 1);
    if (axes === "principal") return principal(this.codes, size);
    return ofDimensions(this.codes, size, this.order[0], this.order[1]);
  }

  /** Whether a slice shows other codes than those around the current one. */
  private isStale(): boolean {
    const { ground, code } = this.store.state;
    if (ground !== "slice" || !this.landscape) return false;
    const here = lift(this.plane, this.landscape.points[0], code);
    return here.some((value, j) => Math.abs(value - this.landscape!.codes[j]) > 1e-4);
  }

  private resize(): void {
    const box = this.canvas.getBoundingClientRect();
    const scale = window.devicePixelRatio || 1;
    const [width, height] = [Math.round(box.width * scale), Math.round(box.height * scale)];
    if (!width || (this.canvas.width === width && this.canvas.height === height)) return;
    this.canvas.width = width;
    this.canvas.height = height;
    this.rebuild(0);
  }

  private async survey(): Promise<void> {
    const run = ++this.surveyed;
    const { ground, code } = this.store.state;
    const { width, height } = this.canvas;
    if (!width) return;
    this.view = viewOf(this.plane, this.codes, width / height);
    const columns = Math.max(8, Math.min(20, Math.round(width / (window.devicePixelRatio || 1) / 44)));
    this.landscape = survey(ground, this.plane, this.codes, this.view, columns, code);
    this.draw();
    this.ready();
    const n = this.landscape.points.length;
    const size = this.engine.latentSize;
    const pixels = new Float32Array(n * this.engine.height * this.engine.width * this.engine.channels);
    for (let at = 0, batch = 8, count; at < n; at += count) {
      count = Math.min(batch, n - at);
      const began = performance.now();
      const decoded = await this.engine.decode(
        this.landscape.codes.slice(at * size, (at + count) * size),
        count,
        this.given(),
      );
      pixels.set(decoded.head("mean", 0n, 0n), (pixels.length / n) * at);
      batch = performance.now() - began < BREATH ? Math.min(64, batch * 2) : Math.max(1, Math.floor(batch / 2));
      await new Promise((resolve) => setTimeout(resolve));
      if (run !== this.surveyed) return;
    }
    this.atlas = toAtlas(pixels, n, this.engine);
    this.canvas.dataset.ready = ground;
    this.draw();
  }

  /** Paints the pictures in the theme's ink again. */
  recolour(): void {
    this.rebuild(0);
  }

  private toPixels([x, y]: Point): [number, number] {
    const { left, right, bottom, top } = this.view;
    return [((x - left) / (right - left)) * this.canvas.width, ((top - y) / (top - bottom)) * this.canvas.height];
  }

  private render(): void {
    const context = this.canvas.getContext("2d")!;
    const scale = this.canvas.width / (this.canvas.clientWidth || 1);
    const style = getComputedStyle(document.documentElement);
    const [ink, accent, surface, line] = ["ink", "accent", "surface", "line"].map((name) =>
      style.getPropertyValue(`--${name}`),
    );
    context.clearRect(0, 0, this.canvas.width, this.canvas.height);
    this.drawGround(context, this.store.state.ground, ink, line, scale);
    const marks = new Marks(context, scale, accent, surface);
    if (this.posterior) {
      const { posterior } = this;
      const [major, minor, angle] = ellipse(this.plane, (axis) => posterior.spread(axis));
      const unit = this.canvas.width / (this.view.right - this.view.left);
      marks.spread(this.toPixels(project(this.plane, posterior.mean)), major * unit, minor * unit, -angle);
    }
    const path = this.store.state.path.map((point) => this.toPixels(point));
    marks.path(path);
    marks.here(this.toPixels(this.place));
    marks.ends(path);
    if (this.cursor) marks.cursor(this.toPixels(this.cursor));
  }

  private drawGround(
    context: CanvasRenderingContext2D,
    ground: Ground,
    ink: string,
    line: string,
    scale: number,
  ): void {
    context.lineWidth = scale;
    context.strokeStyle = line;
    const [x, y] = this.toPixels([0, 0]);
    context.strokeRect(x, -scale, this.canvas.width * 2, this.canvas.height * 3);
    context.strokeRect(-scale, y, this.canvas.width * 3, this.canvas.height * 2);
    if (ground === "dots" || !this.atlas || this.atlas.width !== this.landscape?.points.length! * this.engine.width) {
      context.fillStyle = ink;
      context.globalAlpha = 0.32;
      const size = this.engine.latentSize;
      for (let at = 0; at < this.codes.length; at += size) {
        const [px, py] = this.toPixels(project(this.plane, this.codes, at));
        context.fillRect(px - scale, py - scale, 2 * scale, 2 * scale);
      }
      context.globalAlpha = 1;
      return;
    }
    const { points, cell } = this.landscape!;
    const { height, width } = this.engine;
    const side = (cell / (this.view.right - this.view.left)) * this.canvas.width;
    const packed = ground === "slice" || this.engine.latentSize <= 2;
    const largest = (packed ? 0.94 : 0.86) * side;
    const shrink = largest / Math.max(height, width);
    context.imageSmoothingQuality = "high";
    context.globalAlpha = 0.88;
    points.forEach((point, i) => {
      const [px, py] = this.toPixels(point);
      context.drawImage(
        this.atlas!,
        i * width,
        0,
        width,
        height,
        px - (width * shrink) / 2,
        py - (height * shrink) / 2,
        width * shrink,
        height * shrink,
      );
    });
    context.globalAlpha = 1;
  }
}
