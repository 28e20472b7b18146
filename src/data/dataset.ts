// The types every data source speaks: rows, cursors to take up reading again, and sources that stream them.
import { WhisperError } from '../errors.js';

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
  | { samples: Float32Array; sampleRate: number };

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
  /** What it was when it was opened (a commit, an ETag): a run that goes on must read the same. */
  readonly version?: string;
}

/** A cursor is not one of this source, for instance because the data set changed since the checkpoint was written. */
export function cursorError(name: string, detail: string): WhisperError {
  return new WhisperError('ERR_DATA', `cannot go on reading ${name}: ${detail}`);
}

/** One source after the other: the meaning of `train+validation`. Cursors are `{ part, inner }`. */
export function concatenate(sources: readonly Source[]): Source {
  const only = sources[0];
  if (sources.length === 1 && only) return only;
  const name = sources.map((source) => source.name).join(' + ');
  const wrap = (part: number, { row, at, next }: Positioned): Positioned => ({
    row,
    at: { part, inner: at },
    next: { part, inner: next },
  });
  const unwrap = (cursor: Cursor): { part: number; source: Source; inner: Cursor } => {
    const { part, inner } = (cursor ?? {}) as { part?: unknown; inner?: Cursor };
    const source = typeof part === 'number' ? sources[part] : undefined;
    if (!source)
      throw cursorError(name, `${JSON.stringify(cursor)} names none of its ${sources.length} parts`);
    return { part: part as number, source, inner: inner ?? null };
  };
  return {
    name,
    async *open(cursor) {
      let { part, inner } = cursor == null ? { part: 0, inner: null } : unwrap(cursor);
      for (; part < sources.length; part++, inner = null) {
        for await (const positioned of sources[part]!.open(inner)) yield wrap(part, positioned);
      }
    },
    async rowsAt(cursors) {
      const rows: Positioned[] = [];
      for (const [part, source] of sources.entries()) {
        const mine = cursors.flatMap((cursor, index) => {
          const place = unwrap(cursor);
          return place.part === part ? [{ index, inner: place.inner }] : [];
        });
        const found = mine.length > 0 ? await source.rowsAt(mine.map(({ inner }) => inner)) : [];
        for (const [i, { index }] of mine.entries()) rows[index] = wrap(part, found[i]!);
      }
      return rows;
    },
    async count() {
      let total = 0;
      for (const source of sources) {
        if (!source.count)
          throw new WhisperError('ERR_DATA', `${source.name} cannot say how many rows it has`);
        total += await source.count();
      }
      return total;
    },
  };
}
