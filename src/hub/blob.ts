// One file on its way into the cache: gone on with where it broke, checked, and given its name only then.
import { createHash, type Hash, randomBytes } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { type FileHandle, open, readdir, rename, rm, stat } from 'node:fs/promises';
import { hostname } from 'node:os';
import { basename, dirname, join } from 'node:path';
import { makeFolder } from '../files/folders.js';
import { Attempts, cancelled, Transient } from './attempts.js';
import { sizeOf } from './cache.js';
import type { HubFile } from './files.js';
import { RemoteBytes } from './remote-file.js';
import { describeRepository, type Repository } from './repository.js';
import type { HubSettings } from './settings.js';

/** Whole downloads of a file whose content turns out to be wrong. */
const MOST_DOWNLOADS = 3;
/** Milliseconds after which a half-written file whose writer may still live is nobody's. */
const ABANDONED = 600_000;
/** The same for those of huggingface_hub before 1.3, which do not tell whose they are. */
const ABANDONED_UNNAMED = 60_000;
/** Bytes read at once from what an earlier download left. */
const PIECE = 4 << 20;

/** Marks the half-written files of this machine, this process and this copy of the module. */
const HOST = createHash('sha256').update(hostname()).digest('hex').slice(0, 4);
const MARK = `${HOST}${process.pid.toString(16).padStart(8, '0')}${randomBytes(2).toString('hex')}`;

/** Blobs that this process is loading. */
const coming = new Map<string, Promise<void>>();

/**
 * Downloads a file to `blob`. Several that want the same one, here or in other processes, do not disturb each other: here
 * they wait for the first, and processes each write a file of their own.
 *
 * @param onBytes is called with the bytes that came, and with less than nothing where some have to come again
 * @throws WhisperError `ERR_HUB`, also when the content is not what the Hub says it is; `ERR_CANCELLED`
 */
export async function downloadBlob(
  repository: Repository,
  file: HubFile,
  blob: string,
  settings: HubSettings,
  onBytes: (bytes: number) => void,
  signal: AbortSignal,
): Promise<void> {
  for (let other = coming.get(blob); other; other = coming.get(blob)) await other.catch(() => {});
  // No wait between having found none and being one.
  const own = load(repository, file, blob, settings, onBytes, signal);
  coming.set(blob, own);
  try {
    await own;
  } finally {
    coming.delete(blob);
  }
}

async function load(
  repository: Repository,
  file: HubFile,
  blob: string,
  settings: HubSettings,
  onBytes: (bytes: number) => void,
  signal: AbortSignal,
): Promise<void> {
  if ((await sizeOf(blob)) === file.size) {
    onBytes(file.size);
    return;
  }
  await makeFolder(dirname(blob));
  const remote = new RemoteBytes(repository, file, settings, signal);
  const retries = { ...settings.retries, attempts: Math.min(MOST_DOWNLOADS, settings.retries.attempts) };
  const doing = `download ${file.path} of ${describeRepository(repository)}`;
  const attempts = new Attempts(doing, { ...settings, retries }, signal);
  const temporary = `${blob}.${MARK}.incomplete`;
  for (;;) {
    await takeOver(blob, temporary);
    let counted = 0;
    const count = (bytes: number) => {
      counted += bytes;
      onBytes(bytes);
    };
    const handle = await open(temporary, 'a+');
    try {
      await fill(handle, file, remote, count, signal);
      await handle.sync();
      await handle.close();
      await rename(temporary, blob);
      for (const { path } of await abandoned(blob)) await rm(path, { force: true });
      return;
    } catch (failure) {
      await handle.close();
      onBytes(-counted);
      // What came of a right file is kept for the next time.
      if (failure instanceof Transient) await rm(temporary, { force: true });
      await attempts.next(failure);
    }
  }
}

/** Reads what is there already, loads the rest behind it, and checks the whole. */
async function fill(
  handle: FileHandle,
  file: HubFile,
  remote: RemoteBytes,
  onBytes: (bytes: number) => void,
  signal: AbortSignal,
): Promise<void> {
  const hash = hashOf(file);
  let { size } = await handle.stat();
  if (size > file.size) {
    await handle.truncate(0);
    size = 0;
  }
  for (let at = 0; at < size; ) {
    if (signal.aborted) throw cancelled(signal);
    const { buffer, bytesRead } = await handle.read(
      Buffer.allocUnsafe(PIECE),
      0,
      Math.min(PIECE, size - at),
      at,
    );
    hash?.update(buffer.subarray(0, bytesRead));
    at += bytesRead;
    onBytes(bytesRead);
  }
  for await (const piece of remote.read(size, file.size)) {
    hash?.update(piece);
    await handle.appendFile(piece);
    onBytes(piece.length);
  }
  const came = hash?.digest('hex');
  if (came !== undefined && came !== file.etag) {
    throw new Transient(`its content has the checksum ${came}, expected ${file.etag}`);
  }
}

/** The checksum that an ETag is: SHA-256 in LFS, else the SHA-1 of a git blob, which begins with its length. */
function hashOf({ etag, size }: HubFile): Hash | undefined {
  if (/^[0-9a-f]{64}$/.test(etag)) return createHash('sha256');
  if (/^[0-9a-f]{40}$/.test(etag)) return createHash('sha1').update(`blob ${size}\0`);
  return undefined;
}

/** Makes the longest half-written file that ended processes left for this blob our own. */
async function takeOver(blob: string, temporary: string): Promise<void> {
  if ((await sizeOf(temporary)) !== undefined) return;
  for (const { path } of await abandoned(blob)) {
    // A rename has one winner.
    const taken = await rename(path, temporary).then(
      () => true,
      () => false,
    );
    if (taken) return;
  }
}

/** Half-written files of a blob that nobody writes any more, the longest first. */
async function abandoned(blob: string): Promise<{ path: string; size: number }[]> {
  const left: { path: string; size: number }[] = [];
  for (const name of await readdir(dirname(blob))) {
    if (!name.startsWith(`${basename(blob)}.`) || !name.endsWith('.incomplete')) continue;
    const path = join(dirname(blob), name);
    const found = await stat(path).catch(() => undefined);
    const mark = name.slice(basename(blob).length, -'.incomplete'.length).replace('.', '');
    if (found && isAbandoned(mark, Date.now() - found.mtimeMs)) left.push({ path, size: found.size });
  }
  return left.sort((a, b) => b.size - a.size);
}

function isAbandoned(mark: string, age: number): boolean {
  if (age > ABANDONED) return true;
  if (mark === '') return age > ABANDONED_UNNAMED;
  const [, host, id] = /^([0-9a-f]{4})([0-9a-f]{8})[0-9a-f]{4}$/.exec(mark) ?? [];
  return host === HOST && !isAlive(Number.parseInt(id!, 16));
}

function isAlive(id: number): boolean {
  try {
    process.kill(id, 0);
  } catch (error) {
    return (error as NodeJS.ErrnoException).code === 'EPERM';
  }
  // One that ended and whose parent has not asked how: in containers, often for good.
  return !isZombie(id);
}

/** From the state behind the name in parentheses of Linux's /proc; other systems have none. */
function isZombie(id: number): boolean {
  try {
    return /\) Z /.test(readFileSync(`/proc/${id}/stat`, 'latin1'));
  } catch {
    return false;
  }
}
