import assert from "node:assert/strict";

interface Dense {
  readonly dims: readonly number[];
  readonly data: ArrayLike<number>;
}

/** The same shape and the same numbers, within `tolerance` of max(1, |expected|) and of the expected number itself. */
export function assertClose(found: Dense, expected: Dense, tolerance: number, what: string): void {
  assert.deepEqual([...found.dims], [...expected.dims], `${what}: dims`);
  assert.equal(found.data.length, expected.data.length);
  for (let i = 0; i < expected.data.length; i++) {
    const [a, b] = [found.data[i]!, expected.data[i]!];
    const isClose =
      a === b || (Number.isNaN(a) && Number.isNaN(b)) || Math.abs(a - b) <= tolerance * Math.max(1, Math.abs(b));
    assert.ok(isClose, `${what}: number ${i} is ${a}, ${b} was expected`);
  }
}
