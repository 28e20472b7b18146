// Preflight: each thing that may be wrong with data is found, by the row, and nothing in data that is as it should be.
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { DecoderPool } from '../../src/data/decode/pool.js';
import type { FindingKind } from '../../src/data/preflight/findings.js';
import {
  type PreflightOptions,
  type PreflightProgress,
  type PreflightReport,
  preflight,
  quickCheck,
} from '../../src/data/preflight/preflight.js';
import { Rates, spreadOf } from '../../src/data/preflight/spread.js';
import { openDataset } from '../../src/data/sources/index.js';
import { fromIterable, type UserRow } from '../../src/data/sources/iterable.js';
import { WhisperTokenizer } from '../../src/processor/tokenizer.js';
import { golden as goldenTokenizer } from '../processor/tokenizer-folders.js';
import { folder, golden, signal, wav } from './signal.js';

const decoder = new DecoderPool({ threads: 2 });
afterAll(() => decoder.close());
let tokenizer: WhisperTokenizer;
beforeAll(async () => {
  tokenizer = await WhisperTokenizer.fromPretrained(fileURLToPath(goldenTokenizer));
});

/** Texts and clips unlike each other. */
const words = 'the quick brown fox jumps over lazy dogs while cats sleep'.split(' ');
const sentence = (i: number) =>
  `Say ${words[i % 11]} ${words[(3 * i + 1) % 11]} ${words[(i >> 3) % 11]} ${i}.`;
const clip = (i: number, seconds = 1 + (i % 5) / 10) => wav([signal(16000, 'left', seconds + i / 16000)]);
const row = (i: number, more: Partial<UserRow> = {}): UserRow => ({
  id: `train.csv:${i} ${i}.wav`,
  audio: clip(i),
  text: sentence(i),
  ...more,
});
const rows = (count: number, first = 0) => Array.from({ length: count }, (_, i) => row(first + i));

type Given = Partial<PreflightOptions> & { train: UserRow[]; test?: UserRow[] };

async function check({ train, test, ...more }: Given) {
  const splits = [{ name: 'train', sources: [fromIterable(train)], trained: true }];
  if (test) splits.push({ name: 'test', sources: [fromIterable(test)], trained: false });
  return run({ splits, labels: { language: 'en' }, decoder, ...more });
}

async function run(options: PreflightOptions): Promise<PreflightReport & { told: PreflightProgress[] }> {
  const checks = preflight(options);
  const told: PreflightProgress[] = [];
  for (;;) {
    const { done, value } = await checks.next();
    if (done) return { ...value, told };
    told.push(value);
  }
}

/** The findings as one line each. */
const found = ({ findings }: PreflightReport) =>
  findings.map(
    ({ kind, split, count, example }) => `${split} ${kind} ${count}: ${example.row}, ${example.detail}`,
  );
const kinds = ({ findings }: PreflightReport) => findings.map(({ kind }): FindingKind => kind);

describe('good data', () => {
  it('is described, and nothing is found in it', async () => {
    const report = await check({ train: rows(30), test: rows(25, 100), tokenizer });
    expect(report.findings).toEqual([]);
    const [train, test] = report.splits;
    expect(train).toMatchObject({
      name: 'train',
      rows: 30,
      languages: { en: 30 },
      styles: [{ source: 'train.csv', style: 'capitals, punctuation' }],
    });
    const total = rows(30).reduce((sum, _, i) => sum + 1 + (i % 5) / 10 + i / 16000, 0);
    expect(train!.hours).toBeCloseTo(total / 3600, 6);
    expect(train!.seconds!.p50).toBeCloseTo(1.2, 1);
    const lengths = rows(30).map(({ text }) => tokenizer.labels(text, { language: 'en' }).length - 1);
    expect(train!.labels!.max).toBe(Math.max(...lengths));
    expect(test!.rows).toBe(25);
    expect(report.told.at(-1)).toEqual({ split: 'test', rows: 25, total: undefined });
  });
});

describe('audio', () => {
  it('that is not there, is none, cut off, or silent', async () => {
    const root = folder({
      'good.wav': clip(1),
      'cut.wav': clip(2).subarray(0, 20000),
      'none.wav': 'no audio at all',
      'silent.wav': wav([new Float32Array(16000)]),
    });
    const train = ['good', 'cut', 'none', 'silent', 'missing'].map((name, i) => {
      return row(i, { id: name, audio: { path: join(root, `${name}.wav`) } });
    });
    const examination = { decode: true, digest: true };
    expect(found(await check({ train, examination }))).toEqual([
      'train missing 1: missing, no such file',
      expect.stringMatching(/^train undecodable 1: none, no known audio format/),
      expect.stringMatching(/^train damaged 1: cut, cut off or damaged: its header promises 1\.20 s/),
      'train silent 1: silent, 1.00 s',
    ]);
    // Headers are believed where decoding is not asked for; what has none is decoded.
    expect(kinds(await check({ train }))).toEqual(['missing', 'undecodable']);
  });

  it('of any format, by header or decoded', async () => {
    const names = ['stereo.mp3', 'mono.flac', 'stereo.ogg', 'mono.opus', 'mono.webm'];
    const train = names.map((name, i) => row(i, { audio: { path: golden(name) } }));
    for (const digest of [true, false]) {
      const report = await check({ train, examination: { decode: false, digest } });
      expect(report.findings).toEqual([]);
      expect(report.splits[0]!.seconds!.max).toBeCloseTo(1, 1);
    }
  });

  it('that is a part of a file', async () => {
    const root = folder({ 'long.wav': clip(0, 5) });
    const part = (start: number, end: number) => ({ path: join(root, 'long.wav'), start, end });
    const parts = [part(0, 1.5), part(2, 4), part(2, 4), part(4.5, 5)];
    const flac = { path: golden('mono.flac'), start: 0.25, end: 0.75 };
    const train = [...parts, flac, flac].map((audio, i) => row(i, { audio }));
    const report = await check({ train: [...train, row(9, { audio: part(6, 7) })] });
    expect(report.splits[0]!.hours * 3600).toBeCloseTo(1.5 + 2 + 2 + 0.5 + 0.5 + 0.5, 4);
    // Of a part of a compressed file there are no bytes to tell it by.
    expect(found(report)).toEqual([
      'train undecodable 1: train.csv:9 9.wav, the part from 6 s is not in it: it has 5.00 s',
      'train duplicate 1: train.csv:2 2.wav, 2.00 s',
    ]);
  });

  it('outside the limits of training, and longer than the model hears', async () => {
    const train = [0.5, 1, 2, 3, 4].map((seconds, i) =>
      row(i, { id: `${seconds} s`, audio: clip(0, seconds) }),
    );
    const limits = { minDuration: 0.5, maxDuration: 3, window: 3 };
    const report = await check({ train, test: train.slice(3), ...limits });
    expect(found(report).filter((line) => !/audio-in|text-in/.test(line))).toEqual([
      'train over-window 1: 4 s, 4.00 s',
      'train too-long 1: 3 s, 3.00 s',
      'train too-short 1: 0.5 s, 0.50 s',
      'test over-window 1: 4 s, 4.00 s',
    ]);
  });

  it('that came before, or is in both splits', async () => {
    const report = await check({ train: [...rows(3), row(9, { audio: clip(1) })], test: [row(2)] });
    expect(found(report)).toEqual([
      'train duplicate 1: train.csv:9 9.wav, 1.10 s',
      'test audio-in-both 1: train.csv:2 2.wav, 1.20 s',
      'test text-in-both 1: train.csv:2 2.wav, "Say brown dogs the 2."',
    ]);
  });
});

describe('texts', () => {
  it('that are empty, in another script, or too long', async () => {
    const train = [
      row(0),
      row(1, { text: ' ' }),
      row(2, { text: 'Привет, как дела? OK' }),
      row(3, { text: sentence(3).repeat(6) }),
      row(4, { text: 'OK, да' }),
    ];
    const report = await check({ train, tokenizer, maxLabels: 60 });
    const length = tokenizer.labels(sentence(3).repeat(6), { language: 'en' }).length - 1;
    expect(found(report)).toEqual([
      'train empty-text 1: train.csv:1 1.wav, no text',
      `train long-label 1: train.csv:3 3.wav, ${length} tokens, the model has 60 positions`,
      'train wrong-script 1: train.csv:2 2.wav, "Привет, как дела? OK": english is written in Latin',
    ]);
  });

  it('that are far too long or short for their audio', async () => {
    const train = [
      ...rows(40),
      row(40, { text: sentence(40).repeat(12) }),
      row(41, { text: 'Hm.', audio: clip(41, 8) }),
    ];
    const [rate] = (await check({ train })).findings;
    expect(rate).toMatchObject({ kind: 'rate-outlier', count: 2, example: { row: 'train.csv:40 40.wav' } });
    expect(rate!.example.detail).toMatch(/^\d+\.\d characters to a second, usual are \d+\.\d$/);
  });

  it('that are the same in both splits, but for capitals and punctuation', async () => {
    const test = [row(50, { text: sentence(3).toUpperCase().replace('.', '!') })];
    expect(found(await check({ train: rows(5), test }))).toEqual([
      expect.stringMatching(/^test text-in-both 1: train.csv:50 50.wav, "SAY/),
    ]);
  });

  it('of a source written unlike another, as they are after the changes asked for', async () => {
    const plain = (i: number) => sentence(i).toLowerCase().replace('.', '');
    const others = Array.from({ length: 25 }, (_, i) =>
      row(100 + i, { id: `mls.csv:${i} a`, text: plain(i) }),
    );
    const report = await check({ train: [...rows(25), ...others] });
    expect(found(report)).toEqual([
      'train mixed-style 1: mls.csv:0 a, mls.csv: lower case, no punctuation ("say the quick the 0"); ' +
        'train.csv: capitals, punctuation',
    ]);
    const written = (text: string) => text.toLowerCase().replace('.', '');
    expect((await check({ train: [...rows(25), ...others], written })).findings).toEqual([]);
    const upper = rows(25).map((each) => ({ ...each, text: each.text.toUpperCase() }));
    expect((await check({ train: upper })).splits[0]!.styles[0]!.style).toBe('upper case, punctuation');
  });
});

describe('languages', () => {
  it('of rows that none knows, or that have none', async () => {
    const train = [
      row(0, { language: 'elvish' }),
      row(1, { language: 'yue', text: '我喜欢飲茶' }),
      row(2, { language: 'en-GB' }),
      row(3, { task: 'listen', language: 'en' }),
      row(4),
    ];
    const report = await check({ train, tokenizer, labels: {} });
    expect(found(report)).toEqual([
      expect.stringMatching(/^train unknown-language 3: train.csv:0 0.wav, unknown language "elvish"/),
      'train no-language 1: train.csv:4 4.wav, no language',
    ]);
    expect(report.splits[0]!.languages).toEqual({ en: 2, none: 2, yue: 1 });
  });
});

describe('a part of the data', () => {
  const root = folder({
    'train.csv': ['audio,text', ...Array.from({ length: 300 }, (_, i) => `${i % 3}.wav,Say ${i}.`)].join(
      '\n',
    ),
    ...Object.fromEntries([0, 1, 2].map((i) => [`${i}.wav`, clip(i)])),
  });

  it('is its first rows, or stretches all over it', async () => {
    const source = await openDataset(join(root, 'train.csv'));
    const report = await run({
      splits: [{ name: 'train', sources: [source], trained: true }],
      decoder,
      maxRows: 50,
    });
    expect(report.told.at(-1)).toEqual({ split: 'train', rows: 50, total: 50 });
    const texts: string[] = [];
    const jumping = {
      ...source,
      async count() {
        return 300;
      },
      async seek(index: number) {
        let at = 0;
        for await (const positioned of source.open()) if (at++ === index) return positioned.at;
        return null;
      },
      async *open(cursor?: never) {
        for await (const positioned of source.open(cursor)) {
          texts.push(positioned.row.text);
          yield positioned;
        }
      },
    };
    const spread = await run({
      splits: [{ name: 'train', sources: [jumping], trained: true }],
      decoder,
      maxRows: 50,
    });
    expect(spread.splits[0]!.rows).toBe(50);
    // Three stretches, from rows 0, 100 and 200 on.
    const starts = texts.filter(
      (text, i) => i === 0 || Number(text.slice(4, -1)) !== Number(texts[i - 1]!.slice(4, -1)) + 1,
    );
    expect(starts).toEqual(['Say 0.', 'Say 100.', 'Say 200.']);
  });

  it('is looked at before training, without reading audio whole', async () => {
    const source = await openDataset(join(root, 'train.csv'));
    const splits = [{ name: 'train', sources: [source], trained: true }];
    expect(await quickCheck({ splits, decoder, labels: { language: 'en' } })).toEqual([]);
    const [finding] = await quickCheck({ splits, decoder, labels: { language: 'ru' } });
    // Said of the first 200 rows, of which each has three letters: too few to tell; so of their language alone.
    expect(finding).toBeUndefined();
    const empty = [{ name: 'train', sources: [fromIterable([])], trained: true }];
    expect((await quickCheck({ splits: empty, decoder })).map(({ kind }) => kind)).toEqual(['no-rows']);
  });

  it('ends when it is cancelled', async () => {
    const source = await openDataset(join(root, 'train.csv'));
    const splits = [{ name: 'train', sources: [source], trained: true }];
    const signal = AbortSignal.abort();
    await expect(run({ splits, decoder, signal })).rejects.toMatchObject({ code: 'ERR_CANCELLED' });
  });
});

describe('numbers', () => {
  it('are spread as they are', () => {
    expect(spreadOf([4])).toEqual({ mean: 4, p50: 4, p95: 4, max: 4 });
    const hundred = Array.from({ length: 100 }, (_, i) => 100 - i);
    expect(spreadOf(hundred)).toEqual({ mean: 50.5, p50: 51, p95: 96, max: 100 });
  });

  it('are no outliers where all of them lie far apart', () => {
    const rates = new Rates();
    for (let i = 0; i < 100; i++) rates.add(`${i}`, 2 ** (i % 10), 1);
    expect(rates.outliers()).toEqual([]);
  });
});
