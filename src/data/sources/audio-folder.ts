// Folders of audio files with a `metadata.csv` or `metadata.jsonl`: the "audiofolder" layout of Hugging Face datasets.
import { readdir } from 'node:fs/promises';
import { basename, dirname, join } from 'node:path';
import { openClips } from './clips.js';
import { type Format, type Splits, tablesIn } from './format.js';

/** The metadata table of a folder, if it has one. */
async function metadata(folder: string): Promise<string | undefined> {
  const tables = await tablesIn(folder);
  return tables.find(({ stem, ending }) => stem === 'metadata' && ending !== 'tsv')?.file;
}

async function subfolders(folder: string): Promise<string[]> {
  const entries = await readdir(folder, { withFileTypes: true }).catch(() => []);
  return entries.filter((entry) => entry.isDirectory()).map((entry) => join(folder, entry.name));
}

export const audioFolder: Format = {
  name: 'audio folder',
  expects:
    'metadata.csv or metadata.jsonl with a file_name column, in the folder or in a folder for each split',
  async recognise(path) {
    const folders = [...(await subfolders(path)), ...(await subfolders(join(path, 'data')))].sort();
    const splits: [string, string | undefined][] = [];
    for (const folder of folders) splits.push([basename(folder), await metadata(folder)]);
    // One table for everything is the training split, as in datasets.
    splits.push(['train', (await metadata(path)) ?? (await metadata(join(path, 'data')))]);
    const found: Splits = new Map(
      splits.flatMap(([split, table]) =>
        table === undefined
          ? []
          : [
              [
                split,
                (columns) =>
                  openClips({
                    ...columns,
                    path: table,
                    root: path,
                    base: dirname(table),
                    audioColumns: ['file_name'],
                  }),
              ] as const,
            ],
      ),
    );
    return found.size > 0 ? found : undefined;
  },
};
