// Unpacking .tar and .tar.gz archives as a stream into a folder of the cache: once, whole or not at all, and within limits.
import { createHash } from 'node:crypto';
import { createReadStream } from 'node:fs';
import { mkdir, open, readdir, realpath, rename, rm, stat, statfs, writeFile } from 'node:fs/promises';
import { basename, dirname, join } from 'node:path';
import type { Readable } from 'node:stream';
import { pipeline } from 'node:stream/promises';
import { createGunzip } from 'node:zlib';
import { extract, type Header } from 'tar-stream';
import { fileError, WhisperError } from '../errors.js';
import { formatBytes } from '../train/memory/bytes.js';
import { makeFolder } from './folders.js';
import { entryFault } from './tar.js';

export interface UnpackLimits {
  /** Bytes that come out for each that goes in: clips do not shrink, tables shrink to a tenth. */
  ratio: number;
  /** Bytes that may come out before the ratio is looked at. */
  free: number;
  /** Bytes that may come out at all. */
  bytes: number;
}

const defaultLimits: UnpackLimits = { ratio: 50, free: 64e6, bytes: 2e12 };

/** A file in an archive that is unpacked. */
type Entry = Readable & { header: Header };

export interface UnpackOptions {
  limits?: Partial<UnpackLimits>;
  progress?: (what: string, done: number, total: number) => void;
  signal?: AbortSignal;
}

/** The type flags of a header for what tar-stream calls them. */
const typeFlags: Readonly<Record<string, string>> = {
  link: '1',
  symlink: '2',
  'character-device': '3',
  'block-device': '4',
  fifo: '6',
};

/**
 * Unpacks an archive into a folder under `cacheDir`, unless it is there already. What was interrupted is begun anew.
 *
 * @returns the folder
 * @throws WhisperError `ERR_DATA` for a damaged archive, one with links, devices or paths out of it, and one that unpacks to
 *   more than the limits; `ERR_FILE` when it cannot be read or written, or the disk is full; `ERR_CANCELLED`
 */
export async function unpackOnce(
  path: string,
  cacheDir: string,
  options: UnpackOptions = {},
): Promise<string> {
  const entry = await stat(path).catch((cause) => {
    throw fileError('read', path, cause);
  });
  // Another file of that name, or the same one changed, is another archive.
  const identity = createHash('sha256').update(`${await realpath(path)} ${entry.size} ${entry.mtimeMs}`);
  const stem = basename(path).replace(/(\.tar)?\.(gz|tgz|tar)$/i, '');
  const folder = join(cacheDir, 'archives', `${stem}-${identity.digest('hex').slice(0, 16)}`);
  if (await isFolder(folder)) return folder;
  await makeFolder(dirname(folder));
  await removeAbandoned(folder);
  await checkSpace(path, dirname(folder), entry.size);
  const unfinished = `${folder}.${process.pid}.partial`;
  try {
    await mkdir(unfinished);
    await unpack(path, unfinished, entry.size, options);
    await rename(unfinished, folder).catch(async (cause) => {
      // Another process was faster.
      if (!(await isFolder(folder))) throw cause;
    });
  } catch (cause) {
    throw cause instanceof WhisperError ? cause : fileError('unpack into', folder, cause);
  } finally {
    await rm(unfinished, { recursive: true, force: true });
  }
  return folder;
}

async function isFolder(path: string): Promise<boolean> {
  return (await stat(path).catch(() => undefined))?.isDirectory() ?? false;
}

/** Removes what processes that are no more have left of this archive. */
async function removeAbandoned(folder: string): Promise<void> {
  for (const name of await readdir(dirname(folder))) {
    const pid = name.startsWith(`${basename(folder)}.`) && /\.(\d+)\.partial$/.exec(name)?.[1];
    if (pid && (Number(pid) === process.pid || !runs(Number(pid))))
      await rm(join(dirname(folder), name), { recursive: true, force: true });
  }
}

function runs(pid: number): boolean {
  try {
    process.kill(pid, 0);
    return true;
  } catch (error) {
    return (error as NodeJS.ErrnoException).code === 'EPERM';
  }
}

/** At least as much as the archive takes has to be free; more cannot be known before. */
async function checkSpace(path: string, folder: string, size: number): Promise<void> {
  const { bavail, bsize } = await statfs(folder);
  if (bavail * bsize > size) return;
  throw new WhisperError(
    'ERR_FILE',
    `cannot unpack ${path}: it needs more than ${formatBytes(size)}, and the disk of ${folder} has ${formatBytes(bavail * bsize)} left; set WHISPER_TUNE_CACHE to a folder on another disk, or unpack it yourself and give the folder`,
  );
}

async function unpack(path: string, folder: string, size: number, options: UnpackOptions): Promise<void> {
  const limits = { ...defaultLimits, ...options.limits };
  let read = 0;
  let unpacked = 0;
  const counted = async function* (chunks: AsyncIterable<Buffer>): AsyncGenerator<Buffer> {
    for await (const chunk of chunks) {
      read += chunk.length;
      options.progress?.(`unpacking ${basename(path)}`, read, size);
      yield chunk;
    }
  };
  const bounded = async function* (chunks: AsyncIterable<Buffer>): AsyncGenerator<Buffer> {
    for await (const chunk of chunks) {
      unpacked += chunk.length;
      if (unpacked > Math.min(limits.bytes, limits.free + limits.ratio * read)) {
        throw new WhisperError(
          'ERR_DATA',
          `${path} unpacks to more than ${formatBytes(unpacked)} from ${formatBytes(read)}: no archive of clips does, so it is refused`,
        );
      }
      yield chunk;
    }
  };
  const writing = async (entries: AsyncIterable<Entry>): Promise<void> => {
    const made = new Set<string>([folder]);
    for await (const entry of entries) await writeEntry(path, folder, entry, made);
  };
  const stages = [
    createReadStream(path),
    counted,
    ...((await isGzip(path)) ? [createGunzip()] : []),
    bounded,
  ];
  try {
    await pipeline([...stages, extract(), writing] as never, { signal: options.signal });
  } catch (cause) {
    if (options.signal?.aborted)
      throw new WhisperError('ERR_CANCELLED', `unpacking ${path} was cancelled`, { cause });
    const { code = '', message } = cause as NodeJS.ErrnoException;
    if (cause instanceof WhisperError || /^E[A-Z]+$/.test(code)) throw cause;
    throw new WhisperError('ERR_DATA', `${path} is cut off or damaged: ${message}`, { cause });
  }
}

async function isGzip(path: string): Promise<boolean> {
  const file = await open(path, 'r');
  try {
    const { buffer } = await file.read(Buffer.alloc(2), 0, 2, 0);
    return buffer[0] === 0x1f && buffer[1] === 0x8b;
  } finally {
    await file.close();
  }
}

async function writeEntry(path: string, folder: string, entry: Entry, made: Set<string>): Promise<void> {
  const { name, type } = entry.header;
  const fault = entryFault(name, typeFlags[type ?? ''] ?? '0');
  if (fault) throw new WhisperError('ERR_DATA', `${path}: ${fault}`);
  const target = join(folder, name);
  const parent = type === 'directory' ? target : dirname(target);
  if (!made.has(parent)) await makeFolder(parent);
  made.add(parent);
  if (type === 'directory') entry.resume();
  else await writeFile(target, entry);
}
