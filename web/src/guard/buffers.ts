/**
 * How many buffers ONNX Runtime may hold at once, in whichever order it runs a graph's nodes.
 *
 * It gives the buffer of a tensor that nobody will read again to a later tensor of the same size. What has another size
 * gets a buffer of its own. The order of the nodes in the file says nothing: a buffer counts as free for a node only
 * where all readers of its last tensor have to run before that node, in any order.
 */

import type { Node } from "./terms.js";

/** Buffers of one size that are looked through for a free one: more would take time with the square. */
const LOOK = 32;

/** Which nodes have to run before which: sets of nodes as bits. */
export class Order {
  readonly before: bigint[] = [];
  readonly readers = new Map<string, bigint>();

  constructor(nodes: readonly Node[], readonly kept: ReadonlySet<string>) {
    const made = new Map<string, number>();
    nodes.forEach((node, index) => {
      let before = 0n;
      for (const name of node.inputs) {
        this.readers.set(name, (this.readers.get(name) ?? 0n) | (1n << BigInt(index)));
        const maker = made.get(name);
        if (maker !== undefined) before |= this.before[maker]! | (1n << BigInt(maker));
      }
      this.before.push(before);
      for (const name of node.outputs) made.set(name, index);
    });
  }
}

/** The elements in all buffers of one run, node by node. */
export class Buffers {
  elements = 0;
  private readonly last = new Map<number, bigint[]>(); // size -> readers of the last tensor in each buffer

  constructor(private readonly order: Order) {}

  /** Counts a tensor that stays. */
  keep(size: number): void {
    this.elements += size;
  }

  /** Counts a tensor that node `index` makes: in a buffer that is free by then, or a new one. */
  make(index: number, name: string, size: number): void {
    if (this.order.kept.has(name)) return this.keep(size);
    // what nobody reads is free behind its own node
    const readers = this.order.readers.get(name) ?? 1n << BigInt(index);
    const last = this.last.get(size) ?? [];
    this.last.set(size, last);
    for (let at = last.length - 1; at >= Math.max(0, last.length - LOOK); at--) {
      if ((last[at]! & ~this.order.before[index]!) === 0n) {
        last.splice(at, 1);
        last.push(readers);
        return;
      }
    }
    this.elements += size;
    last.push(readers);
  }
}
