/** What is marked on the map, in pixels of its canvas: a posterior, a path, the current code, the keys' cursor. */

type Pixel = readonly [number, number];

/** Draws marks; `scale` is the canvas's pixels a pixel of the page. */
export class Marks {
  constructor(
    private readonly context: CanvasRenderingContext2D,
    private readonly scale: number,
    private readonly accent: string,
    private readonly surface: string,
  ) {}

  /** An ellipse of half axes `major` and `minor`, a standard deviation each, and the same at two. */
  spread([x, y]: Pixel, major: number, minor: number, angle: number): void {
    const { context, scale } = this;
    context.strokeStyle = context.fillStyle = this.accent;
    context.lineWidth = 1.5 * scale;
    for (const sigmas of [2, 1]) {
      const [across, along] = [major, minor].map((half) => Math.max(scale, sigmas * half));
      context.beginPath();
      context.ellipse(x, y, across, along, angle, 0, 2 * Math.PI);
      context.globalAlpha = sigmas === 1 ? 0.24 : 0.14;
      context.fill();
      context.globalAlpha = sigmas === 1 ? 1 : 0.5;
      context.stroke();
    }
    context.globalAlpha = 1;
  }

  /** A line through points, with a rim that parts it from what lies below. */
  path(points: readonly Pixel[]): void {
    this.line(points, this.surface, 5);
    this.line(points, this.accent, 2.5);
  }

  /** A at the first point, B at the last. */
  ends(points: readonly Pixel[]): void {
    const { context, scale } = this;
    const ends = points.length > 1 ? [points[0], points[points.length - 1]] : points;
    ends.forEach(([x, y], i) => {
      this.disc([x, y], this.accent, 9);
      context.fillStyle = this.surface;
      context.font = `600 ${11 * scale}px system-ui, sans-serif`;
      context.textAlign = "center";
      context.textBaseline = "middle";
      context.fillText("AB"[i], x, y + 0.5 * scale);
    });
  }

  /** The current code. */
  here(point: Pixel): void {
    this.disc(point, this.surface, 7);
    this.disc(point, this.accent, 5.5);
    this.disc(point, this.surface, 2);
  }

  /** Where keys are. */
  cursor([x, y]: Pixel): void {
    const arm = 10 * this.scale;
    this.line([[x - arm, y], [x + arm, y]], this.accent, 2);
    this.line([[x, y - arm], [x, y + arm]], this.accent, 2);
  }

  private line(points: readonly Pixel[], colour: string, width: number): void {
    const { context } = this;
    context.strokeStyle = colour;
    context.lineWidth = width * this.scale;
    context.lineJoin = "round";
    context.beginPath();
    for (const [x, y] of points) context.lineTo(x, y);
    context.stroke();
  }

  private disc([x, y]: Pixel, colour: string, radius: number): void {
    const { context } = this;
    context.fillStyle = colour;
    context.beginPath();
    context.arc(x, y, radius * this.scale, 0, 2 * Math.PI);
    context.fill();
  }
}
