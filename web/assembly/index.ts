// The kernels: a program is a list of records in memory, and `run` goes through it. src/kernels/ writes programs.

import { map } from "./map";
import { pack, product, window } from "./product";

/** Runs the records that the `count` addresses at `list` lead to; each begins with its kernel's number. */
export function run(list: usize, count: i32): void {
  for (const end = list + 4 * <usize>count; list < end; list += 4) {
    const at = <usize>load<u32>(list);
    const record = at + 4;
    switch (load<u32>(at)) {
      case 0: map(record); break;
      case 1: product(record); break;
      case 2: window(record); break;
      default: pack(record);
    }
  }
}
