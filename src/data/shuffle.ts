// Buffer shuffling of a stream: each row comes at random out of the next `size` ones. The buffer holds references to
// audio and text, never samples; its state is the cursors of what it holds.
import { WhisperError } from '../errors.js';
import type { Cursor, Positioned, Source } from './dataset.js';
import { RandomStream } from './random.js';

/** All that is needed to go on exactly, as JSON. */
export interface ShuffleState {
  /** Where the rows in the buffer were read, in the buffer's order. */
  buffer: Cursor[];
  /** Where reading goes on. */
  cursor: Cursor;
  /** Random words drawn so far in this pass. */
  drawn: number;
}

/** What happened to a buffer: a row joined at its end, or the row of a slot left and the last took its place. */
type Change = Positioned | number;

/**
 * A state as it was at one moment, turned into JSON only when asked for. It shares an older copy of the buffer and what
 * has happened since, so that taking one costs nothing, whatever the size of the buffer.
 */
export interface ShuffleSnapshot {
  older: readonly Positioned[];
  changes: readonly Change[];
  /** How many of the changes had happened. */
  changed: number;
  cursor: Cursor;
  drawn: number;
}

export function shuffleState({ older, changes, changed, cursor, drawn }: ShuffleSnapshot): ShuffleState {
  const buffer = older.slice();
  for (const change of changes.slice(0, changed)) apply(buffer, change);
  return { buffer: buffer.map(({ at }) => at), cursor, drawn };
}

/** @returns the row that left, if one did */
function apply(buffer: Positioned[], change: Change): Positioned | undefined {
  if (typeof change !== 'number') {
    buffer.push(change);
    return undefined;
  }
  const chosen = buffer[change];
  const last = buffer.pop()!;
  if (change < buffer.length) buffer[change] = last;
  return chosen;
}

export interface ShuffleOptions {
  /** Rows held; 1 keeps the source's order. */
  size: number;
  seed: number;
  /** The pass over the data, from 0: each has another order. */
  pass: number;
}

/**
 * One pass over a source in random order: fill a buffer, then again and again give a random row of it and put the next
 * of the source in its place; at the end give the rest, at random too. (As `IterableDataset.shuffle` of Hugging Face
 * datasets does; the random numbers are others.)
 */
export class ShuffledPass {
  readonly #source: Source;
  readonly #size: number;
  readonly #random: RandomStream;
  #buffer: Positioned[] = [];
  #older: readonly Positioned[] = [];
  #changes: Change[] = [];
  #cursor: Cursor = null;
  #reader: AsyncGenerator<Positioned, void, void> | undefined;
  #ended = false;

  private constructor(source: Source, { size, seed, pass }: ShuffleOptions, drawn = 0) {
    if (!Number.isSafeInteger(size) || size < 1) {
      throw new WhisperError(
        'ERR_INVALID_ARGUMENT',
        `the shuffle buffer must hold at least 1 row, got ${size}`,
      );
    }
    this.#source = source;
    this.#size = size;
    this.#random = new RandomStream(seed, pass, drawn);
  }

  /** Starts a pass, or goes on where a state was taken. */
  static async open(source: Source, options: ShuffleOptions, state?: ShuffleState): Promise<ShuffledPass> {
    const shuffled = new ShuffledPass(source, options, state?.drawn);
    if (state) {
      shuffled.#cursor = state.cursor;
      shuffled.#buffer = state.buffer.length > 0 ? await source.rowsAt(state.buffer) : [];
      shuffled.#older = shuffled.#buffer.slice();
    }
    return shuffled;
  }

  /** The next row; undefined at the end of the pass. */
  async next(): Promise<Positioned | undefined> {
    while (this.#buffer.length < this.#size) {
      const row = await this.#read();
      if (!row) break;
      this.#change(row);
    }
    if (this.#buffer.length === 0) return undefined;
    return this.#change(this.#random.below(this.#buffer.length));
  }

  snapshot(): ShuffleSnapshot {
    // A new copy once as much has happened as it costs: constant time per row.
    if (this.#changes.length > 2 * this.#buffer.length) {
      this.#older = this.#buffer.slice();
      this.#changes = [];
    }
    const changed = this.#changes.length;
    return {
      older: this.#older,
      changes: this.#changes,
      changed,
      cursor: this.#cursor,
      drawn: this.#random.drawn,
    };
  }

  async close(): Promise<void> {
    this.#ended = true;
    await this.#reader?.return();
  }

  #change(change: Change): Positioned | undefined {
    this.#changes.push(change);
    return apply(this.#buffer, change);
  }

  async #read(): Promise<Positioned | undefined> {
    if (this.#ended) return undefined;
    this.#reader ??= this.#source.open(this.#cursor);
    const { value } = await this.#reader.next();
    if (!value) {
      this.#ended = true;
      return undefined;
    }
    this.#cursor = value.next;
    return value;
  }
}
