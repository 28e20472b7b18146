// Every row decoded once and kept on disk, for `--streaming False`: passes then read samples and not audio files, in an
// order that permutes all rows.
import { statfs } from 'node:fs/promises';
import { join } from 'node:path';
import { WhisperError } from '../../errors.js';
import { mapInOrder } from '../ahead.js';
import type { Positioned, Source } from '../dataset.js';
import { type Decoder, decoderPool } from '../decode/pool.js';
import { type Loaded, loadSamples, type Resample } from '../decode/samples.js';
import { type PreparedState, PreparedWriter, readState } from './files.js';
import { fingerprint } from './fingerprint.js';
import { openPrepared } from './source.js';

/** Bytes of audio after which what is done is made to last: some 17 minutes of audio, a few seconds of work. */
const commitBytes = 32 * 2 ** 20;

export interface PrepareCacheOptions {
  /** Folders of prepared data lie in here. */
  cacheDir: string;
  decoder?: Decoder;
  resample?: Resample;
  /** What is done is kept; the next run goes on from there. */
  signal?: AbortSignal;
  /** Bytes that are free in a folder. Default: what the file system says. */
  freeBytes?: (folder: string) => Promise<number>;
}

/** How far preparing is. */
export interface PrepareProgress {
  /** Looking for what has been prepared before, or decoding. */
  stage: 'checking' | 'decoding';
  rows: number;
  /** Rows of the data set, where it can say that. */
  total: number | undefined;
  /** Bytes of samples written, two for each sample. */
  bytes: number;
  folder: string;
}

/**
 * Decodes every row of a source to 16-bit samples at 16 kHz on disk, unless that has been done, and gives a source of
 * those rows: it counts, finds any row at once, and `shuffled` permutes all rows. Rows whose audio cannot be used stay,
 * with the reason, and are dropped and counted where they are used. Tells how far it is after every row.
 *
 * Samples are rounded to 16 bits, which loses nothing of 16-bit files at 16 kHz and is far below what lossy formats lose
 * of others.
 *
 * @throws WhisperError ERR_FILE when a folder cannot be written or has too little room (what is done is kept), or another
 *   process prepares the same; ERR_CANCELLED; what reading the source throws
 */
export async function* prepareCache(
  source: Source,
  options: PrepareCacheOptions,
): AsyncGenerator<PrepareProgress, Source, void> {
  const { cacheDir, signal } = options;
  const total = await source.count?.();
  const looking = fingerprint(source);
  let found = await looking.next();
  for (; !found.done; found = await looking.next()) {
    stopIfAborted(source, signal);
    yield { stage: 'checking', rows: found.value, total, bytes: 0, folder: cacheDir };
  }
  const folder = join(cacheDir, 'prepared', found.value);
  let state = await readState(folder);
  if (!state?.complete) state = yield* decodeAll(source, folder, total, options);
  return openPrepared(folder, state.rows, source);
}

function stopIfAborted(source: Source, signal: AbortSignal | undefined): void {
  if (!signal?.aborted) return;
  throw new WhisperError(
    'ERR_CANCELLED',
    `preparing ${source.name} was cancelled; the next run goes on with it`,
  );
}

async function* decodeAll(
  source: Source,
  folder: string,
  total: number | undefined,
  { decoder = decoderPool(), resample, signal, freeBytes = freeOn }: PrepareCacheOptions,
): AsyncGenerator<PrepareProgress, PreparedState, void> {
  const writer = await PreparedWriter.open(folder, source.name);
  const load = async (positioned: Positioned) => ({
    positioned,
    loaded: await loadSamples(positioned.row.audio, { decoder, ...(resample && { resample }) }),
  });
  let { cursor } = writer.state;
  let { rows } = writer.state;
  try {
    for await (const { positioned, loaded } of mapInOrder(source.open(cursor), 2 * decoder.threads, load)) {
      writer.add(positioned.row, usable(loaded));
      cursor = positioned.next;
      rows += 1;
      if (writer.waiting >= commitBytes) {
        await checkRoom(writer, folder, rows, total, freeBytes);
        await writer.commit(cursor, false);
      }
      stopIfAborted(source, signal);
      yield { stage: 'decoding', rows, total, bytes: writer.state.audioBytes + writer.waiting, folder };
    }
    await writer.commit(cursor, true);
    return writer.state;
  } catch (error) {
    // What came before a fault of the source, or a full disk, need not be decoded again.
    await writer.commit(cursor, false).catch(() => {});
    throw error;
  } finally {
    await writer.close();
  }
}

/** A damaged clip is not used in training or evaluation, whatever of it could be decoded. */
function usable(loaded: Loaded): Parameters<PreparedWriter['add']>[1] {
  if ('fault' in loaded) return loaded;
  return loaded.damage === undefined ? loaded : { fault: 'damaged', detail: loaded.damage };
}

async function freeOn(folder: string): Promise<number> {
  const { bavail, bsize } = await statfs(folder);
  return bavail * bsize;
}

/** What is left needs about as much for each row as what is done. */
async function checkRoom(
  writer: PreparedWriter,
  folder: string,
  rows: number,
  total: number | undefined,
  freeBytes: (folder: string) => Promise<number>,
): Promise<void> {
  const { audioBytes, rowBytes } = writer.state;
  const bytes = audioBytes + rowBytes + writer.waiting;
  const needed = writer.waiting + (total === undefined ? 0 : (bytes / Math.max(1, rows)) * (total - rows));
  const free = await freeBytes(folder);
  if (free >= needed) return;
  const gigabytes = (count: number) => `${(count / 1e9).toFixed(1)} GB`;
  const all = total === undefined ? '' : ` (${gigabytes(bytes + needed - writer.waiting)} in all)`;
  throw new WhisperError(
    'ERR_FILE',
    `preparing ${writer.state.source} needs about ${gigabytes(needed)} more${all} in ${folder}, where ${gigabytes(free)} are free: make room, name another folder, or stream the data`,
  );
}
