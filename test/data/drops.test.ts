// Rows that are left out, with their reasons, in training and in evaluation.
import { readFileSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import { type Batch, batches, evaluationBatches } from '../../src/data/batches.js';
import { describeDrops } from '../../src/data/drops.js';
import { openDataset } from '../../src/data/sources/index.js';
import { fromIterable } from '../../src/data/sources/iterable.js';
import { base, collect, end, row, textsOf } from './rows.js';
import { folder, golden, signal, wav } from './signal.js';

describe('rows that are left out', () => {
  it('are counted by reason with the first of each named', async () => {
    const flac = readFileSync(golden('mono.flac'));
    const mp3 = readFileSync(golden('mono.mp3'));
    const second = wav([signal(16000)]);
    const root = folder({
      'clips/good.wav': second,
      'clips/short.wav': wav([signal(16000, 'left', 0.5)]),
      'clips/long.wav': wav([signal(16000, 'left', 2)]),
      'clips/page.wav': '<!DOCTYPE html>',
      'clips/zero.wav': '',
      'clips/cut.wav': second.subarray(0, 20_000),
      'clips/cut.mp3': mp3.subarray(0, 3000),
      'clips/good.mp3': mp3,
      'clips/eight.flac': flac,
      'train.tsv': [
        'path\tsentence',
        ...[
          'good.wav',
          'short.wav',
          'none.wav',
          'long.wav',
          'page.wav',
          'zero.wav',
          'gone.mp3',
          'cut.wav',
          'cut.mp3',
        ].map((name) => `${name}\t${name}`),
        'good.wav\t',
        'good.mp3\ta label that is too long',
        'good.mp3\tgood.mp3',
      ].join('\n'),
    });
    const source = await openDataset(root, { split: 'train' });
    const stream = batches({ ...base, source, passes: 1, minDuration: 0.5, maxDuration: 2, maxLabels: 12 });
    const { value: batch } = await stream.next();
    expect(batch!.rows.map(({ text }) => text)).toEqual(['good.wav', 'good.mp3']);
    const drops = stream.drops();
    expect(drops).toEqual({
      rows: 12,
      kept: 2,
      dropped: {
        'too-short': { count: 1, first: { id: 'train.tsv:3 short.wav', detail: '0.50 s' } },
        'too-long': { count: 1, first: { id: 'train.tsv:5 long.wav', detail: '2.00 s' } },
        missing: { count: 2, first: { id: 'train.tsv:4 none.wav', detail: 'no such file' } },
        undecodable: {
          count: 2,
          first: { id: 'train.tsv:6 page.wav', detail: expect.stringContaining('no known audio format') },
        },
        damaged: {
          count: 2,
          first: {
            id: 'train.tsv:9 cut.wav',
            detail: 'cut off or damaged: its header promises 1.00 s, 0.62 s are there',
          },
        },
        'empty-text': { count: 1, first: { id: 'train.tsv:11 good.wav', detail: 'no text' } },
        'long-label': {
          count: 1,
          first: {
            id: 'train.tsv:12 good.mp3',
            detail: 'its label has 25 tokens, the model has 12 positions',
          },
        },
      },
    });
    expect(describeDrops(drops)).toMatch(
      /^10 of 12 rows dropped: .*2 missing \(first: train.tsv:4 none.wav, no such file\)/,
    );
    await stream.return();
  });

  it('are strictly inside the duration limits, on the decoded samples', async () => {
    const source = fromIterable([159, 160, 161, 319, 320, 321].map((n) => row(n, n / 16000)));
    const [batch] = await collect({ ...base, source, minDuration: 0.01, maxDuration: 0.02, passes: 1 });
    expect(batch!.rows.map(({ text }) => text)).toEqual(['t161', 't319']);
  });

  it('are an error when nothing is left', async () => {
    const source = fromIterable([
      { audio: '/no/such/file.wav', text: 'x', id: 'first' },
      { audio: '/no/such/other.wav', text: 'y' },
    ]);
    await expect(collect({ ...base, source })).rejects.toMatchObject({
      code: 'ERR_DATA',
      message:
        'no row of the rows given can be used: 2 of 2 rows dropped: 2 missing (first: first, no such file)',
    });
    await expect(collect({ ...base, source: fromIterable([], 'my set') })).rejects.toThrow(
      'my set has no rows',
    );
  });

  it('follow the policy for long labels, counted without the start token', async () => {
    const source = fromIterable([row(0), { ...row(1), text: 'abcd' }, { ...row(2), text: 'abcde' }]);
    const options = { ...base, source, maxLabels: 5, passes: 1 };
    expect(textsOf(await collect(options))).toEqual([['t0', 'abcd']]);
    const [cut] = await collect({ ...options, onLongLabel: 'truncate' });
    expect([...cut!.labels.slice(10)]).toEqual([...Buffer.from('abcd'), end]);
    await expect(collect({ ...options, onLongLabel: 'error' })).rejects.toMatchObject({
      code: 'ERR_DATA',
      message: 'row 2: its label has 6 tokens, the model has 5 positions',
    });
  });

  it('are looked at after lower-casing and normalising, which the labels see', async () => {
    const source = fromIterable([
      { ...row(0), text: 'ÀB!' },
      { ...row(1), text: '!' },
    ]);
    const normalizeText = (text: string) => text.replaceAll('!', '');
    const [batch] = await collect({ ...base, source, lowerCase: true, normalizeText, passes: 1 });
    expect(batch!.rows).toEqual([{ id: 'row 0', text: 'àb' }]);
    expect([...batch!.labels]).toEqual([...Buffer.from('àb'), end]);
  });
});

describe('evaluationBatches', () => {
  it('takes every row that can be decoded, in order, once', async () => {
    const long = 'x'.repeat(600);
    const source = fromIterable([
      { ...row(0, 40), text: long },
      { audio: '/no/such/file.wav', text: 'gone' },
      { ...row(2, 0.0001), text: '' },
      row(3),
    ]);
    const stream = evaluationBatches({ ...base, source, batchSize: 2 });
    const all: Batch[] = [];
    for await (const batch of stream) all.push(batch);
    expect(textsOf(all)).toEqual([[long, ''], ['t3']]);
    expect(all[0]!.time).toBe(448);
    expect(all[1]!.lastOfPass).toBe(true);
    expect(Object.keys(stream.drops().dropped)).toEqual(['missing']);
  });
});
