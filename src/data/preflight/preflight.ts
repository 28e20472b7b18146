// Preflight: reads a data set before training does, and says what is in it and what will go wrong.

import { WhisperError } from '../../errors.js';
import { mapInOrder } from '../ahead.js';
import type { AudioReference, Row, Source } from '../dataset.js';
import type { Examination } from '../decode/examine.js';
import { type DecoderPool, decoderPool } from '../decode/pool.js';
import { loadSamples, sampleRate } from '../decode/samples.js';
import type { Finding } from './findings.js';
import { type Heard, type RowChecks, SplitCheck, type SplitReport } from './split.js';

export interface PreflightSplit {
  name: string;
  /** One, or several data sets that are mixed. */
  sources: readonly Source[];
  /** Limits of training hold, and what comes after is compared with it. */
  trained: boolean;
}

export interface PreflightOptions extends RowChecks {
  /** Those that are trained on first. */
  splits: readonly PreflightSplit[];
  /** Rows of each split that are looked at, spread evenly where the source can be read from any row on. Default: all. */
  maxRows?: number | undefined;
  /** What is to be known of the audio. Default: its length by the header, and a digest. */
  examination?: Examination;
  decoder?: Pick<DecoderPool, 'threads' | 'examine'>;
  signal?: AbortSignal | undefined;
}

export interface PreflightReport {
  splits: SplitReport[];
  findings: Finding[];
}

/** How far it is. */
export interface PreflightProgress {
  split: string;
  rows: number;
  /** Undefined where the source cannot count. */
  total: number | undefined;
}

/** Rows that are read in a row from each place of a sample. */
const stretch = 20;

/**
 * Checks splits: lengths of audio and labels, what cannot be used and why, texts that do not fit their language, their
 * audio or each other, and what is in training and evaluation alike. Gives how far it is after each row.
 *
 * @throws WhisperError as the sources do where they cannot be read, `ERR_CANCELLED`
 */
export async function* preflight(
  options: PreflightOptions,
): AsyncGenerator<PreflightProgress, PreflightReport, void> {
  const report: PreflightReport = { splits: [], findings: [] };
  let trained: SplitCheck | undefined;
  for (const { name, sources, trained: isTrained } of options.splits) {
    const check = new SplitCheck(name, isTrained, options, isTrained ? undefined : trained?.seen);
    for (const source of sources) {
      const origin = sources.length > 1 ? source.name : undefined;
      yield* checkSource(source, check, { name, origin }, options);
    }
    const { split, findings } = check.report();
    report.splits.push(split);
    report.findings.push(...findings);
    if (isTrained) trained ??= check;
  }
  return report;
}

async function* checkSource(
  source: Source,
  check: SplitCheck,
  { name, origin }: { name: string; origin: string | undefined },
  options: PreflightOptions,
): AsyncGenerator<PreflightProgress, void, void> {
  const { maxRows = Infinity, signal, decoder = decoderPool() } = options;
  const { examination = { decode: false, digest: true } } = options;
  const count = await source.count?.();
  const total = count === undefined ? undefined : Math.min(count, maxRows);
  const listen = async (row: Row) => ({ row, heard: await hear(row.audio, examination, decoder) });
  let rows = 0;
  for await (const { row, heard } of mapInOrder(
    sample(source, count, maxRows),
    2 * decoder.threads,
    listen,
  )) {
    if (signal?.aborted) throw new WhisperError('ERR_CANCELLED', `reading ${source.name} was cancelled`);
    check.add(row, heard, origin);
    rows += 1;
    yield { split: name, rows, total };
  }
}

/** All rows, or as many as asked for: short stretches spread evenly, or the first where rows cannot be gone to. */
async function* sample(
  source: Source,
  count: number | undefined,
  most: number,
): AsyncGenerator<Row, void, void> {
  const spread = count !== undefined && source.seek !== undefined && count > most;
  const stretches = spread ? Math.ceil(most / stretch) : 1;
  let left = most;
  for (let i = 0; i < stretches && left > 0; i++) {
    const cursor = spread ? await source.seek!(Math.floor((i * count) / stretches)) : undefined;
    let here = Math.min(left, spread ? Math.ceil(left / (stretches - i)) : left);
    for await (const { row } of source.open(cursor)) {
      yield row;
      left -= 1;
      if (--here === 0) break;
    }
  }
}

async function hear(
  audio: AudioReference,
  examine: Examination,
  decoder: Pick<DecoderPool, 'examine'>,
): Promise<Heard> {
  if (!('path' in audio || 'bytes' in audio)) return hearDecoded(audio);
  const { outcome, ...reply } = await decoder.examine({ ...audio, examine });
  if ('seconds' in reply) return { examined: reply };
  if ('real' in reply) return { fault: 'missing', detail: `a link out of its folder, to ${reply.real}` };
  return { fault: outcome as 'missing' | 'undecodable', detail: reply.detail };
}

/** Audio that was decoded before. */
async function hearDecoded(audio: AudioReference): Promise<Heard> {
  const loaded = await loadSamples(audio);
  if (!('fault' in loaded)) return { examined: { seconds: loaded.samples.length / sampleRate } };
  return { fault: loaded.fault === 'missing' ? 'missing' : 'undecodable', detail: loaded.detail };
}

/** Rows that are looked at before training begins. */
const quickRows = 200;

/**
 * The same of the first rows of each split, by what the headers of the audio say: a few seconds before training begins.
 *
 * @throws WhisperError as {@link preflight}
 */
export async function quickCheck(
  options: Omit<PreflightOptions, 'maxRows' | 'examination'>,
): Promise<Finding[]> {
  const examination = { decode: false, digest: false };
  const splits = options.splits.map((split) => ({ ...split, sources: split.sources.map(withoutSeek) }));
  const checks = preflight({ ...options, splits, maxRows: quickRows, examination });
  for (;;) {
    const { done, value } = await checks.next();
    if (done) return value.findings;
  }
}

/** The first rows are the cheapest to read. */
function withoutSeek(source: Source): Source {
  return {
    name: source.name,
    open: (cursor) => source.open(cursor),
    rowsAt: (cursors) => source.rowsAt(cursors),
  };
}
