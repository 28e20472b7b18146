// Folders of audio files with a `metadata.csv` or `metadata.jsonl`: the "audiofolder" layout of Hugging Face datasets.
import { openClips } from './clips.js';
import { type DataFiles, folderOf, inFolder, nameOf } from './files.js';
import { type Format, type Splits, tablesIn } from './format.js';

/** The metadata table of a folder, if it has one. */
async function metadata(files: DataFiles, folder: string): Promise<string | undefined> {
  const tables = await tablesIn(files, folder);
  return tables.find(({ stem, ending }) => stem === 'metadata' && ending !== 'tsv')?.path;
}

async function subfolders(files: DataFiles, folder: string): Promise<string[]> {
  const entries = await files.list(folder);
  return entries.flatMap(({ name, folder: isFolder }) => (isFolder ? [inFolder(folder, name)] : []));
}

export const audioFolder: Format = {
  name: 'audio folder',
  expects:
    'metadata.csv or metadata.jsonl with a file_name column, in the folder or in a folder for each split',
  async recognise({ files, file }) {
    if (file !== undefined) return undefined;
    const folders = [...(await subfolders(files, '')), ...(await subfolders(files, 'data'))].sort();
    const splits: [string, string | undefined][] = [];
    for (const folder of folders) splits.push([nameOf(folder), await metadata(files, folder)]);
    // One table for everything is the training split, as in datasets.
    splits.push(['train', (await metadata(files, '')) ?? (await metadata(files, 'data'))]);
    const found: Splits = new Map(
      splits.flatMap(([split, path]) =>
        path === undefined
          ? []
          : [
              [
                split,
                (columns) =>
                  openClips({
                    ...columns,
                    files,
                    path,
                    base: folderOf(path),
                    audioColumns: ['file_name'],
                  }),
              ] as const,
            ],
      ),
    );
    return found.size > 0 ? found : undefined;
  },
};
