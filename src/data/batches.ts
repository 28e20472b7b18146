// The training and evaluation stream: rows of a source, shuffled, prepared ahead of the consumer and put into batches.
import { WhisperError } from '../errors.js';
import { mapInOrder, ReadAhead } from './ahead.js';
import { type Collated, collate } from './collate.js';
import { checkVersion, type Row, type Source } from './dataset.js';
import { decoderPool } from './decode/pool.js';
import { DropCounter, type DropReport, describeDrops } from './drops.js';
import { type Prepared, type PreparedRow, type PrepareOptions, prepareRow } from './prepare.js';
import { ShuffledPass, type ShuffleSnapshot, type ShuffleState, shuffleState } from './shuffle.js';
import { type StitchOptions, stitch } from './stitch.js';

export interface Batch extends Collated {
  /** The pass over the data, from 0. */
  pass: number;
  /** No other batch of this pass follows. Such a batch may have fewer rows than the others. */
  lastOfPass: boolean;
}

/** Everything needed to go on exactly after a batch; JSON. */
export interface BatchesState {
  /** What the state belongs to: going on with other settings would silently be another run. */
  seed: number;
  shuffleBuffer: number;
  /** What the source was, where it can say so. */
  version?: string;
  pass: number;
  /** Null at the start of a pass. */
  shuffle: ShuffleState | null;
  drops: DropReport;
}

export interface BatchesOptions extends PrepareOptions {
  source: Source;
  batchSize: number;
  /** Rows the shuffle buffer holds. Default 1. */
  shuffleBuffer?: number;
  /** Bytes of audio that it holds at the most; reached, it stays at as many rows. Default 1 GiB. */
  shuffleBytes?: number;
  /**
   * Reads the source in another order in each pass, where it can: shards in a streamed data set, every row of a prepared
   * one. Default: where the shuffle buffer holds more than one row; a buffer of 1 alone keeps the file's order.
   */
  shuffleSource?: boolean;
  /** Joins short clips that follow each other. */
  stitch?: StitchOptions;
  /** Default 42. */
  seed?: number;
  /** Passes over the data; without it they go on for ever. */
  passes?: number;
  /** Batches kept ready while the consumer works. Default 2. */
  prefetch?: number;
  /** Rows prepared at a time. Default: twice the decoding threads. */
  concurrency?: number;
  /** Ends the stream: the next `next()` rejects with ERR_CANCELLED. */
  signal?: AbortSignal;
  /** Leaves out a pass's last batch where it would have fewer rows than the others. Default false. */
  dropLast?: boolean;
  /** Goes on where a state was taken, with the same source and settings. */
  state?: BatchesState;
}

/** Batches in an order that depends on the seed alone, and where the consumer is in them. */
export interface BatchStream extends AsyncIterableIterator<Batch, undefined, void> {
  /** The state after the last batch that `next()` gave, however many are already prepared. */
  state(): BatchesState;
  /** Remembers that place, to ask for its state only if it is needed: after every batch this costs nothing. */
  mark(): () => BatchesState;
  /** Rows dropped in the pass of that batch, up to it; on a pass's last batch, of the whole pass. */
  drops(): DropReport;
  /** Prepares the first batches now, and not only when the first is asked for. */
  begin(): void;
  return(): Promise<IteratorResult<Batch, undefined>>;
}

type Drawn = { row: Row; pass: number; after: ShuffleSnapshot } | { endOf: number };
/** A row that was prepared, or the end of a pass. A row made of several says of how many. */
export type Ready =
  | { prepared: Prepared; row: Row; pass: number; after: ShuffleSnapshot; clips?: number }
  | { endOf: number };

/** A batch and the place in the data behind it. */
interface Placed {
  batch: Batch;
  next: { pass: number; shuffle: ShuffleSnapshot | null; drops: DropReport };
  drops: DropReport;
}

function checkOptions({
  source,
  batchSize,
  prefetch = 1,
  concurrency = 1,
  seed = 42,
  state,
  shuffleBuffer = 1,
}: BatchesOptions) {
  for (const [name, value, least] of [
    ['batchSize', batchSize, 1],
    ['prefetch', prefetch, 0],
    ['concurrency', concurrency, 1],
    ['seed', seed, 0],
  ] as const) {
    if (!Number.isSafeInteger(value) || value < least) {
      throw new WhisperError(
        'ERR_INVALID_ARGUMENT',
        `${name} must be an integer of at least ${least}, got ${value}`,
      );
    }
  }
  if (!state) return;
  checkVersion(source, state.version);
  for (const [name, was, is] of [
    ['seed', state.seed, seed],
    ['shuffle buffer', state.shuffleBuffer, shuffleBuffer],
  ] as const) {
    if (was !== is) {
      throw new WhisperError(
        'ERR_INVALID_ARGUMENT',
        `the ${name} was ${was} when the checkpoint was written and is ${is} now: the data would go on in another order`,
      );
    }
  }
}

/**
 * The state at the start of the pass a state is in: to go on without leaving out what that pass has read already. The data
 * may be other data then, in another order.
 */
export function startOfPass(
  { pass, ...was }: BatchesState,
  { seed = was.seed, shuffleBuffer = was.shuffleBuffer }: Pick<BatchesOptions, 'seed' | 'shuffleBuffer'> = {},
): BatchesState {
  return { seed, shuffleBuffer, pass, shuffle: null, drops: empty };
}

const empty: DropReport = { rows: 0, kept: 0, dropped: {} };

/**
 * Streams batches. Rows are decoded on threads and the next batches prepared while the consumer works; how far ahead is
 * bounded, so memory is flat however large the data set. A pass's last batch may be smaller; passes repeat, each in
 * another order.
 *
 * Iterate to the end, leave the loop, or call `return()`: each leaves nothing running. Errors of the source and of
 * rows (long labels under the policy `error`, clips outside the data set's folder) reject `next()`; rows that merely
 * cannot be used are dropped and counted.
 *
 * @throws WhisperError ERR_INVALID_ARGUMENT at once, and ERR_DATA where the state is of another version of the data; while
 *   iterating ERR_DATA when a pass gives no batch at all, ERR_CANCELLED after an abort
 */
export function batches(options: BatchesOptions): BatchStream {
  checkOptions(options);
  const { source, batchSize, shuffleBuffer = 1, seed = 42, passes = Infinity, startToken, state } = options;
  const { shuffleBytes: bytes, shuffleSource, dropLast = false } = options;
  const shuffling = {
    ...{ size: shuffleBuffer, seed },
    ...(bytes !== undefined && { bytes }),
    ...(shuffleSource !== undefined && { shuffleSource }),
  };
  const start = { pass: state?.pass ?? 0, drops: state?.drops ?? empty };
  let stopped = false;

  async function* draw(): AsyncGenerator<Drawn, void, void> {
    for (let pass = start.pass; pass < passes && !stopped; pass++) {
      const resumed = pass === start.pass ? (state?.shuffle ?? undefined) : undefined;
      const shuffled = await ShuffledPass.open(source, { ...shuffling, pass }, resumed);
      try {
        while (!stopped) {
          const drawn = await shuffled.next();
          if (!drawn) break;
          yield { row: drawn.row, pass, after: shuffled.snapshot() };
        }
      } finally {
        await shuffled.close();
      }
      if (!stopped) yield { endOf: pass };
    }
  }

  async function prepare(drawn: Drawn): Promise<Ready> {
    if ('endOf' in drawn) return drawn;
    return { ...drawn, prepared: await prepareRow(drawn.row, options, { seed, pass: drawn.pass }) };
  }

  async function* assemble(ready: AsyncIterable<Ready>): AsyncGenerator<Placed, void, void> {
    let counter = new DropCounter(start.drops);
    let rows: PreparedRow[] = [];
    // A full batch is held back until what comes next is sure to be in a batch, to know whether it is the last of its pass.
    let held: Placed | undefined;
    const place = (pass: number, shuffle: ShuffleSnapshot | null): Placed => {
      const drops = counter.report();
      const batch: Batch = { ...collate(rows, startToken), pass, lastOfPass: false };
      rows = [];
      return { batch, drops, next: { pass, shuffle, drops } };
    };
    const items = options.stitch ? stitch(ready, options.stitch, options, seed) : ready;
    for await (const item of items) {
      if ('endOf' in item) {
        if (rows.length > 0 && !dropLast) {
          if (held) yield held;
          held = place(item.endOf, null);
        }
        rows = [];
        const drops = counter.report();
        if (drops.kept === 0 || (dropLast && !held)) throw nothingLeft(source, drops, batchSize);
        if (held) {
          const next = { pass: item.endOf + 1, shuffle: null, drops: empty };
          yield { batch: { ...held.batch, lastOfPass: true }, drops, next };
        }
        held = undefined;
        counter = new DropCounter();
      } else if ('reason' in item.prepared) {
        counter.drop(item.prepared.reason, item.row.id, item.prepared.detail);
      } else {
        const full = rows.length + 1 === batchSize;
        if (held && (full || !dropLast)) {
          yield held;
          held = undefined;
        }
        counter.keep(item.clips);
        rows.push(item.prepared.row);
        if (full) held = place(item.pass, item.after);
      }
    }
  }

  const concurrency = options.concurrency ?? 2 * (options.decoder ?? decoderPool()).threads;
  const ahead = new ReadAhead(assemble(mapInOrder(draw(), concurrency, prepare)), options.prefetch ?? 2);
  let place: Placed['next'] = { pass: start.pass, shuffle: null, drops: start.drops };
  let untouched = state;
  let drops = start.drops;
  // What is being decoded is finished, nothing new is begun.
  const halt = (): void => {
    stopped = true;
  };
  const stop = async (): Promise<void> => {
    halt();
    options.signal?.removeEventListener('abort', halt);
    await ahead.stop();
  };
  options.signal?.addEventListener('abort', halt, { once: true });

  return {
    [Symbol.asyncIterator]() {
      return this;
    },
    async next() {
      const result = stopped ? undefined : await ahead.next();
      if (options.signal?.aborted) {
        await stop();
        throw new WhisperError('ERR_CANCELLED', `reading ${source.name} was cancelled`);
      }
      if (!result || result.done) {
        options.signal?.removeEventListener('abort', halt);
        return { done: true, value: undefined };
      }
      place = result.value.next;
      drops = result.value.drops;
      untouched = undefined;
      return { done: false, value: result.value.batch };
    },
    async return() {
      await stop();
      return { done: true, value: undefined };
    },
    state() {
      return this.mark()();
    },
    mark() {
      if (untouched) return () => structuredClone(state!);
      const { pass, shuffle, drops } = place;
      return () =>
        structuredClone({
          ...{ seed, shuffleBuffer, pass, drops },
          ...(source.version !== undefined && { version: source.version }),
          shuffle: shuffle && shuffleState(shuffle),
        });
    },
    drops: () => structuredClone(drops),
    begin: () => ahead.begin(),
  };
}

/**
 * Streams batches for evaluation: one pass in file order. Durations are not looked at and empty texts stay; only rows
 * whose audio cannot be decoded are left out, and counted. Labels that are too long are cut unless told otherwise: the
 * loss needs them to fit, the word error rate is computed from the text.
 */
export function evaluationBatches(
  options: Omit<
    BatchesOptions,
    'minDuration' | 'maxDuration' | 'shuffleBuffer' | 'passes' | 'dropEmptyText' | 'state'
  >,
): BatchStream {
  return batches({ onLongLabel: 'truncate', ...options, shuffleBuffer: 1, passes: 1, dropEmptyText: false });
}

function nothingLeft({ name }: Source, drops: DropReport, batchSize: number): WhisperError {
  const message =
    drops.rows === 0
      ? `${name} has no rows`
      : drops.kept > 0
        ? `a pass over ${name} has ${drops.kept} usable rows, not one batch of ${batchSize}: there is nothing left without its last batch`
        : `no row of ${name} can be used: ${describeDrops(drops)}`;
  return new WhisperError('ERR_DATA', message);
}
