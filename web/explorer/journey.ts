/** A path through the latent space. */

/** Codes along straight lines from waypoint to waypoint (n, L), n >= 1, in equal steps of their length. */
export class Journey {
  private readonly lengths: number[] = [0];

  constructor(
    private readonly waypoints: Float32Array,
    private readonly size: number,
  ) {
    for (let i = 1; i < this.count; i++) {
      let square = 0;
      for (let j = 0; j < size; j++) square += (waypoints[i * size + j] - waypoints[(i - 1) * size + j]) ** 2;
      this.lengths.push(this.lengths[i - 1] + Math.sqrt(square));
    }
  }

  private get count(): number {
    return this.waypoints.length / this.size;
  }

  /** The length of the path, in units of the codes. */
  get length(): number {
    return this.lengths[this.count - 1];
  }

  /** The code at `t` in [0, 1]: (1 - s) a + s b between two waypoints, which meets both exactly. */
  at(t: number): Float32Array {
    const along = t * this.length;
    let i = 1;
    while (i < this.count - 1 && this.lengths[i] < along) i++;
    const a = this.waypoints.subarray((i - 1) * this.size, i * this.size);
    if (this.count === 1) return a.slice();
    const b = this.waypoints.subarray(i * this.size, (i + 1) * this.size);
    const step = this.lengths[i] - this.lengths[i - 1];
    const s = Math.fround(step ? (along - this.lengths[i - 1]) / step : 0);
    return a.map((value, j) => Math.fround(Math.fround(1 - s) * value) + Math.fround(s * b[j]));
  }

  /** n codes in equal steps, (n, L), both ends among them. */
  steps(n: number): Float32Array {
    const codes = new Float32Array(n * this.size);
    for (let i = 0; i < n; i++) codes.set(this.at(n > 1 ? i / (n - 1) : 0), i * this.size);
    return codes;
  }
}
