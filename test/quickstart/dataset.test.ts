// The quickstart's Common Voice folders and their stamps.
import { mkdtempSync, readdirSync, readFileSync, rmSync, statSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import {
  columns,
  dataSets,
  finishedSynthesis,
  synthesise,
  tableOf,
} from '../../scripts/quickstart/dataset.mjs';
import { baseClips } from '../../scripts/quickstart/sets.mjs';

type DataSet = ReturnType<typeof dataSets>['newVoice'];

let root: string;
let base: DataSet;
let newVoice: DataSet;

// The real folders, cut to a few clips of each split.
function cut(set: DataSet, replay: DataSet['replay']): DataSet {
  const few = (split: string) => set.clips.filter((clip) => clip.split === split).slice(0, 2);
  return { ...set, clips: ['train', 'dev', 'test'].flatMap(few), replay };
}

beforeAll(async () => {
  root = mkdtempSync(join(tmpdir(), 'quickstart-'));
  const sets = dataSets(root);
  base = cut(sets.base, []);
  newVoice = cut(sets.newVoice, base.clips.slice(0, 1));
  await synthesise(base);
  await synthesise(newVoice, base.folder);
});
afterAll(() => rmSync(root, { recursive: true, force: true }));

function parseTable(text: string) {
  const [header, ...lines] = text.slice(0, -1).split('\n');
  const names = header!.split('\t');
  return lines.map((line) => Object.fromEntries(line.split('\t').map((field, i) => [names[i], field])));
}

describe('tables', () => {
  it('come back from their text', () => {
    const clips = baseClips();
    const text = tableOf(clips);
    expect(text.split('\n')[0]!.split('\t')).toEqual(columns);
    const rows = parseTable(text);
    expect(rows.map((row) => [row.path, row.sentence, row.client_id])).toEqual(
      clips.map((clip) => [clip.file, clip.text, `flite-${clip.voice}`]),
    );
    expect(rows.every((row) => Object.keys(row).length === columns.length && row.locale === 'en')).toBe(true);
  });
});

describe('folders', () => {
  it('hold every clip of their tables, and no other', () => {
    for (const [set, trainRows] of [
      [base, 2],
      [newVoice, 3],
    ] as const) {
      const rows = ['train', 'dev', 'test'].map((split) =>
        parseTable(readFileSync(join(set.folder, `${split}.tsv`), 'utf8')),
      );
      expect(rows.map((table) => table.length)).toEqual([trainRows, 2, 2]);
      const paths = rows.flat().map((row) => row.path!);
      expect(readdirSync(join(set.folder, 'clips')).sort()).toEqual([...paths].sort());
      for (const path of paths) expect(statSync(join(set.folder, 'clips', path)).size).toBeGreaterThan(8000);
    }
  });

  it('share the sound of replayed clips', () => {
    const file = newVoice.replay[0]!.file;
    const inode = (set: DataSet) => statSync(join(set.folder, 'clips', file)).ino;
    expect(inode(newVoice)).toBe(inode(base));
  });

  it('are known by their stamp, which fits one recipe only', () => {
    expect(finishedSynthesis(base)).toMatchObject({ clips: 6, rows: 6 });
    expect(finishedSynthesis(newVoice)).toMatchObject({ clips: 6, rows: 7 });
    expect(finishedSynthesis({ ...base, clips: base.clips.slice(1) })).toBeUndefined();
    expect(finishedSynthesis({ ...base, folder: join(root, 'nowhere') })).toBeUndefined();
    const seconds = (statSync(join(base.folder, 'clips', base.clips[0]!.file)).size - 44) / 32000;
    expect(finishedSynthesis(base)!.longest).toBeGreaterThanOrEqual(seconds);
  });

  it('are left without a stamp when the synthesis fails', async () => {
    const broken = { ...base, folder: join(root, 'broken'), clips: [{ ...base.clips[0]!, voice: 'nobody' }] };
    await expect(synthesise(broken)).rejects.toThrow('flite has no voice "nobody"');
    expect(finishedSynthesis(broken)).toBeUndefined();
  });
});
