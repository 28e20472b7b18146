// Splits as datasets reads them: slices, sums, splits in turn; against what datasets itself makes of them.
import { readFileSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import { concatenate, type Source } from '../../src/data/dataset.js';
import { sliceRows, take } from '../../src/data/slice.js';
import { openDataset } from '../../src/data/sources/index.js';
import { combineSplits, parseSplits } from '../../src/data/splits.js';
import { checkCursors, numbered, texts } from './numbered.js';
import { folder } from './signal.js';

const golden = JSON.parse(readFileSync(new URL('../golden/splits/golden.json', import.meta.url), 'utf8')) as {
  slices: { sizes: Record<string, number>; spec: string; ranges: [string, number, number][] }[];
};

const counted = (name: string, from: number, to: number) =>
  Array.from({ length: Math.max(0, to - from) }, (_, i) => `${name}${from + i}`);

describe('combineSplits', () => {
  it('cuts as datasets does', async () => {
    expect(golden.slices.length).toBeGreaterThan(100);
    for (const { sizes, spec, ranges } of golden.slices) {
      const source = await combineSplits(spec, async (name) => numbered(name, sizes[name]!));
      const want = ranges.flatMap(([name, from, to]) => counted(name, from, to));
      expect(await texts(source), `${spec} of ${JSON.stringify(sizes)}`).toEqual(want);
      expect(await source.count!()).toBe(want.length);
    }
  });

  it('cuts data sets in shards at the same rows', async () => {
    const shards = (name: string) =>
      concatenate(
        [4, 0, 3, 5].map((rows, i) => numbered(`${name}${i}-`, rows)),
        name,
      );
    const all = await texts(shards('train'));
    for (const [spec, from, to] of [
      ['train[:50%]', 0, 6],
      ['train[2:9]', 2, 9],
      ['train[-3:]', 9, 12],
      ['train[7:]', 7, 12],
      ['train[4:7]', 4, 7],
      ['train[8:2]', 0, 0],
    ] as const) {
      const source = await combineSplits(spec, async (name) => shards(name));
      expect(await texts(source), spec).toEqual(all.slice(from, to));
      expect(await checkCursors(source), spec).toEqual([]);
      if (source.shuffled) {
        expect((await texts(source.shuffled(1, 0))).sort(), spec).toEqual(all.slice(from, to).sort());
        expect(await checkCursors(source.shuffled(1, 0)), spec).toEqual([]);
      }
    }
  });

  it('alternates as the event’s script does, streaming or not', async () => {
    for (const [a, b, streamed, whole] of [
      [10, 4, 8, 8],
      [4, 10, 7, 8],
      [4, 4, 7, 8],
    ] as const) {
      const open = async (name: string) => numbered(name, name === 'train' ? a : b);
      const read = async (wholeRounds: boolean) =>
        texts(await combineSplits('train+test', open, { alternate: true, wholeRounds }));
      const expected = Array.from({ length: 8 }, (_, i) => `${i % 2 ? 'test' : 'train'}${i >> 1}`);
      expect(await read(false)).toEqual(expected.slice(0, streamed));
      expect(await read(true)).toEqual(expected.slice(0, whole));
    }
    const one = await combineSplits('train', async (name) => numbered(name, 3), { alternate: true });
    expect(await texts(one)).toEqual(['train0', 'train1', 'train2']);
  });

  it('begins at the first row without reading those before it, and resumes so', async () => {
    const read: number[] = [];
    const source = await combineSplits('train[500:503]', async (name) =>
      numbered(name, 1000, { onRead: (index) => read.push(index) }),
    );
    expect(await texts(source)).toEqual(['train500', 'train501', 'train502']);
    expect(read).toEqual([500, 501, 502]);
    expect(await checkCursors(source)).toEqual([]);
  });

  it('reads through a source that cannot find a row by its number', async () => {
    const open = async (name: string) => numbered(name, 9, { uncountable: true });
    const source = await combineSplits('train[4:6]', open);
    expect(await texts(source)).toEqual(['train4', 'train5']);
    expect(await checkCursors(source)).toEqual([]);
    expect(await texts(await combineSplits('train[20:]', open))).toEqual([]);
    await expect(combineSplits('train[:10%]', open)).rejects.toThrow(
      'train cannot say how many rows it has, which train[:10%] needs; count from its first row instead, as in train[:1000]',
    );
    await expect(combineSplits('train[-5:]', open)).rejects.toMatchObject({ code: 'ERR_DATA' });
  });

  it.each([
    'train[',
    'train[5]',
    'train[:10%',
    '[:5]',
    '',
    'train+',
    'train[:101%]',
    'train[-200%:]',
    'train[:5%](pct1)',
    'train[a:b]',
  ])('refuses %j', (text) => {
    expect(() => parseSplits(text)).toThrow(
      expect.objectContaining({
        code: 'ERR_INVALID_ARGUMENT',
        message: expect.stringContaining(
          'is no split: expected a name or a slice of one, as train, train[:10%], train[100:200] or train[-5%:]',
        ),
      }),
    );
  });

  it('takes names with marks in them', () => {
    expect(parseSplits('train-clean.100[:5] + dev_other')).toEqual([
      { text: 'train-clean.100[:5]', name: 'train-clean.100', to: 5, percent: false },
      { text: 'dev_other', name: 'dev_other', percent: false },
    ]);
  });
});

describe('slices of one source', () => {
  const source = (): Source => numbered('a', 10);

  it('are cut again', async () => {
    const twice = await sliceRows(await sliceRows(source(), 2, 9), 3, 5);
    expect(await texts(twice)).toEqual(['a5', 'a6']);
    expect(await twice.count!()).toBe(2);
    expect(await checkCursors(twice)).toEqual([]);
  });

  it('are the source itself where nothing is left out', async () => {
    const whole = source();
    expect(await sliceRows(whole, 0, Infinity)).toBe(whole);
  });

  it('take the first rows, as many as there are', async () => {
    expect(await texts(await take(source(), 3))).toEqual(['a0', 'a1', 'a2']);
    expect(await texts(await take(source(), 30))).toHaveLength(10);
    const shards = concatenate([numbered('a', 2), numbered('b', 2), numbered('c', 2, { uncountable: true })]);
    // Nothing is counted that is not needed, and what cannot be counted is read.
    expect(await texts(await take(shards, 5))).toEqual(['a0', 'a1', 'b0', 'b1', 'c0']);
  });

  it('refuse cursors of another source', async () => {
    const slice = await take(source(), 3);
    await expect(texts(slice, 'x')).rejects.toThrow('cannot go on reading a: "x" is no place in a slice');
  });
});

describe('openDataset', () => {
  const rows = (name: string, count: number) =>
    ['audio,text', ...Array.from({ length: count }, (_, i) => `${name}${i}.wav,${name}${i}`)].join('\n');
  const root = folder({
    'train/metadata.csv': rows('t', 5).replace('audio', 'file_name'),
    'validation/metadata.csv': rows('v', 2).replace('audio', 'file_name'),
  });

  it('opens slices and splits in turn', async () => {
    const read = async (split: string, alternate = false) =>
      texts(await openDataset(root, { split, alternate }));
    expect(await read('train[-2:]+validation')).toEqual(['t3', 't4', 'v0', 'v1']);
    expect(await read('train[:40%]')).toEqual(['t0', 't1']);
    expect(await read('train+validation', true)).toEqual(['t0', 'v0', 't1', 'v1']);
    await expect(read('training[:1]+nothing')).rejects.toThrow('has no split "nothing"');
  });
});
