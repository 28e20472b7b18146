// Manifests: a table with `audio` and `text` columns, its paths relative to itself; a file, or a folder with one per split.
import type { Source } from '../dataset.js';
import { openClips } from './clips.js';
import type { Columns } from './columns.js';
import { type DataFiles, endingOf, folderOf } from './files.js';
import { type Format, tablesIn } from './format.js';
import { tableEndings } from './table.js';

const audioColumns = ['audio', 'path', 'file', 'audio_filepath', 'file_name'];

/** Opens one table of clips. */
export function openManifest(files: DataFiles, path: string): (columns: Columns) => Promise<Source> {
  return (columns) => openClips({ ...columns, files, path, base: folderOf(path), audioColumns });
}

export const manifest: Format = {
  name: 'manifest',
  expects:
    'a .csv, .tsv or .jsonl file with audio and text columns, or a folder with train.csv (.tsv, .jsonl) and so on',
  async recognise({ files, file }) {
    if (file !== undefined) {
      const ending = endingOf(file);
      if (!(tableEndings as readonly string[]).includes(ending)) return undefined;
      // One file is one split. It answers to its own name and, as in datasets, to "train".
      const open = openManifest(files, file);
      return new Map([
        [file.slice(0, -ending.length - 1), open],
        ['train', open],
      ]);
    }
    const tables = await tablesIn(files, '');
    return tables.length > 0
      ? new Map(tables.map(({ stem, path }) => [stem, openManifest(files, path)]))
      : undefined;
  },
};
