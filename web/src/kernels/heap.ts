/** The WebAssembly memory of one graph: what stays (weights, tables, programs) and what a plan uses again and again. */

import type { Buffer } from "./views.js";

const PAGE = 1 << 16;
/** Kernels read whole vectors, up to this many bytes past the end of a tensor. */
const SLACK = 64;
const MOST = 0x7fff0000; // addresses stay below 2 GiB

export class Heap {
  readonly memory = new WebAssembly.Memory({ initial: 1 });
  floats = new Float32Array(this.memory.buffer);
  words = new Int32Array(this.memory.buffer);
  private top = 64; // 0 stands for "none" in a record

  /** The address of new memory, zeros, that stays until the graph goes. */
  keep(bytes: number): number {
    const at = this.top;
    this.top += Math.ceil(bytes / 16) * 16;
    if (this.top + SLACK > MOST) throw new RangeError("the graph needs more than 2 GiB for one batch of events");
    const missing = this.top + SLACK - this.memory.buffer.byteLength;
    if (missing > 0) {
      this.memory.grow(Math.ceil(missing / PAGE));
      this.floats = new Float32Array(this.memory.buffer);
      this.words = new Int32Array(this.memory.buffer);
    }
    return at;
  }

  keepFloats(data: ArrayLike<number>, room = data.length): number {
    const at = this.keep(4 * room);
    this.floats.set(data, at >> 2);
    return at;
  }

  keepWords(data: ArrayLike<number>): number {
    const at = this.keep(4 * data.length);
    this.words.set(data, at >> 2);
    return at;
  }
}

/** Buffers of one plan: what no later node reads is given out again. */
export class Pool {
  private free: { at: number; bytes: number }[] = [];
  private used: Buffer[] = [];

  constructor(private readonly heap: Heap) {}

  take(elements: number, until: number): Buffer {
    const bytes = Math.ceil((4 * elements + SLACK) / 64) * 64;
    // the smallest that fits, of which the rest stays free
    const best = this.free.filter((part) => part.bytes >= bytes).sort((a, b) => a.bytes - b.bytes)[0];
    let at: number;
    if (best) {
      at = best.at;
      best.at += bytes;
      best.bytes -= bytes;
    } else at = this.heap.keep(bytes);
    const buffer = { at, bytes, until };
    this.used.push(buffer);
    return buffer;
  }

  /** Frees what no node behind `index` reads. */
  release(index: number): void {
    this.used = this.used.filter((buffer) => {
      if (buffer.until > index) return true;
      this.free.push({ at: buffer.at, bytes: buffer.bytes });
      return false;
    });
    // neighbours become one again
    this.free = this.free.filter((part) => part.bytes).sort((a, b) => a.at - b.at);
    for (let index = this.free.length - 1; index > 0; index--) {
      const [before, after] = [this.free[index - 1]!, this.free[index]!];
      if (before.at + before.bytes === after.at) {
        before.bytes += after.bytes;
        this.free.splice(index, 1);
      }
    }
  }
}
