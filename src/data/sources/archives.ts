// Data sets that come as one archive, such as Mozilla's downloads: unpacked once into the cache, and then a folder.
import { openLocalFile } from '../../files/random-access.js';
import { tarEntries } from '../../files/tar.js';
import { unpackOnce } from '../../files/unpack.js';
import { type DataFiles, localFiles } from './files.js';
import type { Place, Surroundings } from './format.js';

/** Entries after which an archive of clips has shown a folder of theirs or a table. */
const entriesLookedAt = 50;

/** Whether an archive holds Common Voice's folders; other archives that are not compressed are read as they are. */
async function holdsCommonVoice(path: string): Promise<boolean> {
  const file = await openLocalFile(path);
  try {
    let left = entriesLookedAt;
    for await (const { name } of tarEntries(file)) {
      if (/(^|\/)clips\/[^/]+$/.test(name) || name.endsWith('.tsv')) return true;
      if (--left === 0) return false;
    }
    return false;
  } finally {
    await file.close();
  }
}

/** Below folders that hold nothing but one folder: `cv-corpus-24.0-2025-12-05/es`. */
async function innermost(files: DataFiles): Promise<DataFiles> {
  const entries = (await files.list('')).filter(({ name }) => !name.startsWith('.'));
  const [only] = entries;
  return entries.length === 1 && only!.folder ? innermost(files.within(only!.name)) : files;
}

/**
 * What an archive holds, unpacked; undefined where the place is no archive that has to be unpacked.
 *
 * @throws WhisperError of `unpackOnce`
 */
export async function unpackedFiles(
  { files, file }: Place,
  { cacheDir, progress, signal }: Surroundings,
): Promise<DataFiles | undefined> {
  if (file === undefined || !/\.(tar\.gz|tgz|tar)$/i.test(file)) return undefined;
  const path = await files.local(file);
  if (/\.tar$/i.test(file) && !(await holdsCommonVoice(path))) return undefined;
  const folder = await unpackOnce(path, cacheDir, { progress, ...(signal && { signal }) });
  return innermost(localFiles(folder));
}
