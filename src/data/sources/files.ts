// The files of a data set, wherever they lie: in a folder on this machine, or in a repository on the Hub (hub-files.ts).
import { readdir, stat } from 'node:fs/promises';
import { join, relative, resolve, sep } from 'node:path';
import { fileError } from '../../errors.js';
import { openLocalFile, type RandomAccessFile } from '../../files/random-access.js';
import type { AudioReference } from '../dataset.js';
import { liesIn } from '../folder.js';

export interface Entry {
  name: string;
  folder: boolean;
}

/** Files by their path relative to one folder, with `/` between its parts; `''` is the folder itself. */
export interface DataFiles {
  /** For messages: a path, or a repository. */
  readonly name: string;
  /** What was opened, where it can change under its name: a commit. */
  readonly version?: string;
  /** What is in a folder, sorted by name; nothing where there is no such folder. */
  list(folder: string): Promise<Entry[]>;
  /** A file's name for messages. */
  describe(path: string): string;
  /** @throws WhisperError when there is no such file */
  open(path: string): Promise<RandomAccessFile>;
  /** The path that a table in the folder `base` means by `name`; undefined when it leaves the data set. */
  resolve(base: string, name: string): string | undefined;
  /** An audio file: where it lies on this machine, or its bytes. */
  audio(path: string): AudioReference | Promise<AudioReference>;
  /** The path of a file on this machine, where it is brought if it lies elsewhere. */
  local(path: string): Promise<string>;
  /** The same files below a folder. */
  within(folder: string): DataFiles;
}

/** The path of `name` in a folder. */
export function inFolder(folder: string, name: string): string {
  return folder === '' ? name : `${folder}/${name}`;
}

/** The folder a path lies in. */
export function folderOf(path: string): string {
  return path.slice(0, Math.max(0, path.lastIndexOf('/')));
}

/** The last part of a path. */
export function nameOf(path: string): string {
  return path.slice(path.lastIndexOf('/') + 1);
}

/** The ending of a file's name in lower case, without the dot; empty when it has none. */
export function endingOf(path: string): string {
  return /\.([^./]+)$/.exec(path)?.[1]?.toLowerCase() ?? '';
}

/** Whether there is such a file. */
export async function hasFile(files: DataFiles, path: string): Promise<boolean> {
  const entries = await files.list(folderOf(path));
  return entries.some(({ name, folder }) => !folder && name === nameOf(path));
}

/** Whether there is such a folder. */
export async function hasFolder(files: DataFiles, path: string): Promise<boolean> {
  const entries = await files.list(folderOf(path));
  return path === '' || entries.some(({ name, folder }) => folder && name === nameOf(path));
}

/** How deep data sets nest their folders: `config/split/part/file`, and one more. */
const deepest = 5;

/**
 * The paths of all files with one of the endings, sorted; folders whose name begins with a dot are left out.
 *
 * @param skip folders that are not looked into, by name
 */
export async function filesEnding(
  files: DataFiles,
  endings: readonly string[],
  { folder = '', depth = deepest, skip = [] as readonly string[] } = {},
): Promise<string[]> {
  const found: string[] = [];
  for (const entry of await files.list(folder)) {
    const path = inFolder(folder, entry.name);
    if (entry.name.startsWith('.')) continue;
    if (!entry.folder && endings.includes(endingOf(path))) found.push(path);
    if (entry.folder && depth > 1 && !skip.includes(entry.name))
      found.push(...(await filesEnding(files, endings, { folder: path, depth: depth - 1, skip })));
  }
  return found;
}

/** Reads a small file whole. */
export async function readBytes(files: DataFiles, path: string): Promise<Uint8Array> {
  const file = await files.open(path);
  try {
    return await file.read(0, file.size);
  } finally {
    await file.close();
  }
}

/**
 * The files under an absolute path.
 *
 * @param links whether files may be links to elsewhere, as they are in the Hub's cache; otherwise such audio is refused
 */
export function localFiles(root: string, { links = false } = {}): DataFiles {
  const path = (inner: string): string => (inner === '' ? root : join(root, inner));
  return {
    name: root,
    async list(folder) {
      const entries = await readdir(path(folder), { withFileTypes: true }).catch(() => []);
      const kinds = entries.map(async (entry) => ({
        name: entry.name,
        folder: entry.isSymbolicLink()
          ? ((await stat(join(path(folder), entry.name)).catch(() => undefined))?.isDirectory() ?? false)
          : entry.isDirectory(),
      }));
      return (await Promise.all(kinds)).sort((a, b) => (a.name < b.name ? -1 : 1));
    },
    describe: path,
    open: (inner) => openLocalFile(path(inner)),
    resolve(base, name) {
      const absolute = resolve(path(base), name);
      if (!liesIn(root, absolute) || name.includes('\0')) return undefined;
      return relative(root, absolute).split(sep).join('/');
    },
    audio: (inner) => (links ? { path: path(inner) } : { path: path(inner), root }),
    async local(inner) {
      await stat(path(inner)).catch((cause) => {
        throw fileError('read', path(inner), cause);
      });
      return path(inner);
    },
    within: (folder) => localFiles(path(folder), { links }),
  };
}
