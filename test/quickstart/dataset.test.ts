// The quickstart's Common Voice folders, their stamps, and what its command lines look like.
import { mkdtempSync, readdirSync, readFileSync, rmSync, statSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { flagsOf, shown } from '../../scripts/quickstart/command-line.mjs';
import type { DataSet } from '../../scripts/quickstart/dataset.mjs';
import {
  columns,
  dataSets,
  finishedSynthesis,
  synthesise,
  tableOf,
} from '../../scripts/quickstart/dataset.mjs';
import { baseWords } from '../../scripts/quickstart/grammar.mjs';
import { trainBase, trainNewVoice } from '../../scripts/quickstart/recipe.mjs';
import { baseClips, newVoiceClips } from '../../scripts/quickstart/sets.mjs';

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

describe('the model folder', () => {
  const read = (name: string) =>
    readFileSync(new URL(`../../scripts/quickstart/model/${name}`, import.meta.url), 'utf8');
  const vocab: Record<string, number> = JSON.parse(read('vocab.json'));
  const added: Record<string, number> = JSON.parse(read('added_tokens.json'));
  const config = JSON.parse(read('config.json'));

  it('has one token for every base word where it stands, and letters for the rest', () => {
    const words = baseClips().flatMap((clip) => clip.text.replaceAll(' ', ' Ġ').split(' '));
    expect(words.filter((word) => vocab[word] === undefined)).toEqual([]);
    expect(words).toContain(`Ġ${baseWords.rooms[0]}`);
    const letters = new Set(newVoiceClips().flatMap((clip) => [...clip.text.replaceAll(' ', 'Ġ')]));
    expect([...letters].filter((letter) => vocab[letter] === undefined)).toEqual([]);
  });

  it('lays its ids out as Whisper does, without gaps', () => {
    const ids = [...Object.values(vocab), ...Object.values(added)].sort((a, b) => a - b);
    expect(ids).toEqual([...Array(config.vocab_size).keys()]);
    expect(added['<|endoftext|>']).toBe(369);
    expect(config).toMatchObject({ vocab_size: 1977, eos_token_id: 369, decoder_start_token_id: 370 });
    expect(added['<|en|>']).toBe(371);
    expect(added['<|30.00|>']! - added['<|notimestamps|>']!).toBe(1501);
  });

  it('has a window of 3 seconds everywhere', () => {
    const features = JSON.parse(read('preprocessor_config.json'));
    expect(features).toMatchObject({ chunk_length: 3, n_samples: 48000, nb_max_frames: 300 });
    expect(config.max_source_positions).toBe(150);
    expect([trainBase, trainNewVoice].map((options) => options.max_duration_in_seconds)).toEqual([3, 3]);
  });
});

describe('command lines', () => {
  it('are flags as `--name=value`, wrapped for reading', () => {
    const flags = flagsOf({ max_steps: 10, do_train: true, output_dir: 'quickstart/base-model' });
    expect(flags).toEqual(['--max_steps=10', '--do_train=true', '--output_dir=quickstart/base-model']);
    const text = shown(['train', ...flags], 50);
    expect(text).toBe(
      '$ whisper-tune train --max_steps=10 \\\n    --do_train=true \\\n    --output_dir=quickstart/base-model',
    );
  });
});
