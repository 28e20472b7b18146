// Buffer shuffling of a stream: each row comes at random out of the next `size` ones. The buffer holds references to
// audio and text, never samples; its state is the cursors of what it holds.
import { WhisperError } from '../errors.js';
import type { Cursor, Positioned, Row, Source } from './dataset.js';
import { branch, RandomStream } from './random.js';

/** All that is needed to go on exactly, as JSON. */
export interface ShuffleState {
  /** Where the rows in the buffer were read, in the buffer's order. */
  buffer: Cursor[];
  /** Where reading goes on. */
  cursor: Cursor;
  /** Random words drawn so far in this pass. */
  drawn: number;
  /** Whether the cursor is one of the source's order of this pass, and not of its own. */
  sourceShuffled?: boolean;
}

/** What happened to a buffer: something joined at its end, or that of a slot left and the last took its place. */
type Change<T> = T | number;

/** Where a row of the buffer was read; the row itself may be gone while a state still speaks of it. */
type Held = Pick<Positioned, 'at'>;

/**
 * A state as it was at one moment, turned into JSON only when asked for. It shares an older copy of the buffer and what
 * has happened since, so that taking one costs nothing, whatever the size of the buffer.
 */
export interface ShuffleSnapshot {
  older: readonly Held[];
  changes: readonly Change<Held>[];
  /** How many of the changes had happened. */
  changed: number;
  cursor: Cursor;
  drawn: number;
  sourceShuffled: boolean;
}

export function shuffleState({ older, changes, changed, ...rest }: ShuffleSnapshot): ShuffleState {
  const buffer = older.slice();
  for (const change of changes.slice(0, changed)) apply(buffer, change);
  return { buffer: buffer.map(({ at }) => at), ...rest };
}

/** @returns what left, if something did */
function apply<T extends object>(buffer: T[], change: Change<T>): T | undefined {
  if (typeof change !== 'number') {
    buffer.push(change);
    return undefined;
  }
  const chosen = buffer[change];
  const last = buffer.pop()!;
  if (change < buffer.length) buffer[change] = last;
  return chosen;
}

/** The bytes of audio that a row holds in memory: none where it only says which file is meant. */
export function heldBytes({ audio }: Row): number {
  if ('bytes' in audio) return audio.bytes.byteLength;
  return 'samples' in audio ? audio.samples.byteLength : 0;
}

/** The row with memory of its own: what was cut out of a larger block would keep all of it. */
function released(positioned: Positioned): Positioned {
  const { audio } = positioned.row;
  if (!('bytes' in audio) || audio.bytes.buffer.byteLength <= 2 * audio.bytes.byteLength) return positioned;
  return { ...positioned, row: { ...positioned.row, audio: { bytes: audio.bytes.slice() } } };
}

/** What the buffer holds where nothing else is said: 1 GiB. */
export const defaultBufferBytes = 2 ** 30;

export interface ShuffleOptions {
  /** Rows held. */
  size: number;
  /** Bytes of audio held: reached before `size`, the buffer stays at as many rows. Default 1 GiB. */
  bytes?: number;
  /**
   * Reads the source in an order of its own for each pass, as of its shards. Default: where the buffer holds more than a
   * row; a buffer of one keeps the source's order.
   */
  shuffleSource?: boolean;
  seed: number;
  /** The pass over the data, from 0: each has another order. */
  pass: number;
}

/**
 * One pass over a source in random order: ask the source for an order of its shards, fill a buffer, then again and again
 * give a random row of it and put the next of the source in its place; at the end give the rest, at random too. (As
 * `IterableDataset.shuffle` of Hugging Face datasets does; the random numbers are others.)
 */
export class ShuffledPass {
  readonly #source: Source;
  readonly #size: number;
  readonly #bytes: number;
  readonly #random: RandomStream;
  readonly #sourceShuffled: boolean;
  #held = 0;
  #buffer: Positioned[] = [];
  #older: readonly Held[] = [];
  #changes: Change<Held>[] = [];
  #cursor: Cursor = null;
  #reader: AsyncGenerator<Positioned, void, void> | undefined;
  #ended = false;

  private constructor(source: Source, options: ShuffleOptions, state: ShuffleState | undefined) {
    const { size, seed, pass, bytes = defaultBufferBytes, shuffleSource = size > 1 } = options;
    if (!Number.isSafeInteger(size) || size < 1) {
      throw new WhisperError(
        'ERR_INVALID_ARGUMENT',
        `the shuffle buffer must hold at least 1 row, got ${size}`,
      );
    }
    // A pass that has begun goes on in the order it began in.
    this.#sourceShuffled = state ? (state.sourceShuffled ?? false) : shuffleSource;
    // The source draws from a seed of its own: its choices must not follow those of the buffer.
    this.#source = (this.#sourceShuffled && source.shuffled?.(branch(seed, 0), pass)) || source;
    this.#size = size;
    this.#bytes = bytes;
    this.#random = new RandomStream(seed, pass, state?.drawn);
  }

  /** Starts a pass, or goes on where a state was taken. */
  static async open(source: Source, options: ShuffleOptions, state?: ShuffleState): Promise<ShuffledPass> {
    const shuffled = new ShuffledPass(source, options, state);
    if (state) {
      shuffled.#cursor = state.cursor;
      const rows = state.buffer.length > 0 ? await source.rowsAt(state.buffer) : [];
      shuffled.#buffer = rows.map(released);
      shuffled.#held = rows.reduce((sum, { row }) => sum + heldBytes(row), 0);
      shuffled.#older = rows.map(({ at }) => ({ at }));
    }
    return shuffled;
  }

  /** The next row; undefined at the end of the pass. */
  async next(): Promise<Positioned | undefined> {
    while (this.#buffer.length < this.#size && (this.#held < this.#bytes || this.#buffer.length === 0)) {
      const row = await this.#read();
      if (!row) break;
      this.#change(row);
    }
    if (this.#buffer.length === 0) return undefined;
    return this.#change(this.#random.below(this.#buffer.length));
  }

  /** What the buffer holds now. */
  get held(): { rows: number; bytes: number } {
    return { rows: this.#buffer.length, bytes: this.#held };
  }

  snapshot(): ShuffleSnapshot {
    // A new copy once as much has happened as it costs: constant time per row.
    if (this.#changes.length > 2 * this.#buffer.length) {
      this.#older = this.#buffer.map(({ at }) => ({ at }));
      this.#changes = [];
    }
    const changed = this.#changes.length;
    return {
      older: this.#older,
      changes: this.#changes,
      changed,
      cursor: this.#cursor,
      drawn: this.#random.drawn,
      sourceShuffled: this.#sourceShuffled,
    };
  }

  async close(): Promise<void> {
    this.#ended = true;
    await this.#reader?.return();
  }

  #change(change: Change<Positioned>): Positioned | undefined {
    this.#changes.push(typeof change === 'number' ? change : { at: change.at });
    const left = apply(this.#buffer, change);
    this.#held += typeof change === 'number' ? -heldBytes(left!.row) : heldBytes(change.row);
    return left;
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
    return released(value);
  }
}
