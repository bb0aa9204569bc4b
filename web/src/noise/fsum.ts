/** The correctly rounded sum of float64 numbers (Shewchuk 1997), as Python's `math.fsum`; all are finite. */
export function fsum(values: Iterable<number>): number {
  const partials: number[] = []; // of increasing size, not overlapping: their sum is exact
  for (let x of values) {
    let kept = 0;
    for (let y of partials) {
      if (Math.abs(x) < Math.abs(y)) [x, y] = [y, x];
      const high = x + y;
      const low = y - (high - x);
      if (low !== 0) partials[kept++] = low;
      x = high;
    }
    partials.length = kept;
    partials.push(x);
  }
  let n = partials.length;
  if (n === 0) return 0;
  let high = partials[--n]!;
  let low = 0;
  while (n > 0) {
    const x = high;
    const y = partials[--n]!;
    high = x + y;
    low = y - (high - x);
    if (low !== 0) break;
  }
  // Where `low` is half a unit of `high`, what lies below decides, not the even digit.
  if (n > 0 && low < 0 === partials[n - 1]! < 0) {
    const twice = 2 * low;
    if (twice === high + twice - high) high += twice;
  }
  return high;
}
