// Data sets in one archive: unpacked once, anew after an interruption, and never out of the cache or beyond its limits.
import { mkdirSync, readdirSync, readFileSync, rmSync, utimesSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { gzipSync } from 'node:zlib';
import { describe, expect, it } from 'vitest';
import { openDataset } from '../../src/data/sources/index.js';
import { unpackOnce } from '../../src/files/unpack.js';
import { type Entry, tarFile } from './archives.js';
import { folder } from './signal.js';
import { clips, read, texts } from './tables.js';

const release = 'cv-corpus-24.0-2025-12-05';
const rows = clips(4);

/** A download of Mozilla's: a folder of the release, in it one of the language. */
function download(language = 'ca'): Promise<Buffer> {
  const root = `${release}/${language}`;
  return tarFile([
    [root, '', { type: 'directory' }],
    [`${root}/clips`, '', { type: 'directory' }],
    ...rows.map(({ path, bytes }): Entry => [`${root}/clips/${path}`, bytes!]),
    [`${root}/train.tsv`, ['path\tsentence', ...rows.map(({ path, text }) => `${path}\t${text}`)].join('\n')],
  ]);
}

const archives = (cacheDir: string) => readdirSync(join(cacheDir, 'archives'));

describe('a download of Common Voice', () => {
  it.each(['x.tar.gz', 'x.tgz', 'x.tar'])('%s is unpacked once into the cache', async (name) => {
    const cacheDir = folder();
    const bytes = await download();
    const path = join(folder({ [name]: name.endsWith('.tar') ? bytes : gzipSync(bytes) }), name);
    const told: number[] = [];
    const onProgress = (what: string, done: number, total: number) => {
      expect(what).toBe(`unpacking ${name}`);
      told.push(done / total);
    };
    const open = () => openDataset(path, { cacheDir, config: 'ca', split: 'train', onProgress });
    const source = await open();
    expect(await texts(source)).toEqual(rows.map(({ text }) => text));
    const [first] = await read(source);
    const { path: clip, root } = first!.row.audio as { path: string; root: string };
    expect(new Uint8Array(readFileSync(clip))).toEqual(rows[0]!.bytes);
    expect(clip.startsWith(join(cacheDir, 'archives', 'x-'))).toBe(true);
    expect(clip.startsWith(root)).toBe(true);
    expect(told.at(-1)).toBe(1);
    told.length = 0;
    expect(await texts(await open())).toHaveLength(4);
    expect(told).toEqual([]);
    expect(archives(cacheDir)).toHaveLength(1);
    // Another file under the same name is unpacked for itself.
    utimesSync(path, 1, 1);
    await open();
    expect(archives(cacheDir)).toHaveLength(2);
  });

  it('begins anew after an interruption', async () => {
    const cacheDir = folder();
    const whole = gzipSync(await download());
    const path = join(folder({ 'x.tar.gz': whole.subarray(0, 300) }), 'x.tar.gz');
    await expect(openDataset(path, { cacheDir, split: 'train' })).rejects.toThrow(
      /x\.tar\.gz is cut off or damaged: /,
    );
    expect(archives(cacheDir)).toEqual([]);
    writeFileSync(path, whole);
    const unpacked = await unpackOnce(path, cacheDir);
    rmSync(unpacked, { recursive: true });
    // What a process left that is no more; another's, and one of another archive, stay.
    for (const left of [
      `${unpacked}.999999999.partial`,
      `${unpacked}.1.partial`,
      join(cacheDir, 'archives', 'y.999999999.partial'),
    ]) {
      mkdirSync(left);
      writeFileSync(join(left, 'train.tsv'), 'half');
    }
    expect(await texts(await openDataset(path, { cacheDir, split: 'train' }))).toHaveLength(4);
    expect(
      archives(cacheDir)
        .filter((name) => name.endsWith('.partial'))
        .sort(),
    ).toEqual([`${unpacked.split('/').at(-1)}.1.partial`, 'y.999999999.partial'].sort());
  });

  it('can be cancelled', async () => {
    const cacheDir = folder();
    const path = join(folder({ 'x.tar.gz': gzipSync(await download()) }), 'x.tar.gz');
    const signal = AbortSignal.abort();
    await expect(openDataset(path, { cacheDir, split: 'train', signal })).rejects.toMatchObject({
      code: 'ERR_CANCELLED',
    });
    expect(archives(cacheDir)).toEqual([]);
  });

  it('is refused when it unpacks to far more than clips would', async () => {
    const cacheDir = folder();
    const bomb = gzipSync(await tarFile([['clips/a.mp3', Buffer.alloc(3_000_000)]]));
    const path = join(folder({ 'x.tar.gz': bomb }), 'x.tar.gz');
    for (const limits of [{ free: 1_000_000 }, { bytes: 2_000_000 }])
      await expect(unpackOnce(path, cacheDir, { limits })).rejects.toMatchObject({
        code: 'ERR_DATA',
        message: expect.stringMatching(/x\.tar\.gz unpacks to more than .* so it is refused/),
      });
    expect(archives(cacheDir)).toEqual([]);
    await unpackOnce(path, cacheDir);
  });

  it.each<[string, Entry]>([
    ['leaves', ['../../outside', 'x']],
    ['has an absolute path', ['/tmp/outside', 'x']],
    ['is a symbolic link', ['clips/a', '', { type: 'symlink', linkname: '/etc' }]],
    ['is a link', ['clips/a', '', { type: 'link', linkname: '../../../x' }]],
    ['is a device', ['clips/a', '', { type: 'block-device' }]],
  ])('with an entry that %s is refused', async (fault, entry) => {
    const cacheDir = folder();
    const path = join(folder({ 'x.tar.gz': gzipSync(await tarFile([['ok.tsv', 'x'], entry])) }), 'x.tar.gz');
    await expect(openDataset(path, { cacheDir })).rejects.toThrow(
      new RegExp(`x\\.tar\\.gz: the entry .* ${fault}`),
    );
    expect(archives(cacheDir)).toEqual([]);
  });

  it('of something else says what is in it', async () => {
    const cacheDir = folder();
    const path = join(folder({ 'x.tar.gz': gzipSync(await tarFile([['notes.txt', 'x']])) }), 'x.tar.gz');
    await expect(openDataset(path, { cacheDir })).rejects.toThrow(
      /no data set in .*; there is: notes\.txt\./,
    );
  });
});
