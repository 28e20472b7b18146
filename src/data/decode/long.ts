// Long recordings of which parts are read: one in which a part cannot be found at once is decoded to a wav file, once.
import { createHash } from 'node:crypto';
import { open, realpath, rename, rm, stat } from 'node:fs/promises';
import { basename, dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { MessageChannel } from 'node:worker_threads';
import { Piscina } from 'piscina';
import { fileError, WhisperError } from '../../errors.js';
import { exists, makeFolder } from '../../files/folders.js';
import { UndecodableAudio } from './audio.js';
import { sniff } from './sniff.js';

export interface SeekableOptions {
  /** A folder that keeps what is decoded. */
  cacheDir: string;
  /** Says what takes long. */
  notice: (line: string) => void;
  signal?: AbortSignal;
}

const workerUrl = import.meta.url.endsWith('.ts')
  ? new URL('../../../dist/data/decode/long-worker.js', import.meta.url)
  : new URL('./long-worker.js', import.meta.url);

let thread: Piscina | undefined;

/** One recording at a time: each is written to the disk as fast as it is decoded. */
function pool(): Piscina {
  thread ??= new Piscina({
    filename: fileURLToPath(workerUrl),
    minThreads: 0,
    maxThreads: 1,
    idleTimeout: 30_000,
  });
  return thread;
}

/** Whether a part of it can be read without the rest. */
async function isWav(path: string): Promise<boolean> {
  const file = await open(path, 'r');
  try {
    const head = Buffer.alloc(64 * 1024);
    const { bytesRead } = await file.read(head, 0, head.length, 0);
    return sniff(head.subarray(0, bytesRead)).format === 'wav';
  } catch (error) {
    if (error instanceof UndecodableAudio) return false;
    throw error;
  } finally {
    await file.close();
  }
}

/**
 * A file with the same audio in which any part is read at once: the file itself, or a wav file in the cache.
 *
 * @throws WhisperError ERR_FILE when it cannot be read or written; ERR_DATA when it cannot be decoded; ERR_CANCELLED
 */
export async function seekableAudio(
  path: string,
  { cacheDir, notice, signal }: SeekableOptions,
): Promise<string> {
  const fail = (cause: unknown): never => {
    throw fileError('read', path, cause);
  };
  const { size, mtimeMs } = await stat(path).catch(fail);
  if (await isWav(path).catch(fail)) return path;
  const identity = createHash('sha256')
    .update(`${await realpath(path)} ${size} ${mtimeMs}`)
    .digest('hex');
  const target = join(cacheDir, 'audio', `${basename(path)}-${identity.slice(0, 16)}.wav`);
  if (await exists(target)) return target;
  notice(`decoding ${path} once, to ${target}`);
  await makeFolder(dirname(target));
  const unfinished = `${target}.${process.pid}.partial`;
  const { port1: mine, port2: port } = new MessageChannel();
  let done = 0;
  let told = 0;
  mine.on('message', (seconds: number) => {
    done = seconds;
    if (done - told < 3600) return;
    told = done;
    notice(`decoding ${path}: ${Math.round(done / 3600)} hours are done`);
  });
  try {
    const fault = (await pool().run(
      { path, target: unfinished, port },
      { transferList: [port], ...(signal && { signal }) },
    )) as string | undefined;
    if (fault !== undefined) throw new WhisperError('ERR_DATA', `cannot decode ${path}: ${fault}`);
    await rename(unfinished, target);
  } catch (cause) {
    if (signal?.aborted) throw new WhisperError('ERR_CANCELLED', `decoding ${path} was cancelled`, { cause });
    throw cause instanceof WhisperError ? cause : fileError('decode into', target, cause);
  } finally {
    mine.close();
    await rm(unfinished, { force: true });
  }
  return target;
}
