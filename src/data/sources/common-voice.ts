// Common Voice folders: `clips/` and `train.tsv`, `dev.tsv`, `test.tsv`, as Mozilla publishes them.
import { openClips } from './clips.js';
import { type DataFiles, endingOf, hasFolder } from './files.js';
import { type Format, type Splits, tablesIn } from './format.js';

/** The splits of a folder with `clips/`; undefined where there is none. */
export async function commonVoiceSplits(files: DataFiles): Promise<Splits | undefined> {
  if (!(await hasFolder(files, 'clips'))) return undefined;
  const splits = (await tablesIn(files, '')).filter(({ ending }) => ending === 'tsv');
  return new Map(
    splits.map(({ stem, path }) => [
      stem,
      (columns) =>
        openClips({
          ...columns,
          files,
          path,
          base: 'clips',
          within: 'clips',
          audioColumns: ['path'],
          // The first releases left the ending out.
          clip: (name) => (endingOf(name) === '' ? `${name}.mp3` : name),
        }),
    ]),
  );
}

export const commonVoice: Format = {
  name: 'Common Voice folder',
  expects: 'a folder clips/ beside train.tsv, dev.tsv or test.tsv',
  async recognise({ files, file }) {
    return file === undefined ? commonVoiceSplits(files) : undefined;
  },
};
