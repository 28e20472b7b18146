// Common Voice folders: `clips/` and `train.tsv`, `dev.tsv`, `test.tsv`, as Mozilla publishes them.
import { stat } from 'node:fs/promises';
import { extname, join } from 'node:path';
import { openClips } from './clips.js';
import { type Format, tablesIn } from './format.js';

export const commonVoice: Format = {
  name: 'Common Voice folder',
  expects: 'a folder clips/ beside train.tsv, dev.tsv or test.tsv',
  async recognise(path) {
    const clips = join(path, 'clips');
    const folder = await stat(clips).catch(() => undefined);
    if (!folder?.isDirectory()) return undefined;
    const splits = (await tablesIn(path)).filter(({ ending }) => ending === 'tsv');
    return new Map(
      splits.map(({ stem, file }) => [
        stem,
        (columns) =>
          openClips({
            ...columns,
            path: file,
            root: path,
            base: clips,
            within: clips,
            audioColumns: ['path'],
            // The first releases left the ending out.
            clip: (name) => (extname(name) === '' ? `${name}.mp3` : name),
          }),
      ]),
    );
  },
};
