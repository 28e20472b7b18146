// Downloads into the cache: what is there already is not loaded again, and what has come before an error is kept.
import { readdir, statfs } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { fileError, WhisperError } from '../errors.js';
import { makeFolder } from '../files/folders.js';
import { formatBytes } from '../train/memory/bytes.js';
import { downloadBlob } from './blob.js';
import { blobPath, link, sizeOf, snapshotFolder, writeReference } from './cache.js';
import { HubError } from './errors.js';
import { type HubFile, listFiles, resolveRepository } from './files.js';
import { describeRepository, type Repository } from './repository.js';
import type { HubSettings } from './settings.js';

/** Files on their way at the same time. */
const AT_ONCE = 4;

/** How far a download or an upload is. */
export interface Progress {
  /** Bytes of all files that are done, also those that were there before. */
  bytes: number;
  /** Bytes of all files. */
  total: number;
  /** The file that the last bytes are of. */
  path: string;
}

export interface DownloadOptions {
  onProgress?: ((progress: Progress) => void) | undefined;
  signal?: AbortSignal | undefined;
}

/**
 * Downloads the wanted files of a repository into the cache that Python's huggingface_hub uses too, and links them into
 * the snapshot of their commit. What is there already is not loaded again. Offline, and when the Hub cannot be reached, the
 * snapshot in the cache is what there is.
 *
 * @param wanted is given a path, and all the paths there are
 * @returns the snapshot's folder
 * @throws WhisperError `ERR_HUB`, `ERR_FILE` when the cache cannot be written, `ERR_CANCELLED`; what has come by then is kept
 */
export async function downloadFiles(
  repository: Repository,
  wanted: (path: string, paths: ReadonlySet<string>) => boolean,
  settings: HubSettings,
  { onProgress, signal }: DownloadOptions = {},
): Promise<string> {
  const { repository: found, commit, fromCache } = await resolveRepository(repository, settings, { signal });
  // Under the name that was asked for, as Python does: offline nobody knows of a rename.
  const folder = snapshotFolder(repository, commit, settings);
  const listed = fromCache ? undefined : await listOrUseCache(found, folder, settings, signal);
  if (!listed) {
    const cached = new Set(await filesUnder(folder));
    if ([...cached].some((path) => wanted(path, cached))) return folder;
    throw new HubError(
      `cannot find the files of ${describeRepository(repository)}: ${settings.cacheDir} has none of those that are needed, ` +
        `and the Hub ${settings.offline ? 'is not asked offline' : 'cannot be reached'}`,
    );
  }
  const paths = new Set(listed.map(({ path }) => path));
  const files = listed.filter(({ path }) => wanted(path, paths));
  try {
    await makeFolder(folder);
    await download({ repository, found, folder, files, settings, onProgress, signal });
    // Last: until then the revision is, offline, what it was before.
    await writeReference(repository, commit, settings);
  } catch (cause) {
    if (cause instanceof WhisperError) throw cause;
    throw fileError('write to the cache', settings.cacheDir, cause);
  }
  return folder;
}

/** undefined where the server cannot be reached and the cache has to do. */
async function listOrUseCache(
  repository: Repository,
  folder: string,
  settings: HubSettings,
  signal: AbortSignal | undefined,
): Promise<HubFile[] | undefined> {
  const cached = (await filesUnder(folder)).length > 0;
  const attempts = cached ? Math.min(2, settings.retries.attempts) : settings.retries.attempts;
  try {
    return await listFiles(
      repository,
      { ...settings, retries: { ...settings.retries, attempts } },
      { signal },
    );
  } catch (error) {
    if (!cached || !(error instanceof HubError) || !error.unreachable) throw error;
    settings.notice?.(`${error.message}: using those that the cache has`);
    return undefined;
  }
}

async function filesUnder(folder: string): Promise<string[]> {
  const entries = await readdir(folder, { recursive: true, withFileTypes: true }).catch(() => []);
  return entries
    .filter((entry) => !entry.isDirectory())
    .map((entry) =>
      join(entry.parentPath, entry.name)
        .slice(folder.length + 1)
        .replaceAll('\\', '/'),
    );
}

interface Download extends DownloadOptions {
  /** As it was asked for: whose folder of the cache it is. */
  repository: Repository;
  /** As the Hub has it, at its commit. */
  found: Repository;
  folder: string;
  files: HubFile[];
  settings: HubSettings;
}

async function download(all: Download): Promise<void> {
  const { repository, found, folder, files, settings, onProgress, signal } = all;
  const total = files.reduce((sum, { size }) => sum + size, 0);
  const blobOf = ({ etag }: HubFile) => blobPath(repository, etag, settings);
  let bytes = 0;
  const tell = (path: string, more: number) => {
    bytes += more;
    onProgress?.({ bytes, total, path });
  };
  const missing: HubFile[] = [];
  for (const file of files) {
    const path = join(folder, file.path);
    if ((await sizeOf(path)) !== file.size) {
      if ((await sizeOf(blobOf(file))) !== file.size) {
        missing.push(file);
        continue;
      }
      await link(blobOf(file), path);
    }
    tell(file.path, file.size);
  }
  await checkSpace(missing, folder);
  const failing = new AbortController();
  const stop = signal ? AbortSignal.any([signal, failing.signal]) : failing.signal;
  let failure: unknown;
  const work = async (): Promise<void> => {
    for (let file = missing.shift(); file && !failing.signal.aborted; file = missing.shift()) {
      const { path } = file;
      try {
        await downloadBlob(found, file, blobOf(file), settings, (more) => tell(path, more), stop);
        await link(blobOf(file), join(folder, path));
      } catch (error) {
        // The first is the reason; the others only end because of it.
        failure ??= error;
        failing.abort();
      }
    }
  };
  await Promise.all(Array.from({ length: AT_ONCE }, work));
  if (failure !== undefined) throw failure;
}

/** Better before the first byte than after gigabytes. */
async function checkSpace(missing: readonly HubFile[], folder: string): Promise<void> {
  const needed = missing.reduce((sum, { size }) => sum + size, 0);
  const disk = await statfs(folder).catch(() => undefined);
  const free = disk ? disk.bavail * disk.bsize : Number.POSITIVE_INFINITY;
  if (needed <= free) return;
  throw new WhisperError(
    'ERR_FILE',
    `cannot download ${formatBytes(needed)} to ${dirname(dirname(folder))}: its disk has ${formatBytes(free)} left; ` +
      'HF_HOME or --cache_dir names another place',
  );
}
