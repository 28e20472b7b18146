// A data set of the user's own: any iterable of rows, or a function that makes one for each pass.
import { WhisperError } from '../../errors.js';
import {
  type AudioReference,
  type Cursor,
  cursorError,
  type Positioned,
  type Row,
  type Source,
  type TimedText,
} from '../dataset.js';

/** A row as users write it. */
export interface UserRow {
  /** Names the row in messages; its number when left out. */
  id?: string;
  /** A path, the bytes of an audio file, or decoded mono samples with their rate. */
  audio: string | Uint8Array | AudioReference;
  text: string;
  /** Name, code or alias; before the option of that name, as `task` is. */
  language?: string;
  task?: string;
  /** What was said before, for prompts. */
  previous?: string;
  /** When what of the text is said, in order, for labels with times. */
  segments?: readonly TimedText[];
}

export type UserRows = Iterable<UserRow> | AsyncIterable<UserRow>;

function audioOf(audio: UserRow['audio'] | undefined, where: string): AudioReference {
  if (typeof audio === 'string') return { path: audio };
  if (audio instanceof Uint8Array) return { bytes: audio };
  if (audio !== null && typeof audio === 'object') {
    if ('path' in audio && typeof audio.path === 'string') return audio;
    if ('bytes' in audio && audio.bytes instanceof Uint8Array) return audio;
    if ('samples' in audio && audio.samples instanceof Float32Array) {
      if (Number.isFinite(audio.sampleRate) && audio.sampleRate > 0) return audio;
      throw new WhisperError(
        'ERR_DATA',
        `${where}: samples need a positive sampleRate, got ${audio.sampleRate}`,
      );
    }
  }
  throw new WhisperError(
    'ERR_DATA',
    `${where}: audio must be a path, a Uint8Array, { path }, { bytes } or { samples: Float32Array, sampleRate }`,
  );
}

/**
 * Makes a source of any iterable of rows. A cursor is the number of rows before it: to go on after a checkpoint, the
 * iterable is run again and as many rows are left out, so it must give the same rows each time.
 *
 * @param rows an array or another object that can be iterated again, or a function that makes a new iterable for each
 *   pass; a generator object can be iterated once and fails in the second pass.
 */
export function fromIterable(rows: UserRows | (() => UserRows), name = 'the rows given'): Source {
  let spent = false;
  async function* open(cursor?: Cursor): AsyncGenerator<Positioned, void, void> {
    const first = cursor ?? 0;
    if (typeof first !== 'number') throw cursorError(name, `${JSON.stringify(cursor)} is no number of rows`);
    const iterable = typeof rows === 'function' ? rows() : rows;
    const once = typeof rows !== 'function' && (iterable as unknown) === iterator(iterable);
    if (once && spent) {
      throw new WhisperError(
        'ERR_DATA',
        `${name} can be iterated only once; give a function that makes a new iterable for each pass`,
      );
    }
    spent = true;
    let index = 0;
    for await (const { id, audio, text, language, task, previous, segments } of iterable) {
      const at = index++;
      if (at < first) continue;
      const where = id ?? `row ${at}`;
      if (typeof text !== 'string') throw new WhisperError('ERR_DATA', `${where}: text must be a string`);
      const row: Row = { id: where, audio: audioOf(audio, where), text };
      if (language !== undefined) row.language = language;
      if (task !== undefined) row.task = task;
      if (previous !== undefined) row.previous = previous;
      if (segments !== undefined) row.segments = segments;
      yield { row, at, next: index };
    }
  }
  return {
    name,
    open,
    async rowsAt(cursors) {
      const wanted = new Set(cursors);
      const found = new Map<Cursor, Positioned>();
      if (wanted.size > 0) {
        for await (const positioned of open()) {
          if (wanted.has(positioned.at)) found.set(positioned.at, positioned);
          if (found.size === wanted.size) break;
        }
      }
      return cursors.map((cursor) => {
        const positioned = found.get(cursor);
        if (!positioned) throw cursorError(name, `it has no row ${JSON.stringify(cursor)}`);
        return positioned;
      });
    },
  };
}

function iterator(rows: UserRows): unknown {
  return Symbol.asyncIterator in rows ? rows[Symbol.asyncIterator]() : rows[Symbol.iterator]();
}
