/** From pixels in [0, 1] to a canvas. */

import type { Engine } from "./engine.js";

/** The size of an image, and whether its pixels are only 0 and 1. */
export type Format = Pick<Engine, "height" | "width" | "channels" | "threshold">;

let ink = [0, 0, 0];

/** Reads the theme's colour of ink; call it again when the theme changes. */
export function readInk(): void {
  const value = getComputedStyle(document.documentElement).getPropertyValue("--ink").trim();
  ink = [1, 3, 5].map((at) => parseInt(value.slice(at, at + 2), 16));
}

/**
 * The image as a browser draws it. Black-and-white models are drawn as ink on paper, whatever the theme: a 1 is ink, a 0
 * is clear. Grey and colour images keep their colours. `index` is the image's place in `pixels`.
 */
export function toImageData(pixels: Float32Array, format: Format, index = 0): ImageData {
  const { height, width, channels } = format;
  const image = new ImageData(width, height);
  const at = index * height * width * channels;
  for (let pixel = 0; pixel < height * width; pixel++) {
    const from = at + pixel * channels;
    if (channels === 1 && format.threshold !== null) {
      image.data.set(ink, pixel * 4);
      image.data[pixel * 4 + 3] = level(pixels[from]);
    } else {
      image.data.set(colour(pixels, from, channels), pixel * 4);
    }
  }
  return image;
}

/** Red, green, blue and opacity, 0 to 255, of the pixel at `from`: what a PNG holds. */
export function colour(pixels: Float32Array, from: number, channels: number): [number, number, number, number] {
  const red = level(pixels[from]);
  if (channels < 3) return [red, red, red, 255];
  return [red, level(pixels[from + 1]), level(pixels[from + 2]), channels === 4 ? level(pixels[from + 3]) : 255];
}

/** 0 to 255 of a value in [0, 1], rounded as Python's pictures are: half to even. */
function level(value: number): number {
  const scaled = Math.fround(Math.min(1, Math.max(0, value)) * 255);
  const below = Math.floor(scaled);
  const up = scaled - below > 0.5 || (scaled - below === 0.5 && below % 2 === 1);
  return up ? below + 1 : below;
}

/** Paints one image into a canvas of the image's own size; CSS scales it. */
export function paint(canvas: HTMLCanvasElement, pixels: Float32Array, format: Format, index = 0): void {
  if (canvas.width !== format.width || canvas.height !== format.height) {
    canvas.width = format.width;
    canvas.height = format.height;
  }
  canvas.getContext("2d")!.putImageData(toImageData(pixels, format, index), 0, 0);
}

/** A row of n images in one canvas, from which they can be drawn at any size. */
export function toAtlas(pixels: Float32Array, n: number, format: Format): HTMLCanvasElement {
  const atlas = document.createElement("canvas");
  atlas.width = format.width * n;
  atlas.height = format.height;
  const context = atlas.getContext("2d")!;
  for (let i = 0; i < n; i++) context.putImageData(toImageData(pixels, format, i), i * format.width, 0);
  return atlas;
}
