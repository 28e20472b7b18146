// Random numbers for the order of rows: Philox 4x32-10, a counter run through ten rounds of mixing.
// J. K. Salmon, M. A. Moraes, R. O. Dror, D. E. Shaw: "Parallel Random Numbers: As Easy as 1, 2, 3", SC'11.

/** The high 32 bits of the product of two unsigned 32-bit numbers. */
function multiplyHigh(a: number, b: number): number {
  const [aHigh, aLow, bHigh, bLow] = [a >>> 16, a & 0xffff, b >>> 16, b & 0xffff];
  const low = aLow * bLow;
  const middle = aHigh * bLow + (low >>> 16);
  const cross = aLow * bHigh + (middle % 65536);
  return (aHigh * bHigh + Math.floor(middle / 65536) + Math.floor(cross / 65536)) >>> 0;
}

export type Words = [number, number, number, number];

/** One block: four words of 32 bits from a counter of four words and a key of two. */
export function philox(counter: Readonly<Words>, key: readonly [number, number]): Words {
  let [c0, c1, c2, c3] = counter;
  let [k0, k1] = key;
  for (let round = 0; round < 10; round++) {
    const [high0, low0] = [multiplyHigh(0xd2511f53, c0), Math.imul(0xd2511f53, c0) >>> 0];
    const [high1, low1] = [multiplyHigh(0xcd9e8d57, c2), Math.imul(0xcd9e8d57, c2) >>> 0];
    [c0, c1, c2, c3] = [(high1 ^ c1 ^ k0) >>> 0, low1, (high0 ^ c3 ^ k1) >>> 0, low0];
    k0 = (k0 + 0x9e3779b9) >>> 0;
    k1 = (k1 + 0xbb67ae85) >>> 0;
  }
  return [c0, c1, c2, c3];
}

/**
 * A stream of random numbers whose whole state is how many were drawn. Streams of different seeds or stream numbers
 * are independent: the key is the seed, the upper half of the counter the stream.
 */
export class RandomStream {
  /** Numbers drawn so far, those that were drawn again included. */
  drawn: number;
  readonly #key: readonly [number, number];
  readonly #stream: number;

  /**
   * @param seed an integer from 0 to 2^53 - 1
   * @param stream an integer from 0 to 2^32 - 1
   */
  constructor(seed: number, stream: number, drawn = 0) {
    this.#key = [seed >>> 0, Math.floor(seed / 2 ** 32)];
    this.#stream = stream >>> 0;
    this.drawn = drawn;
  }

  /** A random integer from 0 to n - 1, each equally likely; n up to 2^32. */
  below(n: number): number {
    // The top of the range that is no multiple of n is drawn again.
    const limit = 2 ** 32 - (2 ** 32 % n);
    for (;;) {
      const [word] = this.#draw();
      if (word < limit) return word % n;
    }
  }

  /** A random number from 0 to below 1, of 53 bits. */
  uniform(): number {
    const [high, low] = this.#draw();
    return ((high >>> 6) * 2 ** 27 + (low >>> 5)) / 2 ** 53;
  }

  #draw(): Words {
    const counter: Words = [this.drawn >>> 0, Math.floor(this.drawn / 2 ** 32), this.#stream, 0];
    this.drawn += 1;
    return philox(counter, this.#key);
  }
}

/** The seed of an independent stream: of one part of a data set, say, or of the n-th time it is read. */
export function branch(seed: number, index: number): number {
  // The fourth word of the counter is 0 in every RandomStream, so that no stream meets this block.
  const [high, low] = philox(
    [index >>> 0, Math.floor(index / 2 ** 32), 0, 1],
    [seed >>> 0, Math.floor(seed / 2 ** 32)],
  );
  return (high % 2 ** 21) * 2 ** 32 + low;
}

/** The numbers from 0 to n - 1 in a random order, each order equally likely (Fisher and Yates). */
export function permutation(n: number, random: RandomStream): Uint32Array {
  const order = Uint32Array.from({ length: n }, (_, i) => i);
  for (let i = n - 1; i > 0; i--) {
    const j = random.below(i + 1);
    [order[i], order[j]] = [order[j]!, order[i]!];
  }
  return order;
}
