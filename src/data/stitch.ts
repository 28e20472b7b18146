// Short clips that follow each other joined into one of up to the model's window, between preparing rows and batches.
import type { Ready } from './batches.js';
import type { TimedText } from './dataset.js';
import { sampleRate } from './decode/samples.js';
import { RowDraws } from './draws.js';
import { separator } from './labels.js';
import { labelsFit, type PreparedRow, type PrepareOptions } from './prepare.js';

export interface StitchOptions {
  /** Samples at 16 kHz that a joined clip has at most. */
  window: number;
  /** Language of the rows that name none: it decides whether a space comes between texts. */
  language?: string | undefined;
}

type Kept = Extract<Ready, { after: unknown }> & { prepared: { row: PreparedRow } };

/**
 * Joins each row with those that follow it, as long as they are of one language and task, have no prompt, and fit the
 * window and the decoder's positions. A joined row stands where its last clip stood: a row that did not fit begins the
 * next one, and is drawn again by a run that goes on behind the batch. Rows that are dropped between two that are joined
 * come before them.
 *
 * @param options that the rows were prepared with
 * @param seed of what is drawn for labels: by the first of the joined rows
 */
export async function* stitch(
  rows: AsyncIterable<Ready>,
  { window, language }: StitchOptions,
  options: PrepareOptions,
  seed: number,
): AsyncGenerator<Ready, void, void> {
  let joined: Joined | undefined;
  /** Rows dropped after the last that was joined. */
  let dropped: Ready[] = [];
  for await (const item of rows) {
    if (joined && isDropped(item)) {
      dropped.push(item);
      continue;
    }
    if (joined && isKept(item) && joined.add(item)) {
      yield* dropped;
      dropped = [];
      continue;
    }
    if (joined) yield joined.whole();
    yield* dropped;
    dropped = [];
    joined = isKept(item) ? new Joined(item, window, language, options, seed) : undefined;
    if (!joined) yield item;
  }
  if (joined) yield joined.whole();
  yield* dropped;
}

function isKept(item: Ready): item is Kept {
  return 'prepared' in item && 'row' in item.prepared;
}

function isDropped(item: Ready): boolean {
  return 'prepared' in item && 'reason' in item.prepared;
}

/** Rows that are one so far. */
class Joined {
  readonly #window: number;
  readonly #between: string;
  readonly #options: PrepareOptions;
  readonly #draws: RowDraws;
  #last: Kept;
  #clips: Float32Array[];
  #samples: number;
  /** All of them but the samples. */
  #row: PreparedRow;
  #segments: readonly TimedText[];

  constructor(
    first: Kept,
    window: number,
    language: string | undefined,
    options: PrepareOptions,
    seed: number,
  ) {
    const { row } = first.prepared;
    this.#window = window;
    this.#between = separator(row.language ?? language);
    this.#options = options;
    this.#draws = new RowDraws(seed, first.pass, row.id);
    this.#last = first;
    this.#clips = [row.samples];
    this.#samples = row.samples.length;
    this.#row = row;
    this.#segments = timed(row, 0);
  }

  /** Joins a row, if it fits. */
  add(item: Kept): boolean {
    const { row } = item.prepared;
    const before = this.#row;
    const samples = this.#samples + row.samples.length;
    if (samples > this.#window || row.prompt || before.prompt) return false;
    if (row.language !== before.language || row.task !== before.task) return false;
    const joined: PreparedRow = {
      ...before,
      id: `${before.id} + ${row.id}`,
      text: [before.text.trim(), row.text.trim()].filter((text) => text !== '').join(this.#between),
    };
    const segments = [...this.#segments, ...timed(row, this.#samples / sampleRate)];
    const clip = { seconds: samples / sampleRate, draws: this.#draws };
    joined.labels = this.#options.labels({ ...joined, segments }, clip);
    if (!labelsFit(joined.labels, this.#options)) return false;
    this.#row = joined;
    this.#segments = segments;
    this.#clips.push(row.samples);
    this.#samples = samples;
    this.#last = item;
    return true;
  }

  whole(): Ready {
    if (this.#clips.length === 1) return this.#last;
    const samples = new Float32Array(this.#samples);
    let at = 0;
    for (const clip of this.#clips) {
      samples.set(clip, at);
      at += clip.length;
    }
    const prepared = { row: { ...this.#row, samples } };
    return { ...this.#last, prepared, clips: this.#clips.length };
  }
}

/** When what of a clip is said that begins `offset` seconds after the first; a clip without segments is one. */
function timed({ segments, samples, text }: PreparedRow, offset: number): TimedText[] {
  const own = segments?.length ? segments : [{ start: 0, end: samples.length / sampleRate, text }];
  return own.map(({ start, end, text }) => ({ start: start + offset, end: end + offset, text }));
}
