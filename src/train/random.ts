// Random numbers whose state is a place, not a history: every stream is derived from (seed, step, row).

/**
 * A small generator (SplitMix64 reduced to 32-bit words) that starts from a list of numbers. Equal lists give equal
 * streams, so nothing needs saving: whoever knows the seed, the step and the row can draw the same numbers again.
 */
export class Random {
  private state: bigint;

  constructor(...place: number[]) {
    let state = 0x9e3779b97f4a7c15n;
    for (const part of place) state = mix(state ^ BigInt.asUintN(64, BigInt(Math.trunc(part))));
    this.state = state;
  }

  /** Uniform in [0, 1), with 53 random bits as `Math.random` has. */
  uniform(): number {
    this.state = BigInt.asUintN(64, this.state + 0x9e3779b97f4a7c15n);
    return Number(mix(this.state) >> 11n) * 2 ** -53;
  }

  /** A whole number in [0, below). */
  below(below: number): number {
    return Math.floor(this.uniform() * below);
  }

  /** `count` different whole numbers in [0, below), in the order drawn. */
  distinct(count: number, below: number): number[] {
    // Robert Floyd's sampling: `count` draws whatever the range.
    const chosen = new Set<number>();
    for (let top = below - count; top < below; top++) {
      const candidate = this.below(top + 1);
      chosen.add(chosen.has(candidate) ? top : candidate);
    }
    return [...chosen];
  }
}

function mix(state: bigint): bigint {
  let z = BigInt.asUintN(64, state + 0x9e3779b97f4a7c15n);
  z = BigInt.asUintN(64, (z ^ (z >> 30n)) * 0xbf58476d1ce4e5b9n);
  z = BigInt.asUintN(64, (z ^ (z >> 27n)) * 0x94d049bb133111ebn);
  return z ^ (z >> 31n);
}
