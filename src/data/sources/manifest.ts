// Manifests: a table with `audio` and `text` columns, its paths relative to itself; a file, or a folder with one per split.
import { stat } from 'node:fs/promises';
import { basename, dirname, extname } from 'node:path';
import type { Source } from '../dataset.js';
import { type Columns, openClips } from './clips.js';
import { type Format, tablesIn } from './format.js';
import { tableEndings } from './table.js';

const audioColumns = ['audio', 'path', 'file', 'audio_filepath', 'file_name'];

function openManifest(path: string): (columns: Columns) => Promise<Source> {
  return (columns) => openClips({ ...columns, path, root: dirname(path), base: dirname(path), audioColumns });
}

export const manifest: Format = {
  name: 'manifest',
  expects:
    'a .csv, .tsv or .jsonl file with audio and text columns, or a folder with train.csv (.tsv, .jsonl) and so on',
  async recognise(path) {
    const ending = extname(path).slice(1).toLowerCase();
    const entry = await stat(path).catch(() => undefined);
    if (entry?.isFile()) {
      if (!(tableEndings as readonly string[]).includes(ending)) return undefined;
      // One file is one split. It answers to its own name and, as in datasets, to "train".
      const open = openManifest(path);
      return new Map([
        [basename(path, extname(path)), open],
        ['train', open],
      ]);
    }
    const tables = await tablesIn(path);
    return tables.length > 0
      ? new Map(tables.map(({ stem, file }) => [stem, openManifest(file)]))
      : undefined;
  },
};
