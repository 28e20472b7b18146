// The types every data source speaks: rows, cursors to take up reading again, and sources that stream them.
import { createHash } from 'node:crypto';
import { WhisperError } from '../errors.js';
import type { PcmReference } from './decode/pcm.js';
import type { AudioFault } from './decode/samples.js';
import { branch, permutation, RandomStream } from './random.js';

/** Where the audio of a row is. Nothing is read before the row is prepared. */
export type AudioReference =
  /**
   * An audio file, or the part of it from `start` to `end` (seconds). With `root`, a file that does not really lie in
   * that folder (a link out of it) is refused.
   */
  | { path: string; root?: string; start?: number; end?: number }
  /** A whole encoded audio file. */
  | { bytes: Uint8Array }
  /** Mono audio, already decoded. */
  | { samples: Float32Array; sampleRate: number }
  /** Mono audio at 16 kHz in a file, already decoded. */
  | PcmReference
  /** Audio that is known not to be usable, and why. */
  | { fault: AudioFault; detail: string };

/** What is said from `start` to `end`, in seconds of the clip. */
export interface TimedText {
  start: number;
  end: number;
  text: string;
}

/** One clip and what is said in it. */
export interface Row {
  /** Names the row in messages: `train.tsv:12 clip.mp3`. */
  id: string;
  audio: AudioReference;
  text: string;
  /** Name, code or alias; where a row has one it goes before the option of that name. The same holds of `task`. */
  language?: string;
  task?: string;
  /** What was said before the clip: the prompt after `<|startofprev|>`, where prompts are trained. */
  previous?: string;
  /** When what of the text is said, in order: for labels with timestamps. */
  segments?: readonly TimedText[];
}

/** A JSON value a source made, which only that source understands: where reading goes on. */
export type Cursor = null | boolean | number | string | Cursor[] | { [key: string]: Cursor };

/** A row, where it was read and where the next one begins. */
export interface Positioned {
  row: Row;
  at: Cursor;
  next: Cursor;
}

/**
 * A stream of rows that can be read any number of times, each time in the same order, and from any cursor without
 * reading what came before it (sources made of user iterables excepted: they count).
 */
export interface Source {
  /** For messages. */
  readonly name: string;
  /** Rows from the cursor on, or from the first. Ending the iteration early closes what was opened. */
  open(cursor?: Cursor): AsyncGenerator<Positioned, void, void>;
  /** The rows at the `at` of earlier rows, in the order asked for: how a shuffle buffer is filled again on resume. */
  rowsAt(cursors: readonly Cursor[]): Promise<Positioned[]>;
  /** The number of rows; reads the whole table, but no audio. */
  count?(): Promise<number>;
  /**
   * The same rows in an order drawn from the seed and the pass, as far as that costs no reading: shards in another order,
   * or every row where each can be read alone. Cursors of one order mean nothing in another, but `at` does in all.
   */
  shuffled?(seed: number, pass: number): Source;
  /** The pieces it is one after the other, where it is several: shards, or the sides of `train+validation`. */
  readonly parts?: readonly Source[];
  /** The cursor of the row with that index, without reading the rows before it. */
  seek?(row: number): Promise<Cursor>;
  /** What it was when it was opened (a commit, an ETag): a run that goes on must read the same. */
  readonly version?: string;
  /** What else decides about its rows, where name and version do not say it: columns, changes to the text. */
  readonly selection?: string;
}

/** A cursor is not one of this source, for instance because the data set changed since the checkpoint was written. */
export function cursorError(name: string, detail: string): WhisperError {
  return new WhisperError('ERR_DATA', `cannot go on reading ${name}: ${detail}`);
}

/**
 * Refuses to go on with other data than a checkpoint was written with; data that cannot say its version is not asked.
 *
 * @throws WhisperError ERR_DATA saying what it was, what it is and how to read what it was
 */
export function checkVersion({ name, version }: Source, was: string | undefined): void {
  if (was === undefined || version === undefined || was === version) return;
  throw new WhisperError(
    'ERR_DATA',
    `${name} was ${was} when the checkpoint was written and is ${version} now; to go on with what it was, name the data set with its commit (name@commit), or start anew`,
  );
}

/**
 * One source after the other: the meaning of `train+validation`. Sources that have parts themselves come in with them, so
 * that all shards are put into one random order; cursors are `{ part, inner }`.
 *
 * @param name for messages; default: the sources' names
 */
export function concatenate(sources: readonly Source[], name?: string): Source {
  const parts = sources.flatMap((source) => source.parts ?? [source]);
  if (sources.length === 1 && name === undefined) return sources[0]!;
  return inOrder({
    name: name ?? sources.map((source) => source.name).join(' + '),
    parts,
    readers: parts,
    order: parts.map((_, part) => part),
  });
}

interface InOrder {
  name: string;
  parts: readonly Source[];
  /** The parts as they are read: each in an order of its own, or as it is. */
  readers: readonly Source[];
  /** Which part is read when. */
  order: readonly number[];
}

function inOrder({ name, parts, readers, order }: InOrder): Source {
  const place = (cursor: Cursor): { part: number; inner: Cursor } => {
    const { part, inner } = (cursor ?? {}) as { part?: unknown; inner?: Cursor };
    if (typeof part === 'number' && parts[part]) return { part, inner: inner ?? null };
    throw cursorError(name, `${JSON.stringify(cursor)} names none of its ${parts.length} parts`);
  };
  const version = joinVersions(parts);
  return {
    name,
    parts,
    ...(version !== undefined && { version }),
    // Where a row was read is told by the part's own number, where reading goes on by its turn.
    async *open(cursor) {
      let { part: turn, inner } = cursor == null ? { part: 0, inner: null } : place(cursor);
      for (; turn < order.length; turn++, inner = null) {
        const part = order[turn]!;
        for await (const { row, at, next } of readers[part]!.open(inner)) {
          yield { row, at: { part, inner: at }, next: { part: turn, inner: next } };
        }
      }
    },
    async rowsAt(cursors) {
      const places = cursors.map(place);
      const rows: Positioned[] = [];
      for (const [part, source] of readers.entries()) {
        const mine = places.flatMap((wanted, index) => (wanted.part === part ? [{ index, ...wanted }] : []));
        const found = mine.length > 0 ? await source.rowsAt(mine.map(({ inner }) => inner)) : [];
        for (const [i, { index }] of mine.entries()) {
          const { row, at, next } = found[i]!;
          rows[index] = { row, at: { part, inner: at }, next: { part: order.indexOf(part), inner: next } };
        }
      }
      return rows;
    },
    shuffled(seed, pass) {
      const random = new RandomStream(branch(seed, 0), pass);
      return inOrder({
        name,
        parts,
        readers: parts.map((part, i) => part.shuffled?.(branch(seed, i + 1), pass) ?? part),
        order: [...permutation(parts.length, random)],
      });
    },
    ...(parts.every((part) => part.count) && {
      async count() {
        let total = 0;
        for (const part of parts) total += await part.count!();
        return total;
      },
    }),
  };
}

/** The versions of several sources as one, each once, and a digest where that would be long; none if one has none. */
export function joinVersions(sources: readonly Source[]): string | undefined {
  const versions = new Set(sources.map(({ version }) => version));
  if (versions.has(undefined)) return undefined;
  const all = [...versions].join(' + ');
  return all.length <= 200 ? all : `sha256:${createHash('sha256').update(all).digest('hex')}`;
}

/** What is known of a source that decides about its rows, as a text to compare. */
export function describeSource({ name, version, selection, parts }: Source): string {
  return parts ? `(${parts.map(describeSource).join(' + ')})` : JSON.stringify([name, version, selection]);
}
