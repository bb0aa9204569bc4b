/** What the page writes: .npy as NumPy does, and PNG. */

import { make } from "./dom.js";
import { colour, type Format } from "./pixels.js";

/** The bytes of an .npy file (format 1.0) of float32 numbers, little-endian, in C order. */
export function npy(data: Float32Array, shape: readonly number[]): Uint8Array<ArrayBuffer> {
  const tuple = shape.length === 1 ? `(${shape[0]},)` : `(${shape.join(", ")})`;
  const header = `{'descr': '<f4', 'fortran_order': False, 'shape': ${tuple}, }`;
  const padded = `${header.padEnd(Math.ceil((header.length + 11) / 64) * 64 - 11)}\n`;
  const bytes = new Uint8Array(10 + padded.length + data.length * 4);
  bytes.set([0x93, 0x4e, 0x55, 0x4d, 0x50, 0x59, 1, 0, padded.length & 255, padded.length >> 8]);
  bytes.set(new TextEncoder().encode(padded), 10);
  const view = new DataView(bytes.buffer, 10 + padded.length);
  data.forEach((value, i) => view.setFloat32(i * 4, value, true));
  return bytes;
}

/** A contact sheet of n images, `columns` a row, `scale` screen pixels a pixel, with the true black and white. */
export async function png(pixels: Float32Array, n: number, format: Format, columns: number): Promise<Blob> {
  const { height, width, channels } = format;
  const scale = Math.max(1, Math.round(112 / Math.max(height, width)));
  const sheet = make("canvas");
  sheet.width = columns * width * scale;
  sheet.height = Math.ceil(n / columns) * height * scale;
  const context = sheet.getContext("2d")!;
  for (let i = 0; i < n; i++) {
    const image = new ImageData(width * scale, height * scale);
    for (let at = 0; at < image.width * image.height; at++) {
      const row = Math.floor(Math.floor(at / image.width) / scale);
      const column = Math.floor((at % image.width) / scale);
      image.data.set(colour(pixels, ((i * height + row) * width + column) * channels, channels), at * 4);
    }
    context.putImageData(image, (i % columns) * width * scale, Math.floor(i / columns) * height * scale);
  }
  return new Promise((resolve, reject) => {
    sheet.toBlob((blob) => (blob ? resolve(blob) : reject(new Error("the browser made no PNG"))), "image/png");
  });
}

/** Hands a file to the person at the page. */
export function save(content: Blob | Uint8Array<ArrayBuffer>, name: string): void {
  const url = URL.createObjectURL(content instanceof Blob ? content : new Blob([content]));
  make("a", { href: url, download: name }).click();
  setTimeout(() => URL.revokeObjectURL(url), 10_000);
}
