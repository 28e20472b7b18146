// The threads that decode parquet, and the way from a file to them.
import { availableParallelism } from 'node:os';
import { fileURLToPath } from 'node:url';
import { MessageChannel } from 'node:worker_threads';
import { Piscina } from 'piscina';
import type { RandomAccessFile } from '../../files/random-access.js';
import type { ParquetJob, ParquetReply, RangeReply, RangeRequest } from './parquet-worker.js';

// The thread runs compiled JavaScript: beside this file in dist/, and there too when this file itself is run as
// TypeScript by the test runner.
const workerUrl = import.meta.url.endsWith('.ts')
  ? new URL('../../../dist/data/sources/parquet-worker.js', import.meta.url)
  : new URL('./parquet-worker.js', import.meta.url);

/** Milliseconds without a request for bytes, after which a damaged file is taken to keep the decoder busy for ever. */
const patience = 120_000;

let threads: Piscina | undefined;

/** Few threads: a row group is decoded many times as fast as its audio. They end after half a minute without work. */
function pool(): Piscina {
  threads ??= new Piscina({
    filename: fileURLToPath(workerUrl),
    minThreads: 0,
    maxThreads: Math.min(2, availableParallelism()),
    idleTimeout: 30_000,
  });
  return threads;
}

/**
 * Decodes rows of one row group on a thread.
 *
 * @throws what reading the file throws; Error with the reason when the content cannot be decoded
 */
export async function decodeRows(
  file: RandomAccessFile,
  job: Omit<ParquetJob, 'port' | 'size'>,
): Promise<ParquetReply> {
  const { port1: mine, port2: port } = new MessageChannel();
  const stuck = new AbortController();
  const giveUp = (): void => stuck.abort();
  let timer = setTimeout(giveUp, patience);
  let failure: { error: unknown } | undefined;
  const answer = async ({ id, start, end }: RangeRequest): Promise<void> => {
    clearTimeout(timer);
    try {
      if (!(start >= 0 && start <= end && end <= file.size))
        throw new Error(`it should lie at bytes ${start} to ${end} of ${file.size}`);
      const read = await file.read(start, end);
      // Memory that is these bytes' alone is handed over, and not copied.
      const bytes = (read.byteLength === read.buffer.byteLength ? read : read.slice()).buffer as ArrayBuffer;
      mine.postMessage({ id, bytes } satisfies RangeReply, [bytes]);
    } catch (error) {
      failure ??= { error };
      mine.postMessage({ id, failed: true } satisfies RangeReply);
    }
    clearTimeout(timer);
    timer = setTimeout(giveUp, patience);
  };
  mine.on('message', (request: RangeRequest) => void answer(request));
  try {
    const transferList = [port];
    return await pool().run({ ...job, size: file.size, port }, { transferList, signal: stuck.signal });
  } catch (error) {
    if (failure) throw failure.error;
    throw stuck.signal.aborted ? new Error('it keeps the decoder busy for ever') : error;
  } finally {
    clearTimeout(timer);
    mine.close();
  }
}
