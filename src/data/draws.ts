// Random numbers that belong to a row: a function of seed, pass and the row's name, and so the same whatever order,
// thread, batch or resumed run the row comes in.
import { createHash } from 'node:crypto';
import { philox, type Words } from './random.js';

/** What is drawn for: each has numbers of its own. New ones are added at the end. */
const purposes = ['masks', 'timestamps', 'prompt', 'speed', 'noise', 'noise samples'] as const;
export type Purpose = (typeof purposes)[number];

/** Where a sequence of random numbers begins; it can be sent to a thread. */
export interface Place {
  /** Of Philox. */
  key: readonly [number, number];
  counter: Readonly<Words>;
}

/** Random numbers from a place on. */
export class Draws {
  readonly #place: Place;
  #drawn = 0;

  constructor(place: Place) {
    this.#place = place;
  }

  /** Four words of 32 bits. */
  words(): Words {
    const [first, ...rest] = this.#place.counter;
    return philox([(first + this.#drawn++) >>> 0, ...rest], this.#place.key);
  }

  /** A random number from 0 to below 1. */
  uniform(): number {
    return this.words()[0] / 2 ** 32;
  }

  /** A random integer from 0 to n - 1, each equally likely; n up to 2^32. */
  below(n: number): number {
    // The top of the range that is no multiple of n is drawn again.
    const limit = 2 ** 32 - (2 ** 32 % n);
    for (;;) {
      const [word] = this.words();
      if (word < limit) return word % n;
    }
  }
}

/** The random numbers of a row in a pass. */
export class RowDraws {
  readonly #key: readonly [number, number];
  readonly #pass: number;
  readonly #row: readonly [number, number];

  /**
   * @param seed an integer from 0 to 2^53 - 1
   * @param pass over the data, from 0
   * @param id of the row; rows of the same name draw the same
   */
  constructor(seed: number, pass: number, id: string) {
    this.#key = [seed >>> 0, Math.floor(seed / 2 ** 32)];
    this.#pass = pass;
    const digest = createHash('sha1').update(id).digest();
    // The highest bit is set: the order of rows is drawn by counters whose last word is 0 (random.ts).
    this.#row = [digest.readUInt32LE(0), (digest.readUInt32LE(4) | 0x80000000) >>> 0];
  }

  place(purpose: Purpose): Place {
    // 2^24 blocks for each.
    const first = purposes.indexOf(purpose) * 2 ** 24;
    return { key: this.#key, counter: [first, this.#pass, ...this.#row] };
  }

  for(purpose: Purpose): Draws {
    return new Draws(this.place(purpose));
  }
}
