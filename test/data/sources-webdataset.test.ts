// WebDataset: rows of files of one stem, archives by a pattern of names, cursors in bytes.
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { openDataset } from '../../src/data/sources/index.js';
import { expandBraces } from '../../src/data/sources/webdataset.js';
import { type Entry, tarFile } from './archives.js';
import { folder } from './signal.js';
import { checkCursors, clips, contents, read, texts, written } from './tables.js';

describe('WebDataset', () => {
  const shard = (part: readonly { path: string | null; bytes: Uint8Array | null; text: string | null }[]) =>
    tarFile(
      part.flatMap(({ path, bytes, text }): Entry[] => [
        [`x/${path}`, bytes!],
        [`x/${path!.replace('.mp3', '.txt')}`, `${text}\n`],
      ]),
    );

  it('makes rows of files of one stem, from every cursor', async () => {
    const rows = clips(6);
    const root = folder({
      'train-000000.tar': await shard(rows.slice(0, 4)),
      'train-000001.tar': await shard(rows.slice(4)),
      'val-000000.tar': await shard(clips(1, 9)),
    });
    const source = await openDataset(root, { split: 'train' });
    expect(contents(await checkCursors(source))).toEqual(written(rows));
    expect(await texts(await openDataset(root, { split: 'validation' }))).toEqual(['Text 9: ñ, 你好']);
  });

  it('is found by a pattern of names, of which none may be missing', async () => {
    const rows = clips(6);
    const one = (i: number) => shard(rows.slice(i, i + 1));
    const root = folder({
      'train-08.tar': await one(0),
      'train-09.tar': await one(1),
      'train-10.tar': await one(2),
      'test-08.tar': await one(3),
    });
    const open = (pattern: string, split: string) => openDataset(join(root, pattern), { split });
    expect(contents(await checkCursors(await open('train-{08..10}.tar', 'train')))).toEqual(
      written(rows.slice(0, 3)),
    );
    expect(await texts(await open('{test,train}-08.tar', 'test'))).toEqual([rows[3]!.text]);
    await expect(open('train-{08..11}.tar', 'train')).rejects.toMatchObject({
      code: 'ERR_FILE',
      message: expect.stringContaining('train-11.tar'),
    });
  });

  it('has patterns as shells have them, but not for more files than there can be', () => {
    expect(expandBraces('a-{8..11}')).toEqual(['a-8', 'a-9', 'a-10', 'a-11']);
    expect(expandBraces('{b,c}/{01..00}.tar')).toEqual(['b/01.tar', 'b/00.tar', 'c/01.tar', 'c/00.tar']);
    expect(expandBraces('{00000..99999}')).toHaveLength(100_000);
    for (const pattern of ['{0..100000}', '{0..999999999999}', '{0..999}{0..999}'])
      expect(() => expandBraces(pattern)).toThrow('files, of which at most 100000 can be read');
  });

  it('takes texts and languages from JSON, and leaves other files alone', async () => {
    const root = folder({
      'x.tar': await tarFile([
        ['README', 'about'],
        ['._a.wav', 'macOS'],
        ['a.wav', 'A'],
        ['a.json', '{"sentence": "from json", "language": "es", "task": "translate", "before": "so"}'],
        ['a.png', 'x'],
        ['B.OPUS', 'B'],
        ['B.json', '{"text": "no", "language": ""}'],
        ['B.txt', ' from text\n'],
      ]),
    });
    const rows = await read(await openDataset(join(root, 'x.tar')));
    expect(rows.map(({ row }) => row)).toEqual([
      {
        id: 'x.tar:a.wav',
        audio: { bytes: new Uint8Array(Buffer.from('A')) },
        text: 'from json',
        language: 'es',
        task: 'translate',
      },
      { id: 'x.tar:B.opus', audio: { bytes: new Uint8Array(Buffer.from('B')) }, text: 'from text' },
    ]);
    const asked = { textColumn: 'sentence', promptColumn: 'before', audioColumn: 'wav' };
    const [first] = await (await openDataset(join(root, 'x.tar'), asked)).rowsAt([rows[0]!.at]);
    expect(first!.row).toMatchObject({ text: 'from json', previous: 'so' });
  });

  it.each<[string, Entry[], RegExp]>([
    [
      'no audio',
      [
        ['a.txt', 'x'],
        ['a.json', '{}'],
      ],
      /x\.tar: a has no audio column "mp3" or .*; its columns are: txt, json/,
    ],
    ['no text', [['a.mp3', 'x']], /x\.tar: a has no text column "text" or /],
    [
      'no JSON',
      [
        ['a.mp3', 'x'],
        ['a.json', '{'],
      ],
      /x\.tar: a\.json is no JSON object/,
    ],
    [
      'JSON of another kind',
      [
        ['a.mp3', 'x'],
        ['a.json', '[]'],
      ],
      /x\.tar: a\.json is no JSON object: it is no object/,
    ],
    [
      'no UTF-8',
      [
        ['a.mp3', 'x'],
        ['a.txt', Uint8Array.of(0xe9)],
      ],
      /x\.tar: a\.txt is not valid UTF-8 text/,
    ],
    [
      'a file twice',
      [
        ['a.mp3', 'x'],
        ['a.mp3', 'x'],
      ],
      /x\.tar: there are two files named a\.mp3/,
    ],
    ['nothing', [['README', 'x']], /x\.tar has no files that make up rows/],
  ])('says so when there is %s', async (_, entries, message) => {
    const root = folder({ 'x.tar': await tarFile(entries) });
    await expect(openDataset(root)).rejects.toMatchObject({
      code: 'ERR_DATA',
      message: expect.stringMatching(message),
    });
  });

  it('refuses cursors of another file', async () => {
    const root = folder({ 'x.tar': await shard(clips(3)) });
    const source = await openDataset(root);
    const [, , last] = await read(source);
    writeFileSync(join(root, 'x.tar'), await shard(clips(1)));
    await expect(read(source, last!.at)).rejects.toThrow(/x\.tar: cannot go on reading: /);
    await expect(source.rowsAt([last!.at])).rejects.toThrow(/x\.tar: cannot go on reading: /);
    for (const cursor of [3, -512, 'x', null])
      await expect(source.rowsAt([cursor])).rejects.toThrow('no place in an archive');
    await expect(source.rowsAt([512])).rejects.toThrow('no entry begins at byte 512');
  });
});
