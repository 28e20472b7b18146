// The files of a data set on the Hub at one commit, read by ranges through the cache.
import { createHash } from 'node:crypto';
import { isAbsolute, join, posix } from 'node:path';
import { WhisperError } from '../../errors.js';
import type { RandomAccessFile } from '../../files/random-access.js';
import {
  downloadFiles,
  type HubFile,
  type HubSettings,
  openHubFile,
  type Repository,
} from '../../hub/index.js';
import type { BlockCache } from './block-cache.js';
import { type DataFiles, type Entry, folderOf, inFolder, nameOf } from './files.js';
import { cachedFile } from './remote-cache.js';

export interface HubFilesOptions {
  /** At a commit, as `resolveRepository` gives it. */
  repository: Repository;
  commit: string;
  /** As `listFiles` gives them. */
  files: readonly HubFile[];
  settings: HubSettings;
  cache: BlockCache;
  /** Tells how far the download of a file is that is needed whole. */
  progress: (what: string, done: number, total: number) => void;
  signal?: AbortSignal;
}

/** What is in each folder. */
function foldersOf(files: readonly HubFile[]): Map<string, Entry[]> {
  const folders = new Map<string, Entry[]>([['', []]]);
  const add = (path: string, folder: boolean): void => {
    const parent = folderOf(path);
    if (!folders.has(parent)) {
      folders.set(parent, []);
      add(parent, true);
    }
    folders.get(parent)!.push({ name: nameOf(path), folder });
  };
  for (const { path } of files) add(path, false);
  for (const entries of folders.values()) entries.sort((a, b) => (a.name < b.name ? -1 : 1));
  return folders;
}

/** The files of a repository, as if they lay in a folder. */
export function hubFiles(options: HubFilesOptions): DataFiles {
  const { repository, commit, settings, cache, signal } = options;
  const folders = foldersOf(options.files);
  const byPath = new Map(options.files.map((file) => [file.path, file]));

  const open = async (path: string): Promise<RandomAccessFile> => {
    const file = byPath.get(path);
    if (!file) throw new WhisperError('ERR_FILE', `${repository.id} has no file ${path}`);
    // Who closes a file no longer waits for what was read ahead.
    const closing = new AbortController();
    const signals = signal ? AbortSignal.any([signal, closing.signal]) : closing.signal;
    const remote = await openHubFile(repository, file, settings, { signal: signals });
    // What was downloaded whole is read where it lies.
    if (isAbsolute(remote.name) || file.etag === '') return remote;
    const key = createHash('sha256').update(`${file.etag} ${file.size}`).digest('hex');
    const cached = cachedFile(remote, key, cache);
    return {
      ...cached,
      close() {
        closing.abort();
        return cached.close();
      },
    };
  };

  const under = (root: string): DataFiles => {
    const full = (path: string): string => (root === '' ? path : path === '' ? root : inFolder(root, path));
    const describe = (path: string): string => inFolder(repository.id, full(path)).replace(/\/$/, '');
    return {
      name: describe(''),
      version: commit,
      list: async (folder) => folders.get(full(folder)) ?? [],
      describe,
      open: (path) => open(full(path)),
      resolve(base, name) {
        const path = posix.join(base, name);
        const leaves = path === '..' || path.startsWith('../') || posix.isAbsolute(name);
        return leaves || path === '.' || name.includes('\0') ? undefined : path;
      },
      async audio(path) {
        // A clip that is not there is dropped and counted like one that is missing in a local folder.
        if (!byPath.has(full(path))) return { path: describe(path) };
        const file = await open(full(path));
        try {
          return { bytes: await file.read(0, file.size) };
        } finally {
          await file.close();
        }
      },
      async local(path) {
        const wanted = full(path);
        const onProgress = ({ bytes, total }: { bytes: number; total: number }) =>
          options.progress(`downloading ${describe(path)}`, bytes, total);
        const folder = await downloadFiles(repository, (name) => name === wanted, settings, {
          onProgress,
          ...(signal && { signal }),
        });
        return join(folder, wanted);
      },
      within: (folder) => under(full(folder)),
    };
  };
  return under('');
}
