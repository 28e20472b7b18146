// Tar archives: their entries in every dialect, what they may not have; Common Voice's shards.
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { openDataset } from '../../src/data/sources/index.js';
import { openLocalFile } from '../../src/files/random-access.js';
import { type TarEntry, tarEntries } from '../../src/files/tar.js';
import { type Entry, gnuLongName, patchHeader, tarFile } from './archives.js';
import { folder } from './signal.js';
import { checkCursors, clips, contents, read, written } from './tables.js';

async function entriesOf(bytes: Uint8Array, from = 0): Promise<TarEntry[]> {
  const path = join(folder({ 'x.tar': bytes }), 'x.tar');
  const entries: TarEntry[] = [];
  const file = await openLocalFile(path);
  try {
    for await (const entry of tarEntries(file, from)) entries.push(entry);
  } finally {
    await file.close();
  }
  return entries;
}

describe('a tar archive', () => {
  const long = `${'folder/'.repeat(30)}${'ñ'.repeat(60)}.mp3`;

  it('gives names and contents however long, in every dialect', async () => {
    const bytes = await tarFile([
      ['a.mp3', 'one'],
      ['folder', '', { type: 'directory' }],
      [long, 'two'],
      ['empty.txt', ''],
      [`${'d/'.repeat(60)}x.mp3`, 'three'],
    ]);
    const found = await entriesOf(bytes);
    expect(
      found.map(({ name, content, size }) => [name, bytes.toString('utf8', content, content + size)]),
    ).toEqual([
      ['a.mp3', 'one'],
      [long, 'two'],
      ['empty.txt', ''],
      [`${'d/'.repeat(60)}x.mp3`, 'three'],
    ]);
    for (const [i, { at, next }] of found.entries()) {
      expect(await entriesOf(bytes, at)).toEqual(found.slice(i));
      expect(await entriesOf(bytes, next)).toEqual(found.slice(i + 1));
    }
    const gnu = await gnuLongName('g'.repeat(300), 'four');
    expect((await entriesOf(gnu)).map(({ name }) => name)).toEqual(['g'.repeat(300)]);
    // Without the empty blocks at the end, and without what fills the last block.
    expect(await entriesOf(bytes.subarray(0, -1024))).toEqual(found);
    const unfilled = bytes.subarray(0, 515);
    expect(await entriesOf(unfilled)).toEqual([{ ...found[0], next: 515 }]);
    expect(await entriesOf(unfilled, 515)).toEqual([]);
  });

  it('reads sizes in bytes, as GNU tar writes large ones', async () => {
    const bytes = await tarFile([['a', 'content']]);
    const size = Buffer.alloc(12);
    size[0] = 0x80;
    size[11] = 7;
    expect(await entriesOf(patchHeader(bytes, 0, 124, size.toString('latin1')))).toMatchObject([{ size: 7 }]);
  });

  it('takes the size of the attributes before that of the header, for the one entry', async () => {
    const bytes = await tarFile([
      ['a', 'content', { pax: { size: '7' } }],
      ['b', 'x'],
    ]);
    // Behind the attributes' header and content.
    expect(await entriesOf(patchHeader(bytes, 1024, 124, '00000000000'))).toMatchObject([
      { name: 'a', size: 7 },
      { name: 'b', size: 1 },
    ]);
    // Those of the whole archive name no file, which has the name that its own header says.
    const whole = await tarFile([['a', 'x', { pax: { path: 'every' } }]]);
    expect(await entriesOf(patchHeader(whole, 0, 156, 'g'))).toMatchObject([{ name: 'PaxHeader' }]);
  });

  it('reads what other writers write: no prefix, contiguous files, sums of signed bytes', async () => {
    const bytes = await tarFile([['a', 'x']]);
    // GNU's old format has times where others have a prefix of the name.
    const gnu = patchHeader(patchHeader(Buffer.from(bytes), 0, 257, 'ustar  \0'), 0, 345, '14000000000');
    expect(await entriesOf(gnu)).toMatchObject([{ name: 'a' }]);
    expect(await entriesOf(patchHeader(Buffer.from(bytes), 0, 156, '7'))).toMatchObject([{ name: 'a' }]);
    const named = patchHeader(Buffer.from(bytes), 0, 0, 'ñ');
    const sum = Number.parseInt(named.toString('latin1', 148, 154), 8);
    named.write((sum - 256).toString(8).padStart(6, '0'), 148, 'latin1');
    expect(await entriesOf(named)).toHaveLength(1);
    named.write((sum - 255).toString(8).padStart(6, '0'), 148, 'latin1');
    await expect(entriesOf(named)).rejects.toThrow('no entry begins at byte 0');
  });

  it.each<[string, Entry, RegExp]>([
    [
      'a symbolic link',
      ['a.mp3', '', { type: 'symlink', linkname: '/etc/passwd' }],
      /"a\.mp3" is a symbolic link/,
    ],
    ['a link', ['a.mp3', '', { type: 'link', linkname: 'b' }], /"a\.mp3" is a link, which is refused/],
    ['a device', ['a.mp3', '', { type: 'character-device' }], /"a\.mp3" is a device/],
    ['a pipe', ['a.mp3', '', { type: 'fifo' }], /"a\.mp3" is a pipe/],
    ['an absolute path', ['/etc/passwd', 'x'], /"\/etc\/passwd" has an absolute path/],
    ['a drive', ['C:x', 'x'], /"C:x" has an absolute path/],
    ['a zero byte', ['x', '', { pax: { path: 'a\0b' } }], /leaves the archive's folder/],
    ['a path upwards', ['x/../../y.mp3', 'x'], /"x\/\.\.\/\.\.\/y\.mp3" leaves the archive's folder/],
    ['a long path upwards', [`${'x/'.repeat(80)}../y`, 'x'], /leaves the archive's folder/],
  ])('refuses %s', async (_, entry, message) => {
    await expect(entriesOf(await tarFile([['ok.txt', 'x'], entry]))).rejects.toMatchObject({
      code: 'ERR_DATA',
      message: expect.stringMatching(message),
    });
  });

  it.each<[string, (bytes: Buffer) => Uint8Array, RegExp]>([
    [
      'is cut off in a file',
      (bytes) => bytes.subarray(0, 1600),
      /cut off: the entry "b" has 600 bytes, 64 are there/,
    ],
    [
      'is cut off in a header',
      (bytes) => bytes.subarray(0, 1300),
      /cut off: 276 bytes of a header at byte 1024/,
    ],
    ['is damaged', (bytes) => bytes.fill(9, 1024, 1030), /no tar archive: no entry begins at byte 1024/],
    ['is something else', () => Buffer.alloc(2000, 'text'), /no tar archive: no entry begins at byte 0/],
    [
      'is compressed',
      (bytes) => bytes.fill('\x1f\x8b', 0, 2, 'latin1'),
      /compressed with gzip: unpack it first/,
    ],
    [
      'declares too much',
      (bytes) => patchHeader(bytes, 0, 124, '77777777777'),
      /"a" declares a size that is not/,
    ],
    [
      'declares no number',
      (bytes) => patchHeader(bytes, 0, 124, 'xyz'),
      /"a" declares a size that is not possible/,
    ],
  ])('says so when it %s', async (_, damage, message) => {
    const bytes = await tarFile([
      ['a', 'x'.repeat(400)],
      ['b', 'x'.repeat(600)],
    ]);
    await expect(entriesOf(damage(bytes))).rejects.toMatchObject({
      code: 'ERR_DATA',
      message: expect.stringMatching(message),
    });
  });
});

describe('Common Voice in shards', () => {
  const rows = clips(7);
  const tsv = (part: typeof rows) =>
    ['client_id\tpath\tsentence\tlocale', ...part.map(({ path, text }) => `x\t${path}\t${text}\tca`)].join(
      '\n',
    );
  const tar = (name: string, part: typeof rows) =>
    tarFile(part.map(({ path, bytes }) => [`${name}/${path}`, bytes!] as Entry));

  async function dataset(): Promise<string> {
    return folder({
      'audio/ca/train/ca_train_10.tar': await tar('ca_train_10', rows.slice(4, 6)),
      'audio/ca/train/ca_train_2.tar': await tar('ca_train_2', [...rows.slice(0, 4), rows[6]!]),
      'audio/ca/test/ca_test_0.tar': await tar('ca_test_0', rows.slice(6)),
      'transcript/ca/train.tsv': tsv(rows.slice(0, 6)),
      'transcript/ca/test.tsv': tsv(rows.slice(6)),
      'languages.py': '',
    });
  }

  it('joins clips and sentences by name, from every cursor', async () => {
    const source = await openDataset(await dataset(), { config: 'ca', split: 'train+test' });
    const all = await checkCursors(source);
    // The clip that is not in the table belongs to no split.
    expect(contents(all)).toEqual(written(rows));
    expect(all[0]!.row.id).toBe('ca_train_2.tar:clip_0.mp3');
    expect(all[0]!.row).not.toHaveProperty('language');
  });

  it('takes the only language, other columns, and names languages and columns there are', async () => {
    const root = await dataset();
    const [first] = await read(await openDataset(root, { split: 'test', languageColumn: 'locale' }));
    expect(first!.row.language).toBe('ca');
    await expect(openDataset(root, { split: 'test', textColumn: 'words' })).rejects.toThrow(
      'test.tsv has no text column "words"; its columns are: client_id, path, sentence, locale',
    );
    await expect(openDataset(root, { config: 'es', split: 'test' })).rejects.toThrow(
      'has no configuration "es"; it has: ca',
    );
  });
});
