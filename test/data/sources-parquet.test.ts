// Parquet data sets: bytes and texts as they were written, cursors, splits by file names and README.md, and bad files.

import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { parquetMetadataAsync } from 'hyparquet';
import { describe, expect, it } from 'vitest';
import type { Cursor } from '../../src/data/dataset.js';
import { openDataset } from '../../src/data/sources/index.js';
import { piecesOf } from '../../src/data/sources/parquet-pieces.js';
import { decodeRows } from '../../src/data/sources/parquet-pool.js';
import { globPattern, shardsByName } from '../../src/data/sources/shards.js';
import { WhisperError } from '../../src/errors.js';
import type { RandomAccessFile } from '../../src/files/random-access.js';
import { folder } from './signal.js';
import { checkCursors, clips, contents, parquetFile, read, texts, written } from './tables.js';

describe('a parquet file', () => {
  it.each([
    ['plain', {}],
    ['compressed', { codec: 'SNAPPY' as const }],
    ['in small pages', { pageSize: 200, rowGroupSize: 7 }],
    ['without indexes of pages', { offsetIndex: false }],
    ['in one row group', { rowGroupSize: 100 }],
  ])('%s gives the rows that were written, from every cursor', async (_, options) => {
    const rows = clips(11);
    const path = join(folder({ 'x.parquet': parquetFile(rows, options) }), 'x.parquet');
    const all = await checkCursors(await openDataset(path, { split: 'train' }));
    expect(contents(all)).toEqual(written(rows));
    expect(all[1]!.row.id).toBe('x.parquet:0:1 clip_1.mp3');
  });

  it('finds the audio by its feature, and takes texts, labels and whole numbers of other columns', async () => {
    const features = {
      recording: { _type: 'Audio' },
      lang_id: { _type: 'ClassLabel', names: ['es', 'ca'] },
    };
    const more = { lang_id: [1n, 0n, null], what: ['translate', null, 'transcribe'], said: ['', 'hi', 'ho'] };
    const bytes = parquetFile(clips(3), { audioColumn: 'recording', textColumn: 'words', features, more });
    const rows = await read(
      await openDataset(folder({ 'train.parquet': bytes }), {
        textColumn: 'words',
        audioColumn: 'audio',
        languageColumn: 'lang_id',
        taskColumn: 'what',
        promptColumn: 'said',
      }),
    );
    const { text: _, ...columns } = { text: '', language: 'ca', task: 'translate' };
    expect(rows[0]!.row).toMatchObject(columns);
    expect(rows[1]!.row).toMatchObject({ language: 'es', previous: 'hi' });
    expect(rows[2]!.row).toMatchObject({ task: 'transcribe', previous: 'ho' });
    expect(rows[2]!.row).not.toHaveProperty('language');
  });

  it('finds a struct with bytes where nothing says which column has the audio', async () => {
    const bytes = parquetFile(clips(2), { audioColumn: 'sound', features: null });
    expect(await texts(await openDataset(folder({ 'a.parquet': bytes })))).toHaveLength(2);
  });

  it('takes audio beside it by its path, and no other', async () => {
    const rows = [
      { bytes: null, path: 'clips/a.mp3', text: null },
      { bytes: null, path: '../b.mp3', text: 'b' },
    ];
    const root = folder({ 'data/train-00000-of-00001.parquet': parquetFile(rows) });
    const source = await openDataset(root, { split: 'train' });
    const [first] = await source.rowsAt([{ rowGroup: 0, row: 0 }]);
    expect(first!.row.audio).toEqual({ path: join(root, 'data/clips/a.mp3'), root });
    expect(first!.row.text).toBe('');
    const outside = folder({ 'x.parquet': parquetFile(rows) });
    await expect(read(await openDataset(outside))).rejects.toThrow(
      /x\.parquet: row 1 of row group 0: the path "\.\.\/b\.mp3" leaves the data set's folder/,
    );
  });

  it('reads only the row groups after a cursor', async () => {
    const path = join(folder(), 'x.parquet');
    const bytes = parquetFile(clips(8), { rowGroupSize: 4 });
    // The first row group is gone: whoever reads it fails.
    bytes.fill(0xff, 4, 150);
    writeFileSync(path, bytes);
    const source = await openDataset(path);
    expect(contents(await read(source, { rowGroup: 1, row: 2 }))).toEqual(written(clips(8)).slice(6));
    await expect(read(source)).rejects.toMatchObject({
      code: 'ERR_DATA',
      message: expect.stringMatching(/x\.parquet: row group 0 cannot be read: /),
    });
  });
});

/** The same file with zeros where its schema begins. */
function damagedFooter(bytes: Uint8Array): Uint8Array {
  const footer = bytes.length - 8 - new DataView(bytes.buffer).getUint32(bytes.length - 8, true);
  return bytes.fill(0, footer, footer + 20);
}

describe('a large row group', () => {
  const metadataOf = async (bytes: Uint8Array) => parquetMetadataAsync(bytes.slice().buffer as ArrayBuffer);
  const inMemory = (bytes: Uint8Array): RandomAccessFile => ({
    name: 'x.parquet',
    size: bytes.length,
    read: async (start, end) => bytes.slice(start, end),
    close: async () => {},
  });

  it('is read by its pages, each once', async () => {
    const rows = clips(40);
    const bytes = parquetFile(rows, { rowGroupSize: 40, pageSize: 400 });
    const [group] = (await metadataOf(bytes)).row_groups;
    const pieces = await piecesOf(inMemory(bytes), group!, 0, 1000);
    expect(pieces.length).toBeGreaterThan(3);
    expect(pieces[0]!.from).toBe(0);
    expect(pieces.at(-1)!.to).toBe(40);
    for (const [i, { from, to }] of pieces.slice(1).entries()) {
      expect(from).toBe(pieces[i]!.to);
      expect(to).toBeGreaterThan(from);
    }
    const metadata = await metadataOf(bytes);
    const found: unknown[] = [];
    for (const { from, to } of pieces) {
      const job = { metadata, rowStart: from, rowEnd: to, columns: ['audio', 'sentence'], audio: 'audio' };
      const reply = await decodeRows(inMemory(bytes), job);
      for (const { audio, values } of reply.rows) {
        const { start, end } = audio as { start: number; end: number };
        found.push({ bytes: [...new Uint8Array(reply.bytes, start, end - start)], text: values.sentence });
      }
    }
    expect(found).toEqual(written(rows));
  });

  it('without an index is read whole, and refused when it is too large for that', async () => {
    const bytes = parquetFile(clips(40), { rowGroupSize: 40, pageSize: 400, offsetIndex: false });
    const [group] = (await metadataOf(bytes)).row_groups;
    expect(await piecesOf(inMemory(bytes), group!, 0, 1000)).toEqual([{ rowGroup: 0, from: 0, to: 40 }]);
    group!.columns[0]!.meta_data!.total_uncompressed_size = 3n * 2n ** 30n;
    await expect(piecesOf(inMemory(bytes), group!, 7)).rejects.toThrow(
      'x.parquet: row group 7 has 3.0 GiB and cannot be read in parts: write it with smaller row groups, of 100 rows',
    );
  });
});

describe('bad parquet files', () => {
  const good = () => parquetFile(clips(3));
  it.each([
    ['no parquet', () => Buffer.from('this is a text and no table'), /x\.parquet is no parquet file: /],
    ['an empty file', () => Buffer.alloc(0), /x\.parquet is no parquet file: it has only 0 bytes/],
    ['a cut-off file', () => good().slice(0, -9), /x\.parquet is no parquet file: /],
    ['a damaged footer', () => damagedFooter(good()), /x\.parquet is no parquet file: /],
    [
      'columns of other names',
      () => parquetFile(clips(1), { textColumn: 'words' }),
      /x\.parquet has no text column "text" or .*; its columns are: audio, words/,
    ],
  ])('%s', async (_, bytes, message) => {
    const path = join(folder({ 'x.parquet': bytes() }), 'x.parquet');
    await expect(openDataset(path)).rejects.toMatchObject({
      code: 'ERR_DATA',
      message: expect.stringMatching(message),
    });
  });

  it('names the columns there are when one that is asked for is missing', async () => {
    const path = join(folder({ 'x.parquet': good() }), 'x.parquet');
    for (const [role, option] of Object.entries({
      audio: 'audioColumn',
      text: 'textColumn',
      language: 'languageColumn',
      task: 'taskColumn',
      prompt: 'promptColumn',
    }))
      await expect(openDataset(path, { [option]: 'none' })).rejects.toThrow(
        `${path} has no ${role} column "none"; its columns are: audio, sentence`,
      );
  });

  it('fail with an error that names them wherever a byte is wrong, or give rows', async () => {
    const root = folder();
    const bytes = parquetFile(clips(6), { codec: 'SNAPPY' });
    const outcomes = { read: 0, refused: 0 };
    for (let i = 0; i < 120; i++) {
      const damaged = bytes.slice();
      for (const place of [i * 31, i * 57 + 5]) damaged[place % bytes.length]! ^= 1 << (i % 8);
      writeFileSync(join(root, 'x.parquet'), damaged);
      try {
        await read(await openDataset(join(root, 'x.parquet')));
        outcomes.read += 1;
      } catch (error) {
        expect(error).toBeInstanceOf(WhisperError);
        expect((error as Error).message).toMatch(/x\.parquet/);
        outcomes.refused += 1;
      }
    }
    // Damage inside of a clip is for its decoder to find.
    expect(outcomes.read).toBeGreaterThan(10);
    expect(outcomes.refused).toBeGreaterThan(10);
  });

  it('refuses cursors it does not have', async () => {
    const source = await openDataset(join(folder({ 'x.parquet': good() }), 'x.parquet'));
    const cursors: Cursor[] = [
      5,
      {},
      { rowGroup: 0, row: 3 },
      { rowGroup: 9, row: 0 },
      { rowGroup: -1, row: 0 },
    ];
    for (const cursor of cursors)
      await expect(read(source, cursor)).rejects.toThrow(/cannot go on reading .*x\.parquet/);
  });
});

describe('splits', () => {
  it('are found by the names of files', () => {
    const find = (...paths: string[]) => Object.fromEntries(shardsByName(paths));
    expect(
      find('data/train-00000-of-00002.p', 'data/train-00001-of-00002.p', 'data/x-00000-of-00001.p'),
    ).toEqual({
      train: ['data/train-00000-of-00002.p', 'data/train-00001-of-00002.p'],
      x: ['data/x-00000-of-00001.p'],
    });
    expect(find('train/0000.p', 'partial-test/0000.p')).toEqual({
      train: ['train/0000.p'],
      test: ['partial-test/0000.p'],
    });
    expect(find('my_dev.p', 'training-a.p', 'eval/x.p', 'notes.p')).toEqual({
      validation: ['my_dev.p'],
      train: ['training-a.p'],
      test: ['eval/x.p'],
    });
    // A file's name goes before those of its folders.
    expect(find('train/my-test.p', 'train/x.p')).toEqual({ test: ['train/my-test.p'], train: ['train/x.p'] });
    expect(find('a.p', 'b.p')).toEqual({ train: ['a.p', 'b.p'] });
    // A word that only begins like a split's name is none.
    expect(find('trainer.p')).toEqual({ train: ['trainer.p'] });
  });

  it('are put together from shards, in their order', async () => {
    const root = folder({
      'data/train-00001-of-00002.parquet': parquetFile(clips(2, 3)),
      'data/train-00000-of-00002.parquet': parquetFile(clips(3, 0)),
      'data/validation-00000-of-00001.parquet': parquetFile(clips(2, 5)),
    });
    const source = await openDataset(root, { split: 'train+dev' });
    expect(contents(await checkCursors(source))).toEqual(written(clips(7)));
    await expect(openDataset(root, { split: 'test' })).rejects.toThrow('it has: train, validation');
  });

  it('of a folder for each configuration', async () => {
    const root = folder({
      'es/train-00000-of-00001.parquet': parquetFile(clips(2)),
      'fr/train-00000-of-00001.parquet': parquetFile(clips(3)),
    });
    expect(await texts(await openDataset(root, { config: 'fr', split: 'train' }))).toHaveLength(3);
    await expect(openDataset(root, { split: 'train' })).rejects.toThrow(
      'has several configurations; say which (dataset_config_name): es, fr',
    );
    await expect(openDataset(root, { config: 'de', split: 'train' })).rejects.toThrow(
      'has no configuration "de"; it has: es, fr',
    );
  });

  it('are those that README.md lists', async () => {
    const configs = [
      '---',
      'configs:',
      '- config_name: ca',
      '  data_files:',
      '  - {split: train, path: "x/{a,b}*.parquet"}',
      '  - {split: held_out, path: ["x/c.parquet"]}',
      '- config_name: all',
      '  data_files: "x/**"',
      '  default: true',
      '---',
      '# Data',
    ];
    const root = folder({
      'README.md': configs.join('\r\n'),
      'x/a1.parquet': parquetFile(clips(1)),
      'x/b.parquet': parquetFile(clips(2, 1)),
      'x/c.parquet': parquetFile(clips(1, 3)),
    });
    const count = async (options: object) => (await texts(await openDataset(root, options))).length;
    expect(await count({ config: 'ca', split: 'train' })).toBe(3);
    expect(await count({ config: 'ca', split: 'held_out' })).toBe(1);
    expect(await count({ split: 'train' })).toBe(4);
    await expect(openDataset(root, { config: 'eu' })).rejects.toThrow(
      'has no configuration "eu"; it has: ca, all',
    );
    const renamed = configs.map((line) => line.replace('config_name: ca', 'config_name: default'));
    writeFileSync(join(root, 'README.md'), renamed.filter((line) => !line.includes('true')).join('\n'));
    expect(await count({ split: 'train' })).toBe(3);
    const folders = configs.map((line) =>
      line.replace('"x/**"', '"c.*"').replace('default:', 'data_dir: ./x/\n  default:'),
    );
    writeFileSync(join(root, 'README.md'), folders.join('\n'));
    expect(await count({ split: 'train' })).toBe(1);
    writeFileSync(join(root, 'README.md'), '---\nconfigs:\n- config_name: [1\n---\n');
    await expect(openDataset(root)).rejects.toThrow(/README\.md: its header is no YAML/);
    writeFileSync(join(root, 'README.md'), '---\nconfigs:\n- data_files: x\n---\n');
    await expect(openDataset(root)).rejects.toThrow(/README\.md: configs\.0\.config_name is not what/);
  });

  it('are matched with the patterns of shells', () => {
    for (const [glob, path, fits] of [
      ['data/train-*', 'data/train-0.parquet', true],
      ['data/train-*', 'data/train-0/x.parquet', false],
      ['**/train.csv', 'train.csv', true],
      ['**/train.csv', 'a/b/train.csv', true],
      ['a/**', 'a/b/c.d', true],
      ['x[0-3].p', 'x2.p', true],
      ['x[!0-3].p', 'x2.p', false],
      ['./a,b(c).p', 'a,b(c).p', true],
      ['x?{1,22}.p', 'xy22.p', true],
      ['a.p', 'a-p', false],
    ] as const)
      expect(globPattern(glob).test(path), `${glob} ${path}`).toBe(fits);
  });
});
